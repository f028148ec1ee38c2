-- The course of sales, margin and tickets over thirty days, by branch; points of one figure and day are added up.
WITH daily AS (
    SELECT
        b.code AS branch_code, s.sold_on AS day,
        COUNT(*) AS tickets,
        SUM(ROUND(s.subtotal * s.exchange_rate, 0)) AS net,
        SUM(ROUND(s.subtotal * s.exchange_rate, 0) - s.cost) AS margin
    FROM sales s
    JOIN branches b ON b.id = s.branch_id
    WHERE s.sold_on >= :end_less_30 AND s.sold_on < :end AND s.status = 'valid'
    GROUP BY b.code, s.sold_on
)
SELECT 'sales' AS figure, branch_code, day AS at, net AS value FROM daily
UNION ALL
SELECT 'margin', branch_code, day, margin FROM daily
UNION ALL
SELECT 'tickets', branch_code, day, tickets FROM daily
ORDER BY figure, at, branch_code
