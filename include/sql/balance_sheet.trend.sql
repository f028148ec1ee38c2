-- The course of assets, equity and cash: their balances at the ends of the months since a year ago.
WITH months AS (
    SELECT
        SUBSTR(CAST(e.booked_on AS CHAR(10)), 1, 7) AS month,
        MAX(e.booked_on) AS at,
        SUM(CASE WHEN a.kind = 'asset' THEN l.debit - l.credit ELSE 0 END) AS assets,
        SUM(CASE WHEN a.kind NOT IN ('asset', 'liability') THEN l.credit - l.debit ELSE 0 END) AS equity,
        SUM(CASE WHEN a.code LIKE '1.1.01%' THEN l.debit - l.credit ELSE 0 END) AS cash
    FROM journal_entries e
    JOIN journal_lines l ON l.entry_id = e.id
    JOIN accounts a ON a.id = l.account_id
    WHERE e.booked_on < :end
    GROUP BY SUBSTR(CAST(e.booked_on AS CHAR(10)), 1, 7)
),
balances AS (
    SELECT
        month, at, SUM(assets) OVER (ORDER BY month) AS assets, SUM(equity) OVER (ORDER BY month) AS equity,
        SUM(cash) OVER (ORDER BY month) AS cash
    FROM months
)
SELECT figure, at, value
FROM (
    SELECT 'assets' AS figure, month, at, assets AS value FROM balances
    UNION ALL
    SELECT 'equity', month, at, equity FROM balances
    UNION ALL
    SELECT 'cash', month, at, cash FROM balances
) courses
WHERE month >= SUBSTR(CAST(:year_ago_end_less_1 AS CHAR(10)), 1, 7) AND month < SUBSTR(CAST(:end AS CHAR(10)), 1, 7)
ORDER BY figure, at
