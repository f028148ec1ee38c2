-- Notification "quotation": one row for every open quotation, for the customer.
--
-- The contract of every notification query stands in purchase_order.sql. All other columns are what the templates may
-- use. Amounts include IVA: tax_10 and tax_5 are the parts contained in total, base_10 and base_5 what bears them, without
-- the tax, and exempt what bears none: bases, taxes and exempt make total. The bases are summed up from the lines,
-- because this ERP keeps none.
SELECT
    q.number                           AS document,
    q.revision                         AS version,
    q.changed_at                       AS changed_at,
    q.silent                           AS silent,
    c.name                             AS name,
    c.email                            AS email,
    c.phone                            AS phone,
    c.language                         AS language,
    c.tax_id                           AS customer_tax_id,
    c.address                          AS customer_address,
    c.city                             AS customer_city,
    q.number                           AS number,
    q.quoted_on                        AS quoted_on,
    q.valid_until                      AS valid_until,
    q.payment_terms                    AS payment_terms,
    s.name                             AS seller_name,
    s.email                            AS seller_email,
    s.phone                            AS seller_phone,
    q.currency                         AS currency,
    COALESCE((SELECT SUM(l.amount) FROM quotation_lines l WHERE l.quotation_id = q.id AND l.tax_rate = 10), 0)
        - q.tax_10                     AS base_10,
    q.tax_10                           AS tax_10,
    COALESCE((SELECT SUM(l.amount) FROM quotation_lines l WHERE l.quotation_id = q.id AND l.tax_rate = 5), 0)
        - q.tax_5                      AS base_5,
    q.tax_5                            AS tax_5,
    q.exempt                           AS exempt,
    q.total                            AS total,
    q.notes                            AS notes
FROM quotations q
JOIN parties c ON c.id = q.customer_id
JOIN employees s ON s.id = q.seller_id
WHERE q.status = 'open'
