-- Sales of a period by seller, without IVA, beside the period before and the same one a year ago.
--
-- One row for whoever sold, in each branch where he did.
WITH summed AS (
    SELECT
        s.branch_id, s.cashier_id,
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
    GROUP BY s.branch_id, s.cashier_id
)
SELECT
    b.code AS branch_code,
    e.name AS seller,
    b.name AS branch,
    summed.tickets,
    summed.net AS sales,
    summed.previous,
    summed.net - summed.previous AS difference,
    summed.year_ago,
    summed.net - summed.year_ago AS year_difference,
    summed.net - summed.cost AS margin
FROM summed
JOIN branches b ON b.id = summed.branch_id
JOIN employees e ON e.id = summed.cashier_id
ORDER BY sales DESC, e.name, e.id
