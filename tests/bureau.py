"""The road of a report in one object, for tests: a small ERP, an outbox, readers in a file, and a clock to be moved."""

from __future__ import annotations

import io
import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import sqlalchemy as sa

from emailketing import road
from emailketing.audience import Source
from emailketing.channels.gsm7 import Wording
from emailketing.channels.memory import Memory
from emailketing.channels.phone import Phone
from emailketing.channels.wire import assemble
from emailketing.erp import Erp
from emailketing.errors import OutboxError
from emailketing.model import Kind, Sender
from emailketing.outbox import Filter, Outbox
from emailketing.render import Renderer
from emailketing.report.calendar import BusinessCalendar
from emailketing.report.declaration import ReportMailing
from emailketing.settings import PROJECT, load

ASUNCION = ZoneInfo("America/Asuncion")

SALES = """SELECT s.branch, s.product, SUM(s.amount) AS amount, SUM(s.litres) AS litres
FROM sold s
WHERE s.day >= :start AND s.day < :end
GROUP BY s.branch, s.product
ORDER BY s.branch, s.product
"""

PEOPLE = """
audiences:
  management:
    - {name: Graciela, email: graciela@company.example, language: es}
    - {name: Bob, email: bob@company.example, language: en}
"""


class Clock:
    """A clock that the test sets, by the hour of Asunción."""

    def __init__(self, local: str) -> None:
        self.set(local)

    def __call__(self) -> datetime:
        return self.now

    def set(self, local: str) -> None:
        self.now = datetime.fromisoformat(local).replace(tzinfo=ASUNCION).astimezone(UTC)

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Dying:
    """An outbox whose process dies after the n-th call."""

    def __init__(self, outbox: Outbox, calls: int) -> None:
        self.outbox, self.left = outbox, calls

    def __getattr__(self, name):
        def call(*args, **kwargs):
            done = getattr(self.outbox, name)(*args, **kwargs)
            self.left -= 1
            if not self.left:
                raise OutboxError("killed")
            return done

        return call


class Bureau:
    """A company whose sales are reported. `looks` are what the ERP's connection was asked."""

    def __init__(self, folder: Path, local: str = "2026-11-25 07:00") -> None:
        self.folder, self.clock = folder, Clock(local)
        self.include = folder / "include"
        (self.include / "sql").mkdir(parents=True)
        (self.include / "templates").mkdir()
        shutil.copytree(PROJECT / "include" / "assets", self.include / "assets")
        self.engine = sa.create_engine(f"sqlite:///{folder / 'erp.db'}")
        with self.engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TABLE sold (day DATE, branch TEXT, product TEXT, currency TEXT, amount NUMERIC, litres NUMERIC)"
            )
        self.write("sql/sales.sql", SALES)
        self.write("subscriptions.yaml", PEOPLE)
        self.outbox = Outbox.open(f"sqlite:///{folder / 'outbox.db'}")
        self.asked: list[str] = []
        self.mailing = ReportMailing("sales", kind=Kind.REPORT, to="management", at=time(7))
        self.renew()

    def renew(self) -> None:
        """A new process: nothing but the databases and the files is remembered."""
        company = load().company.model_dump()
        erp = sa.create_engine(f"sqlite:///{self.folder / 'erp.db'}")
        sa.event.listen(erp, "before_cursor_execute", lambda *args: self.asked.append(args[2]))
        self.reporter = road.Reporter(
            erp=Erp(erp, self.include / "sql", ASUNCION),
            outbox=self.outbox,
            renderer=Renderer(self.include, company=company, shared=PROJECT / "include"),
            channels={"email": Memory(), "phone": Phone(lambda: "", Wording())},
            sender=Sender("avisos@petroleradeleste.example", "Petrolera del Este S.A."),
            house=road.House("Petrolera del Este S.A.", ASUNCION, "PYG", BusinessCalendar("PY")),
            audience=Source(self.include / "subscriptions.yaml", self.outbox.subscribed, region="PY").audience,
            clock=self.clock,
        )

    def close(self) -> None:
        self.outbox.close()
        self.engine.dispose()
        self.reporter.erp.engine.dispose()

    def write(self, name: str, text: str) -> None:
        (self.include / name).parent.mkdir(parents=True, exist_ok=True)
        (self.include / name).write_text(text)

    def subscribe(self, *entries: str) -> None:
        """Subscriptions beside the audiences, each the inside of a mapping."""
        self.write("subscriptions.yaml", PEOPLE + "subscriptions:\n" + "".join(f"  - {{{each}}}\n" for each in entries))

    def forget(self, **row) -> None:
        """Take back what was sold so."""
        with self.engine.begin() as connection:
            where = " AND ".join(f"{name} = :{name}" for name in row)
            connection.execute(sa.text(f"DELETE FROM sold WHERE {where}"), row)

    def sell(self, day: str, amount: int, branch: str = "001", product: str = "Nafta", **more) -> None:
        row = {"day": day, "branch": branch, "product": product, "currency": "PYG", "amount": amount, "litres": 10}
        with self.engine.begin() as connection:
            connection.execute(
                sa.text("INSERT INTO sold VALUES (:day, :branch, :product, :currency, :amount, :litres)"), row | more
            )

    def declare(self, **declared) -> None:
        self.mailing = replace(self.mailing, **declared)

    def look(self, asked=None) -> road.Reported:
        return road.report(self.reporter, self.mailing, asked)

    def dies_at(self, calls: int) -> bool:
        """Look with an outbox that fails at its n-th call, after it has done what it was asked; whether it did."""
        whole, self.reporter = self.reporter, replace(self.reporter, outbox=Dying(self.outbox, calls))
        try:
            self.look()
        except OutboxError:
            return True
        finally:
            self.reporter = whole
        return False

    def rows(self, **wanted):
        """The messages in the outbox, in the order in which they came."""
        return sorted(self.outbox.messages(Filter(**wanted)), key=lambda row: row.id)

    def told(self, **wanted):
        """Who was told what: address, document, version, state."""
        return [
            (row.address.partition("@")[0], row.document, row.version, str(row.state)) for row in self.rows(**wanted)
        ]

    def mail(self, address: str, document: str = ""):
        """The mail to an address, parsed."""
        rows = [row for row in self.rows() if row.address.startswith(address) and document in row.document]
        return parsed(self.wire(rows[-1].key))

    def wire(self, key: str) -> bytes:
        return assemble(self.outbox.frozen(key))

    def blobs(self) -> int:
        with sa.create_engine(f"sqlite:///{self.folder / 'outbox.db'}").connect() as connection:
            return connection.exec_driver_sql("SELECT COUNT(*) FROM outbox_blob").scalar()


def parsed(wire: bytes):
    """A mail as a reader's program sees it."""
    return BytesParser(policy=policy.default).parsebytes(wire)


def files(mail) -> dict[str, bytes]:
    """The attachments of a mail by their type, without the pictures."""
    return {
        Path(part.get_filename()).suffix: part.get_content()
        if part.get_content_maintype() != "text"
        else part.get_content().encode()
        for part in mail.walk()
        if part.get_filename() and not part["Content-ID"]
    }


def sheet(mail):
    """The rows of a mail's workbook, of its first sheet."""
    book = openpyxl.load_workbook(io.BytesIO(files(mail)[".xlsx"]), data_only=True)
    return [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]


@contextmanager
def opened(folder: Path, local: str = "2026-11-25 07:00"):
    bureau = Bureau(folder, local)
    try:
        yield bureau
    finally:
        bureau.close()


def day(text: str) -> date:
    return date.fromisoformat(text)
