-- The course of sales and result, month by month, from the month a year ago to the last one that is over.
WITH months AS (
    SELECT
        MAX(e.booked_on) AS at,
        SUM(CASE WHEN a.kind = 'income' AND a.code LIKE '4.1%' THEN l.credit - l.debit ELSE 0 END) AS sales,
        SUM(l.credit - l.debit) AS result
    FROM journal_entries e
    JOIN journal_lines l ON l.entry_id = e.id
    JOIN accounts a ON a.id = l.account_id
    WHERE e.booked_on < :end
      AND a.kind IN ('income', 'expense')
      AND SUBSTR(CAST(e.booked_on AS CHAR(10)), 1, 7) >= SUBSTR(CAST(:year_ago_start AS CHAR(10)), 1, 7)
      AND SUBSTR(CAST(e.booked_on AS CHAR(10)), 1, 7) < SUBSTR(CAST(:end AS CHAR(10)), 1, 7)
    GROUP BY SUBSTR(CAST(e.booked_on AS CHAR(10)), 1, 7)
)
SELECT 'sales' AS figure, at, sales AS value FROM months
UNION ALL
SELECT 'result', at, result FROM months
ORDER BY figure, at
