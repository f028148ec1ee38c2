-- Campaign "price_list": one row for every customer who has a price list.
--
-- cadence is how often he gets it: daily, weekly or monthly; NULL is the first that the DAG names, weekly.
--
-- The contract of every campaign's query: document says who it is, email, phone, name and language address him, consent,
-- consent_at and consent_source say whether he may be sent advertising, content_group which list he is told (a number
-- or text that price_list.items.sql knows). because says why he gets it: a name of words.<language>.yaml, or words.
-- All other columns are his own; templates print them as recipient.<column>. Give those without a consent, too: they
-- get nothing, and the dry run says why. :today and :days_ago_90 (any number) are days of the company's calendar.
SELECT
    c.id                               AS document,
    c.name                             AS name,
    c.email                            AS email,
    c.language                         AS language,
    c.consent                          AS consent,
    c.consent_at                       AS consent_at,
    c.price_list_id                    AS content_group,
    c.price_list_cadence               AS cadence,
    'why_customer'                     AS because
FROM parties c
WHERE c.is_customer AND c.active AND c.price_list_id IS NOT NULL
