-- What a treasurer asks for first; run for the period before and a year ago as well. Transfers are no inflow.
-- `cash_days` says for how many days the money lasts, paid out as in the last ninety.
WITH entries AS (
    SELECT e.id, e.booked_on, SUM(l.debit - l.credit) AS amount
    FROM journal_entries e
    JOIN journal_lines l ON l.entry_id = e.id
    JOIN accounts a ON a.id = l.account_id
    WHERE e.booked_on < :end AND a.code LIKE '1.1.01.%'
    GROUP BY e.id, e.booked_on
),
summed AS (
    SELECT
        COALESCE(SUM(amount), 0) AS closing,
        COALESCE(SUM(CASE WHEN booked_on < :start THEN amount ELSE 0 END), 0) AS opening,
        COALESCE(SUM(CASE WHEN booked_on >= :start AND amount > 0 THEN amount ELSE 0 END), 0) AS inflows,
        COALESCE(SUM(CASE WHEN booked_on >= :start AND amount < 0 THEN -amount ELSE 0 END), 0) AS outflows,
        COALESCE(SUM(CASE WHEN booked_on >= :end_less_90 AND amount < 0 THEN -amount ELSE 0 END), 0) AS spent
    FROM entries
)
SELECT figure, value, currency, kind, good
FROM (
    SELECT 1 AS place, 'closing' AS figure, closing AS value, 'PYG' AS currency, 'money' AS kind, 'up' AS good FROM summed
    UNION ALL
    SELECT 2, 'net', closing - opening, 'PYG', 'money', 'up' FROM summed
    UNION ALL
    SELECT 3, 'inflows', inflows, 'PYG', 'money', 'up' FROM summed
    UNION ALL
    SELECT 4, 'outflows', outflows, 'PYG', 'money', 'down' FROM summed
    UNION ALL
    SELECT 5, 'opening', opening, 'PYG', 'money', 'none' FROM summed
    UNION ALL
    SELECT 6, 'cash_days', CASE WHEN closing > 0 THEN ROUND(90.0 * closing / NULLIF(spent, 0), 0) END, NULL, 'number', 'up'
    FROM summed
) figures
ORDER BY place
