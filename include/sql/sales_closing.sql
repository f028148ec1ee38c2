-- Notification "sales_closing": one row for every closing of a branch's sales, for the people concerned.
--
-- The contract of every notification query stands in purchase_order.sql. This one addresses nobody: who gets it is
-- configured by subscriptions, which may ask for any column (branch_code, branch_kind, total …).
-- net is total without IVA; cost is what the goods sold had cost: give NULL where readers are not to see the margin.
SELECT
    c.number           AS document,
    c.revision         AS version,
    c.changed_at       AS changed_at,
    c.silent           AS silent,
    c.number           AS number,
    b.code             AS branch_code,
    b.name             AS branch_name,
    b.kind             AS branch_kind,
    b.city             AS branch_city,
    b.phone            AS branch_phone,
    e.name             AS cashier_name,
    c.closed_on        AS closed_on,
    c.changed_at       AS closed_at,
    c.tickets          AS tickets,
    'PYG'              AS currency,
    c.subtotal         AS net,
    c.total            AS total,
    c.cost             AS cost
FROM sales_closings c
JOIN branches b ON b.id = c.branch_id
JOIN employees e ON e.id = c.cashier_id
WHERE c.status = 'closed'
