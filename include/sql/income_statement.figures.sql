-- What a director asks for first of an income statement; run for the period before and a year ago as well.
WITH summed AS (
    SELECT
        COALESCE(SUM(CASE WHEN a.kind = 'income' AND a.code LIKE '4.1%' THEN l.credit - l.debit ELSE 0 END), 0) AS sales,
        COALESCE(SUM(CASE WHEN a.kind = 'expense' AND a.code LIKE '5%' THEN l.debit - l.credit ELSE 0 END), 0) AS cost,
        COALESCE(SUM(CASE WHEN a.kind = 'expense' AND a.code LIKE '6.1%' THEN l.debit - l.credit ELSE 0 END), 0)
            AS expenses,
        COALESCE(SUM(l.credit - l.debit), 0) AS result
    FROM journal_entries e
    JOIN journal_lines l ON l.entry_id = e.id
    JOIN accounts a ON a.id = l.account_id
    WHERE e.booked_on >= :start AND e.booked_on < :end AND a.kind IN ('income', 'expense')
)
SELECT figure, value, currency, kind, good
FROM (
    SELECT 1 AS place, 'sales' AS figure, sales AS value, 'PYG' AS currency, 'money' AS kind, 'up' AS good FROM summed
    UNION ALL
    SELECT 2, 'result', result, 'PYG', 'money', 'up' FROM summed
    UNION ALL
    SELECT 3, 'gross_margin', sales - cost, 'PYG', 'money', 'up' FROM summed
    UNION ALL
    SELECT 4, 'expenses', expenses, 'PYG', 'money', 'down' FROM summed
    UNION ALL
    SELECT 5, 'gross_margin_pct', 100.0 * (sales - cost) / NULLIF(sales, 0), NULL, 'percent', 'up' FROM summed
    UNION ALL
    SELECT 6, 'net_margin_pct', 100.0 * result / NULLIF(sales, 0), NULL, 'percent', 'up' FROM summed
) figures
ORDER BY place
