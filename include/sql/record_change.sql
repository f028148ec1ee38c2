-- Notification "record_change": one row for every record that was changed or deleted, for those who watch over it.
--
-- The contract of every notification query stands in purchase_order.sql. This one addresses nobody: who gets it is
-- configured by subscriptions, by table_name and operation (update or delete). The images are JSON objects of the whole
-- row before and after; after_image is NULL for a deletion. changed_at is when the transaction began. Where an image
-- is not JSON, it is shown as it is; columns that look like secrets are masked (docs/connect-your-erp.md).
SELECT
    a.id                       AS document,
    a.changed_at               AS changed_at,
    a.table_name               AS table_name,
    LOWER(a.operation)         AS operation,
    a.record_id                AS record_id,
    a.record                   AS record,
    a.changed_by               AS changed_by,
    a.origin                   AS origin,
    a.before_image             AS before_image,
    a.after_image              AS after_image
FROM audit_log a
