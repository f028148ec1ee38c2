-- Follow-up "payment_order_reminder": the payment orders that the supplier has not signed yet, to remind him.
--
-- A follow-up's query gives only what is still open: a row that is gone when its time has come is told to nobody, and
-- one of another version waits anew. changed_at is when the waiting begins. All columns are those of payment_order.sql,
-- whose templates serve here as well.
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
    o.pay_on                           AS pay_on,
    o.method                           AS method,
    NULL                               AS bring_to,
    o.saved_by                         AS prepared_by,
    o.currency                         AS currency,
    o.total                            AS total,
    o.withheld                         AS withheld,
    o.net                              AS net,
    o.notes                            AS notes
FROM payment_orders o
JOIN parties s ON s.id = o.supplier_id
WHERE o.status = 'issued'
