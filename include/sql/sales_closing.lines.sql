-- What the sales closings that one sweep found consist of: a section for each way to look at the same total.
--
-- section is group (of goods), seller, hour or method; label names the part: a group's or a seller's name, the hour of
-- the day as two figures, a method of payment. hour is NULL in all other sections. Rows come in the order in which they
-- are read: hours as time runs, everything else by size. Groups and methods stand in the closing; sellers and hours are
-- summed from its sales: those of its branch and day that no earlier closing has and that were saved before it.
SELECT * FROM (
    SELECT
        c.number                                      AS document,
        'group'                                       AS section,
        g.name                                        AS label,
        CAST(NULL AS DECIMAL(4, 0))                   AS hour,
        l.quantity                                    AS quantity,
        (
            SELECT CASE WHEN MIN(p.unit) = MAX(p.unit) THEN MIN(p.unit) END
            FROM products p
            WHERE p.group_id = g.id
        )                                             AS unit,
        CAST(NULL AS DECIMAL(9, 0))                   AS tickets,
        l.amount                                      AS amount
    FROM sales_closing_lines l
    JOIN sales_closings c ON c.id = l.sales_closing_id
    JOIN product_groups g ON g.id = l.group_id
    WHERE c.number IN :documents
    UNION ALL
    SELECT c.number, 'seller', e.name, NULL, NULL, NULL, COUNT(*), SUM(s.total)
    FROM sales_closings c
    JOIN sales s ON s.branch_id = c.branch_id AND s.sold_on = c.closed_on AND s.changed_at <= c.changed_at
    JOIN employees e ON e.id = s.cashier_id
    WHERE c.number IN :documents
    AND NOT EXISTS (
        SELECT 1
        FROM sales_closings f
        WHERE f.branch_id = c.branch_id AND f.closed_on = c.closed_on
        AND f.changed_at < c.changed_at AND f.changed_at >= s.changed_at
    )
    GROUP BY c.number, e.id, e.name
    UNION ALL
    SELECT
        c.number, 'hour', SUBSTR(CAST(s.changed_at AS CHAR(26)), 12, 2),
        CAST(SUBSTR(CAST(s.changed_at AS CHAR(26)), 12, 2) AS DECIMAL(4, 0)), NULL, NULL, COUNT(*), SUM(s.total)
    FROM sales_closings c
    JOIN sales s ON s.branch_id = c.branch_id AND s.sold_on = c.closed_on AND s.changed_at <= c.changed_at
    WHERE c.number IN :documents
    AND NOT EXISTS (
        SELECT 1
        FROM sales_closings f
        WHERE f.branch_id = c.branch_id AND f.closed_on = c.closed_on
        AND f.changed_at < c.changed_at AND f.changed_at >= s.changed_at
    )
    GROUP BY c.number, SUBSTR(CAST(s.changed_at AS CHAR(26)), 12, 2)
    UNION ALL
    SELECT c.number, 'method', 'cash', NULL, NULL, NULL, NULL, c.cash
    FROM sales_closings c
    WHERE c.number IN :documents AND c.cash <> 0
    UNION ALL
    SELECT c.number, 'method', 'card', NULL, NULL, NULL, NULL, c.card
    FROM sales_closings c
    WHERE c.number IN :documents AND c.card <> 0
    UNION ALL
    SELECT c.number, 'method', 'transfer', NULL, NULL, NULL, NULL, c.transfer
    FROM sales_closings c
    WHERE c.number IN :documents AND c.transfer <> 0
    UNION ALL
    SELECT c.number, 'method', 'credit', NULL, NULL, NULL, NULL, c.credit
    FROM sales_closings c
    WHERE c.number IN :documents AND c.credit <> 0
) parts
ORDER BY document, section, hour, amount DESC, label
