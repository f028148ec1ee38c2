-- The methods of payment of the cash closings that one sweep found, in the order in which the till was counted.
--
-- expected is opening plus income less outgoings; difference is counted less expected.
SELECT
    c.number           AS document,
    l.line             AS line,
    l.payment_method   AS payment_method,
    l.opening          AS opening,
    l.income           AS income,
    l.outgoings        AS outgoings,
    l.expected         AS expected,
    l.counted          AS counted,
    l.difference       AS difference
FROM cash_closing_lines l
JOIN cash_closings c ON c.id = l.cash_closing_id
WHERE c.number IN :documents
ORDER BY c.number, l.line
