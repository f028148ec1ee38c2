"""Notifications: declared one by one, carried by one sensor and one sweep."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from emailketing import settings
from emailketing.errors import SettingsError
from emailketing.model import Lane, Mailing, Outcome, query_files
from emailketing.sensors import ErpSensor
from emailketing.tasks.declaring import CHANNELS, declare, known, refuse
from emailketing.tasks.upkeep import BEFORE_OTHERS, STUCK

if TYPE_CHECKING:
    from emailketing.road import Swept

log = logging.getLogger(__name__)

_SWEEP_DRAIN_S = 20.0  # a sweep that has much to send looks at the ERP in between

_MENDING_S = 30.0  # a sweep that lingers sees in between to what is held, was refused, or has been waited for


def notification(
    name: str,
    *,
    channels: Sequence[str] = ("email",),
    expires_after: timedelta | None = None,
    quiet: timedelta | None = None,
    if_refused: str = "",
    follow_ups: Sequence[Mailing] = (),
) -> Mailing:
    """A mailing that tells of every saved document of `include/sql/<name>.sql`, by `include/templates/<name>/`.

    `expires_after` is the age at which an event no longer helps anybody; it then ends as expired, visibly. `quiet` is
    how long a document must stand still before it is told, in place of the setting's. `if_refused` is the channel that
    is tried where the others do not reach whom the document names, `follow_ups` what follows while something has not
    happened. Raises DeclarationError, with the line of the DAG file, when there is no such query, template or channel.
    """
    if quiet is not None and quiet < timedelta(0):
        refuse(f"quiet is {quiet}, which is less than nothing.", "Give a length of time, such as timedelta(seconds=5).")
    mailing = _mailing(name, channels, expires_after, if_refused)
    for each in follow_ups:
        if not each.waits_s:
            refuse(f"{each.name!r} is no follow-up.", f'Write follow_up("{each.name}", after=timedelta(days=3)).')
    names = [name, *(each.name for each in follow_ups)]
    if twice := next((each for each in names if names.count(each) > 1), ""):
        refuse(f"{twice!r} stands here twice.", "A follow-up is a mailing of its own, with a query of its own.")
    return replace(mailing, quiet_s=None if quiet is None else quiet.total_seconds(), follow_ups=tuple(follow_ups))


def follow_up(
    name: str,
    *,
    after: timedelta,
    channels: Sequence[str] = ("email",),
    expires_after: timedelta | None = None,
    if_refused: str = "",
) -> Mailing:
    """What follows, among a notification's `follow_ups`, when something has not happened `after` a document was saved.

    It is a mailing of its own. Its query gives only what is still open; a row is told when its `changed_at` is so long
    ago. `expires_after` counts from then on. Raises DeclarationError as `notification` does.
    """
    if after <= timedelta(0):
        refuse(f"after is {after}: nothing is waited for.", "Give a length of time, such as timedelta(days=3).")
    return replace(_mailing(name, channels, expires_after, if_refused), waits_s=after.total_seconds())


def _mailing(name: str, channels: Sequence[str], expires_after: timedelta | None, if_refused: str) -> Mailing:
    include = settings.load().include
    if not include.is_dir():
        raise SettingsError(f"There is no folder {include}.", hint="EMAILKETING_INCLUDE names the include folder.")
    known("query", name, [path.name.removesuffix(".sql") for path in query_files(include / "sql")])
    known("template folder", name, [path.name for path in include.glob("templates/*") if path.is_dir()])
    for channel in (*channels, *([if_refused] if if_refused else [])):
        known("channel", channel, CHANNELS)
    if if_refused in channels:
        others = [f"{channel!r}" for channel in CHANNELS if channel not in channels]
        hint = f"Name {' or '.join(others)} there, or leave it out." if others else "Leave it out: all are tried."
        refuse(f"if_refused is {if_refused!r}, by which {name} goes in any case.", hint)
    return Mailing(
        name,
        channels=tuple(channels),
        expires_after_s=expires_after.total_seconds() if expires_after else None,
        if_refused=if_refused,
    )


def notify(*mailings: Mailing) -> None:
    """Watch the ERP for these mailings' documents, and send: a sensor that wakes one sweep.

    Follow-ups need no watching: the sweep, which is woken once a minute in any case, sees what they wait for.
    Belongs into one DAG that is always running (`schedule="@continuous", max_active_runs=1`, and a start_date:
    without one Airflow never starts a second run).
    """
    swept = [each for mailing in mailings for each in (mailing, *mailing.follow_ups)]
    declare(*swept)
    chosen = settings.load().sweep
    names = [mailing.name for mailing in mailings if not mailing.waits_s]
    sensor = ErpSensor(task_id="watch", mailings=names, poll_s=chosen.poll_s, wake_s=chosen.wake_s)
    longest = timedelta(seconds=chosen.linger_most_s) + STUCK
    sensor >> SweepOperator(task_id="sweep", mailings=swept, execution_timeout=longest, **BEFORE_OTHERS)


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
        began = quiet_since = mended = time.monotonic()
        busy, mending = False, True
        while True:
            swept = list(road.sweep_all(sweeper, self.mailings, mending=mending))
            delivered = road.deliver(carrier, Lane.INSTANT, connections, _SWEEP_DRAIN_S)
            if delivered.down and delivered.down != down:
                log.warning("%s", delivered.down)
            down = delivered.down
            yield from swept
            if any(one.new or one.mended for one in swept) or delivered.outcomes.total():
                busy, quiet_since = True, time.monotonic()
            now = time.monotonic()
            mended = now if mending else mended
            mending = not busy or bool(delivered.outcomes[Outcome.REFUSED]) or now - mended > _MENDING_S
            waits = [one.look_again_s for one in swept if one.left]
            at_rest = not waits and (not busy or now - quiet_since > linger_s)
            if at_rest or now - began > most_s:
                return
            time.sleep(min([poll_s, *waits]))


def told(swept: Swept) -> str:
    """What a sweep did, in a sentence for logs and the command line."""
    if swept.first_look and not swept.new:
        return "first look; what was to be told by now is history, what comes from now on is told"
    if swept.off:
        return f"{swept.off}; {swept.documents} documents changed, nobody is told: what is saved meanwhile is history"
    states = ", ".join(f"{count} {state}" for state, count in sorted((swept.states + swept.mended).items()))
    nobodys = f", {swept.nobodys} concern nobody by the filters of the subscriptions" if swept.nobodys else ""
    left = f", {swept.left} saved a moment ago and left for the next look" if swept.left else ""
    return f"{swept.documents} documents changed, {states or 'nothing new'}{nobodys}{left}"
