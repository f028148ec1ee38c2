-- Fuel of a period by vehicle, each with what it used over the year before; amounts include IVA.
--
-- Consumption is reckoned from one fuelling to the next: the litres of a fuelling belong to the kilometres before it,
-- and count where the odometer was read at the one before and has not gone back. A fuelling is its vehicle's owner's.
-- `usual_litres` and `usual_km` are those of the 365 days before the period.
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
        CASE WHEN fills.km > 0 THEN fills.litres END AS litres_burnt,
        CASE WHEN fills.sold_on >= :start THEN 1 ELSE 0 END AS is_now
    FROM fills
    JOIN vehicles v ON v.id = fills.vehicle_id
),
summed AS (
    SELECT
        owner_id, plate, make, model,
        SUM(is_now) AS fuellings,
        ROUND(SUM(is_now * litres), 3) AS litres,
        SUM(is_now * km_driven) AS km,
        ROUND(SUM(is_now * litres_burnt), 3) AS litres_burnt,
        SUM((1 - is_now) * km_driven) AS usual_km,
        ROUND(SUM((1 - is_now) * litres_burnt), 3) AS usual_litres,
        SUM(is_now * amount) AS amount
    FROM told
    WHERE sold_on >= :start_less_365
    GROUP BY owner_id, plate, make, model
)
SELECT
    o.tax_id AS customer_tax_id,
    summed.plate,
    summed.make,
    summed.model,
    o.name AS customer,
    summed.fuellings,
    summed.litres,
    summed.km,
    summed.litres_burnt,
    summed.usual_km,
    summed.usual_litres,
    summed.amount
FROM summed
JOIN parties o ON o.id = summed.owner_id
WHERE summed.fuellings > 0
ORDER BY o.name, o.id, summed.plate
