"""The trigger scripts of include/sql/capture, on real databases: every change that is committed is told once."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from emailketing import road, tasks
from emailketing.channels.memory import Memory
from emailketing.erp import Erp
from emailketing.errors import DeclarationError
from emailketing.model import Mailing, Sender
from emailketing.outbox import Outbox
from emailketing.render import Renderer
from emailketing.settings import load
from tests.chaos.town import STAGE

PROJECT = Path(__file__).resolve().parents[2]
SCRIPTS = PROJECT / "include" / "sql" / "capture"
INVOICE = Mailing("note")
QUERY = """
SELECT c.document_key AS document, c.sequence AS version, c.changed_at, i.name, i.email, 'es' AS language, i.body
FROM emailketing_change c
JOIN invoices i ON i.number = c.document_key
WHERE c.document_table = 'invoices'
  AND NOT EXISTS (
    SELECT 1 FROM emailketing_change later
    WHERE later.document_table = c.document_table AND later.document_key = c.document_key
      AND later.sequence > c.sequence
  )
"""


def run(engine, script):
    if engine.dialect.name == "sqlite":
        with sqlite3.connect(engine.url.database) as connection:
            connection.executescript(script)
        connection.close()
        return
    statements = script.split(";\n") if engine.dialect.name == "mysql" else [script]
    with engine.begin() as connection:
        for statement in statements:
            if statement.strip():
                connection.exec_driver_sql(statement)


class Billing:
    """An ERP that does not say when its invoices change, with the script of its database."""

    def __init__(self, url, tmp_path):
        self.engine = sa.create_engine(url)
        name = {"mysql": "mariadb"}.get(self.engine.dialect.name, self.engine.dialect.name)
        with self.engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TABLE invoices (number VARCHAR(20) PRIMARY KEY, name VARCHAR(50), email VARCHAR(80), body TEXT)"
            )
        run(self.engine, (SCRIPTS / f"{name}.sql").read_text())
        sql = tmp_path / "sql"
        sql.mkdir()
        (sql / "note.sql").write_text(QUERY)
        self.outbox = Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}")
        self.sweeper = road.Sweeper(
            erp=Erp(sa.create_engine(url), sql, ZoneInfo("UTC")),
            outbox=self.outbox,
            renderer=Renderer(STAGE / "include", company=load().company.model_dump()),
            channels={"email": Memory()},
            sender=Sender("notes@company.example"),
            overlap_s=900,
        )

    def close(self):
        self.engine.dispose()
        self.sweeper.erp.engine.dispose()
        self.outbox.close()

    def insert(self, connection, number):
        values = {"number": number, "email": f"{number.lower()}@example.com"}
        connection.execute(
            sa.text("INSERT INTO invoices VALUES (:number, 'Ana', :email, 'first')"),
            values,
        )

    def do(self, statement, **values):
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def sweep(self):
        return sorted(self._told_by(road.sweep(self.sweeper, INVOICE)))

    def _told_by(self, swept):
        assert swept.problems == []
        newest = self.outbox.messages(limit=swept.new or 1)[: swept.new]
        return [row.document for row in newest]

    def changes(self):
        with self.engine.connect() as connection:
            query = "SELECT document_key, operation FROM emailketing_change ORDER BY sequence"
            return [tuple(row) for row in connection.execute(sa.text(query))]


@pytest.fixture
def billing(database_url, tmp_path):
    billing = Billing(database_url, tmp_path)
    with billing.engine.begin() as connection:
        billing.insert(connection, "OLD")
    assert billing.sweep() == []
    yield billing
    billing.close()


def test_each_change_of_a_document_is_told_once(billing):
    with billing.engine.begin() as connection:
        billing.insert(connection, "A")
        billing.insert(connection, "B")
    assert billing.sweep() == ["A", "B"]
    assert billing.sweep() == []
    billing.do("UPDATE invoices SET body = 'second' WHERE number = 'A'")
    billing.do("UPDATE invoices SET body = 'third' WHERE number = 'A'")
    assert billing.sweep() == ["A"]
    billing.do("UPDATE invoices SET body = 'second' WHERE number = 'OLD'")
    assert billing.sweep() == ["OLD"]
    billing.do("DELETE FROM invoices WHERE number = 'B'")
    assert billing.sweep() == []
    assert billing.changes()[-1] == ("B", "delete")


def test_what_is_rolled_back_leaves_no_change(billing):
    before = billing.changes()
    with billing.engine.connect() as connection:
        billing.insert(connection, "A")
        connection.rollback()
    assert billing.changes() == before
    assert billing.sweep() == []


def test_a_number_that_changes_is_another_document(billing):
    billing.do("UPDATE invoices SET number = 'NEW' WHERE number = 'OLD'")
    assert billing.changes()[-2:] == [("OLD", "delete"), ("NEW", "insert")]
    assert billing.sweep() == ["NEW"]


def test_a_document_deleted_and_saved_again_under_its_number_is_told_again(billing):
    with billing.engine.begin() as connection:
        billing.insert(connection, "A")
    assert billing.sweep() == ["A"]
    billing.do("DELETE FROM invoices WHERE number = 'A'")
    assert billing.sweep() == []
    with billing.engine.begin() as connection:
        billing.insert(connection, "A")
    assert billing.sweep() == ["A"]


@pytest.mark.parametrize("database_url", ["postgres", "mariadb"], indirect=True)  # SQLite has one writer at a time
def test_a_change_committed_late_is_told(billing):
    with billing.engine.begin() as late:
        billing.insert(late, "LATE")
        with billing.engine.begin() as prompt:
            billing.insert(prompt, "PROMPT")
        assert billing.sweep() == ["PROMPT"]
    assert billing.sweep() == ["LATE"]


def test_who_changed_it_and_when_is_kept(billing):
    signing = {"postgresql": "SET LOCAL emailketing.operator = 'ana'", "mysql": "SET @emailketing_user = 'ana'"}
    with billing.engine.begin() as connection:
        if billing.engine.dialect.name in signing:
            connection.exec_driver_sql(signing[billing.engine.dialect.name])
        billing.insert(connection, "A")
    with billing.engine.connect() as connection:
        found = connection.execute(
            sa.text("SELECT changed_by, changed_at FROM emailketing_change WHERE document_key = 'A'")
        ).one()
    assert found.changed_by == ("ana" if billing.engine.dialect.name in signing else "")
    at = found.changed_at if isinstance(found.changed_at, datetime) else datetime.fromisoformat(found.changed_at)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)


def test_the_scripts_are_no_queries(tmp_path):
    erp = Erp(sa.create_engine("sqlite://"), PROJECT / "include" / "sql", ZoneInfo("UTC"))
    assert sorted(path.stem for path in SCRIPTS.iterdir()) == ["mariadb", "postgresql", "sqlite", "sqlserver"]
    assert not erp.has("postgresql")
    with pytest.raises(DeclarationError, match="no query 'postgresql'"):
        tasks.notification("postgresql")
