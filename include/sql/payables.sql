-- What suppliers are owed at the end of a period, by how long it has been due, beside the end of the period before.
--
-- One row an age, in order; `age` is a code that words.<language>.yaml name. An invoice is open until the books have
-- the payment order that pays it, so a period that is long over comes out as it was then. Amounts are in guaraníes, as
-- the books owe them; payables.foreign.sql gives what is owed in another currency.
WITH ages AS (
    SELECT 1 AS place, 'not_due' AS age
    UNION ALL SELECT 2, 'days_1_30'
    UNION ALL SELECT 3, 'days_31_60'
    UNION ALL SELECT 4, 'days_61_90'
    UNION ALL SELECT 5, 'days_over_90'
),
paid AS (
    SELECT
        pol.supplier_invoice_id AS invoice_id,
        ROUND(SUM(pol.amount), 2) AS amount,
        ROUND(SUM(CASE WHEN e.booked_on < :previous_end THEN pol.amount ELSE 0 END), 2) AS previous
    FROM journal_entries e
    JOIN payment_orders po ON po.id = e.source_id
    JOIN payment_order_lines pol ON pol.payment_order_id = po.id
    WHERE e.source = 'payment_orders' AND e.booked_on < :end AND po.status <> 'void'
    GROUP BY pol.supplier_invoice_id
),
owed AS (
    SELECT
        i.due_on,
        CASE WHEN COALESCE(paid.amount, 0) = 0 THEN i.total_pyg
             WHEN paid.amount = i.total THEN 0
             ELSE ROUND(1.0 * i.total_pyg * (i.total - paid.amount) / i.total, 0) END AS amount,
        CASE WHEN i.invoiced_on >= :previous_end OR paid.previous = i.total THEN 0
             WHEN COALESCE(paid.previous, 0) = 0 THEN i.total_pyg
             ELSE ROUND(1.0 * i.total_pyg * (i.total - paid.previous) / i.total, 0) END AS previous
    FROM supplier_invoices i
    LEFT JOIN paid ON paid.invoice_id = i.id
    WHERE i.invoiced_on < :end AND i.status = 'valid'
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
