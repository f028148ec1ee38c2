"""The road of a scheduled report: what is due becomes frozen messages in the outbox.

`report` looks once: readers → due moments since the last look → what nobody has yet → one reading of the ERP for each
period → one rendering for all who read the same → outbox, the last messages together with the cursor. Killed anywhere
and begun again, it tells each reader once, because the keys of what is put are known to the next look.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from emailketing.audience import Audience
from emailketing.channels import Channel
from emailketing.erp import Erp
from emailketing.erp import Reader as ErpReader
from emailketing.errors import AuthoringError, DeclarationError, EmailketingError, IllegalTransition
from emailketing.model import (
    Attachment,
    Content,
    Envelope,
    Message,
    Recipient,
    Sender,
    State,
    message_id,
)
from emailketing.outbox import Outbox
from emailketing.render import Renderer
from emailketing.report import files, parameters, periods
from emailketing.report.calendar import BusinessCalendar, Due, caught_up
from emailketing.report.composing import FIGURES, TREND, Listing, Listings, Material, Voice, compose
from emailketing.report.declaration import FORMATS, Empty, ReportMailing
from emailketing.report.naming import Words
from emailketing.report.periods import Cadence, Period
from emailketing.report.report import MOST_SHOWN, Report
from emailketing.road.clock import Clock, utc_now
from emailketing.road.readers import Reader, readers

T = TypeVar("T")

log = logging.getLogger(__name__)

FIRST_LOOK = timedelta(hours=1)  # how far back the first look at a report goes

#: Rows of a query that are held in memory; a report of more is no reading matter.
MOST_ROWS = 200_000

_COMPARED = 50_000  # a longer listing is not read twice more, to be compared with itself
_PRINTED = 500  # a longer listing that a mail cannot show whole travels as a workbook
_PUT_AT_MOST = 32 * 2**20  # bytes of rendered messages held in memory, and put at once

MISSED = "missed"  # the version under which a moment is recorded that was passed over


@dataclass(frozen=True)
class House:
    """What a report needs to know of the company: its name, its zone, its currency, the days on which it works."""

    name: str
    zone: ZoneInfo
    currency: str
    calendar: BusinessCalendar


@dataclass(frozen=True)
class Reporter:
    """All that the road of a report needs: where rows come from, how they are rendered, where messages go."""

    erp: Erp
    outbox: Outbox
    renderer: Renderer
    channels: Mapping[str, Channel]
    sender: Sender
    house: House
    audience: Audience = field(default_factory=Audience)
    clock: Clock = utc_now


@dataclass
class Reported:
    """What one look at a report did; `states` counts the messages that are new in the outbox, or mended there."""

    mailing: str
    off: str = ""
    readers: int = 0
    known: int = 0
    states: Counter[State] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)  # for the author of the files
    waiting: int = 0  # messages whose period is not ready yet

    def tell(self, problem: str) -> None:
        """Add a problem that a person must see, once."""
        if problem not in self.problems:
            self.problems.append(problem)


@dataclass(frozen=True)
class About:
    """What a message is about: a period; `until` is the last day told of one that still runs."""

    period: Period
    until: date | None = None

    @property
    def document(self) -> str:
        """Its name in the ledger: 'monthly 2026-10', 'monthly 2026-11 to 2026-11-30'."""
        name = f"{self.period.cadence} {self.period.name}"
        return f"{name} to {self.until}" if self.until else name

    @classmethod
    def of(cls, due: Due, reader: Reader) -> About:
        """What a due moment of a reader is about."""
        return cls(due.period, due.planned if reader.rule.running else None)

    @classmethod
    def read(cls, document: str) -> About | None:
        """From the ledger's name; None for what is no name of a period."""
        found = re.fullmatch(r"[a-z]+ (\S+)(?: to (\S+))?", document)
        try:
            return cls(periods.named(found[1]), date.fromisoformat(found[2]) if found[2] else None) if found else None
        except (DeclarationError, ValueError):
            return None


@dataclass(frozen=True)
class Wanted:
    """A message that somebody is to get; `held` says that it stands in the outbox already, without its bytes."""

    envelope: Envelope
    reader: Reader
    about: About
    held: bool = False


def report(reporter: Reporter, mailing: ReportMailing, asked: Period | date | None = None) -> Reported:
    """Put into the outbox what is due since the last look, and what was held and can be rendered now.

    With `asked`, what was due on that day, or that period for all who get it, and the cursor stands still. Who has it
    already does not get it again. Raises ErpError, OutboxError (repeat it), SqlError (mend the query).
    """
    reporter = replace(reporter, audience=reporter.audience.now())
    if reporter.audience.provisioned.unreadable:
        raise reporter.audience.provisioned.unreadable
    mailing = replace(mailing, channels=reporter.audience.settled(mailing).channels)
    now, found = reporter.clock(), readers(reporter.audience, mailing, reporter.house.zone)
    reported = Reported(mailing.name, off=reporter.audience.off(mailing.name), readers=len(found.all))
    for problem in [*reporter.audience.problems(mailing.name), *map(str, found.faults)]:
        reported.tell(problem)
    cursor = {} if asked else {mailing.name: now}
    if reported.off:
        reporter.outbox.put([], cursor, now)
        return reported
    wanted, missed = _due(reporter, mailing, found.all, asked, now)
    held = [] if asked else _held(reporter, mailing, found.all, reported)
    _Look(reporter, mailing, now, reported).put([*held, *wanted], missed, cursor)
    return reported


# What is due, and for whom


def _due(
    reporter: Reporter, mailing: ReportMailing, everybody: Sequence[Reader], asked: Period | date | None, now: datetime
) -> tuple[list[Wanted], list[Message]]:
    """What is to be told now, and as messages in a final state what is passed over."""
    if isinstance(asked, Period):
        fitting = [each for each in everybody if each.rule.cadence is asked.cadence and not each.rule.running]
        return [_wanted(mailing, each, About(asked), now, now) for each in fitting], []
    if asked:
        since, until = (periods.midnight(asked + timedelta(days=more), reporter.house.zone) for more in (0, 1))
        dues = _Dues(reporter.house.calendar, since - _INSTANT, until - _INSTANT)
        pairs = [(each, due) for each in everybody for due in dues(each)]
        return [_wanted(mailing, each, About.of(due, each), due.moment, now) for each, due in pairs], []
    dues = _Dues(reporter.house.calendar, reporter.outbox.cursor(mailing.name) or now - FIRST_LOOK, now)
    wanted, missed = [], []
    for reader in everybody:
        told, passed = caught_up(dues(reader), now, mailing.catch_up)
        wanted += [_wanted(mailing, reader, About.of(due, reader), due.moment, now) for due in told]
        missed += [_missed(mailing, _wanted(mailing, reader, About.of(due, reader), due.moment, now)) for due in passed]
    return wanted, missed


_INSTANT = timedelta(microseconds=1)


class _Dues:
    """The due moments of readers between two times, reckoned once for each rule."""

    def __init__(self, calendar: BusinessCalendar, since: datetime, until: datetime) -> None:
        self._span = since, until, calendar
        self._known: dict[Any, list[Due]] = {}

    def __call__(self, reader: Reader) -> list[Due]:
        if reader.rule not in self._known:
            self._known[reader.rule] = reader.rule.due(*self._span)
        return self._known[reader.rule]


def _wanted(mailing: ReportMailing, reader: Reader, about: About, moment: datetime, now: datetime) -> Wanted:
    late = mailing.expires_after_s
    envelope = Envelope(
        mailing=mailing.name,
        document=about.document,
        version="1",
        channel=reader.channel,
        recipient=reader.recipient,
        lane=mailing.lane,
        kind=mailing.kind,
        on_unknown=mailing.on_unknown,
        event_at=moment,
        created_at=now,
        expires_at=None if late is None else moment + timedelta(seconds=late),
        because=reader.because,
    )
    return Wanted(envelope, reader, about)


def _missed(mailing: ReportMailing, wanted: Wanted) -> Message:
    """The record of a moment that was passed over; the report itself may still be asked for."""
    envelope = wanted.envelope
    reason = (
        f"was due at {envelope.event_at:%Y-%m-%d %H:%M} UTC, when nobody looked; found at "
        f"{envelope.created_at:%Y-%m-%d %H:%M} UTC, and by catch_up={str(mailing.catch_up)!r} not sent late"
    )
    return Message(replace(envelope, version=MISSED, state=State.EXPIRED, reason=reason))


def _held(reporter: Reporter, mailing: ReportMailing, everybody: Sequence[Reader], reported: Reported) -> list[Wanted]:
    """What is held without bytes, because it could not be rendered or its period was not ready."""
    places = {each.place: each for each in everybody}
    found: list[Wanted] = []
    after = 0
    while rows := reporter.outbox.unrendered(mailing.name, after):
        after = rows[-1].id
        for envelope in [row.envelope for row in rows]:
            about = About.read(envelope.document)
            cadence = about.period.cadence if about else Cadence.DAILY
            place = (envelope.channel, envelope.recipient.address.casefold(), cadence, bool(about and about.until))
            if about is None or place not in places:
                _cancel(reporter, envelope, "does not get this report any more", reported)
                continue
            queued = replace(envelope, state=State.QUEUED, reason="", because=places[place].because)
            found.append(Wanted(queued, places[place], about, held=True))
    return found


def _cancel(reporter: Reporter, envelope: Envelope, why: str, reported: Reported) -> None:
    with suppress(IllegalTransition):  # a person was quicker
        reporter.outbox.cancel(envelope.key, "eMailketing", why, reporter.clock())
        reported.states[State.CANCELLED] += 1


# What is told


class _Look:
    """One look's way from wanted messages to the outbox."""

    def __init__(self, reporter: Reporter, mailing: ReportMailing, now: datetime, reported: Reported) -> None:
        self._reporter, self._mailing, self._now, self._reported = reporter, mailing, now, reported

    def put(self, wanted: Sequence[Wanted], missed: Sequence[Message], cursor: Mapping[str, datetime]) -> None:
        """Put all of it, what is rendered together at once; the cursor moves with the last of it."""
        keys = [each.envelope.key for each in wanted] + [each.envelope.key for each in missed]
        known = self._reporter.outbox.known(keys)
        self._reported.known = len(known)
        waiting = [each for each in missed if each.envelope.key not in known]
        for messages in self._rendered([each for each in wanted if each.held or each.envelope.key not in known]):
            if _weight([*waiting, *messages]) > _PUT_AT_MOST:
                self._insert(waiting, {})
                waiting = []
            waiting += messages
        self._insert(waiting, cursor)

    def _insert(self, messages: Sequence[Message], cursor: Mapping[str, datetime]) -> None:
        held = self._reporter.outbox.put(messages, cursor, self._now).too_large
        for each in messages:
            self._reported.states[State.HELD if each.envelope.key in held else each.envelope.state] += 1
        for reason in held.values():
            self._reported.tell(reason)

    def _rendered(self, wanted: Sequence[Wanted]) -> Iterator[list[Message]]:
        """The messages of those who read the same, each time they are made."""
        for about, same in _grouped(wanted, lambda each: each.about):
            material = gather(self._reporter, self._mailing, about, self._now)
            for _, alike in _grouped(same, self._told_alike):
                yield self._told(material, alike)

    def _told_alike(self, each: Wanted) -> Any:
        return each.reader.filters, self._language(each), each.reader.formats

    def _language(self, each: Wanted) -> str:
        return self._reporter.renderer.language(self._mailing.name, each.reader.recipient.language, report=True)

    def _told(self, material: Material, alike: Sequence[Wanted]) -> list[Message]:
        """The messages of some who read the same; those that stand in the outbox already are filled there."""
        reader = alike[0].reader
        try:
            seen = material.only(reader.sees) if reader.filters else material
            made = Made(self._reporter, self._mailing, seen, self._language(alike[0]), reader.formats)
            if made.report.empty and self._mailing.empty is Empty.SKIP:
                return self._skipped(alike)
            messages = [self._frozen(each, made) for each in alike]
        except EmailketingError as error:
            return self._failed(alike, str(error))
        except Exception as error:  # a library stumbles over these rows; other readers must not wait for its mending
            log.exception("report %s cannot be made", self._mailing.name)
            return self._failed(alike, f"{self._mailing.name} cannot be made: {type(error).__name__}: {error}")
        for each, message in zip(alike, messages, strict=True):
            if each.held and (reason := self._reporter.outbox.fill(message, self._now)):
                self._reported.tell(reason)
            elif each.held:
                self._reported.states[State.QUEUED] += 1
        return [message for each, message in zip(alike, messages, strict=True) if not each.held]

    def _frozen(self, each: Wanted, made: Made) -> Message:
        envelope, sender = each.envelope, self._reporter.sender
        content = made.content(envelope.channel)
        return Message(
            envelope,
            sender=sender.address,
            subject=content.subject,
            message_id=message_id(envelope.key, sender.domain),
            frozen=self._reporter.channels[envelope.channel].freeze(envelope, content, sender),
        )

    def _skipped(self, alike: Sequence[Wanted]) -> list[Message]:
        why = "nothing happened in the period, and the report is skipped then"
        for each in alike:
            if each.held:
                _cancel(self._reporter, each.envelope, why, self._reported)
        return [Message(replace(each.envelope, state=State.CANCELLED, reason=why)) for each in alike if not each.held]

    def _failed(self, alike: Sequence[Wanted], reason: str) -> list[Message]:
        self._reported.tell(reason)
        return [Message(replace(each.envelope, state=State.HELD, reason=reason)) for each in alike if not each.held]


def _grouped(items: Iterable[T], key: Callable[[T], Any]) -> list[tuple[Any, list[T]]]:
    """The items by an equal key, in the order in which keys first come."""
    parts: dict[Any, list[T]] = {}
    for item in items:
        parts.setdefault(key(item), []).append(item)
    return list(parts.items())


def _weight(messages: Sequence[Message]) -> int:
    """About the bytes that some messages hold in memory; a blob of several counts once."""
    blobs = {digest: len(data) for each in messages if each.frozen for digest, data in each.frozen.blobs.items()}
    return sum(blobs.values()) + sum(len(each.frozen.wire) for each in messages if each.frozen)


class Made:
    """A report in one language and with some files, rendered for each channel when it is first asked for."""

    def __init__(
        self, reporter: Reporter, mailing: ReportMailing, material: Material, language: str, formats: Sequence[str]
    ) -> None:
        self._reporter, self._mailing, self._language, self._formats = reporter, mailing, language, formats
        self._writer = reporter.renderer.formats(language)
        self.report = _placed(mailing, lambda: compose(mailing, material, voiced(reporter, mailing, language)))
        self._contents: dict[str, Content] = {}

    def content(self, channel: str = "") -> Content:
        """What a channel carries; without one all of it, for people who look at it."""
        if channel not in self._contents:
            self._contents[channel] = self._content(channel)
        return self._contents[channel]

    def _content(self, channel: str) -> Content:
        formats = self._formats if channel else FORMATS
        if not formats and channel != "phone":
            formats = _needed(self.report, self._writer)
        variables, reader = {"report": self.report}, Recipient("", "", self._language)
        renderer = self._reporter.renderer
        content = renderer.render(self._mailing.name, variables, reader, channel, sheet="pdf" in formats)
        if channel == "phone":
            return content
        return replace(content, attachments=(*content.attachments, *self._files(formats)))

    def _files(self, formats: Sequence[str]) -> Iterator[Attachment]:
        house = self._reporter.house
        if "xlsx" in formats:
            yield _placed(self._mailing, lambda: files.xlsx(self.report, self._writer, house.name, house.zone))
        if "csv" in formats:
            yield from files.csvs(self.report, self._writer)


def voiced(reporter: Reporter, mailing: ReportMailing, language: str) -> Voice:
    """The words of a report in a language. Raises AuthoringError with their file."""
    renderer = reporter.renderer
    try:
        words = Words.of(mailing.name, renderer.said(mailing.name, language))
    except DeclarationError as error:
        path = renderer.words_file(mailing.name, language)
        raise AuthoringError(str(error.args[0]), path=path, hint=error.hint) from None
    return Voice(words, renderer.formats(language), reporter.house.currency)


def _needed(report: Report, writer: Any) -> tuple[str, ...]:
    """The file that has to travel where the mail cannot show all rows, and so says that a file has them."""
    counts = [section.count for section in report.written(writer).sections if not section.is_whole(MOST_SHOWN)]
    return (("pdf",) if max(counts) <= _PRINTED else ("xlsx",)) if counts else ()


def _placed(mailing: ReportMailing, act: Callable[[], T]) -> T:
    """What `act` gives; a mistake in the declaration is told with its line in the DAG file."""
    try:
        return act()
    except DeclarationError as error:
        raise located(mailing, error) from None


def located(mailing: ReportMailing, error: DeclarationError) -> DeclarationError:
    """A mistake in a declaration, with the line of the DAG file on which the wrong name stands."""
    if error.path is not None:
        return error
    named = re.search(r"'([^']*)'", str(error.args[0]))
    line = _line_of(named[1], mailing) if named else mailing.line
    return DeclarationError(str(error.args[0]), path=mailing.path or None, line=line, hint=error.hint)


def _line_of(name: str, mailing: ReportMailing) -> int:
    with suppress(OSError):
        lines = Path(mailing.path).read_text(encoding="utf-8").splitlines()
        for number, text in enumerate(lines[mailing.line - 1 :], mailing.line):
            if f'"{name}"' in text or f"'{name}'" in text:
                return number
    return mailing.line


# What is read


def gather(reporter: Reporter, mailing: ReportMailing, about: About, now: datetime) -> Material:
    """The rows of all of a report's queries, in one snapshot of the ERP."""
    period = about.period
    elapsed = (about.until - period.start).days + 1 if about.until else None
    with reporter.erp.reading() as reader:
        reading = _Reading(reporter.erp, reader, mailing, elapsed)
        told = reading.of(period, [*(part.name for part in mailing.parts), FIGURES, TREND])
        compared = reading.compared(told)
        before = reading.of(period.before(), compared) if compared else {}
        ago = reading.of(period.year_ago(), compared) if compared and period.before() != period.year_ago() else {}
    return Material(period, now, told, before, ago)


class _Reading:
    """One snapshot's reading of a report; of a period that still runs, and of those beside it, `days` count."""

    def __init__(self, erp: Erp, reader: ErpReader, mailing: ReportMailing, days: int | None) -> None:
        self._erp, self._reader, self._mailing, self._days = erp, reader, mailing, days

    def of(self, period: Period, parts: Sequence[str]) -> Listings:
        """The rows of these parts about a period."""
        names = {part: f"{self._mailing.name}.{part}" if part else self._mailing.name for part in parts}
        there = {part: name for part, name in names.items() if part not in (FIGURES, TREND) or self._erp.has(name)}
        return {part: Listing(*self._listing(name, period)) for part, name in there.items()}

    def _listing(self, name: str, period: Period) -> tuple[tuple[str, ...], Sequence[Mapping[str, Any]]]:
        asked = parameters.days(period, self._erp.query(name).parameters, self._days)
        return self._reader.listing(name, MOST_ROWS, **asked)

    def compared(self, told: Listings) -> list[str]:
        """Which parts are read of the periods to compare with: what the key figures come from, where periods matter."""
        part = FIGURES if FIGURES in told else ""
        query = self._erp.query(f"{self._mailing.name}.{part}" if part else self._mailing.name)
        if not {"start", "end"} & query.parameters.keys() or len(told[part].rows) > _COMPARED:
            return []
        return [] if {"previous", "year_ago"} <= set(told[part].columns) and part else [part]
