-- The course of what there is: balances at the ends of the months since a year ago.
WITH months AS (
    SELECT
        SUBSTR(CAST(e.booked_on AS CHAR(10)), 1, 7) AS month,
        MAX(e.booked_on) AS at,
        SUM(l.debit - l.credit) AS amount
    FROM journal_entries e
    JOIN journal_lines l ON l.entry_id = e.id
    JOIN accounts a ON a.id = l.account_id
    WHERE e.booked_on < :end AND a.code LIKE '1.1.01.%'
    GROUP BY SUBSTR(CAST(e.booked_on AS CHAR(10)), 1, 7)
),
balances AS (
    SELECT month, at, SUM(amount) OVER (ORDER BY month) AS closing FROM months
)
SELECT 'closing' AS figure, at, closing AS value
FROM balances
WHERE month >= SUBSTR(CAST(:year_ago_end_less_1 AS CHAR(10)), 1, 7) AND month < SUBSTR(CAST(:end AS CHAR(10)), 1, 7)
ORDER BY at
