"""The triggers that fill audit_log: who changed or deleted a document or master data, when, from where, and what.

An operator signs on at the start of his transaction (`sign_on`), and what the triggers then write carries his name and
the transaction's begin. A change made past the ERP, in a database console, carries the database's login and origin
'sql'. The images are JSON objects of the whole row, the same on all three databases: times as 'YYYY-MM-DD
HH:MM:SS.ffffff', booleans as true and false. Lines have no images of their own: their document's totals tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from demo import schema

#: The audited tables, and the SQL expression by which a person knows a record.
AUDITED: Mapping[str, str] = {
    "parties": "OLD.name",
    "employees": "OLD.name",
    "vehicles": "OLD.plate",
    "products": "OLD.description",
    "prices": "(SELECT p.description FROM products p WHERE p.id = OLD.product_id)",
    **{table.name: "OLD.number" for table in schema.DOCUMENTS},
}

#: Columns that the ERP keeps up to date by itself; a change of nothing else is not worth a line in the log.
UNREMARKED: Mapping[str, frozenset[str]] = {
    "vehicles": frozenset({"last_odometer", "changed_at"}),
    "products": frozenset({"average_cost", "changed_at"}),
    "sales": frozenset({"balance", "changed_at"}),
    "supplier_invoices": frozenset({"balance", "changed_at"}),
}

_COLUMNS = "table_name, record_id, record, operation, before_image, after_image, changed_at, changed_by, origin"


def create(connection: Connection) -> None:
    """Create the triggers of all audited tables."""
    dialect = connection.dialect.name
    makers = {"sqlite": _sqlite, "postgresql": _postgres, "mysql": _mariadb, "mariadb": _mariadb}
    for statement in makers[dialect]():
        connection.exec_driver_sql(statement)


def sign_on(connection: Connection, operator: str, origin: str, began: datetime) -> None:
    """Say who works in this transaction, from which screen, and when it began (company-local, without a zone)."""
    values = {"operator": operator, "origin": origin, "began": began.isoformat(" ", "microseconds")}
    for statement in _SIGN_ON[connection.dialect.name]:
        connection.execute(sa.text(statement), values)


def sign_off(connection: Connection) -> None:
    """Forget the operator before COMMIT, so that nobody later works in his name on the same connection."""
    for statement in _SIGN_OFF[connection.dialect.name]:
        connection.execute(sa.text(statement))


_MARIADB_ON = "SET @erp_operator = :operator, @erp_origin = :origin, @erp_began = :began"
_MARIADB_OFF = "SET @erp_operator = NULL, @erp_origin = NULL, @erp_began = NULL"
_SIGN_ON = {
    # SQLite has no variables of a session. It has one writer at a time, so one row, seen by nobody else, serves.
    "sqlite": [
        "DELETE FROM operator_session",
        "INSERT INTO operator_session (operator, origin, began) VALUES (:operator, :origin, :began)",
    ],
    "postgresql": [
        "SELECT set_config('erp.operator', :operator, true), set_config('erp.origin', :origin, true),"
        " set_config('erp.began', :began, true)"
    ],
    "mysql": [_MARIADB_ON],
    "mariadb": [_MARIADB_ON],
}
_SIGN_OFF: Mapping[str, list[str]] = {
    "sqlite": ["DELETE FROM operator_session"],
    "postgresql": [],  # set_config(…, true) ends with the transaction
    "mysql": [_MARIADB_OFF],
    "mariadb": [_MARIADB_OFF],
}


def _audited() -> Iterator[tuple[Table, str]]:
    for name, label in AUDITED.items():
        yield schema.metadata.tables[name], label


def _image(table: Table, row: str, dialect: str, *, without: frozenset[str] = frozenset()) -> str:
    """The SQL expression of a JSON object of `row` (OLD or NEW)."""
    function = "json_build_object" if dialect == "postgresql" else "json_object"
    pairs = [f"'{c.name}', {_value(c, row, dialect)}" for c in table.columns if c.name not in without]
    return f"{function}({', '.join(pairs)})"


def _value(column: sa.Column[object], row: str, dialect: str) -> str:
    name = f"{row}.{column.name}"
    boolean, moment = isinstance(column.type, sa.Boolean), isinstance(column.type, sa.DateTime)
    if dialect == "postgresql":
        return f"to_char({name}, 'YYYY-MM-DD HH24:MI:SS.US')" if moment else name
    if boolean:
        as_json = "json" if dialect == "sqlite" else "JSON_COMPACT"
        return f"{as_json}(CASE {name} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"
    return name


def _differs(table: Table, dialect: str) -> str:
    without = UNREMARKED.get(table.name, frozenset({"changed_at"}))
    old, new = (_image(table, row, dialect, without=without) for row in ("OLD", "NEW"))
    if dialect == "postgresql":
        return f"{old}::text <> {new}::text"
    if dialect == "sqlite":
        return f"{old} <> {new}"
    return f"CAST({old} AS BINARY) <> CAST({new} AS BINARY)"  # else 'López' would equal 'LOPEZ'


def _insert(table: Table, label: str, operation: str, dialect: str, session: tuple[str, str, str]) -> str:
    after = _image(table, "NEW", dialect) if operation == "UPDATE" else "NULL"
    began, operator, origin = session
    values = [
        f"'{table.name}'",
        "OLD.id",
        label,
        f"'{operation}'",
        _image(table, "OLD", dialect),
        after,
        began,
        operator,
        origin,
    ]
    return f"INSERT INTO audit_log ({_COLUMNS}) VALUES ({', '.join(values)})"


# Paraguay keeps UTC-3 all year since October 2024; SQLite and a bare MariaDB know no time zones by name.
def _sqlite() -> Iterator[str]:
    yield "CREATE TABLE operator_session (operator VARCHAR(60), origin VARCHAR(60), began VARCHAR(26))"
    session = (
        "coalesce((SELECT began FROM operator_session), strftime('%Y-%m-%d %H:%M:%f000', 'now', '-3 hours'))",
        "coalesce((SELECT operator FROM operator_session), 'sqlite')",
        "coalesce((SELECT origin FROM operator_session), 'sql')",
    )
    for table, label in _audited():
        for operation in ("UPDATE", "DELETE"):
            when = f" WHEN {_differs(table, 'sqlite')}" if operation == "UPDATE" else ""
            yield (
                f"CREATE TRIGGER audit_{table.name}_{operation.lower()} AFTER {operation} ON {table.name}{when}\n"
                f"BEGIN\n  {_insert(table, label, operation, 'sqlite', session)};\nEND"
            )


def _postgres() -> Iterator[str]:
    session = (
        "coalesce(nullif(current_setting('erp.began', true), '')::timestamp,"
        " transaction_timestamp() AT TIME ZONE 'America/Asuncion')",
        "coalesce(nullif(current_setting('erp.operator', true), ''), session_user)",
        "coalesce(nullif(current_setting('erp.origin', true), ''), 'sql')",
    )
    for table, label in _audited():
        update, delete = (_insert(table, label, operation, "postgresql", session) for operation in ("UPDATE", "DELETE"))
        yield (
            f"CREATE FUNCTION audit_{table.name}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
            f"  IF TG_OP = 'DELETE' THEN\n    {delete};\n"
            f"  ELSIF {_differs(table, 'postgresql')} THEN\n    {update};\n  END IF;\n"
            "  RETURN NULL;\nEND $$"
        )
        yield (
            f"CREATE TRIGGER audit_{table.name} AFTER UPDATE OR DELETE ON {table.name}"
            f" FOR EACH ROW EXECUTE FUNCTION audit_{table.name}()"
        )


def _mariadb() -> Iterator[str]:
    session = (
        "coalesce(@erp_began, UTC_TIMESTAMP(6) - INTERVAL 3 HOUR)",
        "coalesce(@erp_operator, SUBSTRING_INDEX(USER(), '@', 1))",
        "coalesce(@erp_origin, 'sql')",
    )
    for table, label in _audited():
        for operation in ("UPDATE", "DELETE"):
            insert = _insert(table, label, operation, "mysql", session)
            body = f"IF {_differs(table, 'mysql')} THEN\n  {insert};\nEND IF" if operation == "UPDATE" else insert
            yield (
                f"CREATE TRIGGER audit_{table.name}_{operation.lower()} AFTER {operation} ON {table.name}\n"
                f"FOR EACH ROW\n{body}"
            )
