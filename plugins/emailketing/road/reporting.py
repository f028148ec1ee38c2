"""The road of a scheduled report: what is due becomes frozen messages in the outbox.

`report` looks once: readers → due moments since the last look → what nobody has yet → one reading of the ERP for each
period → one rendering for all who read the same → outbox, the last messages together with the cursor. Killed anywhere
and begun again, it tells each reader once, because the keys of what is put are known to the next look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from emailketing.errors import DeclarationError, EmailketingError, IllegalTransition
from emailketing.model import Envelope, Message, State
from emailketing.outbox import Place
from emailketing.report import periods
from emailketing.report.alerting import Memory, Verdict, beyond
from emailketing.report.calendar import BusinessCalendar, Due, caught_up
from emailketing.report.composing import LATE, OVER, Material
from emailketing.report.declaration import Alert, Empty, ReportMailing
from emailketing.report.periods import Cadence, Period
from emailketing.road.alerting import Watcher, told, unbeyond, untold
from emailketing.road.freezing import frozen
from emailketing.road.gathering import gather, ready
from emailketing.road.making import Made, Notice, located
from emailketing.road.readers import Reader, readers
from emailketing.road.reporter import About, Reported, Reporter, Wanted

T = TypeVar("T")

log = logging.getLogger(__name__)

FIRST_LOOK = timedelta(hours=1)  # how far back the first look at a report goes

_PUT_AT_MOST = 32 * 2**20  # bytes of rendered messages held in memory, and put at once

#: The versions of messages that tell something of a report instead of its figures.
NOTICES = frozenset({LATE, OVER})

MISSED = "missed"  # the version under which a moment is recorded that was passed over


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
    watcher = None
    if mailing.alert and mailing.alert.remembers and not asked:
        watcher = Watcher(reporter.outbox, mailing, mailing.alert, found.all)
    wanted, missed = _due(reporter, mailing, found.all, asked, now)
    held = [] if asked else _held(reporter, mailing, found.all, reported)
    _Look(reporter, mailing, now, reported, watcher).put([*held, *wanted], missed, cursor)
    return reported


# What is due, and for whom


def _due(
    reporter: Reporter, mailing: ReportMailing, everybody: Sequence[Reader], asked: Period | date | None, now: datetime
) -> tuple[list[Wanted], list[Message]]:
    """What is to be told now, and as messages in a final state what is passed over."""
    if isinstance(asked, Period):
        watch = bool(mailing.alert and mailing.alert.watch)
        fitting = [each for each in everybody if each.rule.cadence is asked.cadence and each.rule.running is watch]
        return [_wanted(mailing, each, About(asked), now, now) for each in fitting], []
    if asked:
        since, until = (periods.midnight(asked + timedelta(days=more), reporter.house.zone) for more in (0, 1))
        dues = _Dues(reporter.house.calendar, since - _INSTANT, until - _INSTANT)
        pairs = [(each, due) for each in everybody for due in dues(each)]
        return [_wanted(mailing, each, About.of(due, each), due.moment, now) for each, due in pairs], []
    if mailing.alert and mailing.alert.watch:
        return [_watched(mailing, each, now) for each in everybody], []
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


def _watched(mailing: ReportMailing, reader: Reader, now: datetime) -> Wanted:
    """What a reader of an alert that is watched may have to be told now: it is about the period that runs."""
    today = now.astimezone(reader.rule.zone).date()
    about = About(periods.containing(reader.rule.cadence, today), today)
    return replace(_wanted(mailing, reader, about, now, now), watched=True)


def _missed(mailing: ReportMailing, wanted: Wanted) -> Message:
    """The record of a moment that was passed over; the report itself may still be asked for."""
    envelope = wanted.envelope
    reason = (
        f"was due at {envelope.event_at:%Y-%m-%d %H:%M} UTC, when nobody looked; found at "
        f"{envelope.created_at:%Y-%m-%d %H:%M} UTC, and by catch_up={str(mailing.catch_up)!r} not sent late"
    )
    return Message(replace(envelope, version=MISSED, state=State.EXPIRED, reason=reason))


def _held(reporter: Reporter, mailing: ReportMailing, everybody: Sequence[Reader], reported: Reported) -> list[Wanted]:
    """What is held without bytes, because it could not be rendered or its period was not ready.

    While something is wrong with who gets the report, nobody is known to have left: what is held for others stays so.
    """
    all_known = not reported.problems
    places = {each.place: each for each in everybody}
    watch, now = bool(mailing.alert and mailing.alert.watch), reporter.clock()
    found: list[Wanted] = []
    after = 0
    while rows := reporter.outbox.unrendered(mailing.name, after):
        after = rows[-1].id
        for envelope in [row.envelope for row in rows]:
            about = About.read(envelope.document)
            cadence = about.period.cadence if about else Cadence.DAILY
            place = (
                envelope.channel,
                envelope.recipient.address.casefold(),
                cadence,
                watch or bool(about and about.until),
            )
            if about is None or place not in places:
                if all_known:
                    _cancel(reporter, envelope, "does not get this report any more", reported)
                continue
            because = places[place].because
            queued = replace(envelope, state=State.QUEUED, reason="", because=because, created_at=now)
            found.append(Wanted(queued, places[place], about, held=True))
    return found


def _cancel(reporter: Reporter, envelope: Envelope, why: str, reported: Reported) -> None:
    with suppress(IllegalTransition):  # a person was quicker
        reporter.outbox.cancel(envelope.key, "eMailketing", why, reporter.clock())
        reported.states[State.CANCELLED] += 1


# What is told


class _Look:
    """One look's way from wanted messages to the outbox."""

    def __init__(
        self, reporter: Reporter, mailing: ReportMailing, now: datetime, reported: Reported, watcher: Watcher | None
    ) -> None:
        self._reporter, self._mailing, self._now, self._reported = reporter, mailing, now, reported
        self._watcher = watcher

    def put(self, wanted: Sequence[Wanted], missed: Sequence[Message], cursor: Mapping[str, datetime]) -> None:
        """Put all of it, what is rendered together at once; the cursor moves with the last of it."""
        keys = [each.envelope.key for each in wanted] + [each.envelope.key for each in missed]
        known = self._reporter.outbox.known(keys)
        self._reported.known = len(known)
        batch = _Batch([each for each in missed if each.envelope.key not in known])
        new = [each for each in wanted if each.held or each.watched or each.envelope.key not in known]
        for more in self._rendered(new):
            if _weight([*batch.messages, *more.messages]) > _PUT_AT_MOST:
                self._insert(batch, {})
                batch = _Batch()
            batch.add(more)
        self._insert(batch, cursor)

    def _insert(self, batch: _Batch, cursor: Mapping[str, datetime]) -> None:
        kept = self._watcher.kept(batch.memories) if self._watcher else {}
        held = self._reporter.outbox.put(batch.messages, cursor, self._now, kept).too_large
        for each in batch.messages:
            self._reported.states[State.HELD if each.envelope.key in held else each.envelope.state] += 1
        for reason in held.values():
            self._reported.tell(reason)

    def _rendered(self, wanted: Sequence[Wanted]) -> Iterator[_Batch]:
        """The messages of those who read the same, each time they are made."""
        yield _Batch(self._noticed([each for each in wanted if each.envelope.version in NOTICES]))
        reports = [each for each in wanted if each.envelope.version not in NOTICES]
        # An alert remembers a reader's earlier period before the later one.
        reports.sort(key=lambda each: each.about.period.start)
        for about, same in _grouped(reports, lambda each: each.about):
            if self._is_ready(about):
                material = gather(self._reporter, self._mailing, about, self._now)
                for _, alike in _grouped(same, self._told_alike):
                    yield self._told(material, alike)
            else:
                yield _Batch(self._waiting(same))

    def _told_alike(self, each: Wanted) -> Any:
        return each.reader.filters, self._language(each), each.reader.formats

    def _language(self, each: Wanted) -> str:
        return self._reporter.renderer.language(self._mailing.name, each.reader.recipient.language, report=True)

    # What is said, and what is not

    def _told(self, material: Material, alike: Sequence[Wanted]) -> _Batch:
        """The messages of some who read the same."""
        reader = alike[0].reader
        try:
            seen = material.only(reader.sees) if reader.filters else material
            return self._alerted(self._mailing.alert, seen, alike) if self._mailing.alert else self._made(seen, alike)
        except DeclarationError as error:  # the alert names a column that is not there
            return _Batch(self._failed(alike, str(located(self._mailing, error))))

    def _alerted(self, alert: Alert, seen: Material, alike: Sequence[Wanted]) -> _Batch:
        """Those of whom the alert remembers nothing, or has told already, are told what is beyond; others by memory."""
        batch = _Batch()
        if plain := [each for each in alike if each.held or not self._watcher]:
            found = any(beyond(alert, row) for row in seen.now[""].rows)
            batch.add(self._made(seen, plain) if found else self._skipped(plain, unbeyond(alert)))
        if self._watcher:
            batch.add(self._judged(self._watcher, alert, seen, [each for each in alike if not each.held]))
        return batch

    def _judged(self, watcher: Watcher, alert: Alert, seen: Material, alike: Sequence[Wanted]) -> _Batch:
        batch = _Batch()
        judgements = [(each, watcher.judge(seen.now[""].rows, each)) for each in alike]
        for each, judgement in judgements:
            batch.add(_Batch(untold(alert, each, judgement), watcher.memory(each)))
        by_rows = _grouped(judgements, lambda pair: (pair[1].verdict, pair[1].episode.told))
        for (verdict, _), some in by_rows:
            messages = [told(each, judgement) for each, judgement in some]
            if verdict is Verdict.TELL:
                batch.add(self._made(seen.of_alert(some[0][1].rows), messages))
            elif verdict is Verdict.OVER:
                batch.add(_Batch(self._noticed(messages)))
        return batch

    def _made(self, seen: Material, alike: Sequence[Wanted]) -> _Batch:
        language, formats = self._language(alike[0]), alike[0].reader.formats
        return self._worded(alike, lambda: Made.of(self._reporter, self._mailing, seen, language, formats))

    def _noticed(self, wanted: Sequence[Wanted]) -> list[Message]:
        """That a report is late, or that its alert is over."""
        messages = []
        told_alike = _grouped(wanted, lambda each: (each.about.period, each.envelope.version, self._language(each)))
        for (period, version, language), alike in told_alike:
            said = Notice(period, version, self._now)
            messages += self._worded(
                alike, partial(Made.notice, self._reporter, self._mailing, said, language)
            ).messages
        return messages

    def _worded(self, alike: Sequence[Wanted], make: Callable[[], Made]) -> _Batch:
        """The messages, frozen; those that stand in the outbox already are filled there."""
        try:
            made = make()
            if made.report.empty and self._mailing.empty is Empty.SKIP and alike[0].envelope.version not in NOTICES:
                messages = []
            else:
                messages = [self._frozen(each, made) for each in alike]
        except EmailketingError as error:
            return _Batch(self._failed(alike, str(error)))
        except Exception as error:  # a library stumbles over these rows; other readers must not wait for its mending
            log.exception("report %s cannot be made", self._mailing.name)
            return _Batch(self._failed(alike, f"{self._mailing.name} cannot be made: {type(error).__name__}: {error}"))
        if not messages:
            return self._skipped(alike, "nothing happened in the period, and the report is skipped then")
        pairs = zip(alike, messages, strict=True)
        return _Batch([message for each, message in pairs if not self._filled(each, message)])

    def _filled(self, each: Wanted, message: Message) -> bool:
        """Whether the message stood in the outbox already, and so has its bytes by now."""
        if each.held and (reason := self._reporter.outbox.fill(message, self._now)):
            self._reported.tell(reason)
        elif each.held:
            self._reported.states[State.QUEUED] += 1
        return each.held

    def _frozen(self, each: Wanted, made: Made) -> Message:
        content = made.content(each.envelope.channel)
        return frozen(each.envelope, content, self._reporter.sender, self._reporter.channels)

    def _skipped(self, alike: Sequence[Wanted], why: str) -> _Batch:
        for each in alike:
            if each.held:
                _cancel(self._reporter, each.envelope, why, self._reported)
        new = [each.envelope for each in alike if not each.held]
        return _Batch([Message(replace(each, state=State.CANCELLED, reason=why)) for each in new])

    def _failed(self, alike: Sequence[Wanted], reason: str) -> list[Message]:
        """Held with the reason, and tried again at each look; what is watched is judged at the next one anyway."""
        self._reported.tell(reason)
        new = [each.envelope for each in alike if not each.held and not each.watched]
        return [Message(replace(each, state=State.HELD, reason=reason)) for each in new]

    # What waits

    def _is_ready(self, about: About) -> bool:
        return self._mailing.wait_hours is None or ready(self._reporter, self._mailing, about.period)

    def _waiting(self, same: Sequence[Wanted]) -> list[Message]:
        """Held until the period is ready; who has waited for too long is told once that it is late."""
        self._reported.waiting += len(same)
        patience = timedelta(hours=self._mailing.wait_hours or 0)
        late = [
            replace(each, envelope=replace(each.envelope, version=LATE, created_at=self._now), held=False)
            for each in same
            if self._now - each.envelope.event_at >= patience
        ]
        known = self._reporter.outbox.known([each.envelope.key for each in late])
        notices = self._noticed([each for each in late if each.envelope.key not in known])
        new = [each.envelope for each in same if not each.held]
        return [*(Message(replace(each, state=State.HELD, reason=self._why(each, patience))) for each in new), *notices]

    def _why(self, envelope: Envelope, patience: timedelta) -> str:
        until = f"{envelope.event_at + patience:%Y-%m-%d %H:%M} UTC"
        return f"waits until {self._mailing.name}.ready.sql says so; from {until} on its reader is told that it is late"


@dataclass
class _Batch:
    """Messages that are put together, and what the alert remembers from then on."""

    messages: list[Message] = field(default_factory=list)
    memories: dict[Place, Memory] = field(default_factory=dict)

    def add(self, more: _Batch) -> None:
        """Take in what comes later."""
        self.messages += more.messages
        self.memories |= more.memories


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
