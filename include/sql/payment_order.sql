-- Notification "payment_order": one row for every payment order that waits for the supplier's signature, for him.
--
-- The contract of every notification query stands in purchase_order.sql. All other columns are what the templates may
-- use: total is what the invoices come to, withheld what is kept back and paid to the state in the supplier's name, net
-- what he is handed. method is cash, cheque, transfer or any other word, which is then shown as it is. bring_to is where
-- he brings the signed original; NULL means the company's own address.
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
