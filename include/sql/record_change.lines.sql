-- The names behind the numbers in the images of changed records, so that a reader need not look them up: field is a
-- column of the image, number what stands there, name whom or what it means. context is 1 for what a reader must know
-- of a record even where it did not change, such as the list of a price. This file may be left out.
--
-- The images are searched as text, because each database reads JSON by functions of its own; yours may do better.
-- Parties are many, so they are looked for where their numbers are all that is left, or are what changes: in deleted
-- records and in vehicles.
SELECT
    a.id       AS document,
    n.field    AS field,
    n.id       AS number,
    n.name     AS name,
    CASE WHEN a.table_name = 'prices' AND n.field = 'price_list_id' THEN 1 ELSE 0 END AS context
FROM audit_log a
JOIN (
    SELECT 0 AS many, 'branch_id' AS field, b.id AS id, b.name AS name FROM branches b
    UNION ALL SELECT 0, 'price_list_id', l.id, l.name FROM price_lists l
    UNION ALL SELECT 0, 'group_id', g.id, g.name FROM product_groups g
    UNION ALL SELECT 0, 'buyer_id', e.id, e.name FROM employees e
    UNION ALL SELECT 0, 'seller_id', e.id, e.name FROM employees e
    UNION ALL SELECT 0, 'cashier_id', e.id, e.name FROM employees e
    UNION ALL SELECT 1, 'supplier_id', p.id, p.name FROM parties p WHERE p.is_supplier
    UNION ALL SELECT 1, 'customer_id', p.id, p.name FROM parties p WHERE p.is_customer
    UNION ALL SELECT 1, 'owner_id', p.id, p.name FROM parties p WHERE p.is_customer
) n
    ON (n.many = 0 OR a.operation = 'DELETE' OR a.table_name = 'vehicles')
    AND (
        REPLACE(a.before_image, ' ', '')
            LIKE REPLACE(REPLACE('%"#":@,%', '#', n.field), '@', CAST(n.id AS CHAR(10)))
        OR REPLACE(a.after_image, ' ', '')
            LIKE REPLACE(REPLACE('%"#":@,%', '#', n.field), '@', CAST(n.id AS CHAR(10)))
    )
WHERE a.id IN :documents
ORDER BY a.id, n.field, n.id
