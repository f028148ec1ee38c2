-- What lies in store by group of products, at average cost: now, for the ERP keeps no past quantities.
--
-- One row a branch and group; the report adds up those that a reader may see. `idle` is the value of what nobody
-- bought at any branch in ninety days. ROUND(…, 5) takes away what a database without decimal numbers adds.
WITH moving AS (
    SELECT DISTINCT l.product_id
    FROM sales s
    JOIN sale_lines l ON l.sale_id = s.id
    WHERE s.status = 'valid' AND s.sold_on >= :end_less_90
),
shelf AS (
    SELECT
        k.branch_id, k.product_id, p.group_id, k.quantity, k.reorder_at,
        ROUND(ROUND(k.quantity * p.average_cost, 5), 0) AS value
    FROM stock k
    JOIN products p ON p.id = k.product_id
)
SELECT
    b.code AS branch_code,
    g.name AS product_group,
    COUNT(*) AS positions,
    SUM(shelf.value) AS value,
    SUM(CASE WHEN moving.product_id IS NULL THEN shelf.value ELSE 0 END) AS idle,
    SUM(CASE WHEN shelf.quantity < shelf.reorder_at THEN 1 ELSE 0 END) AS below,
    SUM(CASE WHEN shelf.quantity <= 0 THEN 1 ELSE 0 END) AS sold_out
FROM shelf
JOIN branches b ON b.id = shelf.branch_id
JOIN product_groups g ON g.id = shelf.group_id
LEFT JOIN moving ON moving.product_id = shelf.product_id
GROUP BY b.code, g.name
ORDER BY value DESC, g.name, b.code
