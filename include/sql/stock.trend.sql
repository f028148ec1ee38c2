-- The course of the inventory accounts over thirty days.
WITH days AS (
    SELECT DISTINCT e.booked_on AS day FROM journal_entries e WHERE e.booked_on >= :end_less_30 AND e.booked_on < :end
),
moved AS (  -- what was there before the first day has no day
    SELECT CASE WHEN e.booked_on >= :end_less_30 THEN e.booked_on END AS day, l.debit - l.credit AS amount
    FROM journal_entries e
    JOIN journal_lines l ON l.entry_id = e.id
    JOIN accounts a ON a.id = l.account_id
    WHERE e.booked_on < :end AND a.code LIKE '1.1.03.%'
),
moves AS (
    SELECT day, SUM(amount) AS amount FROM moved GROUP BY day
)
SELECT 'booked' AS figure, days.day AS at, SUM(moves.amount) AS value
FROM days
JOIN moves ON moves.day IS NULL OR moves.day <= days.day
GROUP BY days.day
ORDER BY days.day
