-- Campaign "price_list": one row for each list of :groups, with what the templates see of it.
SELECT
    l.id                               AS content_group,
    l.name                             AS list_name,
    l.currency                         AS currency
FROM price_lists l
WHERE l.id IN :groups
