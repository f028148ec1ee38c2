-- The day by branch: what it sold, without IVA, beside the period before and a year ago, what it earned and took in.
WITH sold AS (
    SELECT
        s.branch_id,
        SUM(CASE WHEN s.sold_on >= :start AND s.sold_on < :end THEN ROUND(s.subtotal * s.exchange_rate, 0) ELSE 0 END)
            AS net,
        SUM(CASE WHEN s.sold_on >= :previous_start AND s.sold_on < :previous_end
                 THEN ROUND(s.subtotal * s.exchange_rate, 0) ELSE 0 END) AS previous,
        SUM(CASE WHEN s.sold_on >= :year_ago_start AND s.sold_on < :year_ago_end
                 THEN ROUND(s.subtotal * s.exchange_rate, 0) ELSE 0 END) AS year_ago,
        SUM(CASE WHEN s.sold_on >= :start AND s.sold_on < :end THEN s.cost ELSE 0 END) AS cost,
        SUM(CASE WHEN s.sold_on >= :start AND s.sold_on < :end AND s.payment_method <> 'credit'
                 THEN ROUND(s.total * s.exchange_rate, 0) ELSE 0 END) AS paid
    FROM sales s
    WHERE s.status = 'valid'
      AND ((s.sold_on >= :start AND s.sold_on < :end)
        OR (s.sold_on >= :previous_start AND s.sold_on < :previous_end)
        OR (s.sold_on >= :year_ago_start AND s.sold_on < :year_ago_end))
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
counted AS (
    SELECT c.branch_id, SUM(c.difference) AS difference
    FROM cash_closings c
    WHERE c.closed_on >= :start AND c.closed_on < :end AND c.status = 'closed'
    GROUP BY c.branch_id
)
SELECT
    b.code AS branch_code,
    b.name AS branch,
    COALESCE(sold.net, 0) AS sales,
    COALESCE(sold.previous, 0) AS previous,
    COALESCE(sold.net - sold.previous, 0) AS difference,
    COALESCE(sold.year_ago, 0) AS year_ago,
    COALESCE(sold.net - sold.year_ago, 0) AS year_difference,
    COALESCE(sold.net - sold.cost, 0) AS margin,
    fuelled.litres,
    COALESCE(sold.paid, 0) + COALESCE(received.amount, 0) AS collected,
    counted.difference AS cash_difference
FROM branches b
LEFT JOIN sold ON sold.branch_id = b.id
LEFT JOIN fuelled ON fuelled.branch_id = b.id
LEFT JOIN received ON received.branch_id = b.id
LEFT JOIN counted ON counted.branch_id = b.id
WHERE sold.branch_id IS NOT NULL OR received.branch_id IS NOT NULL OR COALESCE(counted.difference, 0) <> 0
ORDER BY sales DESC, b.code
