-- What is owed in another currency than guaraníes at the end of a period, as the suppliers invoiced it.
WITH paid AS (
    SELECT pol.supplier_invoice_id AS invoice_id, ROUND(SUM(pol.amount), 2) AS amount
    FROM journal_entries e
    JOIN payment_orders po ON po.id = e.source_id
    JOIN payment_order_lines pol ON pol.payment_order_id = po.id
    WHERE e.source = 'payment_orders' AND e.booked_on < :end AND po.status <> 'void'
    GROUP BY pol.supplier_invoice_id
)
SELECT
    p.name AS party, i.number, i.invoiced_on, i.due_on, i.currency, i.total,
    ROUND(i.total - COALESCE(paid.amount, 0), 2) AS open_amount
FROM supplier_invoices i
JOIN parties p ON p.id = i.supplier_id
LEFT JOIN paid ON paid.invoice_id = i.id
WHERE i.invoiced_on < :end AND i.status = 'valid' AND i.currency <> 'PYG' AND i.total <> COALESCE(paid.amount, 0)
ORDER BY i.currency, i.due_on, i.number
