-- Campaign "promotion": customers by segment, each once; who is of several is told the first that fits.
--
-- The contract of every campaign's query stands in price_list.sql. The segments are written here: fleet (customers with
-- vehicles and credit who fuelled at a station within 90 days), recent (bought within 90 days), missed (bought before,
-- and nothing for 60 days). content_group names the offers of promotion.items.sql. last_purchase and branch_name are
-- the customer's own: recipient.last_purchase.
SELECT
    c.id                               AS document,
    c.name                             AS name,
    c.email                            AS email,
    c.language                         AS language,
    c.consent                          AS consent,
    c.consent_at                       AS consent_at,
    CASE WHEN c.fleet THEN 'fleet' WHEN c.last_purchase >= :days_ago_60 THEN 'recent' ELSE 'missed' END AS content_group,
    CASE WHEN c.fleet THEN 'why_fleet' WHEN c.last_purchase >= :days_ago_60 THEN 'why_recent' ELSE 'why_missed' END
                                       AS because,
    c.last_purchase                    AS last_purchase
FROM (
    SELECT
        p.id, p.name, p.email, p.language, p.consent, p.consent_at,
        MAX(s.sold_on) AS last_purchase,
        p.is_company AND p.payment_days > 0 AND MAX(s.sold_on) >= :days_ago_90
            AND EXISTS (SELECT 1 FROM vehicles v WHERE v.owner_id = p.id) AS fleet
    FROM parties p
    JOIN sales s ON s.customer_id = p.id AND s.status = 'valid'
    WHERE p.is_customer AND p.active
    GROUP BY p.id, p.name, p.email, p.language, p.consent, p.consent_at, p.is_company, p.payment_days
) c
