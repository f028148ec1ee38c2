-- Notification "cash_closing": one row for every till that was counted and closed, for the people concerned.
--
-- The contract of every notification query stands in purchase_order.sql. This one addresses nobody: who gets it is
-- configured by subscriptions, which may ask for any column (branch_code, cashier_name, total, difference …).
-- total is what was counted; difference is counted less expected: negative when money is missing.
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
    c.opened_at        AS opened_at,
    c.closed_at        AS closed_at,
    'PYG'              AS currency,
    c.opening          AS opening,
    c.income           AS income,
    c.outgoings        AS outgoings,
    c.expected         AS expected,
    c.counted          AS counted,
    c.counted          AS total,
    c.difference       AS difference,
    c.notes            AS notes
FROM cash_closings c
JOIN branches b ON b.id = c.branch_id
JOIN employees e ON e.id = c.cashier_id
WHERE c.status = 'closed'
