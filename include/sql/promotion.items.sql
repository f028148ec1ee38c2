-- Campaign "promotion": what is offered to the segments in :groups on :today, at which price, until when, and how.
--
-- usual_price is what it costs without the offer; conditions may be NULL, the name of a word
-- conditions_<name> of words.<language>.yaml, or words as they are to be read.
SELECT
    o.segment                          AS content_group,
    x.code                             AS code,
    x.description                      AS description,
    x.unit                             AS unit,
    g.name                             AS product_group,
    g.picture                          AS picture,
    p.price                            AS usual_price,
    o.price                            AS price,
    p.price - o.price                  AS saves,
    o.currency                         AS currency,
    o.valid_until                      AS valid_until,
    o.conditions                       AS conditions
FROM offers o
JOIN products x ON x.id = o.product_id
JOIN product_groups g ON g.id = x.group_id
JOIN prices p ON p.product_id = x.id AND p.price_list_id = 1
WHERE o.segment IN :groups AND x.active AND o.valid_from <= :today AND o.valid_until >= :today
ORDER BY g.name, x.description
