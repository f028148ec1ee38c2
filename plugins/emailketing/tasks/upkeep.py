"""The outbox's own tasks: its minute and its night."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airflow.sdk import task

from emailketing import settings
from emailketing.errors import ChannelDown
from emailketing.model import Lane
from emailketing.tasks.declaring import declare_chore

#: Whatever hangs for so long beyond its time, in a connection that is dead without saying so, is ended.
STUCK = timedelta(minutes=15)

#: Where workers are short, what is instant begins before what may wait: campaigns, greetings and reports.
BEFORE_OTHERS: dict[str, Any] = {"priority_weight": 100, "weight_rule": "absolute"}

_DRAIN_S = 45.0  # a drain started each minute ends before the next one begins


def tend_outbox() -> Any:
    """The outbox's minute, as a task of the DAG around it."""
    declare_chore("tend_outbox")
    return minute()


def prune() -> Any:
    """The outbox's night, as a task of the DAG around it."""
    declare_chore("prune")
    return night()


@task(task_id="tend_outbox", execution_timeout=STUCK, **BEFORE_OTHERS)  # type: ignore[untyped-decorator]
def minute() -> dict[str, int]:
    """Settle what a dead delivery left behind, end what is too old, and send what is due in every lane.

    Each lane has its own connections, so that a bulk send never delays an instant one. It is one task, because a task
    costs seconds of a core. Raises ChannelDown, when all that can be done is done, if the mail server is away.
    """
    from emailketing import road, wiring

    done = road.keep_house(wiring.outbox(), wiring.backoff(), road.utc_now())
    carrier, connections = wiring.carrier(), settings.load().delivery.connections
    with ThreadPoolExecutor(len(Lane)) as pool:
        drains = [pool.submit(road.deliver, carrier, lane, connections, _DRAIN_S) for lane in Lane]
    down = ""
    for drain in drains:
        delivered = drain.result()
        done.update({outcome.value: count for outcome, count in delivered.outcomes.items()})
        down = down or delivered.down
    if down:
        raise ChannelDown(down)
    return dict(done)


@task(task_id="prune")  # type: ignore[untyped-decorator]
def night() -> dict[str, int]:
    """Delete ended messages and frozen bytes that are older than the settings keep them."""
    from emailketing import road, wiring

    chosen = settings.load().delivery
    now = road.utc_now()
    before, content_before = (now - timedelta(days=days) for days in (chosen.keep_days, chosen.keep_content_days))
    return asdict(wiring.outbox().prune(before, content_before))
