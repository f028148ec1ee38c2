-- What a treasurer asks for first of what suppliers are owed; run for the period before and a year ago as well.
WITH paid AS (
    SELECT
        pol.supplier_invoice_id AS invoice_id, ROUND(SUM(pol.amount), 2) AS amount,
        ROUND(SUM(CASE WHEN e.booked_on >= :start THEN pol.amount ELSE 0 END), 2) AS in_period
    FROM journal_entries e
    JOIN payment_orders po ON po.id = e.source_id
    JOIN payment_order_lines pol ON pol.payment_order_id = po.id
    WHERE e.source = 'payment_orders' AND e.booked_on < :end AND po.status <> 'void'
    GROUP BY pol.supplier_invoice_id
),
owed AS (
    SELECT
        i.due_on, i.currency,
        ROUND(i.total - COALESCE(paid.amount, 0), 2) AS open_amount,
        CASE WHEN COALESCE(paid.amount, 0) = 0 THEN i.total_pyg
             WHEN paid.amount = i.total THEN 0
             ELSE ROUND(1.0 * i.total_pyg * (i.total - paid.amount) / i.total, 0) END AS amount,
        CASE WHEN COALESCE(paid.in_period, 0) = 0 THEN 0
             WHEN paid.in_period = i.total THEN i.total_pyg
             ELSE ROUND(1.0 * i.total_pyg * paid.in_period / i.total, 0) END AS settled
    FROM supplier_invoices i
    LEFT JOIN paid ON paid.invoice_id = i.id
    WHERE i.invoiced_on < :end AND i.status = 'valid'
),
summed AS (
    SELECT
        COALESCE(SUM(amount), 0) AS total,
        COALESCE(SUM(CASE WHEN due_on < :end_less_1 THEN amount ELSE 0 END), 0) AS overdue,
        COALESCE(SUM(CASE WHEN due_on >= :end_less_1 AND due_on < :end_plus_7 THEN amount ELSE 0 END), 0) AS next_days,
        COALESCE(ROUND(SUM(CASE WHEN currency = 'USD' THEN open_amount ELSE 0 END), 2), 0) AS dollars,
        COALESCE(SUM(settled), 0) AS settled
    FROM owed
)
SELECT figure, value, currency, kind, good
FROM (
    SELECT 1 AS place, 'total' AS figure, total AS value, 'PYG' AS currency, 'money' AS kind, 'none' AS good FROM summed
    UNION ALL
    SELECT 2, 'next_days', next_days, 'PYG', 'money', 'none' FROM summed
    UNION ALL
    SELECT 3, 'overdue', overdue, 'PYG', 'money', 'down' FROM summed
    UNION ALL
    SELECT 4, 'overdue_pct', 100.0 * overdue / NULLIF(total, 0), NULL, 'percent', 'down' FROM summed
    UNION ALL
    SELECT 5, 'settled', settled, 'PYG', 'money', 'none' FROM summed
    UNION ALL
    SELECT 6, 'dollars', dollars, 'USD', 'money', 'none' FROM summed
) figures
ORDER BY place
