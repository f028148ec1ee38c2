-- Campaign "product_presentation": the product that is shown, one row for each of :groups.
SELECT
    x.code                             AS content_group,
    x.description                      AS description,
    x.unit                             AS unit,
    g.name                             AS product_group,
    p.price                            AS price,
    l.currency                         AS currency
FROM products x
JOIN product_groups g ON g.id = x.group_id
JOIN prices p ON p.product_id = x.id
JOIN price_lists l ON l.id = p.price_list_id AND l.code = 'GENERAL'
WHERE x.code IN :groups
