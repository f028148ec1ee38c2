-- What a sales director asks for first, by branch, without IVA; run for the period before and a year ago as well.
--
-- Rows of one figure are added up, those of the branches that a reader may see; where `per` is there, the figure is
-- what `value` comes to divided by what `per` comes to.
WITH summed AS (
    SELECT
        b.code AS branch_code,
        COUNT(s.id) AS tickets,
        COALESCE(SUM(ROUND(s.subtotal * s.exchange_rate, 0)), 0) AS net,
        COALESCE(SUM(ROUND(s.subtotal * s.exchange_rate, 0) - s.cost), 0) AS margin,
        SUM(CASE WHEN s.payment_method = 'credit' THEN ROUND(s.subtotal * s.exchange_rate, 0) ELSE 0 END) AS on_credit
    FROM branches b
    LEFT JOIN sales s
        ON s.branch_id = b.id AND s.sold_on >= :start AND s.sold_on < :end AND s.status = 'valid'
    GROUP BY b.code
)
SELECT figure, branch_code, value, per, currency, kind, good
FROM (
    SELECT
        1 AS place, 'sales' AS figure, branch_code, net AS value, CAST(NULL AS DECIMAL(18, 2)) AS per,
        'PYG' AS currency, 'money' AS kind, 'up' AS good
    FROM summed
    UNION ALL
    SELECT 2, 'margin', branch_code, margin, NULL, 'PYG', 'money', 'up' FROM summed
    UNION ALL
    SELECT 3, 'tickets', branch_code, tickets, NULL, NULL, 'number', 'up' FROM summed
    UNION ALL
    SELECT 4, 'margin_pct', branch_code, margin, net, NULL, 'percent', 'up' FROM summed
    UNION ALL
    SELECT 5, 'average_ticket', branch_code, net, tickets, 'PYG', 'money', 'up' FROM summed
    UNION ALL
    SELECT 6, 'on_credit_pct', branch_code, on_credit, net, NULL, 'percent', 'none' FROM summed
) told
ORDER BY place, branch_code
