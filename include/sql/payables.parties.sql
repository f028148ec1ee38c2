-- What each supplier is owed at the end of a period, by how long it has been due, in guaraníes as the books owe it;
-- whoever is owed most first.
WITH paid AS (
    SELECT pol.supplier_invoice_id AS invoice_id, ROUND(SUM(pol.amount), 2) AS amount
    FROM journal_entries e
    JOIN payment_orders po ON po.id = e.source_id
    JOIN payment_order_lines pol ON pol.payment_order_id = po.id
    WHERE e.source = 'payment_orders' AND e.booked_on < :end AND po.status <> 'void'
    GROUP BY pol.supplier_invoice_id
),
owed AS (
    SELECT
        i.supplier_id, i.due_on,
        CASE WHEN COALESCE(paid.amount, 0) = 0 THEN i.total_pyg
             WHEN paid.amount = i.total THEN 0
             ELSE ROUND(1.0 * i.total_pyg * (i.total - paid.amount) / i.total, 0) END AS amount
    FROM supplier_invoices i
    LEFT JOIN paid ON paid.invoice_id = i.id
    WHERE i.invoiced_on < :end AND i.status = 'valid'
)
SELECT
    p.name AS party,
    MIN(owed.due_on) AS oldest_due,
    SUM(owed.amount) AS total,
    SUM(CASE WHEN owed.due_on >= :end_less_1 THEN owed.amount END) AS not_due,
    SUM(CASE WHEN owed.due_on >= :end_less_31 AND owed.due_on < :end_less_1 THEN owed.amount END) AS days_1_30,
    SUM(CASE WHEN owed.due_on >= :end_less_61 AND owed.due_on < :end_less_31 THEN owed.amount END) AS days_31_60,
    SUM(CASE WHEN owed.due_on >= :end_less_91 AND owed.due_on < :end_less_61 THEN owed.amount END) AS days_61_90,
    SUM(CASE WHEN owed.due_on < :end_less_91 THEN owed.amount END) AS days_over_90
FROM owed
JOIN parties p ON p.id = owed.supplier_id
WHERE owed.amount <> 0
GROUP BY owed.supplier_id, p.name
ORDER BY total DESC, p.name, owed.supplier_id
