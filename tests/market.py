"""A market, for tests of campaigns: the demo ERP, an outbox, and a channel that remembers; the test moves the clock."""

from __future__ import annotations

import os
import random
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from demo import database
from demo.generate import generate
from emailketing import road
from emailketing.audience import Door
from emailketing.channels.memory import Memory
from emailketing.erp import Erp
from emailketing.model import Campaign, Lane
from emailketing.outbox import Filter, Outbox
from emailketing.render import Renderer
from emailketing.road import campaigning
from emailketing.settings import load
from tests.town import BACKOFF, SENDER

PRICE_LIST = Campaign(
    "price_list", edition="weekly", attach=("pdf", "xlsx"), sections="product_group", marks=("code", "price")
)
# Where nobody looks at its PDF, which takes a second for each list; or at none of its files.
WORKBOOK = replace(PRICE_LIST, attach=("xlsx",))
BARE = replace(PRICE_LIST, attach=())
CHOSEN = replace(BARE, edition=("weekly", "daily", "monthly"))  # by each reader
PROMOTION = Campaign("promotion", edition="monthly", variants=("price", "occasion"), coupon_days=30)
PRESENTATION = Campaign("product_presentation")

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
ZONE = ZoneInfo("America/Asuncion")
SECRET = b"a secret of the tests, long enough"
DOOR = Door([SECRET.decode()], "salir@petroleradeleste.example", "https://petroleradeleste.example")


class Market:
    """The ERP and the outbox; `now` is everybody's time, and the ERP's history ends with the day before it begins."""

    def __init__(self, erp_url: str, outbox_url: str, include: Path, *, scale: float = 0.1) -> None:
        self.engine = database.open_engine(erp_url)
        database.create(self.engine)
        generate(self.engine, seed=5, until=MONDAY.date(), scale=scale)
        self._open(erp_url, outbox_url, include)

    @classmethod
    def again(cls, erp_url: str, outbox_url: str, include: Path) -> Market:
        """A market on copies of another one's databases."""
        market = cls.__new__(cls)
        market.engine = database.open_engine(erp_url)
        market._open(erp_url, outbox_url, include)
        return market

    def _open(self, erp_url: str, outbox_url: str, include: Path) -> None:
        self.now, self.include = MONDAY, include
        self.outbox = Outbox.open(outbox_url)
        self.channel = Memory(clock=self.clock)
        self.campaigner = road.Campaigner(
            erp=Erp(sa.create_engine(erp_url), include / "sql", ZONE),
            outbox=self.outbox,
            renderer=Renderer(include, company=load().company.model_dump()),
            channels={"email": self.channel},
            sender=SENDER,
            door=DOOR,
            secret=SECRET,
            zone=ZONE,
            company="Petrolera del Este S.A.",
            clock=self.clock,
        )
        self.carrier = road.Carrier(
            self.outbox,
            {"email": lambda: self.channel},
            BACKOFF,
            batch=50,
            lease_s=60,
            clock=self.clock,
            chance=random.Random(1),
            consult=lambda: road.ask_again(self.outbox, lambda: self.campaigner.erp, self.clock, self._everybody),
        )

    def clock(self) -> datetime:
        return self.now

    def _everybody(self, reader, mailing: str):
        return reader.people(mailing, self.now.date())

    def close(self) -> None:
        self.engine.dispose()
        self.campaigner.erp.engine.dispose()
        self.outbox.close()

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)

    def advertise(self, campaign: Campaign = PROMOTION, **changes) -> road.Advertised:
        return road.advertise(replace(self.campaigner, **changes), campaign, self.now)

    def plan(self, campaign: Campaign = PROMOTION) -> list[road.Choice]:
        return list(road.plan(self.campaigner, campaign, self.now))

    def deliver(self) -> road.Delivered:
        return road.deliver(self.carrier, Lane.BULK)

    def rows(self, **wanted):
        return self.outbox.messages(Filter(**wanted), limit=None)

    def query(self, statement: str, **values):
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.text(statement), values)]

    def change(self, statement: str, **values) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def mend(self, name: str, old: str, new: str) -> None:
        text = (self.include / name).read_text()
        assert old in text
        (self.include / name).write_text(text.replace(old, new))


class Half(Market):
    """A market on databases that are there already, whose process is killed after so many puts of ten messages."""

    def __init__(self, erp_url: str, outbox_url: str, include: Path, puts: int) -> None:
        campaigning._PUT_AT_ONCE = 10
        self._open(erp_url, outbox_url, include)
        put, left = self.outbox.put, [puts]

        def killing(*arguments):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return put(*arguments)

        self.outbox.put = killing  # type: ignore[method-assign]


def run_half(argv: list[str]) -> None:
    """The entry for `warm.py`: a campaign by its name here, advertised until it is killed."""
    erp_url, outbox_url, include, puts, campaign = argv
    Half(erp_url, outbox_url, Path(include), int(puts)).advertise(globals()[campaign])
