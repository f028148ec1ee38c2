-- Cash flow of a period, with the period before and the same one a year ago.
--
-- One row a line, in order: what there was, what came in and went out by activity, what there is; `account` is a word
-- of words.<language>.yaml. What comes in is positive, what goes out negative; money that only goes from one account of
-- `cash` to another is neither. An entry that moves cash is told by the document behind it, or else by the accounts on
-- its other side: together they are what the cash changed by, because an entry's debits equal its credits.
--
-- Adapt `cash` and `flows` to another chart of accounts. What they do not know comes as other_operating.
WITH
cash AS (
    SELECT id FROM accounts WHERE code LIKE '1.1.01.%'
),
kinds AS (
    SELECT 20 AS place, 'operating' AS activity, 'cash_sales' AS flow
    UNION ALL SELECT 21, 'operating', 'collections'
    UNION ALL SELECT 22, 'operating', 'card_settlements'
    UNION ALL SELECT 23, 'operating', 'suppliers'
    UNION ALL SELECT 24, 'operating', 'staff'
    UNION ALL SELECT 25, 'operating', 'taxes'
    UNION ALL SELECT 26, 'operating', 'bank_fees'
    UNION ALL SELECT 27, 'operating', 'other_operating'
    UNION ALL SELECT 30, 'investing', 'investments'
    UNION ALL SELECT 40, 'financing', 'loans'
    UNION ALL SELECT 41, 'financing', 'interest'
    UNION ALL SELECT 42, 'financing', 'capital'
),
dated AS (
    SELECT
        e.id, e.source,
        CASE WHEN e.booked_on >= :start AND e.booked_on < :end THEN 1 ELSE 0 END AS now_in,
        CASE WHEN e.booked_on >= :previous_start AND e.booked_on < :previous_end THEN 1 ELSE 0 END AS previous_in,
        CASE WHEN e.booked_on >= :year_ago_start AND e.booked_on < :year_ago_end THEN 1 ELSE 0 END AS year_ago_in
    FROM journal_entries e
    WHERE ((e.booked_on >= :start AND e.booked_on < :end)
        OR (e.booked_on >= :previous_start AND e.booked_on < :previous_end)
        OR (e.booked_on >= :year_ago_start AND e.booked_on < :year_ago_end))
      AND EXISTS (SELECT 1 FROM journal_lines l JOIN cash ON cash.id = l.account_id WHERE l.entry_id = e.id)
),
flows AS (
    SELECT
        CASE
            WHEN dated.source = 'sales' THEN 'cash_sales'
            WHEN dated.source = 'receipts' THEN 'collections'
            WHEN dated.source = 'payment_orders' OR a.code LIKE '2.1.01%' THEN 'suppliers'
            WHEN a.code LIKE '1.1.02.02%' THEN 'card_settlements'
            WHEN a.code LIKE '6.1.01%' OR a.code IN ('2.1.02.03', '2.1.02.04') THEN 'staff'
            WHEN a.code IN ('1.1.02.03', '2.1.02.01', '2.1.02.02') THEN 'taxes'
            WHEN a.code LIKE '6.2.01.02%' THEN 'bank_fees'
            WHEN a.code LIKE '1.2%' THEN 'investments'
            WHEN a.code LIKE '2.2%' THEN 'loans'
            WHEN a.code LIKE '6.2.01.01%' THEN 'interest'
            WHEN a.kind = 'equity' THEN 'capital'
            ELSE 'other_operating'
        END AS flow,
        dated.now_in * (l.credit - l.debit) AS amount,
        dated.previous_in * (l.credit - l.debit) AS previous,
        dated.year_ago_in * (l.credit - l.debit) AS year_ago
    FROM dated
    JOIN journal_lines l ON l.entry_id = dated.id
    JOIN accounts a ON a.id = l.account_id
    WHERE l.account_id NOT IN (SELECT id FROM cash)
),
summed AS (
    SELECT
        kinds.place, kinds.activity, kinds.flow,
        SUM(flows.amount) AS amount, SUM(flows.previous) AS previous, SUM(flows.year_ago) AS year_ago
    FROM kinds
    JOIN flows ON flows.flow = kinds.flow
    GROUP BY kinds.place, kinds.activity, kinds.flow
),
held AS (
    SELECT
        COALESCE(SUM(CASE WHEN e.booked_on < :start THEN l.debit - l.credit ELSE 0 END), 0) AS start_amount,
        COALESCE(SUM(CASE WHEN e.booked_on < :end THEN l.debit - l.credit ELSE 0 END), 0) AS end_amount,
        COALESCE(SUM(CASE WHEN e.booked_on < :previous_start THEN l.debit - l.credit ELSE 0 END), 0) AS start_previous,
        COALESCE(SUM(CASE WHEN e.booked_on < :previous_end THEN l.debit - l.credit ELSE 0 END), 0) AS end_previous,
        COALESCE(SUM(CASE WHEN e.booked_on < :year_ago_start THEN l.debit - l.credit ELSE 0 END), 0) AS start_year_ago,
        COALESCE(SUM(CASE WHEN e.booked_on < :year_ago_end THEN l.debit - l.credit ELSE 0 END), 0) AS end_year_ago
    FROM journal_entries e
    JOIN journal_lines l ON l.entry_id = e.id
    JOIN cash ON cash.id = l.account_id
    WHERE e.booked_on < :end
),
listed AS (
    SELECT
        10 AS place, 'opening' AS account, 0 AS level, 1 AS is_sum, 1 AS is_balance,
        start_amount AS amount, start_previous AS previous, start_year_ago AS year_ago
    FROM held
    UNION ALL
    SELECT place, flow, 1, 0, 0, amount, previous, year_ago
    FROM summed
    WHERE amount <> 0 OR previous <> 0 OR year_ago <> 0
    UNION ALL
    SELECT MIN(place) - 1, activity, 0, 1, 0, SUM(amount), SUM(previous), SUM(year_ago) FROM summed GROUP BY activity
    UNION ALL
    SELECT 90, 'closing', 0, 1, 1, end_amount, end_previous, end_year_ago FROM held
)
SELECT
    account, level, is_sum, is_balance,
    CASE WHEN level = 1 OR is_balance = 1 THEN amount END AS step,
    amount,
    previous,
    amount - previous AS difference,
    100.0 * (amount - previous) / NULLIF(ABS(previous), 0) AS difference_pct,
    year_ago,
    amount - year_ago AS year_difference,
    100.0 * (amount - year_ago) / NULLIF(ABS(year_ago), 0) AS year_difference_pct
FROM listed
WHERE EXISTS (SELECT 1 FROM dated WHERE now_in = 1)
ORDER BY place
