"""Rounds over mailings: what is held is mended, what the ERP committed is swept, who was not reached is seen to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from emailketing.errors import AuthoringError
from emailketing.model import Mailing
from emailketing.road.escalation import escalate, withdraw
from emailketing.road.sweeping import Sweeper, Swept, informed, mend, sweep

_PATIENCE_S = 10.0  # that a single sweep has with documents that were saved a moment ago


def sweep_all(
    sweeper: Sweeper, mailings: Iterable[Mailing], begin: datetime | None = None, *, mending: bool = True
) -> Iterator[Swept]:
    """Sweep each mailing, mend it before, and see afterwards what follows for those who were not reached.

    One whose files are wrong tells it among its problems and stops no other. Without `mending` only what was saved is
    looked for: follow-ups, which have time, are left out. Raises ErpError and OutboxError, which concern them all.
    """
    sweeper = informed(sweeper)
    for mailing in mailings:
        if mailing.waits and not mending:
            continue
        try:
            swept = _round(sweeper, mailing, begin) if mending else sweep(sweeper, mailing, begin)
        except AuthoringError as error:
            swept = Swept(mailing.name, problems=[str(error)])
        yield swept


def _round(sweeper: Sweeper, mailing: Mailing, begin: datetime | None) -> Swept:
    on = not sweeper.audience.off(mailing.name)
    mended = mend(sweeper, mailing) if on else Swept(mailing.name)
    if on and mailing.waits:
        mended.add(withdraw(sweeper, mailing))
    swept = sweep(sweeper, mailing, begin)
    swept.mended, swept.held = mended.states, mended.problems
    swept.add(escalate(sweeper, mailing))
    return swept


def sweep_out(
    sweeper: Sweeper,
    mailings: Iterable[Mailing],
    begin: datetime | None = None,
    within_s: float = _PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Swept]:
    """`sweep_all`, and again where documents were left because they had been saved a moment ago.

    It waits no longer than `within_s` in all; what is left then is for the next sweep, and told in `Swept.left`.
    """
    by_name = {mailing.name: mailing for mailing in mailings}
    waited = 0.0
    for swept in sweep_all(sweeper, by_name.values(), begin):
        while swept.left and waited + swept.look_again_s <= within_s:
            sleep(swept.look_again_s)
            waited += swept.look_again_s
            for later in sweep_all(sweeper, [by_name[swept.mailing]], mending=False):
                swept.follow(later)
        yield swept
