-- Balance sheet at the end of a period, beside those at its beginning and a year ago.
--
-- One row a line, in order: assets, liabilities and equity with their accounts; `account` is the ERP's name, or one of
-- year_result, earlier_results, funding, unbalanced, which words.<language>.yaml name. The result accounts are not closed
-- here, so equity is what its accounts hold and all income less expenses so far: of this year, and of those before.
-- `unbalanced` only comes when the books' debits and credits differ. `side` and `block` feed the chart.
WITH RECURSIVE
dated AS (
    SELECT
        e.id, e.booked_on,
        CASE WHEN e.booked_on < :start THEN 1 ELSE 0 END AS at_start,
        CASE WHEN e.booked_on < :year_ago_end THEN 1 ELSE 0 END AS at_year_ago,
        SUBSTR(CAST(e.booked_on AS CHAR(10)), 1, 4) AS booked_year
    FROM journal_entries e
    WHERE e.booked_on < :end
),
booked AS (
    SELECT
        l.account_id,
        SUM(l.debit - l.credit) AS amount,
        SUM(dated.at_start * (l.debit - l.credit)) AS opening,
        SUM(dated.at_year_ago * (l.debit - l.credit)) AS year_ago,
        SUM(CASE WHEN booked_year = SUBSTR(CAST(:end_less_1 AS CHAR(10)), 1, 4) THEN l.debit - l.credit ELSE 0 END)
            AS year_amount,
        SUM(
            CASE WHEN booked_year = SUBSTR(CAST(:start_less_1 AS CHAR(10)), 1, 4)
                 THEN dated.at_start * (l.debit - l.credit) ELSE 0 END
        ) AS year_opening,
        SUM(
            CASE WHEN booked_year = SUBSTR(CAST(:year_ago_end_less_1 AS CHAR(10)), 1, 4)
                 THEN dated.at_year_ago * (l.debit - l.credit) ELSE 0 END
        ) AS year_year_ago
    FROM dated
    JOIN journal_lines l ON l.entry_id = dated.id
    GROUP BY l.account_id
),
below AS (  -- each account, and all that stand below it
    SELECT id AS upper_id, id AS account_id FROM accounts
    UNION ALL
    SELECT below.upper_id, a.id FROM below JOIN accounts a ON a.parent_id = below.account_id
),
shown AS (  -- a group that is the only one of its parent would repeat its sum
    SELECT
        a.id, a.code, a.name, a.level, a.postable,
        CASE a.kind WHEN 'asset' THEN 1 WHEN 'liability' THEN 2 ELSE 3 END AS place,
        CASE a.kind WHEN 'asset' THEN 1 ELSE -1 END AS sign
    FROM accounts a
    WHERE a.kind IN ('asset', 'liability', 'equity')
      AND (a.postable OR a.level = 1
           OR (SELECT COUNT(*) FROM accounts beside WHERE beside.parent_id = a.parent_id) > 1)
),
depths AS (
    SELECT below.account_id, COUNT(*) - 1 AS level
    FROM below
    JOIN shown ON shown.id = below.upper_id
    GROUP BY below.account_id
),
summed AS (
    SELECT below.upper_id AS account_id, SUM(amount) AS amount, SUM(opening) AS opening, SUM(year_ago) AS year_ago
    FROM below
    JOIN booked ON booked.account_id = below.account_id
    GROUP BY below.upper_id
),
kinds AS (
    SELECT
        a.kind, SUM(amount) AS amount, SUM(opening) AS opening, SUM(year_ago) AS year_ago,
        SUM(year_amount) AS year_amount, SUM(year_opening) AS year_opening, SUM(year_year_ago) AS year_year_ago
    FROM booked
    JOIN accounts a ON a.id = booked.account_id
    GROUP BY a.kind
),
results AS (
    SELECT
        COALESCE(SUM(amount), 0) AS amount, COALESCE(SUM(opening), 0) AS opening, COALESCE(SUM(year_ago), 0) AS year_ago,
        COALESCE(SUM(year_amount), 0) AS year_amount, COALESCE(SUM(year_opening), 0) AS year_opening,
        COALESCE(SUM(year_year_ago), 0) AS year_year_ago
    FROM kinds
    WHERE kind IN ('income', 'expense')
),
listed AS (
    SELECT
        shown.place, 0 AS rank_in_place, shown.code, shown.name AS account, depths.level,
        CASE WHEN shown.postable THEN 0 ELSE 1 END AS is_sum,
        CASE WHEN shown.place = 3 THEN 'up' ELSE 'none' END AS good,
        CASE WHEN shown.place = 1 THEN 'assets' ELSE 'funding' END AS side,
        CASE WHEN (shown.level = 2 AND shown.place < 3) OR (shown.level = 1 AND shown.place = 3) THEN 1 ELSE 0 END
            AS is_block,
        shown.sign * summed.amount - CASE WHEN shown.place = 3 AND shown.level = 1 THEN results.amount ELSE 0 END
            AS amount,
        shown.sign * summed.opening - CASE WHEN shown.place = 3 AND shown.level = 1 THEN results.opening ELSE 0 END
            AS opening,
        shown.sign * summed.year_ago - CASE WHEN shown.place = 3 AND shown.level = 1 THEN results.year_ago ELSE 0 END
            AS year_ago
    FROM shown
    JOIN depths ON depths.account_id = shown.id
    JOIN summed ON summed.account_id = shown.id
    CROSS JOIN results
    UNION ALL
    SELECT
        3, 1, '', 'earlier_results', 1, 0, 'up', '', 0,
        year_amount - amount, year_opening - opening, year_year_ago - year_ago
    FROM results
    UNION ALL
    SELECT 3, 2, '', 'year_result', 1, 0, 'up', '', 0, -year_amount, -year_opening, -year_year_ago FROM results
    UNION ALL
    SELECT 4, 0, '', 'funding', 0, 1, 'none', '', 0, -SUM(amount), -SUM(opening), -SUM(year_ago)
    FROM kinds
    WHERE kind <> 'asset'
    UNION ALL
    SELECT 5, 0, '', 'unbalanced', 0, 1, 'none', '', 0, SUM(amount), SUM(opening), SUM(year_ago) FROM kinds
)
SELECT
    listed.account, listed.level, listed.is_sum, listed.good, listed.side,
    CASE WHEN listed.is_block = 1 THEN listed.amount END AS block,
    listed.amount,
    100.0 * listed.amount / NULLIF(assets.amount, 0) AS share,
    listed.opening,
    listed.amount - listed.opening AS difference,
    100.0 * (listed.amount - listed.opening) / NULLIF(ABS(listed.opening), 0) AS difference_pct,
    listed.year_ago,
    100.0 * (listed.amount - listed.year_ago) / NULLIF(ABS(listed.year_ago), 0) AS year_difference_pct
FROM listed
LEFT JOIN kinds assets ON assets.kind = 'asset'
WHERE listed.amount <> 0 OR listed.opening <> 0 OR listed.year_ago <> 0
ORDER BY listed.place, listed.rank_in_place, listed.code
