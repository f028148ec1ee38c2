-- The invoices of the payment orders of which one sweep reminds: amount is paid of the invoice, net is amount less withheld.
SELECT
    o.number         AS document,
    l.line           AS line,
    i.number         AS number,
    i.description    AS description,
    i.invoiced_on    AS invoiced_on,
    i.due_on         AS due_on,
    l.amount         AS amount,
    l.withheld       AS withheld,
    l.amount - l.withheld AS net
FROM payment_order_lines l
JOIN payment_orders o ON o.id = l.payment_order_id
JOIN supplier_invoices i ON i.id = l.supplier_invoice_id
WHERE o.number IN :documents
ORDER BY o.number, l.line
