"""Scheduled reports: any listing of the ERP, declared in a few lines, to the right people at their hour."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from emailketing import settings
from emailketing.errors import SettingsError
from emailketing.model import Kind as MailingKind
from emailketing.model import query_files
from emailketing.report.calendar import CatchUp, Rule, chosen, clock
from emailketing.report.charts import Chart
from emailketing.report.checking import unwritten
from emailketing.report.declaration import Alert, Empty, Part, ReportMailing, formats
from emailketing.report.kinds import Kind
from emailketing.report.periods import Cadence, Period, named
from emailketing.tasks.asking import may_send, run_type, wishes
from emailketing.tasks.declaring import CHANNELS, declare, known, placed, refuse
from emailketing.tasks.upkeep import STUCK

if TYPE_CHECKING:
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from emailketing.road import House, Reported

log = logging.getLogger(__name__)

_PLAIN_CRON = re.compile(r"\s*(?P<minute>[0-5]?\d)\s+(?P<hour>[01]?\d|2[0-3])(\s+\S+){3}\s*")

_RETRIES = {"retries": 2, "retry_delay": timedelta(minutes=2)}  # of reports whose author says nothing

_LATE = timedelta(hours=1)  # a run by hand that names an earlier time is one for the past


def part(  # noqa: PLR0913 an author's words, all but the first by name
    name: str = "",
    *,
    columns: Mapping[str, Kind] | None = None,
    group_by: Iterable[str] = (),
    hide: Iterable[str] = (),
    total: bool | None = None,
    chart: Chart | bool | None = None,
    brief: Iterable[str] | None = None,
    fold: bool = False,
    largest: str = "",
    most: int | None = None,
) -> Part:
    """A further table of a report, from `include/sql/<report>.<name>.sql`.

    `columns` say what a column holds (`emailketing.report.kinds`: Money, Number, Percent, Date, Account …) where its
    values and its name do not; `group_by` names columns whose equal values are brought together with a subtotal, `hide`
    such as are not shown, but may be drawn. `chart` is an `emailketing.report.charts.Chart`; False draws none. `brief`
    names the columns that a mail shows under a line, beside what it is and its amount; without it all.

    `fold` adds up rows that are alike in the words and days they show; `largest` names the column by whose size they
    stand; of more rows than `most` paper shows so many, and the others as one.
    """
    shown = None if brief is None else _several(brief)
    kinds = dict(columns or {})
    return Part(name, kinds, _several(group_by), _several(hide), total, chart, shown, fold, largest, most)


def mail_report(  # noqa: PLR0913 an author's words, all of them by name
    name: str,
    *,
    to: str = "",
    cadence: str | Sequence[str] = "daily",
    at: str | time | None = None,
    channels: Sequence[str] = ("email",),
    attach: str | Sequence[str] = (),
    columns: Mapping[str, Kind] | None = None,
    group_by: Iterable[str] = (),
    hide: Iterable[str] = (),
    total: bool | None = None,
    chart: Chart | bool | None = None,
    brief: Iterable[str] | None = None,
    fold: bool = False,
    largest: str = "",
    most: int | None = None,
    sections: Sequence[Part] = (),
    empty: str = "tell",
    alert: Alert | None = None,
    wait_hours: float | None = None,
    catch_up: str = "newest",
    expires_after: timedelta | None = None,
    task_id: str = "mail",
) -> ReportOperator:
    """Mail `include/sql/<name>.sql`, as a report about the period that fits, to whom it is for: one task of a DAG.

    - `to`: an audience of include/subscriptions.yaml; it gets the report in the first of the cadences. Whoever wants it
      otherwise (cadence, hour, language, files, rows) subscribes there or by `bin/emailketing subscriptions`.
    - `cadence`: daily, weekly, monthly, quarterly, yearly, or a list of them: those that readers may have.
    - `at`: the hour of readers who name none ("07:30"); without it that of the DAG's schedule, else 07:00.
    - `channels`: "email", "phone". `attach`: "pdf", "xlsx", "csv", for readers who name no format.
    - `columns`, `group_by`, `hide`, `total`, `chart`, `brief`, `fold`, `largest`, `most` of its table, as those of
      `part`; `sections` are further tables.
    - `empty`: "tell" says that nothing happened, "skip" writes to nobody.
    - `alert`: an `Alert`; only rows beyond it are told, and nobody is written to without any, whatever `empty` says.
    - `wait_hours`: wait for `include/sql/<name>.ready.sql`, and tell after so many hours that the report is late.
    - `catch_up`: "newest", "all" or "none" of what was due while nothing ran.
    - `expires_after`: what could not be sent for so long helps nobody any more.

    Raises DeclarationError, with the line of the DAG file and the nearest right name, for whatever is wrong.
    """
    with placed() as frame:
        main = part(
            columns=columns,
            group_by=group_by,
            hide=hide,
            total=total,
            chart=chart,
            brief=brief,
            fold=fold,
            largest=largest,
            most=most,
        )
        mailing = ReportMailing(
            name,
            kind=MailingKind.REPORT,
            channels=_several(channels),
            expires_after_s=expires_after.total_seconds() if expires_after else None,
            to=to,
            cadences=tuple(dict.fromkeys(map(Cadence.named, _several(cadence)))),
            attach=formats(attach),
            parts=(main, *sections),
            at=None if at is None else clock(at),
            empty=chosen(Empty, empty),
            alert=alert,
            wait_hours=wait_hours,
            catch_up=chosen(CatchUp, catch_up),
            path=frame.filename,
            line=frame.lineno or 0,
        )
        _check(mailing, settings.load().include)
        operator = ReportOperator(task_id=task_id, mailing=mailing, execution_timeout=4 * STUCK)
    declare(operator.mailing)
    return operator


def _several(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _check(mailing: ReportMailing, include: Path) -> None:
    """Whatever can be told of a declaration without the ERP."""
    if not include.is_dir():
        raise SettingsError(f"There is no folder {include}.", hint="EMAILKETING_INCLUDE names the include folder.")
    queries = {path.name.removesuffix(".sql"): path for path in query_files(include / "sql")}
    for each in mailing.parts:
        known("query", each.query(mailing.name), queries)
        _known_columns(mailing, each, queries[each.query(mailing.name)])
    for channel in mailing.channels:
        known("channel", channel, CHANNELS)
    if not mailing.cadences:
        refuse("a report without a cadence is never due.", "Give cadence='daily', or a list of cadences.")
    _check_waiting(mailing, queries)
    if mailing.to:
        _known_audience(mailing.to, include / "subscriptions.yaml")


def _known_columns(mailing: ReportMailing, each: Part, query: Path) -> None:
    for error in unwritten(mailing, each, query.read_text("utf-8", "replace")):
        from emailketing.road.making import located

        raise located(mailing, error)


def _check_waiting(mailing: ReportMailing, queries: Collection[str]) -> None:
    ready = f"{mailing.name}.ready"
    if mailing.wait_hours is None:
        if ready in queries:
            refuse(f"{ready}.sql is not heeded.", "Say how long the report waits before it is late: wait_hours=48.")
        return
    known("query", ready, queries)
    if mailing.wait_hours < 0:
        refuse(f"a report cannot wait for {mailing.wait_hours} hours.", "Write wait_hours=48.")
    if mailing.alert and mailing.alert.remembers:
        hint = (
            "Leave out wait_hours; or only_changed, grace, recovery and watch, and let the alert's query be empty then."
        )
        refuse("an alert that remembers waits for nothing.", hint)


def _known_audience(name: str, path: Path) -> None:
    from emailketing.audience.naming import audiences

    there = audiences(path)
    if there is not None:  # a file that cannot be read is told by the sweep and by `check`, and stops no DAG
        known("audience", name, there)


class ReportOperator(BaseOperator):  # type: ignore[misc]
    """Puts the messages of whatever is due into the outbox; the outbox's own task sends them.

    The run of a backfill, or one for a past time, puts nothing, unless its conf (or the DAG's params) says
    `{"send": true}`; with `{"send": true, "period": "2026-10"}` that period is told to all who get it in its cadence.
    Who was told is not told again.
    """

    def __init__(self, *, mailing: ReportMailing, **kwargs: Any) -> None:
        given = kwargs.get("default_args") or {}  # Airflow brings the DAG's here
        super().__init__(**{name: value for name, value in _RETRIES.items() if name not in given} | kwargs)
        self.mailing = _scheduled(mailing, self.dag) if self.has_dag() else mailing

    def execute(self, context: Any) -> dict[str, int]:
        """Look once. What an author must mend fails the task, when all that can be told is in the outbox."""
        from emailketing import road, wiring

        reporter = wiring.reporter()
        asked = _asked(context, reporter.house.zone, reporter.clock())
        if asked is False:
            log.warning("a run for a past time sends nothing; with {'send': true} in its conf it does")
            return {}
        reported = road.report(reporter, self.mailing, asked)
        log.info("%s: %s", self.mailing.name, report_told(reported))
        for problem in reported.problems:
            log.error("%s", problem)
        if reported.problems:
            raise AirflowFailException("\n".join(reported.problems))
        return {state.value: count for state, count in reported.states.items()}


def report_told(reported: Reported) -> str:
    """What a look at a report did, in a sentence for logs and the command line."""
    if reported.off:
        return f"{reported.off}; nobody is told of what was due meanwhile"
    if not reported.readers:
        return "nobody gets it: it has no audience, and nobody subscribes"
    states = ", ".join(f"{count} {state}" for state, count in sorted(reported.states.items()))
    known = f", {reported.known} told before" if reported.known else ""
    known += f"; {reported.waiting} wait for {reported.mailing}.ready.sql" if reported.waiting else ""
    return f"readers: {reported.readers}, {states or 'nothing is due'}{known}"


def _asked(context: Any, zone: ZoneInfo, now: datetime) -> Period | date | Literal[False] | None:
    """What a run is for: None for what is due now, a period or a day that its conf asks for, False for nothing."""
    run, send = context["dag_run"], may_send(context)
    if period := str(wishes(context).get("period") or ""):
        return named(period) if send else False
    about: datetime | None = run.logical_date
    kind = run_type(run)
    if about is None or not (kind == "backfill" or (kind == "manual" and now - about > _LATE)):
        return None
    return about.astimezone(zone).date() if send else False


def _scheduled(mailing: ReportMailing, dag: Any) -> ReportMailing:
    """The report with the DAG's schedule; its hour is that of readers who name none."""
    schedule = dag.schedule if isinstance(dag.schedule, str) else ""
    plain = _PLAIN_CRON.fullmatch(schedule)
    at = mailing.at or (time(int(plain["hour"]), int(plain["minute"])) if plain else time(7))
    own = dag.start_date or (dag.default_args or {}).get("start_date")
    return replace(mailing, at=at, schedule=schedule, clock=str(dag.timezone) if own else "")


def unlooked(mailing: ReportMailing, rules: Sequence[tuple[Rule, str]], house: House, now: datetime) -> list[str]:
    """Which of the rules, each with the place where it stands, the DAG's schedule does not heed, in sentences.

    A look must follow a due moment within the hour; of a schedule that is no cron nothing can be told. Where neither
    the DAG nor Airflow says by which clock its schedule is meant, the company's is.
    """
    if not mailing.schedule:
        return []
    zone = mailing.clock or os.environ.get("AIRFLOW__CORE__DEFAULT_TIMEZONE") or house.zone.key
    found = []
    for rule, place in rules:
        due = rule.next(now, house.calendar)
        look = _next_look(mailing.schedule, zone, due.moment) if due else None
        if due and (look is None or look - due.moment >= _LATE):
            at, seen = (moment.astimezone(rule.zone) if moment else None for moment in (due.moment, look))
            when = f"{seen:%Y-%m-%d %H:%M}" if seen else "never"
            found.append(
                f"{place}: is due at {at:%Y-%m-%d %H:%M} ({rule.zone}), and the DAG looks at {when} after that: "
                f"schedule={mailing.schedule!r} in {mailing.path}:{mailing.line}, by the clock of {zone}."
            )
    return found


def _next_look(schedule: str, zone: str, moment: datetime) -> datetime | None:
    from airflow.sdk import timezone
    from airflow.timetables.base import TimeRestriction
    from airflow.timetables.trigger import CronTriggerTimetable

    restriction = TimeRestriction(earliest=timezone.coerce_datetime(moment), latest=None, catchup=True)
    try:
        timetable = CronTriggerTimetable(schedule, timezone=zone)
        found = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    except ValueError:  # no cron, or one whose day never comes, such as 30 February
        return None
    return None if found is None else found.run_after
