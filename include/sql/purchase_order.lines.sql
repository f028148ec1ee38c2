-- The lines of the purchase orders that one sweep found: a single query for all of them, never one for each.
--
-- The parameter "documents" is the list of their numbers, and "document" says to which of them a line belongs.
-- All other columns are what the templates may use. Amounts include IVA at tax_rate per cent (10, 5 or 0).
SELECT
    o.number         AS document,
    l.line           AS line,
    p.code           AS code,
    l.description    AS description,
    l.quantity       AS quantity,
    l.unit           AS unit,
    l.unit_price     AS unit_price,
    l.tax_rate       AS tax_rate,
    l.amount         AS amount
FROM purchase_order_lines l
JOIN purchase_orders o ON o.id = l.purchase_order_id
JOIN products p ON p.id = l.product_id
WHERE o.number IN :documents
ORDER BY o.number, l.line
