-- What fleets fuelled, by customer; run for the period before and a year ago as well. Amounts include IVA.
--
-- Rows of one figure are added up, those of the customers that a reader may see; where `per` is there, the figure is
-- what `value` comes to divided by what `per` comes to. Consumption is reckoned as in fuel.sql.
WITH fills AS (  -- every fuelling of a vehicle, with the kilometres since the one before
    SELECT
        s.id AS sale_id, s.sold_on, s.number, s.branch_id, s.driver, l.vehicle_id, l.product_id, l.litres, l.odometer,
        ROUND(l.amount * s.exchange_rate, 0) AS amount,
        l.odometer - LAG(l.odometer) OVER (PARTITION BY l.vehicle_id ORDER BY s.sold_on, s.id, l.line) AS km
    FROM sales s
    JOIN sale_lines l ON l.sale_id = s.id
    WHERE s.status = 'valid' AND s.sold_on < :end AND l.vehicle_id IS NOT NULL AND l.litres > 0
),
told AS (  -- litres count for the consumption where the kilometres are known and run forward
    SELECT
        v.owner_id, v.plate, v.make, v.model, fills.*,
        CASE WHEN fills.km > 0 THEN fills.km END AS km_driven,
        CASE WHEN fills.km > 0 THEN fills.litres END AS litres_burnt
    FROM fills
    JOIN vehicles v ON v.id = fills.vehicle_id
),
summed AS (
    SELECT
        o.tax_id AS customer_tax_id,
        COUNT(DISTINCT told.vehicle_id) AS vehicles,
        ROUND(SUM(told.litres), 3) AS litres,
        SUM(told.km_driven) AS km,
        ROUND(SUM(told.litres_burnt), 3) AS litres_burnt,
        SUM(told.amount) AS amount
    FROM told
    JOIN parties o ON o.id = told.owner_id
    WHERE told.sold_on >= :start
    GROUP BY o.id, o.tax_id
)
SELECT figure, customer_tax_id, value, per, currency, unit, kind, good
FROM (
    SELECT
        1 AS place, 'amount' AS figure, customer_tax_id, amount AS value, CAST(NULL AS DECIMAL(18, 2)) AS per,
        'PYG' AS currency, NULL AS unit, 'money' AS kind, 'none' AS good
    FROM summed
    UNION ALL
    SELECT 2, 'litres', customer_tax_id, litres, NULL, NULL, 'l', 'number', 'none' FROM summed
    UNION ALL
    SELECT 3, 'km', customer_tax_id, km, NULL, NULL, 'km', 'number', 'none' FROM summed
    UNION ALL
    SELECT 4, 'consumption', customer_tax_id, ROUND(100 * litres_burnt, 1), km, NULL, 'l/100 km', 'number', 'down'
    FROM summed
    UNION ALL
    SELECT 5, 'litre_price', customer_tax_id, amount, litres, 'PYG', NULL, 'money', 'none' FROM summed
    UNION ALL
    SELECT 6, 'vehicles', customer_tax_id, vehicles, NULL, NULL, NULL, 'number', 'none' FROM summed
) told_figures
ORDER BY place, customer_tax_id
