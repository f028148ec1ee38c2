-- The sales that the receipts of one sweep pay: amount is paid of the sale, still_open is left of it afterwards.
SELECT
    r.number         AS document,
    l.line           AS line,
    s.number         AS number,
    s.sold_on        AS sold_on,
    s.due_on         AS due_on,
    l.amount         AS amount,
    l.still_open     AS still_open
FROM receipt_lines l
JOIN receipts r ON r.id = l.receipt_id
JOIN sales s ON s.id = l.sale_id
WHERE r.number IN :documents
ORDER BY r.number, l.line
