"""An ERP on a real server whose time the test moves: its rows' times, the server's clock and ours, each by itself."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from emailketing import road
from emailketing.channels.memory import Memory
from emailketing.erp import Erp
from emailketing.model import Mailing, Sender
from emailketing.outbox import Outbox, schema
from emailketing.render import Renderer
from emailketing.road.rounds import sweep_out
from emailketing.settings import load
from tests.chaos.town import STAGE

PAPER = Mailing("paper")
QUERY = (
    """SELECT p.document, p.version, p.changed_at, p.silent, p.name, p.email, 'es' AS language, p.body FROM papers p"""
)

metadata = sa.MetaData()
papers = sa.Table(
    "papers",
    metadata,
    sa.Column("document", sa.String(40), primary_key=True),
    sa.Column("version", sa.Integer),
    sa.Column("changed_at", sa.DateTime, index=True),
    sa.Column("silent", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("name", sa.String(100)),
    sa.Column("email", sa.String(100)),
    sa.Column("body", sa.Text),
)

# A clock of the server that the test moves: the name is looked up here before it is among the server's own.
_CLOCK = """
CREATE SCHEMA era;
CREATE TABLE era.clock (at timestamptz);
INSERT INTO era.clock VALUES (now());
CREATE FUNCTION era.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT at FROM era.clock'
"""


class Era:
    """An ERP and its outbox. `ahead` is by how much its rows' times, `server_ahead` its server's clock, are wrong."""

    def __init__(self, erp_url: str, outbox_url: str, folder: Path, *, moved: bool = True) -> None:
        """Where its time is not `moved`, the server keeps its own clock."""
        self._began()
        self.engine = sa.create_engine(erp_url, pool_size=10)
        metadata.create_all(self.engine)
        if moved and self.engine.dialect.name == "postgresql":
            self._make_a_clock()
        self.folder, self.outbox_url, self._opened = folder, outbox_url, []
        self.outbox = Outbox.open(outbox_url)

    def _began(self) -> None:
        self.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
        self.ahead = self.server_ahead = timedelta(0)

    def begin_anew(self) -> None:
        """All is empty, and the clocks are right."""
        self._began()
        self.wait(0)
        with self.engine.begin() as connection:
            connection.execute(sa.delete(papers))
        with self.outbox._database.engine.execution_options(writes=True).begin() as connection:
            for table in reversed(schema.metadata.sorted_tables):
                if table is not schema.state:
                    connection.execute(sa.delete(table))
        self.lay_out()
        self._let_go()
        self.sweeper = self.another_sweeper()

    def lay_out(self) -> None:
        """The include folder, as it was."""
        shutil.rmtree(self.folder / "era", ignore_errors=True)
        self.include = Path(shutil.copytree(STAGE / "include", self.folder / "era"))
        (self.include / "sql" / "paper.sql").write_text(QUERY)
        shutil.copytree(self.include / "templates" / "note", self.include / "templates" / "paper")

    def another_sweeper(self) -> road.Sweeper:
        """As another process would have: with connections and a memory of its own."""
        erp = Erp(sa.create_engine(self.engine.url), self.include / "sql", ZoneInfo("UTC"))
        self._opened.append(erp.engine)
        return road.Sweeper(
            erp=erp,
            outbox=self.outbox,
            renderer=Renderer(self.include, company=load().company.model_dump()),
            channels={"email": Memory()},
            sender=Sender("papers@company.example", "Papers"),
            overlap_s=900,
            clock=lambda: self.now,
            stillness=road.Stillness(self.ticks),
        )

    def _let_go(self) -> None:
        """End the connections of the sweepers that there were."""
        while self._opened:
            self._opened.pop().dispose()

    def close(self) -> None:
        self._let_go()
        self.engine.dispose()
        self.outbox.close()

    def _make_a_clock(self) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(_CLOCK)
            database = connection.exec_driver_sql("SELECT current_database()").scalar_one()
            connection.exec_driver_sql(f"ALTER DATABASE {database} SET search_path = era, pg_catalog, public")
        self.engine.dispose()
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Time passes, everywhere."""
        self.now += timedelta(seconds=seconds)
        if self.engine.dialect.name == "postgresql":
            with self.engine.begin() as connection:
                connection.execute(sa.text("UPDATE era.clock SET at = :at"), {"at": self.now + self.server_ahead})

    def ticks(self) -> float:
        """Seconds of a clock that nobody sets."""
        return self.now.timestamp()

    def dated(self) -> datetime:
        """What the ERP writes as the present."""
        return (self.now + self.ahead).replace(tzinfo=None)

    def save(self, document: str, version: int | None = 1, **columns) -> None:
        """Insert the document, or write its new version over the old one; committed."""
        address = f"{document.lower()}@example.com"
        values = {"version": version, "changed_at": self.dated(), "email": address, "name": "Ana", "body": document}
        with self.engine.begin() as connection:
            mine = papers.c.document == document
            if not connection.execute(sa.update(papers).where(mine).values(values | columns)).rowcount:
                connection.execute(sa.insert(papers), {"document": document, **values, **columns})

    def delete(self, *documents: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.delete(papers).where(papers.c.document.in_(documents)))

    def take_backup(self) -> list[dict]:
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.select(papers))]

    def restore(self, backup: list[dict]) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.delete(papers))
            if backup:
                connection.execute(sa.insert(papers), backup)

    def sweep(self, quiet_s: float = 0.0, mailing: Mailing = PAPER, **changes) -> road.Swept:
        return road.sweep(replace(self.sweeper, quiet_s=quiet_s, **changes), mailing)

    def sweep_out(self, quiet_s: float) -> road.Swept:
        (swept,) = sweep_out(replace(self.sweeper, quiet_s=quiet_s), [PAPER], sleep=self.wait)
        return swept

    def told(self) -> list[tuple[str, str]]:
        """Which versions were told, in order of their documents; each as often as it was."""
        return sorted((row.document, row.version) for row in self.outbox.messages(limit=None))
