-- The weekly offer: one row for every customer who agreed to be written to, with the prices of the station next to him.
SELECT
    c.id            AS document,
    1               AS version,
    c.changed_at    AS changed_at,
    c.name          AS name,
    c.email         AS email,
    'es'            AS language,
    c.card          AS card,
    c.points        AS points,
    s.name          AS station,
    s.street        AS street,
    s.regular       AS regular,
    s.premium       AS premium,
    s.diesel        AS diesel,
    s.until         AS until
FROM customers c
JOIN stations s ON s.id = c.station
WHERE c.consents = 1
