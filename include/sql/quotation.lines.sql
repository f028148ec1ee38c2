-- The lines of the quotations that one sweep found. Amounts include IVA at tax_rate per cent (10, 5 or 0).
SELECT
    q.number         AS document,
    l.line           AS line,
    p.code           AS code,
    l.description    AS description,
    l.quantity       AS quantity,
    l.unit           AS unit,
    l.unit_price     AS unit_price,
    l.tax_rate       AS tax_rate,
    l.amount         AS amount
FROM quotation_lines l
JOIN quotations q ON q.id = l.quotation_id
JOIN products p ON p.id = l.product_id
WHERE q.number IN :documents
ORDER BY q.number, l.line
