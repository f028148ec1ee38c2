-- Campaign "price_list": the products of the lists in :groups, as they are sold on :today; discounts are of the list.
--
-- code tells products apart and price is what may change (marks=("code", "price") in the DAG). list_price and
-- discount_pct are NULL where there is no discount. product_group is the heading on paper. picture is a file below
-- include/, or the picture's bytes: of the group, as here, it stands beside the heading, of the product beside its line.
-- picture_alt says what it shows, if not the description. What is no picture, or not there, is left out.
SELECT
    p.price_list_id                    AS content_group,
    g.name                             AS product_group,
    x.code                             AS code,
    x.description                      AS description,
    x.unit                             AS unit,
    CASE WHEN d.percent IS NULL THEN NULL ELSE p.price END AS list_price,
    d.percent                          AS discount_pct,
    CASE WHEN d.percent IS NULL THEN p.price
         ELSE ROUND(p.price * (100.0 - d.percent) / 100.0, CASE l.currency WHEN 'PYG' THEN 0 ELSE 2 END)
    END                                AS price,
    l.currency                         AS currency,
    g.picture                          AS picture
FROM prices p
JOIN price_lists l ON l.id = p.price_list_id
JOIN products x ON x.id = p.product_id
JOIN product_groups g ON g.id = x.group_id
LEFT JOIN discounts d ON d.price_list_id = p.price_list_id AND d.product_group_id = x.group_id
    AND d.valid_from <= :today AND d.valid_until >= :today
WHERE p.price_list_id IN :groups AND x.active AND p.valid_from <= :today
ORDER BY g.name, x.description, x.code
