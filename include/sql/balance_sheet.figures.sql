-- What a director asks for first of a balance sheet; run for the period before and a year ago as well.
WITH summed AS (
    SELECT
        COALESCE(SUM(CASE WHEN a.kind = 'asset' THEN l.debit - l.credit ELSE 0 END), 0) AS assets,
        COALESCE(SUM(CASE WHEN a.kind = 'liability' THEN l.credit - l.debit ELSE 0 END), 0) AS liabilities,
        COALESCE(SUM(CASE WHEN a.kind NOT IN ('asset', 'liability') THEN l.credit - l.debit ELSE 0 END), 0) AS equity,
        COALESCE(SUM(CASE WHEN a.code LIKE '1.1.01%' THEN l.debit - l.credit ELSE 0 END), 0) AS cash,
        COALESCE(SUM(CASE WHEN a.code LIKE '1.1.%' THEN l.debit - l.credit ELSE 0 END), 0) AS current_assets,
        COALESCE(SUM(CASE WHEN a.code LIKE '2.1.%' THEN l.credit - l.debit ELSE 0 END), 0) AS current_liabilities
    FROM journal_entries e
    JOIN journal_lines l ON l.entry_id = e.id
    JOIN accounts a ON a.id = l.account_id
    WHERE e.booked_on < :end
)
SELECT figure, value, currency, kind, good
FROM (
    SELECT 1 AS place, 'assets' AS figure, assets AS value, 'PYG' AS currency, 'money' AS kind, 'up' AS good FROM summed
    UNION ALL
    SELECT 2, 'equity', equity, 'PYG', 'money', 'up' FROM summed
    UNION ALL
    SELECT 3, 'liabilities', liabilities, 'PYG', 'money', 'down' FROM summed
    UNION ALL
    SELECT 4, 'cash', cash, 'PYG', 'money', 'up' FROM summed
    UNION ALL
    SELECT 5, 'debt_pct', 100.0 * liabilities / NULLIF(assets, 0), NULL, 'percent', 'down' FROM summed
    UNION ALL
    SELECT 6, 'current_ratio', ROUND(1.0 * current_assets / NULLIF(current_liabilities, 0), 2), NULL, 'number', 'up'
    FROM summed
) figures
ORDER BY place
