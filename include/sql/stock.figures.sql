-- What is tied up in stock, beside what the books say of it.
--
-- Quantities are those of now, so only the books can be compared with the period before and a year ago; they are not
-- kept by branch, and a reader of one branch does not see them. `gap` is what the stock at average cost is more than
-- the account: an average cost in whole guaraníes leaves a few of them for each product.
WITH moving AS (
    SELECT DISTINCT l.product_id
    FROM sales s
    JOIN sale_lines l ON l.sale_id = s.id
    WHERE s.status = 'valid' AND s.sold_on >= :end_less_90
),
shelf AS (
    SELECT
        b.code AS branch_code,
        SUM(ROUND(ROUND(k.quantity * p.average_cost, 5), 0)) AS value,
        SUM(CASE WHEN moving.product_id IS NULL THEN ROUND(ROUND(k.quantity * p.average_cost, 5), 0) ELSE 0 END)
            AS idle,
        SUM(CASE WHEN k.quantity < k.reorder_at THEN 1 ELSE 0 END) AS below,
        SUM(CASE WHEN k.quantity <= 0 THEN 1 ELSE 0 END) AS sold_out
    FROM stock k
    JOIN branches b ON b.id = k.branch_id
    JOIN products p ON p.id = k.product_id
    LEFT JOIN moving ON moving.product_id = k.product_id
    GROUP BY b.code
),
booked AS (
    SELECT
        COALESCE(SUM(l.debit - l.credit), 0) AS value,
        COALESCE(SUM(CASE WHEN e.booked_on < :previous_end THEN l.debit - l.credit ELSE 0 END), 0) AS previous,
        COALESCE(SUM(CASE WHEN e.booked_on < :year_ago_end THEN l.debit - l.credit ELSE 0 END), 0) AS year_ago
    FROM journal_entries e
    JOIN journal_lines l ON l.entry_id = e.id
    JOIN accounts a ON a.id = l.account_id
    WHERE a.code LIKE '1.1.03.%'
)
SELECT figure, branch_code, value, previous, year_ago, currency, kind, good
FROM (
    SELECT
        1 AS place, 'value' AS figure, branch_code, value,
        CAST(NULL AS DECIMAL(18, 2)) AS previous, CAST(NULL AS DECIMAL(18, 2)) AS year_ago,
        'PYG' AS currency, 'money' AS kind, 'none' AS good
    FROM shelf
    UNION ALL
    SELECT 2, 'booked', NULL, value, previous, year_ago, 'PYG', 'money', 'none' FROM booked
    UNION ALL
    SELECT 3, 'gap', NULL, (SELECT COALESCE(SUM(value), 0) FROM shelf) - value, NULL, NULL, 'PYG', 'money', 'none'
    FROM booked
    UNION ALL
    SELECT 4, 'idle', branch_code, idle, NULL, NULL, 'PYG', 'money', 'down' FROM shelf
    UNION ALL
    SELECT 5, 'below', branch_code, below, NULL, NULL, NULL, 'number', 'down' FROM shelf
    UNION ALL
    SELECT 6, 'sold_out', branch_code, sold_out, NULL, NULL, NULL, 'number', 'down' FROM shelf
) told
ORDER BY place, branch_code
