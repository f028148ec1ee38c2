-- Income statement of a period, with the period before and the same one a year ago.
--
-- One row a line, in order: accounts below their groups, and between the groups what is left so far. `account` is the
-- ERP's name of an account, or gross_margin, operating_result, result, which words.<language>.yaml name. Amounts are
-- positive in their usual direction, so that costs that grow have a positive difference; `effect` is what a group does
-- to the result, and feeds the waterfall.
--
-- What stands where is said in `filed`: adapt it to another chart of accounts. Every account of income and expense has
-- a place there, so that the last line is always the whole result. An ERP that closes these accounts by an entry at the
-- end of its year leaves that entry out in `moved`.
WITH RECURSIVE
filed AS (
    SELECT
        a.id, a.code, a.name, a.parent_id, a.level, a.postable,
        CASE WHEN a.kind = 'income' THEN 1 ELSE -1 END AS sign,
        CASE
            WHEN a.kind = 'income' AND a.code LIKE '4.1%' THEN 1    -- sales
            WHEN a.kind = 'expense' AND a.code LIKE '5%' THEN 2     -- cost of sales; 3 is the gross margin
            WHEN a.kind = 'expense' AND a.code LIKE '6.1%' THEN 4   -- operating expenses; 5 is the operating result
            WHEN a.kind = 'income' THEN 6                           -- other income
            ELSE 7                                                  -- other expenses; 8 is the result
        END AS place
    FROM accounts a
    WHERE a.kind IN ('income', 'expense')
),
moved AS (
    SELECT
        l.account_id,
        SUM(CASE WHEN e.booked_on >= :start AND e.booked_on < :end THEN 1 ELSE 0 END) AS postings,
        SUM(CASE WHEN e.booked_on >= :start AND e.booked_on < :end THEN l.credit - l.debit ELSE 0 END) AS amount,
        SUM(
            CASE WHEN e.booked_on >= :previous_start AND e.booked_on < :previous_end THEN l.credit - l.debit ELSE 0 END
        ) AS previous,
        SUM(
            CASE WHEN e.booked_on >= :year_ago_start AND e.booked_on < :year_ago_end THEN l.credit - l.debit ELSE 0 END
        ) AS year_ago
    FROM journal_entries e
    JOIN journal_lines l ON l.entry_id = e.id
    WHERE (e.booked_on >= :start AND e.booked_on < :end)
       OR (e.booked_on >= :previous_start AND e.booked_on < :previous_end)
       OR (e.booked_on >= :year_ago_start AND e.booked_on < :year_ago_end)
    GROUP BY l.account_id
),
below AS (  -- each account, and all that stand below it
    SELECT id AS upper_id, id AS account_id FROM filed
    UNION ALL
    SELECT below.upper_id, filed.id FROM below JOIN filed ON filed.parent_id = below.account_id
),
shown AS (  -- a group that is the only one of its parent would repeat its sum
    SELECT * FROM filed
    WHERE filed.level >= 2
      AND (filed.postable OR filed.level = 2
           OR (SELECT COUNT(*) FROM accounts beside WHERE beside.parent_id = filed.parent_id) > 1)
),
depths AS (
    SELECT below.account_id, COUNT(*) - 1 AS level
    FROM below
    JOIN shown ON shown.id = below.upper_id
    GROUP BY below.account_id
),
summed AS (
    SELECT below.upper_id AS account_id, SUM(amount) AS amount, SUM(previous) AS previous, SUM(year_ago) AS year_ago
    FROM below
    JOIN moved ON moved.account_id = below.account_id
    GROUP BY below.upper_id
),
placed AS (
    SELECT filed.place, SUM(amount) AS amount, SUM(previous) AS previous, SUM(year_ago) AS year_ago
    FROM filed
    JOIN moved ON moved.account_id = filed.id
    GROUP BY filed.place
),
results AS (
    SELECT 3 AS place, 'gross_margin' AS account UNION ALL SELECT 5, 'operating_result' UNION ALL SELECT 8, 'result'
),
listed AS (
    SELECT
        shown.place, shown.code, shown.name AS account, depths.level,
        CASE WHEN shown.postable THEN 0 ELSE 1 END AS is_sum,
        CASE WHEN shown.place = 1 AND depths.level = 0 THEN 1 ELSE 0 END AS is_result,
        shown.sign * summed.amount AS amount,
        shown.sign * summed.previous AS previous,
        shown.sign * summed.year_ago AS year_ago,
        CASE WHEN depths.level = 0 THEN summed.amount END AS effect,
        CASE WHEN shown.sign = 1 THEN 'up' ELSE 'down' END AS good
    FROM shown
    JOIN depths ON depths.account_id = shown.id
    JOIN summed ON summed.account_id = shown.id
    WHERE summed.amount <> 0 OR summed.previous <> 0 OR summed.year_ago <> 0
    UNION ALL
    SELECT
        results.place, '', results.account, 0, 1, 1,
        SUM(placed.amount), SUM(placed.previous), SUM(placed.year_ago), SUM(placed.amount), 'up'
    FROM results
    JOIN placed ON placed.place < results.place
    GROUP BY results.place, results.account
)
SELECT
    listed.account, listed.level, listed.is_sum, listed.is_result, listed.good, listed.effect,
    listed.amount,
    100.0 * listed.amount / NULLIF(sales.amount, 0) AS share,
    listed.previous,
    listed.amount - listed.previous AS difference,
    100.0 * (listed.amount - listed.previous) / NULLIF(ABS(listed.previous), 0) AS difference_pct,
    listed.year_ago,
    listed.amount - listed.year_ago AS year_difference,
    100.0 * (listed.amount - listed.year_ago) / NULLIF(ABS(listed.year_ago), 0) AS year_difference_pct
FROM listed
LEFT JOIN placed sales ON sales.place = 1
WHERE EXISTS (SELECT 1 FROM moved JOIN filed ON filed.id = moved.account_id WHERE moved.postings > 0)
ORDER BY listed.place, listed.code
