-- NOT TESTED: this script has never run on a SQL Server; try it on a copy of the ERP first.
-- For an ERP on SQL Server whose tables do not say when a row changed: triggers that write one line for each insert,
-- update and delete into one table. Run it as the owner of the ERP's tables, after replacing the example, table
-- dbo.invoices with the key number, by your tables: one trigger each.
-- How a mailing's query uses the table: docs/connect-your-erp.md, "An ERP that does not say when".
-- Once in a while: DELETE FROM dbo.emailketing_change WHERE changed_at < DATEADD(day, -90, SYSDATETIMEOFFSET())
CREATE TABLE dbo.emailketing_change (
    sequence        bigint IDENTITY(1, 1) NOT NULL PRIMARY KEY,
    document_table  nvarchar(128) NOT NULL,
    document_key    nvarchar(200) NOT NULL,
    operation       varchar(6) NOT NULL,  -- insert, update or delete
    changed_at      datetimeoffset(6) NOT NULL DEFAULT SYSDATETIMEOFFSET(),
    changed_by      nvarchar(128) NOT NULL DEFAULT ORIGINAL_LOGIN(),
    INDEX emailketing_change_newest (document_table, document_key, sequence),
    INDEX emailketing_change_time (document_table, changed_at)
);
GO
CREATE TRIGGER dbo.emailketing_capture_invoices ON dbo.invoices AFTER INSERT, UPDATE, DELETE AS
BEGIN
    SET NOCOUNT ON;
    -- A key that is only among the deleted rows is gone, one only among the inserted rows is new.
    INSERT INTO dbo.emailketing_change (document_table, document_key, operation)
    SELECT 'invoices', COALESCE(i.number, d.number),
           CASE WHEN d.number IS NULL THEN 'insert' WHEN i.number IS NULL THEN 'delete' ELSE 'update' END
    FROM inserted i FULL OUTER JOIN deleted d ON d.number = i.number;
END
GO
