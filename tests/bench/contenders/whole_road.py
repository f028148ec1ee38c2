"""eMailketing's whole road: query, render, put, deliver; one campaign to every customer."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import customers
import fresh
import sqlalchemy as sa
from frozen import SENDER

from emailketing import road
from emailketing.erp import Erp
from emailketing.model import Kind, Lane, Mailing, OnUnknown, Outcome, State
from emailketing.outbox import Outbox
from emailketing.render import Renderer
from emailketing.settings import Company
from tests.bench.processes import STAGE

OFFER = Mailing("offer", Kind.CAMPAIGN, on_unknown=OnUnknown.NEVER)
_ready: list[Outbox] = []


def prepare(count: int) -> None:
    customers.build(fresh.FOLDER / "erp.db", count)
    _ready[:] = [fresh.outbox()]


def run() -> int:
    outbox = _ready[0]
    sweeper = road.Sweeper(
        erp=Erp(sa.create_engine(f"sqlite:///{fresh.FOLDER / 'erp.db'}"), STAGE / "sql", ZoneInfo("UTC")),
        outbox=outbox,
        renderer=Renderer(STAGE, company=Company().model_dump()),
        channels={"email": fresh.channel()},
        sender=SENDER,
        overlap_s=900,
    )
    swept = road.sweep(sweeper, OFFER, customers.CHANGED.replace(tzinfo=UTC))
    assert not swept.problems, swept.problems
    sent = road.deliver(fresh.carrier(outbox), Lane.BULK).outcomes[Outcome.ACCEPTED]
    assert outbox.counts() == {"offer": {State.ACCEPTED: sent}}
    return sent
