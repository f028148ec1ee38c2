-- The course of litres and amount over thirty days, by customer; points of one figure and day are added up.
WITH daily AS (
    SELECT
        o.tax_id AS customer_tax_id, s.sold_on AS day,
        ROUND(SUM(l.litres), 3) AS litres,
        SUM(ROUND(l.amount * s.exchange_rate, 0)) AS amount
    FROM sales s
    JOIN sale_lines l ON l.sale_id = s.id
    JOIN vehicles v ON v.id = l.vehicle_id
    JOIN parties o ON o.id = v.owner_id
    WHERE s.sold_on >= :end_less_30 AND s.sold_on < :end AND s.status = 'valid' AND l.litres > 0
    GROUP BY o.tax_id, s.sold_on
)
SELECT 'amount' AS figure, customer_tax_id, day AS at, amount AS value FROM daily
UNION ALL
SELECT 'litres', customer_tax_id, day, litres FROM daily
ORDER BY figure, at, customer_tax_id
