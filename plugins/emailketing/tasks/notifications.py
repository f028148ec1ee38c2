"""Notifications: declared one by one, carried by one sensor and one sweep."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from emailketing import settings
from emailketing.errors import SettingsError
from emailketing.model import Lane, Mailing, query_files
from emailketing.sensors import ErpSensor
from emailketing.tasks.declaring import CHANNELS, declare, known, refuse
from emailketing.tasks.upkeep import STUCK

if TYPE_CHECKING:
    from emailketing.road import Swept

log = logging.getLogger(__name__)

_SWEEP_DRAIN_S = 20.0  # a sweep that has much to send looks at the ERP in between


def notification(
    name: str,
    *,
    channels: Sequence[str] = ("email",),
    expires_after: timedelta | None = None,
    quiet: timedelta | None = None,
) -> Mailing:
    """A mailing that tells of every saved document of `include/sql/<name>.sql`, by `include/templates/<name>/`.

    `expires_after` is the age at which an event no longer helps anybody; it then ends as expired, visibly. `quiet` is
    how long a document must stand still before it is told, in place of the setting's.
    Raises DeclarationError, with the line of the DAG file, when there is no such query, template or channel.
    """
    include = settings.load().include
    if not include.is_dir():
        raise SettingsError(f"There is no folder {include}.", hint="EMAILKETING_INCLUDE names the include folder.")
    known("query", name, [path.name.removesuffix(".sql") for path in query_files(include / "sql")])
    known("template folder", name, [path.name for path in include.glob("templates/*") if path.is_dir()])
    for channel in channels:
        known("channel", channel, CHANNELS)
    if quiet is not None and quiet < timedelta(0):
        refuse(f"quiet is {quiet}, which is less than nothing.", "Give a length of time, such as timedelta(seconds=5).")
    return Mailing(
        name,
        channels=tuple(channels),
        expires_after_s=expires_after.total_seconds() if expires_after else None,
        quiet_s=None if quiet is None else quiet.total_seconds(),
    )


def notify(*mailings: Mailing) -> None:
    """Watch the ERP for these mailings' documents, and send: a sensor that wakes one sweep.

    Belongs into one DAG that is always running (`schedule="@continuous", max_active_runs=1`, and a start_date:
    without one Airflow never starts a second run).
    """
    declare(*mailings)
    chosen = settings.load().sweep
    names = [mailing.name for mailing in mailings]
    sensor = ErpSensor(task_id="watch", mailings=names, poll_s=chosen.poll_s, wake_s=chosen.wake_s)
    longest = timedelta(seconds=chosen.linger_most_s) + STUCK
    sensor >> SweepOperator(task_id="sweep", mailings=mailings, execution_timeout=longest)


class SweepOperator(BaseOperator):  # type: ignore[misc]
    """Puts a message into the outbox for every new document, sends the instant lane, and lingers for more.

    Lingering means that what follows soon after need not wait for Airflow to start another task.
    """

    def __init__(self, *, mailings: Sequence[Mailing], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mailings = tuple(mailings)

    def execute(self, context: Any) -> dict[str, int]:  # noqa: ARG002 Airflow's signature
        """Sweep until nothing has come for a while. What an author must mend fails the task, when all else is sent."""
        chosen = settings.load().sweep
        new: dict[str, int] = {}
        problems: dict[str, None] = {}
        for swept in self._looks(chosen.poll_s, chosen.linger_s, chosen.linger_most_s):
            if swept.new or swept.first_look or (swept.off and swept.mailing not in new):
                log.info("%s: %s", swept.mailing, told(swept))
            new[swept.mailing] = new.get(swept.mailing, 0) + swept.new
            for problem in swept.held:
                log.warning("still held: %s", problem)
            for problem in [*swept.alarms, *swept.problems]:
                if problem not in problems:
                    log.error("%s", problem)
                problems[problem] = None
        if problems:
            raise AirflowFailException("\n".join(problems))
        return new

    def _looks(self, poll_s: float, linger_s: float, most_s: float) -> Iterator[Swept]:
        from emailketing import road, wiring

        sweeper, carrier, connections = wiring.sweeper(), wiring.carrier(), settings.load().delivery.connections
        down = ""
        began = quiet_since = time.monotonic()
        busy = False
        while True:
            swept = list(road.sweep_all(sweeper, self.mailings, mending=not busy))
            delivered = road.deliver(carrier, Lane.INSTANT, connections, _SWEEP_DRAIN_S)
            if delivered.down and delivered.down != down:
                log.warning("%s", delivered.down)
            down = delivered.down
            yield from swept
            if any(one.new or one.mended for one in swept) or delivered.outcomes.total():
                busy, quiet_since = True, time.monotonic()
            now = time.monotonic()
            waits = [one.look_again_s for one in swept if one.left]
            at_rest = not waits and (not busy or now - quiet_since > linger_s)
            if at_rest or now - began > most_s:
                return
            time.sleep(min([poll_s, *waits]))


def told(swept: Swept) -> str:
    """What a sweep did, in a sentence for logs and the command line."""
    if swept.first_look and not swept.new:
        return "first look; what the ERP holds by now is history, what comes from now on is told"
    if swept.off:
        return f"{swept.off}; {swept.documents} documents changed, nobody is told: what is saved meanwhile is history"
    states = ", ".join(f"{count} {state}" for state, count in sorted((swept.states + swept.mended).items()))
    nobodys = f", {swept.nobodys} concern nobody by the filters of the subscriptions" if swept.nobodys else ""
    left = f", {swept.left} saved a moment ago and left for the next look" if swept.left else ""
    return f"{swept.documents} documents changed, {states or 'nothing new'}{nobodys}{left}"
