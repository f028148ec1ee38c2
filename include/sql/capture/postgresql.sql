-- For an ERP on PostgreSQL whose tables do not say when a row changed: triggers that write one line for each insert,
-- update and delete into one table. Run it as the owner of the ERP's tables (psql -1 -f postgresql.sql), after
-- replacing the example at its end by your tables, each with the column that holds the document's number or id.
-- It adds one small INSERT to each save, locks nothing that another save could wait for, and needs no rights of users.
-- How a mailing's query uses the table: docs/connect-your-erp.md, "An ERP that does not say when".
-- An ERP that knows its users better than the database does says who works:
--   SET LOCAL emailketing.operator = 'ana'
-- Once in a while: DELETE FROM emailketing_change WHERE changed_at < now() - interval '90 days'
CREATE TABLE emailketing_change (
    sequence        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_table  text NOT NULL,
    document_key    text NOT NULL,
    operation       text NOT NULL,  -- insert, update or delete
    changed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by      text NOT NULL
);
CREATE INDEX emailketing_change_newest ON emailketing_change (document_table, document_key, sequence);
CREATE INDEX emailketing_change_time ON emailketing_change (document_table, changed_at);

CREATE FUNCTION emailketing_capture() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    who    text := coalesce(nullif(current_setting('emailketing.operator', true), ''), session_user);
    before text := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) ->> TG_ARGV[0] END;
    after  text := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) ->> TG_ARGV[0] END;
BEGIN
    IF before IS DISTINCT FROM after AND before IS NOT NULL THEN
        INSERT INTO emailketing_change (document_table, document_key, operation, changed_by)
        VALUES (TG_TABLE_NAME, before, 'delete', who);
    END IF;
    IF after IS NOT NULL THEN
        INSERT INTO emailketing_change (document_table, document_key, operation, changed_by)
        VALUES (TG_TABLE_NAME, after, CASE WHEN before = after THEN 'update' ELSE 'insert' END, who);
    END IF;
    RETURN NULL;
END $$;

-- One of these for each table; where the document's lines may change alone, one for the lines, too: their document's
-- number or id is the key, and the query takes the newest change of either table.
CREATE TRIGGER emailketing_capture AFTER INSERT OR UPDATE OR DELETE ON invoices
    FOR EACH ROW EXECUTE FUNCTION emailketing_capture('number');
