-- What lies in store at each branch, by group of products, at average cost.
SELECT
    b.code AS branch_code,
    b.name AS branch,
    g.name AS product_group,
    COUNT(*) AS positions,
    SUM(ROUND(ROUND(k.quantity * p.average_cost, 5), 0)) AS value
FROM stock k
JOIN branches b ON b.id = k.branch_id
JOIN products p ON p.id = k.product_id
JOIN product_groups g ON g.id = p.group_id
WHERE k.quantity <> 0
GROUP BY b.code, b.name, g.name
ORDER BY b.code, value DESC, g.name
