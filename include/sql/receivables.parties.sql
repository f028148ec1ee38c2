-- What each customer owes at the end of a period, by how long it has been due, in guaraníes; whoever owes most first.
WITH paid AS (
    SELECT rl.sale_id, SUM(rl.amount) AS amount
    FROM receipts r
    JOIN receipt_lines rl ON rl.receipt_id = r.id
    WHERE r.received_on < :end AND r.status = 'valid'
    GROUP BY rl.sale_id
),
owed AS (
    SELECT
        s.customer_id, s.due_on,
        CASE WHEN s.currency = 'PYG' THEN s.total - COALESCE(paid.amount, 0)
             ELSE ROUND((s.total - COALESCE(paid.amount, 0)) * s.exchange_rate, 0) END AS amount
    FROM sales s
    LEFT JOIN paid ON paid.sale_id = s.id
    WHERE s.sold_on < :end AND s.status = 'valid' AND s.payment_method = 'credit'
)
SELECT
    p.name AS party,
    MIN(owed.due_on) AS oldest_due,
    SUM(owed.amount) AS total,
    SUM(CASE WHEN owed.due_on >= :end_less_1 THEN owed.amount END) AS not_due,
    SUM(CASE WHEN owed.due_on >= :end_less_31 AND owed.due_on < :end_less_1 THEN owed.amount END) AS days_1_30,
    SUM(CASE WHEN owed.due_on >= :end_less_61 AND owed.due_on < :end_less_31 THEN owed.amount END) AS days_31_60,
    SUM(CASE WHEN owed.due_on >= :end_less_91 AND owed.due_on < :end_less_61 THEN owed.amount END) AS days_61_90,
    SUM(CASE WHEN owed.due_on < :end_less_91 THEN owed.amount END) AS days_over_90
FROM owed
LEFT JOIN parties p ON p.id = owed.customer_id
WHERE owed.amount <> 0
GROUP BY owed.customer_id, p.name
ORDER BY total DESC, p.name, owed.customer_id
