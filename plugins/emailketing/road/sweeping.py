"""The first half of the road: what the ERP committed becomes frozen messages in the outbox."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby, islice
from typing import Any

from emailketing import events
from emailketing.audience import Audience
from emailketing.channels import Channel
from emailketing.erp import Erp, Reader
from emailketing.errors import EmailketingError, IllegalTransition
from emailketing.model import (
    Envelope,
    Epoch,
    Event,
    Mailing,
    Message,
    Sender,
    State,
    Telling,
    document_of,
    masked_key,
    version_key,
    version_of,
)
from emailketing.outbox import Addressed as Told
from emailketing.outbox import Outbox
from emailketing.render import Renderer
from emailketing.road.clock import Clock, utc_now
from emailketing.road.freezing import frozen
from emailketing.road.setback import found_set_back, set_back
from emailketing.road.stillness import Stillness

log = logging.getLogger(__name__)

_NEW_AT_ONCE = 5_000  # new documents held in memory; more are taken in further passes
_SIFT_AT_ONCE = 1_000  # rows whose keys are looked up together
_PUT_AT_ONCE = 200  # rendered messages held in memory


@dataclass(frozen=True)
class Sweeper:
    """All that a sweep needs: where documents come from, how they are rendered, where messages go.

    `channels` only freeze here; no line is opened. `overlap_s` is how far behind the cursor rows are read again,
    `quiet_s` how long a document must stand still before it is told, where its mailing does not say.
    """

    erp: Erp
    outbox: Outbox
    renderer: Renderer
    channels: Mapping[str, Channel]
    sender: Sender
    overlap_s: float
    audience: Audience = field(default_factory=Audience)
    clock: Clock = utc_now
    quiet_s: float = 0.0
    stillness: Stillness = field(default_factory=Stillness)

    def since(self, position: datetime) -> datetime:
        """From when on rows are read again, for a cursor at `position`."""
        return position - timedelta(seconds=self.overlap_s)


@dataclass
class Swept:
    """What one sweep of one mailing found and did; `states` counts the messages that are new in the outbox.

    `left` documents were saved a moment ago and are told by a later look, the first of them in `look_again_s` seconds.
    """

    mailing: str
    first_look: bool = False
    documents: int = 0
    silent: int = 0
    known: int = 0
    left: int = 0
    look_again_s: float = 0.0
    nobodys: int = 0  # documents that the filters leave to nobody
    off: str = ""  # who says that the mailing is off; its documents become history
    states: Counter[State] = field(default_factory=Counter)
    mended: Counter[State] = field(default_factory=Counter)  # what became of messages that were held
    problems: list[str] = field(default_factory=list)  # for the author of the files
    alarms: list[str] = field(default_factory=list)  # for operations
    held: list[str] = field(default_factory=list)  # why messages are held still, as was told when they were new

    def tell(self, problem: str) -> None:
        """Add a problem that a person must see, once."""
        if problem not in self.problems:
            self.problems.append(problem)

    def follow(self, later: Swept) -> None:
        """Take in what a later sweep of the same mailing did."""
        self.add(later)
        self.alarms += later.alarms
        self.left, self.look_again_s = later.left, later.look_again_s

    def add(self, other: Swept) -> None:
        """Take in what was found and put besides."""
        for problem in other.problems:
            self.tell(problem)
        self.states += other.states

    @property
    def new(self) -> int:
        """The messages that this sweep put into the outbox."""
        return self.states.total()


def sweep(sweeper: Sweeper, mailing: Mailing, begin: datetime | None = None) -> Swept:
    """Put a message into the outbox for every document that the ERP committed and nobody has been told of.

    The first look at a mailing marks what is there as history and sends nothing; with `begin` it starts from then
    instead. Raises ErpError, OutboxError (repeat it), SqlError (the author must mend the query); a row or a template
    that fails concerns its own message only and is told among the problems. A mailing that is off tells nobody: what
    was saved meanwhile is history.
    """
    sweeper = informed(sweeper)
    if sweeper.audience.provisioned.unreadable:
        raise sweeper.audience.provisioned.unreadable
    mailing = sweeper.audience.settled(mailing)
    swept = Swept(mailing.name, off=sweeper.audience.off(mailing.name))
    for problem in sweeper.audience.problems(mailing.name):
        swept.tell(problem)
    position = sweeper.outbox.cursor(mailing.name)
    if position is None:
        swept.first_look = True
        position = _first_look(sweeper, mailing, begin)
        if begin is None:
            return swept
    if swept.off:
        _pass_over(sweeper, mailing, position, swept)
        return swept
    while _pass(sweeper, mailing, position, swept):
        position = sweeper.outbox.cursor(mailing.name) or position
    return swept


def informed(sweeper: Sweeper) -> Sweeper:
    """The sweeper with the audience as it stands at this moment, which is read once for all that follows."""
    return replace(sweeper, audience=replace(sweeper.audience.now(), renew=None))


def _first_look(sweeper: Sweeper, mailing: Mailing, begin: datetime | None) -> datetime:
    """Start the mailing's cursor. What is committed by now is history, whatever its times say.

    Of a follow-up, what is overdue by now is history: what is waited for is told when its time has come.
    """
    now = sweeper.clock()
    if begin is not None:
        sweeper.outbox.start(mailing.name, begin, [], now)
        return begin
    with sweeper.erp.reading() as reader:
        present = min(now, reader.now() or now) - mailing.waits
        # Where there is no document yet, nobody knows by which clock the first one will be dated.
        position = reader.look(mailing.name, _EVER, present).newest_past or present - _ANY_ZONE
        rows = _changes(sweeper, mailing, reader, position, present)
        found = [item for item in (events.event(mailing, row) for row in rows) if isinstance(item, Event)]
    sweeper.outbox.start(mailing.name, position, [(item.document, item.version) for item in found], now)
    return position


def _changes(
    sweeper: Sweeper, mailing: Mailing, reader: Reader, position: datetime, present: datetime
) -> Generator[dict[str, Any], None, None]:
    """The rows for a cursor at `position`; of a follow-up only those that have been waited for by now."""
    return reader.changes(mailing.name, sweeper.since(position), present if mailing.waits else None)


_EVER = datetime(1900, 1, 1, tzinfo=UTC)
_ANY_ZONE = timedelta(hours=14)


def _pass_over(sweeper: Sweeper, mailing: Mailing, position: datetime, swept: Swept) -> None:
    """Make history of what changed while the mailing is off: switched on again, it tells what is saved from then on."""
    now, newest = sweeper.clock(), None
    with sweeper.erp.reading() as reader:
        present = min(now, reader.now() or now) - mailing.waits
        with closing(_changes(sweeper, mailing, reader, position, present)) as rows:
            made = _events(sweeper, mailing, rows, swept)
            while batch := list(islice(made, _SIFT_AT_ONCE)):
                newest = _newest_past(batch, present) or newest
                swept.documents += len(batch)
                sweeper.outbox.pass_over(mailing.name, [(event.document, event.version) for event in batch], now)
    cursor = events.reach(newest, position, present)
    if cursor > position:
        sweeper.outbox.put([], {mailing.name: cursor}, now)


Addressed = tuple[Event, Envelope]


@dataclass
class Fresh:
    """What one pass over the changed rows found: the newest event that is not dated in the future, and what is new.

    `now` is our time, `erp_now` the ERP's; `waits` is how long a follow-up's documents are waited for. `left` are new
    events that have not stood still yet, with the seconds that they still must; `addressed` are the others, by key.
    """

    now: datetime
    erp_now: datetime
    epochs: Sequence[Epoch]
    waits: timedelta = timedelta(0)
    newest: datetime | None = None
    addressed: dict[str, Addressed] = field(default_factory=dict)
    left: dict[tuple[str, str], tuple[Event, float]] = field(default_factory=dict)

    @property
    def present(self) -> datetime:
        """The earlier of the two clocks, less what is waited: what is dated after it may not guide the cursor."""
        return min(self.now, self.erp_now) - self.waits

    @property
    def oldest_left(self) -> datetime | None:
        """When the oldest of the events that are left changed."""
        return min((event.changed_at for event, _ in self.left.values()), default=None)

    @property
    def full(self) -> bool:
        """Whether memory's bound is reached; the rest is taken in a further pass."""
        return len(self.addressed) >= _NEW_AT_ONCE


def _pass(sweeper: Sweeper, mailing: Mailing, position: datetime, swept: Swept) -> bool:
    """One pass over the changed rows; whether there is more than one pass can hold in memory."""
    now, epochs = sweeper.clock(), sweeper.outbox.epochs(mailing.name)
    with sweeper.erp.reading() as reader:
        fresh = Fresh(now, reader.now() or now, epochs, mailing.waits)
        theirs = fresh.erp_now - mailing.waits
        if theirs < position and sweeper.outbox.rewind(mailing.name, position, theirs, now):
            return True  # the ERP's clock was set back, or a follow-up waits longer now
        with closing(_changes(sweeper, mailing, reader, position, fresh.present)) as rows:
            _fill(sweeper, mailing, rows, fresh, swept)
        lines = reader.lines(mailing.name, documents_of(event for event, _ in fresh.addressed.values()))
        # What is done leaves a follow-up's query every day: that says nothing of a restore.
        whole = not fresh.full and not mailing.waits
        setback = found_set_back(sweeper, mailing, reader, position, fresh) if whole else None
    _put(sweeper, mailing, position, fresh, lines, swept)
    return fresh.full or set_back(sweeper, mailing, position, setback, swept)


def _put(
    sweeper: Sweeper,
    mailing: Mailing,
    position: datetime,
    fresh: Fresh,
    lines: Mapping[str, list[dict[str, Any]]],
    swept: Swept,
) -> None:
    """Put what a pass found into the outbox, and move the cursor."""
    cursor = {mailing.name: events.reach(fresh.newest, position, fresh.present, fresh.oldest_left)}
    batches = _whole_documents(fresh.addressed.values())
    for number, batch in enumerate(batches, start=1):
        messages = [message_of(sweeper, events.with_lines(event, lines), envelope, swept) for event, envelope in batch]
        # The cursor moves with the last messages: killed before, the next sweep finds the first ones known.
        held = sweeper.outbox.put(messages, cursor if number == len(batches) else {}, fresh.now).too_large
        swept.states.update(
            State.HELD if message.envelope.key in held else message.envelope.state for message in messages
        )
        for reason in held.values():
            swept.tell(reason)
    if not batches and cursor[mailing.name] > position:
        sweeper.outbox.put([], cursor, fresh.now)
    swept.left, waits = len(fresh.left), [wait_s for _, wait_s in fresh.left.values()]
    swept.look_again_s = min(waits, default=0.0)
    if not fresh.full:
        sweeper.stillness.keep(mailing.name, [event for event, _ in fresh.left.values()])


def _whole_documents(addressed: Iterable[Addressed]) -> list[list[Addressed]]:
    """Batches for the outbox. All messages of a document are put together: some of them would hide the others."""
    batches: list[list[Addressed]] = [[]]
    for _, together in groupby(addressed, key=lambda pair: (pair[0].document, pair[0].version)):
        if len(batches[-1]) >= _PUT_AT_ONCE:
            batches.append([])
        batches[-1].extend(together)
    return [batch for batch in batches if batch]


def documents_of(changed: Iterable[Event]) -> list[object]:
    """The documents as the query gave them, each once: a database may not compare its numbers with text."""
    return list({event.document: event.variables["document"] for event in changed}.values())


def _fill(sweeper: Sweeper, mailing: Mailing, rows: Iterable[Mapping[str, object]], fresh: Fresh, swept: Swept) -> None:
    """Read changed rows until they end or memory's bound is reached, and keep what nobody knows yet."""
    made = _events(sweeper, mailing, rows, swept)
    while not fresh.full and (batch := list(islice(made, _SIFT_AT_ONCE))):
        fresh.newest = _newest_past(batch, fresh.present) or fresh.newest
        _sift(sweeper, mailing, batch, fresh, swept)


def _newest_past(batch: Sequence[Event], present: datetime) -> datetime | None:
    return max((event.changed_at for event in batch if event.changed_at <= present), default=None)


def _events(sweeper: Sweeper, mailing: Mailing, rows: Iterable[Mapping[str, object]], swept: Swept) -> Iterator[Event]:
    for row in rows:
        event = events.event(mailing, row)
        if isinstance(event, Event):
            yield event
        else:
            swept.tell(f"{sweeper.erp.query(mailing.name).path}: a row is left out: {event.reason}")


def _sift(
    sweeper: Sweeper,
    mailing: Mailing,
    batch: Sequence[Event],
    fresh: Fresh,
    swept: Swept,
) -> None:
    """Add to `fresh` the messages of this batch whose keys nobody knows yet."""
    swept.documents += len(batch)
    told = [event for event in batch if not event.silent]
    swept.silent += len(batch) - len(told)
    history = sweeper.outbox.history_of(mailing.name, [(event.document, event.version) for event in told])
    news = [
        event
        for event in told_apart(sweeper.outbox, fresh.epochs, told)
        if not events.is_history(event, history.get((event.document, events.bare(event.version))), fresh.epochs)
    ]
    for error in sweeper.audience.misfits(mailing, news[0].variables) if news else ():
        swept.tell(str(error))
    meant = [(event, list(_envelopes(sweeper.audience, mailing, event, fresh.now))) for event in news]
    swept.nobodys += sum(not envelopes for _, envelopes in meant)
    addressed = [(event, envelope) for event, envelopes in meant for envelope in envelopes]
    known = sweeper.outbox.known({envelope.key for _, envelope in addressed})
    before = sweeper.outbox.addressed({version_of(e.key) for _, e in addressed if e.key not in known})
    for event, envelope in addressed:
        if envelope.key in known or _was_told(envelope, before):
            swept.known += 1
        elif (wait_s := _wait_s(sweeper, mailing, event, fresh)) > 0:
            fresh.left[event.document, event.version] = event, wait_s
        elif fresh.addressed.setdefault(envelope.key, (event, envelope))[0] is not event and not envelope.because:
            swept.tell(_twice(sweeper, mailing, event))


def _wait_s(sweeper: Sweeper, mailing: Mailing, event: Event, fresh: Fresh) -> float:
    if mailing.waits:
        return 0.0
    quiet_s = sweeper.quiet_s if mailing.quiet_s is None else mailing.quiet_s
    return sweeper.stillness.wait_s(event, quiet_s, fresh.erp_now)


def _was_told(envelope: Envelope, before: Told) -> bool:
    """Whether the document was told without this envelope.

    A document is told to those who were meant when it was first seen. That a customer's address changes later is no
    news of his old documents; only who could not be reached at all is tried at his new address, and that others had a
    copy does not matter to him. Who subscribes later gets what is saved from then on, and what nobody was told yet.
    """
    if envelope.because:
        return version_of(envelope.key) in before.at_all
    return document_of(envelope.key) in before.by_row


def told_apart(outbox: Outbox, epochs: Sequence[Epoch], changed: Sequence[Event]) -> list[Event]:
    """The events; where the ERP was restored, those whose number and version it gives again under another version."""
    restores = epochs[1:]
    if not restores or not changed:
        return list(changed)
    keys = {
        (event.document, version): version_key(event.mailing, event.document, version)
        for event in changed
        for version in events.versions(event, restores)
    }
    told = outbox.tellings(set(keys.values()))

    def tellings(document: str, version: str) -> Sequence[Telling]:
        return told.get(keys[document, version], ())

    return [events.reborn(event, restores, partial(tellings, event.document)) for event in changed]


def _twice(sweeper: Sweeper, mailing: Mailing, event: Event) -> str:
    return (
        f"{sweeper.erp.query(mailing.name).path}: document {event.document!r}, version {event.version!r}, comes in "
        "several rows for the same address; the first is sent, the others are left out.\n"
        "  Does a JOIN lack a condition, or the version something that changes?"
    )


def _envelopes(audience: Audience, mailing: Mailing, event: Event, now: datetime) -> Iterator[Envelope]:
    for channel in mailing.channels:
        for addressee in audience.addressees(mailing, event.variables, channel):
            envelope = events.envelope(mailing, event, channel, addressee.recipient, now)
            envelope = replace(envelope, because=addressee.because)
            yield events.unaddressed(envelope, addressee.reason) if addressee.reason else envelope


def message_of(sweeper: Sweeper, event: Event, envelope: Envelope, swept: Swept) -> Message:
    """The message, rendered and frozen; held with the reason when that fails, whatever the failure is."""
    if envelope.state is not State.QUEUED:
        return Message(envelope)
    try:
        return freeze(sweeper, event, envelope)
    except EmailketingError as error:
        reason = str(error)
    except Exception as error:  # a library stumbles over this row; the others must not wait for its mending
        log.exception("message %s cannot be rendered", masked_key(envelope.key))
        reason = f"{event.mailing}: document {event.document!r} cannot be rendered: {type(error).__name__}: {error}"
    swept.tell(reason)
    return Message(replace(envelope, state=State.HELD, reason=reason))


def freeze(sweeper: Sweeper, event: Event, envelope: Envelope) -> Message:
    """Render an envelope's message and freeze its bytes. Raises AuthoringError, SettingsError for the sender."""
    content = sweeper.renderer.render(event.mailing, event.variables, envelope.recipient, envelope.channel)
    return frozen(envelope, content, sweeper.sender, sweeper.channels)


def mend(sweeper: Sweeper, mailing: Mailing) -> Swept:
    """Render again what is held because its template failed; what renders now is queued.

    A document that changed or vanished meanwhile has its own newer message or needs none: the held one is cancelled.
    """
    swept = Swept(mailing.name)
    after = 0
    while held := sweeper.outbox.unrendered(mailing.name, after):
        after = held[-1].id
        _mend(sweeper, mailing, [row.envelope for row in held], swept)
    return swept


def _mend(sweeper: Sweeper, mailing: Mailing, held: Sequence[Envelope], swept: Swept) -> None:
    with sweeper.erp.reading() as reader:
        found = with_their_lines(mailing, reader, current(mailing, sweeper.outbox, reader, held))
    for envelope in held:
        event = found.get((envelope.document, envelope.version))
        if event is None:
            drop(sweeper, envelope, "the document was changed or deleted in the ERP before it could be rendered", swept)
            continue
        message = message_of(sweeper, event, replace(envelope, state=State.QUEUED, reason=""), swept)
        if message.frozen is None:
            continue
        if reason := sweeper.outbox.fill(message, sweeper.clock()):
            swept.tell(reason)
        else:
            swept.states[State.QUEUED] += 1


def drop(sweeper: Sweeper, envelope: Envelope, why: str, swept: Swept) -> None:
    """Take a waiting message back, unless a person or a delivery was quicker."""
    with suppress(IllegalTransition):
        sweeper.outbox.cancel(envelope.key, "eMailketing", why, sweeper.clock())
        swept.states[State.CANCELLED] += 1


Current = dict[tuple[str, str], Event]  # by document and version


def current(mailing: Mailing, outbox: Outbox, reader: Reader, envelopes: Sequence[Envelope]) -> Current:
    """What the envelopes tell of, as the ERP has it now; versions that were changed or deleted are missing."""
    since = min(envelope.event_at for envelope in envelopes)
    documents = sorted({envelope.document for envelope in envelopes})
    rows = list(reader.documents(mailing.name, documents, since))
    given = [item for row in rows if isinstance(item := events.event(mailing, row), Event)]
    made = told_apart(outbox, outbox.epochs(mailing.name), given)
    return {(item.document, item.version): item for item in made}


def with_their_lines(mailing: Mailing, reader: Reader, found: Current) -> Current:
    """The events with their documents' lines."""
    lines = reader.lines(mailing.name, documents_of(found.values()))
    return {version: events.with_lines(event, lines) for version, event in found.items()}
