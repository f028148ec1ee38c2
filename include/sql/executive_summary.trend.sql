-- The course of the six figures over thirty days, by branch; points of one figure and day are added up.
WITH days AS (
    SELECT DISTINCT s.sold_on AS day FROM sales s WHERE s.sold_on >= :end_less_30 AND s.sold_on < :end
),
moved AS (  -- what customers owe: what was there before the first day has no day
    SELECT
        s.branch_id, CASE WHEN s.sold_on >= :end_less_30 THEN s.sold_on END AS day,
        ROUND(s.total * s.exchange_rate, 0) AS amount
    FROM sales s
    WHERE s.sold_on < :end AND s.status = 'valid' AND s.payment_method = 'credit'
    UNION ALL
    SELECT
        s.branch_id, CASE WHEN r.received_on >= :end_less_30 THEN r.received_on END,
        -ROUND(rl.amount * s.exchange_rate, 0)
    FROM receipts r
    JOIN receipt_lines rl ON rl.receipt_id = r.id
    JOIN sales s ON s.id = rl.sale_id
    WHERE r.received_on < :end AND r.status = 'valid'
),
moves AS (
    SELECT branch_id, day, SUM(amount) AS amount FROM moved GROUP BY branch_id, day
),
points AS (
    SELECT 'sales' AS figure, s.branch_id, s.sold_on AS day, ROUND(s.subtotal * s.exchange_rate, 0) AS value
    FROM sales s
    WHERE s.sold_on >= :end_less_30 AND s.sold_on < :end AND s.status = 'valid'
    UNION ALL
    SELECT 'margin', s.branch_id, s.sold_on, ROUND(s.subtotal * s.exchange_rate, 0) - s.cost
    FROM sales s
    WHERE s.sold_on >= :end_less_30 AND s.sold_on < :end AND s.status = 'valid'
    UNION ALL
    SELECT 'litres', s.branch_id, s.sold_on, l.litres
    FROM sales s
    JOIN sale_lines l ON l.sale_id = s.id
    WHERE s.sold_on >= :end_less_30 AND s.sold_on < :end AND s.status = 'valid' AND l.litres IS NOT NULL
    UNION ALL
    SELECT 'collected', s.branch_id, s.sold_on, ROUND(s.total * s.exchange_rate, 0)
    FROM sales s
    WHERE s.sold_on >= :end_less_30 AND s.sold_on < :end AND s.status = 'valid' AND s.payment_method <> 'credit'
    UNION ALL
    SELECT 'collected', r.branch_id, r.received_on, ROUND(rl.amount * s.exchange_rate, 0)
    FROM receipts r
    JOIN receipt_lines rl ON rl.receipt_id = r.id
    JOIN sales s ON s.id = rl.sale_id
    WHERE r.received_on >= :end_less_30 AND r.received_on < :end AND r.status = 'valid'
    UNION ALL
    SELECT 'receivables', moves.branch_id, days.day, moves.amount
    FROM days
    JOIN moves ON moves.day IS NULL OR moves.day <= days.day
    UNION ALL
    SELECT 'cash_difference', c.branch_id, c.closed_on, c.difference
    FROM cash_closings c
    WHERE c.closed_on >= :end_less_30 AND c.closed_on < :end AND c.status = 'closed'
)
SELECT points.figure, b.code AS branch_code, points.day AS at, ROUND(SUM(points.value), 3) AS value
FROM points
JOIN branches b ON b.id = points.branch_id
GROUP BY points.figure, b.code, points.day
ORDER BY points.figure, points.day, b.code
