-- For an ERP on MariaDB or MySQL whose tables do not say when a row changed: triggers that write one line for each
-- insert, update and delete into one table. Run it as the owner of the ERP's tables (mariadb erp < mariadb.sql), after
-- replacing the example, table invoices with the key number, by your tables: three triggers each.
-- It adds one small INSERT to each save and locks nothing that another save could wait for.
-- How a mailing's query uses the table: docs/connect-your-erp.md, "An ERP that does not say when".
-- An ERP that knows its users better than the database does says who works:
--   SET @emailketing_user = 'ana'
-- changed_at comes in the zone of the session that reads it: name the server's zone as the ERP's.
-- Once in a while: DELETE FROM emailketing_change WHERE changed_at < NOW() - INTERVAL 90 DAY
CREATE TABLE emailketing_change (
    sequence        BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    document_table  VARCHAR(64) NOT NULL,
    document_key    VARCHAR(200) NOT NULL,
    operation       VARCHAR(6) NOT NULL,  -- insert, update or delete
    changed_at      TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    changed_by      VARCHAR(288) NOT NULL,
    KEY emailketing_change_newest (document_table, document_key, sequence),
    KEY emailketing_change_time (document_table, changed_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

CREATE TRIGGER emailketing_insert_invoices AFTER INSERT ON invoices FOR EACH ROW
    INSERT INTO emailketing_change (document_table, document_key, operation, changed_by)
    VALUES ('invoices', NEW.number, 'insert', COALESCE(@emailketing_user, USER()));

-- Where the key itself changes, the old one was deleted and the new one inserted.
CREATE TRIGGER emailketing_update_invoices AFTER UPDATE ON invoices FOR EACH ROW
    INSERT INTO emailketing_change (document_table, document_key, operation, changed_by)
    SELECT 'invoices', OLD.number, 'delete', COALESCE(@emailketing_user, USER()) FROM DUAL WHERE OLD.number <> NEW.number
    UNION ALL
    SELECT 'invoices', NEW.number, IF(OLD.number = NEW.number, 'update', 'insert'), COALESCE(@emailketing_user, USER());

CREATE TRIGGER emailketing_delete_invoices AFTER DELETE ON invoices FOR EACH ROW
    INSERT INTO emailketing_change (document_table, document_key, operation, changed_by)
    VALUES ('invoices', OLD.number, 'delete', COALESCE(@emailketing_user, USER()));
