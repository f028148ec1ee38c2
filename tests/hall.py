"""A hall where people are greeted: the ERP's parties, an outbox and a channel, by a clock that the test moves."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from demo import database, schema
from emailketing import road
from emailketing.audience import Audience, Door
from emailketing.channels.memory import Memory
from emailketing.erp import Erp
from emailketing.greetings import Greeting, Leap, When, occasion
from emailketing.model import Lane, Sender
from emailketing.outbox import Backoff, Filter, Outbox
from emailketing.render import Renderer
from emailketing.report.calendar import BusinessCalendar
from emailketing.settings import PROJECT, load

ASUNCION = ZoneInfo("America/Asuncion")
CALENDAR = BusinessCalendar()
SENDER = Sender("avisos@petroleradeleste.example", "Petrolera del Este S.A.")
DOOR = Door(["a secret of the tests"], "avisos@petroleradeleste.example")


class Clock:
    """A clock that stands still until the test moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def local(*parts: int) -> datetime:
    """A time of the company."""
    return datetime(*parts, tzinfo=ASUNCION)


def declared(name: str, on: str = "day", leap: Leap = Leap.BEFORE, **more) -> Greeting:
    when = When(occasion(on, leap, lambda: CALENDAR, date(2026, 1, 1)), leap=leap, **more)
    return Greeting(name, on=on, when=when)


BIRTHDAY = declared("birthday")
CHRISTMAS = declared("christmas", "12-25")
NEW_YEAR = declared("new_year", "01-01")


class Hall:
    """One machine's tools; several may stand over the same databases. `audience` is who gets what, besides the rows."""

    def __init__(self, erp_url: str, outbox_url: str, now: datetime, include: Path = PROJECT / "include") -> None:
        self.clock = Clock(now.astimezone(UTC))
        self.engine = database.open_engine(erp_url)
        self.outbox = Outbox.open(outbox_url)
        self.channel = Memory(clock=self.clock)
        self.erp = Erp(sa.create_engine(erp_url), include / "sql", ASUNCION)
        self.audience = Audience()
        self.renderer = Renderer(include, company=load().company.model_dump(), shared=PROJECT / "include")

    def build(self) -> Hall:
        """Make the ERP's tables."""
        database.create(self.engine)
        return self

    def close(self) -> None:
        self.engine.dispose()
        self.erp.engine.dispose()
        self.outbox.close()

    @property
    def greeter(self) -> road.Greeter:
        tools = road.Sweeper(
            erp=self.erp,
            outbox=self.outbox,
            renderer=self.renderer,
            channels={"email": self.channel},
            sender=SENDER,
            overlap_s=0,
            audience=self.audience,
            clock=self.clock,
        )
        return road.Greeter(tools, ASUNCION, lambda: CALENDAR, DOOR)

    def at(self, *parts: int) -> Hall:
        self.clock.now = local(*parts).astimezone(UTC)
        return self

    def greet(self, greeting: Greeting = BIRTHDAY, begin: datetime | None = None) -> road.Greeted:
        return road.greet(self.greeter, greeting, begin)

    def deliver(self) -> None:
        """The outbox's minute: what is too old ends, the consents are asked again, the bulk lane is sent."""
        road.keep_house(self.outbox, Backoff(), self.clock())
        carrier = road.Carrier(
            self.outbox,
            {"email": lambda: self.channel},
            Backoff(),
            10,
            60,
            clock=self.clock,
            chance=random.Random(1),
            consult=lambda: road.ask_again(self.outbox, lambda: self.erp, self.clock),
        )
        road.deliver(carrier, Lane.BULK)

    def pass_days(self, days: int, *greetings: Greeting) -> None:
        """The daily DAG, and the outbox's minute at every third hour in between."""
        for _ in range(days):
            for greeting in greetings:
                self.greet(greeting)
            for _ in range(8):
                self.deliver()
                self.clock.now += timedelta(hours=3)

    def add(self, name: str = "Ana Benítez", **values) -> int:
        """A customer who consents; his id."""
        row = {
            "name": name,
            "is_company": False,
            "is_customer": True,
            "is_supplier": False,
            "email": f"{name.split(maxsplit=1)[0].lower()}@correo.example",
            "language": "es",
            "consent": True,
            "consent_at": datetime(2024, 1, 1),  # noqa: DTZ001 as the ERP writes it
            "address": "Avda. San Blas 1",
            "city": "Ciudad del Este",
            "payment_days": 0,
            "active": True,
            "changed_at": datetime(2024, 1, 1),  # noqa: DTZ001
            **values,
        }
        with self.engine.begin() as connection:
            return int(connection.execute(sa.insert(schema.parties), row).inserted_primary_key[0])

    def change(self, number: int, **values) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.update(schema.parties).where(schema.parties.c.id == number), values)

    def rows(self, **wanted):
        return self.outbox.messages(Filter(**wanted), limit=None)

    def states(self, **wanted) -> dict[str, str]:
        return {row.document: row.state.value for row in self.rows(**wanted)}

    def mails(self) -> list[str]:
        return [each.address for each in self.channel.delivered]
