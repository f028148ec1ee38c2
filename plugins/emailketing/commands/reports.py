"""Reports on the command line: everything that is wrong with one, one rendered, and one look at what is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emailketing import road, settings, tasks, wiring
from emailketing.errors import AuthoringError, DeclarationError, OperationsError
from emailketing.model import Content, Recipient, Subscription
from emailketing.report.declaration import ReportMailing
from emailketing.report.periods import Cadence, Period, named


@dataclass(frozen=True)
class View:
    """Which period of a report somebody wants to see, and in which language; '' is the last one, and his own."""

    cadence: str = ""
    period: str = ""
    language: str = ""

    def of(self, reporter: road.Reporter, mailing: ReportMailing) -> Period:
        """The period. Raises DeclarationError where the report is not made so."""
        if not self.period:
            cadence = Cadence.named(self.cadence) if self.cadence else mailing.cadences[0]
            return road.last_period(reporter, cadence)
        period = named(self.period)
        if self.cadence and Cadence.named(self.cadence) is not period.cadence:
            raise DeclarationError(
                f"{self.period} is a period of {period.cadence} reports, not of {self.cadence} ones."
            )
        return period


def checked(mailing: ReportMailing) -> str:
    """What can be said of a report against the live ERP, in a sentence. Raises AuthoringError for all that is wrong."""
    reporter = wiring.reporter()
    who = reporter.audience.now()
    problems: list[AuthoringError] = road.check_report(reporter, mailing)
    due = road.next_due(reporter, mailing)
    watched = bool(mailing.alert and mailing.alert.watch)
    rules = [] if watched else [(rule, _place(readers)) for rule, readers in due]
    now = reporter.clock()
    problems += map(AuthoringError, tasks.unlooked(mailing, rules, reporter.house, now))
    if problems:
        raise problems[0] if len(problems) == 1 else AuthoringError("\n".join(map(str, problems)))
    off = f"{who.off(mailing.name)}: nobody is told; " if who.off(mailing.name) else ""
    if not due:
        return f"{off}query, words and templates hold against the ERP; nobody gets it yet"
    moments = [found.moment for rule, _ in rules if (found := rule.next(now, reporter.house.calendar))]
    first = min(moments).astimezone(reporter.house.zone) if moments else None
    people = sum(len(readers) for _, readers in due)
    when = f", the next on {first:%Y-%m-%d at %H:%M}" if first else ", at each look" if watched else ""
    return f"{off}query, words and templates hold against the ERP; readers: {people}{when}"


def subscribed(mailing: ReportMailing, place: Subscription) -> list[str]:
    """What is to be said of a subscription before it is set. Raises AuthoringError for what it cannot want."""
    reporter = wiring.reporter()
    readers = road.check_subscription(reporter, mailing, place)
    if mailing.alert and mailing.alert.watch:
        return []
    rules = [(reader.rule, place.address) for reader in readers]
    return tasks.unlooked(mailing, rules, reporter.house, reporter.clock())


def rendered(mailing: ReportMailing, view: View) -> tuple[Content, Recipient]:
    """A report with all its files, and as whom it is shown."""
    reporter = wiring.reporter()
    language = view.language or settings.load().company.language
    content = road.preview_report(reporter, mailing, view.of(reporter, mailing), language)
    return content, Recipient("", "a reader of all of it", language)


def look(mailing: ReportMailing, period: str) -> tuple[str, Sequence[str]]:
    """One look at a report: what it did, in a sentence, and what its author must mend."""
    reported = road.report(wiring.reporter(), mailing, named(period) if period else None)
    return tasks.report_told(reported), reported.problems


def as_report(mailing: object, name: str) -> ReportMailing:
    """The mailing, where it is a report. Raises OperationsError."""
    if not isinstance(mailing, ReportMailing):
        raise OperationsError(f"{name} is no report: it has no period.", hint="Only reports are looked at by period.")
    return mailing


def _place(readers: Sequence[road.Reader]) -> str:
    """Where a rule stands, in words."""
    more = f" and {len(readers) - 1} more" if len(readers) > 1 else ""
    return f"{readers[0].because}: the report to {readers[0].recipient.address}{more}"
