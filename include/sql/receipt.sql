-- Notification "receipt": one row for every payment received, for the customer who paid.
--
-- The contract of every notification query stands in purchase_order.sql. All other columns are what the templates may
-- use: total is what was paid, still_open what the customer owes after it, all his purchases together. method is cash,
-- card, cheque, transfer or any other word, which is then shown as it is; reference is its number, or NULL.
SELECT
    r.number                           AS document,
    r.revision                         AS version,
    r.changed_at                       AS changed_at,
    r.silent                           AS silent,
    c.name                             AS name,
    c.email                            AS email,
    c.phone                            AS phone,
    c.language                         AS language,
    r.number                           AS number,
    r.received_on                      AS received_on,
    r.method                           AS method,
    r.reference                        AS reference,
    b.name                             AS branch_name,
    b.phone                            AS branch_phone,
    e.name                             AS cashier_name,
    r.currency                         AS currency,
    r.total                            AS total,
    r.still_open                       AS still_open
FROM receipts r
JOIN parties c ON c.id = r.customer_id
JOIN branches b ON b.id = r.branch_id
JOIN employees e ON e.id = r.cashier_id
WHERE r.status = 'valid'
