-- Whatever lies in store, product by product, at average cost, the dearest first.
--
-- One row a branch and product; the report adds up those that a reader may see.
SELECT
    b.code AS branch_code,
    p.description AS product,
    p.code AS product_code,
    k.quantity,
    p.unit,
    p.average_cost,
    ROUND(ROUND(k.quantity * p.average_cost, 5), 0) AS value
FROM stock k
JOIN branches b ON b.id = k.branch_id
JOIN products p ON p.id = k.product_id
WHERE k.quantity <> 0
ORDER BY value DESC, p.code, b.code
