-- Sales of a period by customer, without IVA, beside the period before and the same one a year ago.
--
-- One row a branch and customer; the report adds up those that a reader may see. Who gave no name is 'unnamed', which
-- words.<language>.yaml put in words.
WITH summed AS (
    SELECT
        s.branch_id, s.customer_id,
        SUM(CASE WHEN s.sold_on >= :start AND s.sold_on < :end THEN 1 ELSE 0 END) AS tickets,
        SUM(CASE WHEN s.sold_on >= :start AND s.sold_on < :end
                 THEN ROUND(s.subtotal * s.exchange_rate, 0) ELSE 0 END) AS net,
        SUM(CASE WHEN s.sold_on >= :start AND s.sold_on < :end THEN s.cost ELSE 0 END) AS cost,
        SUM(CASE WHEN s.sold_on >= :previous_start AND s.sold_on < :previous_end
                 THEN ROUND(s.subtotal * s.exchange_rate, 0) ELSE 0 END) AS previous,
        SUM(CASE WHEN s.sold_on >= :year_ago_start AND s.sold_on < :year_ago_end
                 THEN ROUND(s.subtotal * s.exchange_rate, 0) ELSE 0 END) AS year_ago
    FROM sales s
    WHERE s.status = 'valid'
      AND ((s.sold_on >= :start AND s.sold_on < :end)
        OR (s.sold_on >= :previous_start AND s.sold_on < :previous_end)
        OR (s.sold_on >= :year_ago_start AND s.sold_on < :year_ago_end))
    GROUP BY s.branch_id, s.customer_id
)
SELECT
    b.code AS branch_code,
    COALESCE(p.name, 'unnamed') AS customer,
    p.tax_id,
    summed.tickets,
    summed.net AS sales,
    summed.previous,
    summed.net - summed.previous AS difference,
    summed.year_ago,
    summed.net - summed.year_ago AS year_difference,
    summed.net - summed.cost AS margin
FROM summed
JOIN branches b ON b.id = summed.branch_id
LEFT JOIN parties p ON p.id = summed.customer_id
ORDER BY sales DESC, customer, summed.customer_id, b.code
