-- Every fuelling of a period, vehicle by vehicle; amounts include IVA. Consumption is reckoned as in fuel.sql.
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
)
SELECT
    o.tax_id AS customer_tax_id,
    told.plate,
    told.sold_on,
    told.number,
    b.name AS branch,
    p.description AS product,
    told.driver,
    told.odometer,
    told.km_driven AS km,
    told.litres_burnt,
    told.litres,
    told.amount
FROM told
JOIN parties o ON o.id = told.owner_id
JOIN branches b ON b.id = told.branch_id
JOIN products p ON p.id = told.product_id
WHERE told.sold_on >= :start
ORDER BY told.plate, told.sold_on, told.sale_id
