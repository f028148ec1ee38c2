-- The six figures of the day, by branch; run for the period before and a year ago as well.
--
-- Rows of one figure are added up, those of the branches that a reader may see. Sales and margin are without IVA.
-- `collected` is all that came in: what was sold for cash, card or transfer, and what was paid of older sales, IVA
-- included. `receivables` is what customers owe at the end of the period, of the sales of each branch. Amounts in
-- another currency count at the rate of their sale.
WITH sold AS (
    SELECT
        s.branch_id,
        SUM(ROUND(s.subtotal * s.exchange_rate, 0)) AS net,
        SUM(s.cost) AS cost,
        SUM(CASE WHEN s.payment_method = 'credit' THEN 0 ELSE ROUND(s.total * s.exchange_rate, 0) END) AS paid
    FROM sales s
    WHERE s.sold_on >= :start AND s.sold_on < :end AND s.status = 'valid'
    GROUP BY s.branch_id
),
fuelled AS (
    SELECT s.branch_id, ROUND(SUM(l.litres), 3) AS litres
    FROM sales s
    JOIN sale_lines l ON l.sale_id = s.id
    WHERE s.sold_on >= :start AND s.sold_on < :end AND s.status = 'valid'
    GROUP BY s.branch_id
),
received AS (
    SELECT r.branch_id, SUM(ROUND(rl.amount * s.exchange_rate, 0)) AS amount
    FROM receipts r
    JOIN receipt_lines rl ON rl.receipt_id = r.id
    JOIN sales s ON s.id = rl.sale_id
    WHERE r.received_on >= :start AND r.received_on < :end AND r.status = 'valid'
    GROUP BY r.branch_id
),
owed AS (
    SELECT s.branch_id, SUM(ROUND(s.total * s.exchange_rate, 0)) AS amount
    FROM sales s
    WHERE s.sold_on < :end AND s.status = 'valid' AND s.payment_method = 'credit'
    GROUP BY s.branch_id
),
settled AS (
    SELECT s.branch_id, SUM(ROUND(rl.amount * s.exchange_rate, 0)) AS amount
    FROM receipts r
    JOIN receipt_lines rl ON rl.receipt_id = r.id
    JOIN sales s ON s.id = rl.sale_id
    WHERE r.received_on < :end AND r.status = 'valid'
    GROUP BY s.branch_id
),
counted AS (
    SELECT c.branch_id, SUM(c.difference) AS difference
    FROM cash_closings c
    WHERE c.closed_on >= :start AND c.closed_on < :end AND c.status = 'closed'
    GROUP BY c.branch_id
),
summed AS (
    SELECT
        b.code AS branch_code,
        COALESCE(sold.net, 0) AS sales,
        COALESCE(sold.net - sold.cost, 0) AS margin,
        COALESCE(fuelled.litres, 0) AS litres,
        COALESCE(sold.paid, 0) + COALESCE(received.amount, 0) AS collected,
        COALESCE(owed.amount, 0) - COALESCE(settled.amount, 0) AS receivables,
        COALESCE(counted.difference, 0) AS cash_difference
    FROM branches b
    LEFT JOIN sold ON sold.branch_id = b.id
    LEFT JOIN fuelled ON fuelled.branch_id = b.id
    LEFT JOIN received ON received.branch_id = b.id
    LEFT JOIN owed ON owed.branch_id = b.id
    LEFT JOIN settled ON settled.branch_id = b.id
    LEFT JOIN counted ON counted.branch_id = b.id
)
SELECT figure, branch_code, value, currency, unit, good
FROM (
    SELECT 1 AS place, 'sales' AS figure, branch_code, sales AS value, 'PYG' AS currency, '' AS unit, 'up' AS good
    FROM summed
    UNION ALL
    SELECT 2, 'margin', branch_code, margin, 'PYG', '', 'up' FROM summed
    UNION ALL
    SELECT 3, 'litres', branch_code, litres, '', 'l', 'up' FROM summed
    UNION ALL
    SELECT 4, 'collected', branch_code, collected, 'PYG', '', 'up' FROM summed
    UNION ALL
    SELECT 5, 'receivables', branch_code, receivables, 'PYG', '', 'down' FROM summed
    UNION ALL
    SELECT 6, 'cash_difference', branch_code, cash_difference, 'PYG', '', 'up' FROM summed
) told
ORDER BY place, branch_code
