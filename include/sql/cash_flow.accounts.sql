-- Each account of cash and banks: what it held, what came and went, transfers between them included, what it holds.
SELECT
    a.name AS cash_account,
    SUM(CASE WHEN e.booked_on < :start THEN l.debit - l.credit ELSE 0 END) AS opening,
    SUM(CASE WHEN e.booked_on >= :start THEN l.debit ELSE 0 END) AS inflows,
    SUM(CASE WHEN e.booked_on >= :start THEN -l.credit ELSE 0 END) AS outflows,
    SUM(l.debit - l.credit) AS closing
FROM journal_entries e
JOIN journal_lines l ON l.entry_id = e.id
JOIN accounts a ON a.id = l.account_id
WHERE e.booked_on < :end AND a.code LIKE '1.1.01.%'
GROUP BY a.code, a.name
HAVING SUM(CASE WHEN e.booked_on >= :start THEN 1 ELSE 0 END) > 0 OR SUM(l.debit - l.credit) <> 0
ORDER BY a.code
