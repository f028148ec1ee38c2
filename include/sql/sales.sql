-- Sales of a period by group of products, without IVA, beside the period before and the same one a year ago.
--
-- One row a branch and group; the report adds up those that a reader may see.
WITH gross AS (
    SELECT
        s.id AS sale_id, s.branch_id, s.sold_on, l.line, l.product_id, l.quantity,
        ROUND(s.subtotal * s.exchange_rate, 0) AS net_of_sale,
        ROUND(l.amount * s.exchange_rate, 0) AS amount,
        ROUND(ROUND(l.amount * s.exchange_rate, 0) * l.tax_rate / (100.0 + l.tax_rate), 0) AS tax
    FROM sales s
    JOIN sale_lines l ON l.sale_id = s.id
    WHERE s.status = 'valid'
      AND ((s.sold_on >= :start AND s.sold_on < :end)
        OR (s.sold_on >= :previous_start AND s.sold_on < :previous_end)
        OR (s.sold_on >= :year_ago_start AND s.sold_on < :year_ago_end))
),
sold AS (  -- what rounding leaves of a sale is its last line's, as in the books
    SELECT
        s.*,
        s.amount - s.tax + CASE
            WHEN s.line = MAX(s.line) OVER (PARTITION BY s.sale_id)
            THEN s.net_of_sale - SUM(s.amount - s.tax) OVER (PARTITION BY s.sale_id)
            ELSE 0 END AS net
    FROM gross s
),
summed AS (
    SELECT
        s.branch_id, s.product_id,
        ROUND(SUM(CASE WHEN s.sold_on >= :start AND s.sold_on < :end THEN s.quantity ELSE 0 END), 3) AS quantity,
        SUM(CASE WHEN s.sold_on >= :start AND s.sold_on < :end THEN s.net ELSE 0 END) AS net,
        SUM(CASE WHEN s.sold_on >= :previous_start AND s.sold_on < :previous_end THEN s.net ELSE 0 END) AS previous,
        SUM(CASE WHEN s.sold_on >= :year_ago_start AND s.sold_on < :year_ago_end THEN s.net ELSE 0 END) AS year_ago
    FROM sold s
    GROUP BY s.branch_id, s.product_id
)
SELECT
    b.code AS branch_code,
    g.name AS product_group,
    SUM(summed.net) AS sales,
    SUM(summed.previous) AS previous,
    SUM(summed.net) - SUM(summed.previous) AS difference,
    SUM(summed.year_ago) AS year_ago,
    SUM(summed.net) - SUM(summed.year_ago) AS year_difference
FROM summed
JOIN branches b ON b.id = summed.branch_id
JOIN products p ON p.id = summed.product_id
JOIN product_groups g ON g.id = p.group_id
GROUP BY b.code, g.name
ORDER BY sales DESC, g.name, b.code
