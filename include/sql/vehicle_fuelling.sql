-- Notification "vehicle_fuelling": one row for every vehicle of a customer that was fuelled, for its owner.
--
-- The contract of every notification query stands in purchase_order.sql. document is the sale's number, with the line's
-- behind it where one sale fuels several vehicles. odometer, in kilometres, is NULL where nobody noted it. Since the
-- same vehicle was fuelled before, with an odometer, it drove distance kilometres and used consumption litres for a
-- hundred of them; both are NULL where that is unknown, or where the odometer did not go up.
SELECT
    CASE
        WHEN (SELECT COUNT(*) FROM sale_lines o WHERE o.sale_id = s.id AND o.vehicle_id IS NOT NULL) = 1 THEN s.number
        -- SQLite and MariaDB have no way in common to join texts.
        ELSE REPLACE(REPLACE('sale-line', 'line', CAST(l.line AS CHAR(10))), 'sale', s.number)
    END                                AS document,
    s.revision                         AS version,
    s.changed_at                       AS changed_at,
    s.silent                           AS silent,
    c.name                             AS name,
    c.email                            AS email,
    c.phone                            AS phone,
    c.language                         AS language,
    s.number                           AS number,
    s.changed_at                       AS fuelled_at,
    v.plate                            AS plate,
    v.make                             AS make,
    v.model                            AS model,
    s.driver                           AS driver,
    b.name                             AS branch_name,
    b.address                          AS branch_address,
    b.city                             AS branch_city,
    l.description                      AS fuel,
    COALESCE(l.litres, l.quantity)     AS litres,
    l.unit_price                       AS unit_price,
    s.currency                         AS currency,
    l.amount                           AS amount,
    s.payment_method                   AS payment_method,
    l.odometer                         AS odometer,
    CASE WHEN l.odometer > p.odometer THEN l.odometer - p.odometer END AS distance,
    CASE
        WHEN l.odometer > p.odometer
        THEN ROUND(COALESCE(l.litres, l.quantity) * 100.0 / (l.odometer - p.odometer), 2)
    END                                AS consumption
FROM sales s
JOIN sale_lines l ON l.sale_id = s.id
JOIN vehicles v ON v.id = l.vehicle_id
JOIN parties c ON c.id = v.owner_id
JOIN branches b ON b.id = s.branch_id
LEFT JOIN sale_lines p ON p.id = (
    SELECT MAX(q.id)
    FROM sale_lines q
    JOIN sales r ON r.id = q.sale_id
    WHERE q.vehicle_id = l.vehicle_id AND q.id < l.id AND q.odometer IS NOT NULL AND r.status = 'valid'
)
WHERE s.status = 'valid'
