"""The whole road in one object, for tests: the demo ERP, an outbox and a channel, by a clock that the test moves."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from demo import database, generate
from demo.masters import Data
from demo.simulate import Simulator
from emailketing import road
from emailketing.channels.memory import Memory
from emailketing.erp import Erp
from emailketing.model import Lane, Mailing, Sender
from emailketing.outbox import Backoff, Filter, Outbox
from emailketing.render import Renderer
from emailketing.settings import load

ORDER = Mailing("purchase_order", expires_after_s=7 * 86400)
SENDER = Sender("avisos@petroleradeleste.example", "Petrolera del Este S.A.")
BACKOFF = Backoff(attempts=3, first_s=30, most_s=3600)
MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
_PLAIN_SHEET = "<!DOCTYPE html><html><head><title>{{ document }}</title></head><body>{{ document }}</body></html>"


class Clock:
    """A clock that the test moves."""

    def __init__(self, now: datetime = MONDAY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Town:
    """The demo ERP, an outbox and a channel that remembers, on one road; `operator` saves documents."""

    def __init__(self, erp_url: str, outbox_url: str, include: Path) -> None:
        engine = database.open_engine(erp_url)
        database.create(engine)
        generate.store(engine, _company())
        self._open(engine, outbox_url, include, Clock())

    @classmethod
    def again(cls, erp_url: str, outbox_url: str, include: Path, now: datetime) -> Town:
        """A town on copies of another one's databases, which was left at `now`."""
        town = cls.__new__(cls)
        town._open(database.open_engine(erp_url), outbox_url, include, Clock(now))
        return town

    def _open(self, engine: sa.Engine, outbox_url: str, include: Path, clock: Clock) -> None:
        self.engine, self.clock, self.include = engine, clock, include
        self.operator = Simulator(self.engine, 3, clock=self.clock, wait=self.clock.sleep)
        self.outbox = Outbox.open(outbox_url)
        self.channel = Memory(clock=self.clock)
        self.sweeper = road.Sweeper(
            erp=Erp(sa.create_engine(engine.url), include / "sql", ZoneInfo("America/Asuncion")),
            outbox=self.outbox,
            renderer=Renderer(include, company=load().company.model_dump()),
            channels={"email": self.channel},
            sender=SENDER,
            overlap_s=900,
            clock=self.clock,
        )
        self.carrier = road.Carrier(
            self.outbox, {"email": lambda: self.channel}, BACKOFF, 10, 60, clock=self.clock, chance=random.Random(1)
        )

    def close(self) -> None:
        self.engine.dispose()
        self.sweeper.erp.engine.dispose()
        self.outbox.close()

    def sweep(self, begin: datetime | None = None) -> road.Swept:
        return road.sweep(self.sweeper, ORDER, begin)

    def deliver(self) -> road.Delivered:
        return road.deliver(self.carrier, Lane.INSTANT)

    def rows(self, **wanted):
        return self.outbox.messages(Filter(**wanted))

    def write(self, name: str, text: str) -> None:
        (self.include / name).write_text(text)

    def read(self, name: str) -> str:
        return (self.include / name).read_text()


@cache
def _company() -> Data:
    return generate.build(5, MONDAY.date(), 0.02)


def plain_sheets(include: Path) -> None:
    """Every PDF is one line: a mailing's own takes a second to lay out, and few tests look at it."""
    for sheet in include.glob("templates/[!_]*/sheet.html.j2"):
        sheet.write_text(_PLAIN_SHEET)
