-- What lies below its reorder point, at each branch: what is missing, what is on its way, what lies elsewhere.
--
-- One row a branch and product, and no row where there is enough. `missing_value` is what filling up costs, at average
-- cost; `on_order` is ordered and not received yet, for whichever branch; `elsewhere` is what the other branches have
-- beyond their own reorder points, so that it could be sent over instead of bought.
WITH coming AS (
    SELECT l.product_id, SUM(l.quantity) AS quantity
    FROM purchase_orders o
    JOIN purchase_order_lines l ON l.purchase_order_id = o.id
    WHERE o.status = 'confirmed'
    GROUP BY l.product_id
),
spare AS (
    SELECT product_id, SUM(CASE WHEN quantity > reorder_at THEN quantity - reorder_at ELSE 0 END) AS quantity
    FROM stock
    GROUP BY product_id
)
SELECT
    b.code AS branch_code,
    p.description AS product,
    p.code AS product_code,
    b.name AS branch,
    p.unit,
    k.quantity,
    k.reorder_at,
    ROUND(k.reorder_at - k.quantity, 3) AS missing,
    ROUND(COALESCE(coming.quantity, 0), 3) AS on_order,
    ROUND(COALESCE(spare.quantity, 0), 3) AS elsewhere,
    ROUND(ROUND((k.reorder_at - k.quantity) * p.average_cost, 5), 0) AS missing_value,
    maker.name AS supplier
FROM stock k
JOIN branches b ON b.id = k.branch_id
JOIN products p ON p.id = k.product_id
LEFT JOIN coming ON coming.product_id = k.product_id
LEFT JOIN spare ON spare.product_id = k.product_id
LEFT JOIN parties maker ON maker.id = p.supplier_id
WHERE k.quantity < k.reorder_at AND p.active
ORDER BY missing_value DESC, p.code, b.code
