-- Notification "purchase_order": one row for every confirmed purchase order, for the supplier.
--
-- The contract of every notification query:
--   document    the document's number, as text
--   version     another value means that the order was changed and has to be sent again
--   changed_at  when it was saved last (the sweep asks for the rows since its cursor by this column: keep it indexed,
--               and give it as it stands in the table, without a function around it)
--   silent      true for imported documents, of which nobody is told
--   name, email, phone, language    the person who is written to; empty ones are reported, never skipped in silence
-- All other columns are what the templates may use. Amounts include IVA: tax_10 and tax_5 are the parts contained in
-- total (a tenth of the price lies in 11 parts, a twentieth in 21), exempt is the part of total without IVA, and
-- subtotal is total less the two taxes. The sweep puts this query into parentheses: no semicolon and no ORDER BY here.
SELECT
    o.number                           AS document,
    o.revision                         AS version,
    o.changed_at                       AS changed_at,
    o.silent                           AS silent,
    s.name                             AS name,
    s.email                            AS email,
    s.phone                            AS phone,
    s.language                         AS language,
    s.tax_id                           AS supplier_tax_id,
    s.address                          AS supplier_address,
    s.city                             AS supplier_city,
    o.number                           AS number,
    o.ordered_on                       AS ordered_on,
    o.deliver_on                       AS deliver_on,
    o.deliver_to                       AS deliver_to,
    o.payment_terms                    AS payment_terms,
    b.name                             AS buyer_name,
    b.email                            AS buyer_email,
    b.phone                            AS buyer_phone,
    o.currency                         AS currency,
    o.subtotal                         AS subtotal,
    o.tax_10                           AS tax_10,
    o.tax_5                            AS tax_5,
    o.exempt                           AS exempt,
    o.total                            AS total,
    o.notes                            AS notes
FROM purchase_orders o
JOIN parties s ON s.id = o.supplier_id
JOIN employees b ON b.id = o.buyer_id
WHERE o.status = 'confirmed'
