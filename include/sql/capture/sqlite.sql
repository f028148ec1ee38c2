-- For an ERP on SQLite whose tables do not say when a row changed: triggers that write one line for each insert, update
-- and delete into one table. Run it once (sqlite3 erp.db < sqlite.sql), after replacing the example, table invoices
-- with the key number, by your tables: three triggers each.
-- How a mailing's query uses the table: docs/connect-your-erp.md, "An ERP that does not say when".
-- changed_at is written in UTC; where EMAILKETING_SWEEP__ERP_TIMEZONE names another zone, say ('now', 'localtime').
-- Once in a while: DELETE FROM emailketing_change WHERE changed_at < datetime('now', '-90 days')
CREATE TABLE emailketing_change (
    sequence        INTEGER PRIMARY KEY AUTOINCREMENT,
    document_table  TEXT NOT NULL,
    document_key    TEXT NOT NULL,
    operation       TEXT NOT NULL,  -- insert, update or delete
    changed_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    changed_by      TEXT NOT NULL DEFAULT ''  -- SQLite knows no users; an ERP that does may fill it
);
CREATE INDEX emailketing_change_newest ON emailketing_change (document_table, document_key, sequence);
CREATE INDEX emailketing_change_time ON emailketing_change (document_table, changed_at);

CREATE TRIGGER emailketing_insert_invoices AFTER INSERT ON invoices BEGIN
    INSERT INTO emailketing_change (document_table, document_key, operation) VALUES ('invoices', NEW.number, 'insert');
END;

-- Where the key itself changes, the old one was deleted and the new one inserted.
CREATE TRIGGER emailketing_update_invoices AFTER UPDATE ON invoices BEGIN
    INSERT INTO emailketing_change (document_table, document_key, operation)
    SELECT 'invoices', OLD.number, 'delete' WHERE OLD.number <> NEW.number;
    INSERT INTO emailketing_change (document_table, document_key, operation)
    VALUES ('invoices', NEW.number, CASE WHEN OLD.number = NEW.number THEN 'update' ELSE 'insert' END);
END;

CREATE TRIGGER emailketing_delete_invoices AFTER DELETE ON invoices BEGIN
    INSERT INTO emailketing_change (document_table, document_key, operation) VALUES ('invoices', OLD.number, 'delete');
END;
