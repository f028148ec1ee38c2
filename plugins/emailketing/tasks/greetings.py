"""Greetings: special dates, declared one by one; each is a task of one daily DAG."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from emailketing import settings
from emailketing.errors import DeclarationError, SettingsError
from emailketing.greetings import OWN_DAY, Calendar, Greeting, Leap, Occasion, When, occasion
from emailketing.model import query_files
from emailketing.tasks.asking import may_send, run_type
from emailketing.tasks.declaring import CHANNELS, declare, known, refuse

if TYPE_CHECKING:
    from emailketing.road import Greeted

log = logging.getLogger(__name__)

#: A hundred thousand greetings are rendered within it.
_LONGEST = timedelta(hours=3)

#: A run whose time is longer ago is of the past: a backfill, or a run that somebody cleared.
_PAST = timedelta(hours=25)


def greeting(
    name: str,
    *,
    on: str = OWN_DAY,
    at: str = "09:00",
    grace: timedelta = timedelta(days=2),
    leap: str = Leap.BEFORE,
    channels: Sequence[str] = ("email",),
) -> Greeting:
    """A mailing that greets the people of `include/sql/<name>.sql` once a year, by `include/templates/<name>/`.

    `on` is a date ("12-25"), "easter", "easter-2", "second sunday of may", "last business day of december", a public
    holiday's name, or "day": the day that each row gives in its column of that name. The greeting leaves `at` this hour
    of the recipient's clock (column `timezone`, or the company's); one that was missed may still leave until `grace`,
    whole days, is over, and is then expired, visibly. `leap` says when those of 29 February celebrate in other years:
    "02-28" or "03-01". Raises DeclarationError, with the line of the DAG file, for what cannot be.
    """
    include = settings.load().include
    if not include.is_dir():
        raise SettingsError(f"There is no folder {include}.", hint="EMAILKETING_INCLUDE names the include folder.")
    known("query", name, [path.name.removesuffix(".sql") for path in query_files(include / "sql")])
    known("template folder", name, [path.name for path in include.glob("templates/*") if path.is_dir()])
    for channel in channels:
        known("channel", channel, CHANNELS)
    known("rule for 29 February", leap, [each.value for each in Leap])
    if grace < timedelta(0) or grace % timedelta(days=1):
        refuse(f"grace is {grace}; a greeting is late by whole days.", "Write it like timedelta(days=2).")
    when = When(_occasion(on, Leap(leap)), _hour(at), grace.days, Leap(leap))
    return Greeting(name, channels=tuple(channels), on=on, when=when)


def _occasion(on: str, leap: Leap) -> Occasion | None:
    try:
        return occasion(on, leap, _calendar, date.today())  # noqa: DTZ011 only its year matters
    except DeclarationError as error:
        refuse(str(error.args[0]), error.hint)


def _calendar() -> Calendar:
    from emailketing import wiring

    return wiring.calendar()


def _hour(at: str) -> time:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", at)
    if match is None:
        refuse(f"at is {at!r}, which is no time of day.", 'Write it like "09:00".')
    return time(int(match[1]), int(match[2]))


def greet(*greetings: Greeting) -> None:
    """A task for each of these greetings. Belongs into one DAG that runs daily; at which hour does not matter.

    A look goes a day ahead: greetings wait in the outbox for their hour, and are then sent by the DAG `outbox`.
    """
    declare(*greetings)
    for each in greetings:
        GreetOperator(task_id=each.name, greeting=each, execution_timeout=_LONGEST)


class GreetOperator(BaseOperator):  # type: ignore[misc]
    """Puts a greeting into the outbox for everybody whose day has come, or comes before the next daily run.

    A backfill, or a run of the past that is repeated, greets nobody, unless its configuration says {"send": true}: then
    it sees to what was due since its day, and what is past its grace becomes expired.
    """

    def __init__(self, *, greeting: Greeting, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.greeting = greeting

    def execute(self, context: Any) -> dict[str, int]:
        """Look once. What an author must mend fails the task, when all else is in the outbox."""
        from emailketing import road, wiring

        of_the_past = past(context["dag_run"], road.utc_now())
        if of_the_past and not may_send(context):
            log.info("%s: this run is of %s, so it greets nobody", self.greeting.name, of_the_past)
            return {}
        greeted = road.greet(wiring.greeter(), self.greeting, of_the_past)
        log.info("%s: %s", self.greeting.name, told_greeted(greeted))
        if greeted.problems:
            for problem in greeted.problems:
                log.error("%s", problem)
            raise AirflowFailException("\n".join(greeted.problems))
        return {state.value: count for state, count in greeted.states.items()}


def past(run: Any, now: datetime) -> datetime | None:
    """The time of a run that is of the past: a backfill's, or one that is repeated days later; None for today's."""
    moment: datetime = (run.logical_date or run.run_after).astimezone(UTC)
    return moment if run_type(run) == "backfill" or now - moment > _PAST else None


def told_greeted(greeted: Greeted) -> str:
    """What a look did, in a sentence for logs and the command line."""
    if greeted.off:
        return f"{greeted.off}; the days of {greeted.due} people pass without a greeting"
    states = ", ".join(f"{count} {state}" for state, count in sorted(greeted.states.items()))
    mended = f", {greeted.mended} that were held" if greeted.mended else ""
    dayless = f", {greeted.dayless} have no day" if greeted.dayless else ""
    return f"{greeted.people} people{dayless}, {greeted.due} celebrate, {states or 'nothing new'}{mended}"
