-- What a treasurer asks for first of what customers owe; run for the period before and a year ago as well.
-- `sales_days` says in how many days of the last ninety as much was sold on credit and cash as is open.
WITH paid AS (
    SELECT
        rl.sale_id, SUM(rl.amount) AS amount,
        SUM(CASE WHEN r.received_on >= :start THEN rl.amount ELSE 0 END) AS in_period
    FROM receipts r
    JOIN receipt_lines rl ON rl.receipt_id = r.id
    WHERE r.received_on < :end AND r.status = 'valid'
    GROUP BY rl.sale_id
),
owed AS (
    SELECT
        s.due_on,
        CASE WHEN s.currency = 'PYG' THEN s.total - COALESCE(paid.amount, 0)
             ELSE ROUND((s.total - COALESCE(paid.amount, 0)) * s.exchange_rate, 0) END AS amount,
        CASE WHEN s.currency = 'PYG' THEN COALESCE(paid.in_period, 0)
             ELSE ROUND(paid.in_period * s.exchange_rate, 0) END AS collected
    FROM sales s
    LEFT JOIN paid ON paid.sale_id = s.id
    WHERE s.sold_on < :end AND s.status = 'valid' AND s.payment_method = 'credit'
),
sold AS (
    SELECT COALESCE(SUM(CASE WHEN s.currency = 'PYG' THEN s.total ELSE ROUND(s.total * s.exchange_rate, 0) END), 0)
        AS amount
    FROM sales s
    WHERE s.sold_on >= :end_less_90 AND s.sold_on < :end AND s.status = 'valid'
),
summed AS (
    SELECT
        COALESCE(SUM(amount), 0) AS total,
        COALESCE(SUM(CASE WHEN due_on < :end_less_1 THEN amount ELSE 0 END), 0) AS overdue,
        COALESCE(SUM(CASE WHEN due_on < :end_less_91 THEN amount ELSE 0 END), 0) AS over_90,
        COALESCE(SUM(collected), 0) AS collected
    FROM owed
)
SELECT figure, value, currency, kind, good
FROM (
    SELECT 1 AS place, 'total' AS figure, total AS value, 'PYG' AS currency, 'money' AS kind, 'none' AS good FROM summed
    UNION ALL
    SELECT 2, 'overdue', overdue, 'PYG', 'money', 'down' FROM summed
    UNION ALL
    SELECT 3, 'overdue_pct', 100.0 * overdue / NULLIF(total, 0), NULL, 'percent', 'down' FROM summed
    UNION ALL
    SELECT 4, 'over_90', over_90, 'PYG', 'money', 'down' FROM summed
    UNION ALL
    SELECT 5, 'collected', collected, 'PYG', 'money', 'up' FROM summed
    UNION ALL
    SELECT 6, 'sales_days', ROUND(90.0 * summed.total / NULLIF(sold.amount, 0), 1), NULL, 'number', 'down'
    FROM summed CROSS JOIN sold
) figures
ORDER BY place
