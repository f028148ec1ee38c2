-- Greeting "new_year": New Year to all customers.
--
-- The contract of every greeting's query stands in birthday.sql; a common date needs no column day.
SELECT
    p.id                               AS document,
    p.name                             AS name,
    p.email                            AS email,
    p.phone                            AS phone,
    p.language                         AS language,
    p.consent                          AS consent,
    p.consent_at                       AS consent_at,
    p.is_company                       AS is_company
FROM parties p
WHERE p.is_customer AND p.active
