-- Greeting "birthday": everybody who has a birthday, and companies that have a day on which they were founded.
--
-- The contract of every greeting's query: one row a person, whatever day it is, without parameters.
--   document  tells people apart: his id; with the year it makes sure that nobody is greeted twice a year
--   consent   true where he agreed to be written to; with consent_at and consent_source, if the ERP knows them
--   day       his own day, of whatever year; NULL where the ERP knows none. Not for greetings of a common date.
--   name, email, phone, language    whom it addresses, and how
--   timezone  his clock, such as Europe/Madrid; the company's where it is NULL or no column
--   because   why he gets it, for the foot of the mail; a common sentence where it is NULL or no column
-- All other columns are what the templates may use; they see celebrated_on and years (how many it is) as well.
SELECT
    p.id                               AS document,
    p.name                             AS name,
    p.email                            AS email,
    p.phone                            AS phone,
    p.language                         AS language,
    p.birthday                         AS day,
    p.consent                          AS consent,
    p.consent_at                       AS consent_at,
    p.is_company                       AS is_company
FROM parties p
WHERE p.is_customer AND p.active
