-- Greeting "mothers_day": Mother's Day, 15 May in Paraguay, to customers who are people. The ERP does not know who is a
-- mother, so the words greet all mothers of his family; where yours knows, choose here.
--
-- The contract of every greeting's query stands in birthday.sql; a common date needs no column day.
SELECT
    p.id                               AS document,
    p.name                             AS name,
    p.email                            AS email,
    p.phone                            AS phone,
    p.language                         AS language,
    p.consent                          AS consent,
    p.consent_at                       AS consent_at
FROM parties p
WHERE p.is_customer AND p.active AND NOT p.is_company
