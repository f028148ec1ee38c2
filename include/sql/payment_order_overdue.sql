-- Follow-up "payment_order_overdue": the payment orders that nobody came for, for those who subscribe to it.
--
-- As in payment_order_reminder.sql, it gives only what is still open. It addresses nobody by itself; subscriptions may
-- ask for any column (net, currency, supplier_name, method …). The supplier's telephone and address are whom to ask.
SELECT
    o.number                           AS document,
    o.revision                         AS version,
    o.changed_at                       AS changed_at,
    o.silent                           AS silent,
    s.name                             AS supplier_name,
    s.phone                            AS supplier_phone,
    s.email                            AS supplier_email,
    o.number                           AS number,
    o.ordered_on                       AS ordered_on,
    o.pay_on                           AS pay_on,
    o.method                           AS method,
    o.saved_by                         AS prepared_by,
    o.currency                         AS currency,
    o.total                            AS total,
    o.withheld                         AS withheld,
    o.net                              AS net,
    o.notes                            AS notes
FROM payment_orders o
JOIN parties s ON s.id = o.supplier_id
WHERE o.status = 'issued'
