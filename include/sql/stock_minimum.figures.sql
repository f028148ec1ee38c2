-- How much lies below its reorder point, by branch; it is the stock of now, and is compared with nothing.
WITH coming AS (
    SELECT l.product_id, SUM(l.quantity) AS quantity
    FROM purchase_orders o
    JOIN purchase_order_lines l ON l.purchase_order_id = o.id
    WHERE o.status = 'confirmed'
    GROUP BY l.product_id
),
summed AS (
    SELECT
        b.code AS branch_code,
        COUNT(*) AS below,
        SUM(CASE WHEN k.quantity <= 0 THEN 1 ELSE 0 END) AS sold_out,
        SUM(CASE WHEN coming.product_id IS NULL THEN 1 ELSE 0 END) AS not_ordered,
        SUM(ROUND(ROUND((k.reorder_at - k.quantity) * p.average_cost, 5), 0)) AS missing_value
    FROM stock k
    JOIN branches b ON b.id = k.branch_id
    JOIN products p ON p.id = k.product_id
    LEFT JOIN coming ON coming.product_id = k.product_id
    WHERE k.quantity < k.reorder_at AND p.active
    GROUP BY b.code
)
SELECT figure, branch_code, value, currency, kind, good
FROM (
    SELECT
        1 AS place, 'below' AS figure, branch_code, below AS value,
        NULL AS currency, 'number' AS kind, 'down' AS good
    FROM summed
    UNION ALL
    SELECT 2, 'missing_value', branch_code, missing_value, 'PYG', 'money', 'down' FROM summed
    UNION ALL
    SELECT 3, 'sold_out', branch_code, sold_out, NULL, 'number', 'down' FROM summed
    UNION ALL
    SELECT 4, 'not_ordered', branch_code, not_ordered, NULL, 'number', 'down' FROM summed
) told
ORDER BY place, branch_code
