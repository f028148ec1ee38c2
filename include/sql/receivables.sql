-- What customers owe at the end of a period, by how long it has been due, beside the end of the period before.
--
-- One row an age, in order; `age` is a code that words.<language>.yaml name. A sale is open by what receipts of the
-- time had not paid of it, so a period that is long over comes out as it was then. Amounts are in guaraníes, those in
-- another currency at the rate of their sale.
WITH ages AS (
    SELECT 1 AS place, 'not_due' AS age
    UNION ALL SELECT 2, 'days_1_30'
    UNION ALL SELECT 3, 'days_31_60'
    UNION ALL SELECT 4, 'days_61_90'
    UNION ALL SELECT 5, 'days_over_90'
),
paid AS (
    SELECT
        rl.sale_id,
        SUM(rl.amount) AS amount,
        SUM(CASE WHEN r.received_on < :previous_end THEN rl.amount ELSE 0 END) AS previous
    FROM receipts r
    JOIN receipt_lines rl ON rl.receipt_id = r.id
    WHERE r.received_on < :end AND r.status = 'valid'
    GROUP BY rl.sale_id
),
owed AS (
    SELECT
        s.due_on,
        CASE WHEN s.currency = 'PYG' THEN s.total - COALESCE(paid.amount, 0)
             ELSE ROUND((s.total - COALESCE(paid.amount, 0)) * s.exchange_rate, 0) END AS amount,
        CASE WHEN s.sold_on >= :previous_end THEN 0
             WHEN s.currency = 'PYG' THEN s.total - COALESCE(paid.previous, 0)
             ELSE ROUND((s.total - COALESCE(paid.previous, 0)) * s.exchange_rate, 0) END AS previous
    FROM sales s
    LEFT JOIN paid ON paid.sale_id = s.id
    WHERE s.sold_on < :end AND s.status = 'valid' AND s.payment_method = 'credit'
),
aged AS (
    SELECT
        CASE WHEN due_on >= :end_less_1 THEN 'not_due'
             WHEN due_on >= :end_less_31 THEN 'days_1_30'
             WHEN due_on >= :end_less_61 THEN 'days_31_60'
             WHEN due_on >= :end_less_91 THEN 'days_61_90'
             ELSE 'days_over_90' END AS age,
        1 AS documents, amount, 0 AS previous
    FROM owed
    WHERE amount <> 0
    UNION ALL
    SELECT
        CASE WHEN due_on >= :previous_end_less_1 THEN 'not_due'
             WHEN due_on >= :previous_end_less_31 THEN 'days_1_30'
             WHEN due_on >= :previous_end_less_61 THEN 'days_31_60'
             WHEN due_on >= :previous_end_less_91 THEN 'days_61_90'
             ELSE 'days_over_90' END,
        0, 0, previous
    FROM owed
    WHERE previous <> 0
)
SELECT
    ages.age,
    CASE ages.place WHEN 1 THEN 'none' ELSE 'down' END AS good,
    COALESCE(SUM(aged.documents), 0) AS documents,
    COALESCE(SUM(aged.amount), 0) AS amount,
    100.0 * SUM(aged.amount) / NULLIF(SUM(SUM(aged.amount)) OVER (), 0) AS share,
    COALESCE(SUM(aged.previous), 0) AS previous,
    COALESCE(SUM(aged.amount) - SUM(aged.previous), 0) AS difference,
    100.0 * (SUM(aged.amount) - SUM(aged.previous)) / NULLIF(ABS(SUM(aged.previous)), 0) AS difference_pct
FROM ages
LEFT JOIN aged ON aged.age = ages.age
WHERE EXISTS (SELECT 1 FROM aged)
GROUP BY ages.place, ages.age
ORDER BY ages.place
