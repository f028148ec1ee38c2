-- The open sales that were due at the end of a period, the oldest first.
WITH paid AS (
    SELECT rl.sale_id, SUM(rl.amount) AS amount
    FROM receipts r
    JOIN receipt_lines rl ON rl.receipt_id = r.id
    WHERE r.received_on < :end AND r.status = 'valid'
    GROUP BY rl.sale_id
)
SELECT
    p.name AS party, s.number, s.sold_on, s.due_on, s.currency, s.total,
    ROUND(s.total - COALESCE(paid.amount, 0), 2) AS open_amount
FROM sales s
LEFT JOIN paid ON paid.sale_id = s.id
LEFT JOIN parties p ON p.id = s.customer_id
WHERE s.sold_on < :end AND s.status = 'valid' AND s.payment_method = 'credit'
  AND s.due_on < :end_less_1 AND ROUND(s.total - COALESCE(paid.amount, 0), 2) <> 0
ORDER BY s.due_on, s.number
