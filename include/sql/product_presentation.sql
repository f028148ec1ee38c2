-- Campaign "product_presentation": customers with vehicles are shown a product; content_group is its code.
--
-- The contract of every campaign's query stands in price_list.sql. Another product is another row of the query below,
-- or another copy of this mailing.
SELECT
    c.id                               AS document,
    c.name                             AS name,
    c.email                            AS email,
    c.language                         AS language,
    c.consent                          AS consent,
    c.consent_at                       AS consent_at,
    x.code                             AS content_group,
    'why_vehicles'                     AS because
FROM parties c
JOIN products x ON x.code = (
    SELECT COALESCE(MIN(CASE WHEN y.description LIKE 'Aceite %' THEN y.code END), MIN(y.code))
    FROM products y JOIN product_groups g ON g.id = y.group_id WHERE g.code = 'LUB' AND y.active
)
WHERE c.is_customer AND c.active AND EXISTS (SELECT 1 FROM vehicles v WHERE v.owner_id = c.id)
