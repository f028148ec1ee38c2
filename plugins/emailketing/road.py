"""The one road of a message: from rows of the ERP to a settled row of the ledger.

`sweep` does the first half: changed rows → events → envelopes → (known keys dropped) → content → frozen bytes →
outbox, with the cursor, in one transaction. `deliver` does the second: claim → send → settle. `mend` renders again
what could not be rendered, `keep_house` settles what nobody could settle at the time.

Every part may be repeated, and every part may be killed at any instruction. Connections, clock and files are handed in.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice

from emailketing import audience, events
from emailketing.channels import Channel
from emailketing.channels.wire import assemble
from emailketing.erp import Erp, Reader
from emailketing.errors import AuthoringError, ChannelDown, IllegalTransition, OperationsError, OutboxError, SqlError
from emailketing.model import (
    Claim,
    Content,
    Envelope,
    Event,
    Lane,
    Mailing,
    Message,
    Outcome,
    Receipt,
    Recipient,
    Sender,
    State,
    document_of,
    masked,
    masked_key,
    message_id,
)
from emailketing.outbox import Backoff, Failure, Outbox, Pausing, Settlement
from emailketing.render import Renderer

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

_NEW_AT_ONCE = 5_000  # new documents held in memory; more are taken in further passes
_SIFT_AT_ONCE = 1_000  # rows whose keys are looked up together
_PUT_AT_ONCE = 200  # rendered messages held in memory


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Sweeper:
    """All that a sweep needs: where documents come from, how they are rendered, where messages go.

    `channels` only freeze here; no line is opened. `overlap_s` is how far behind the cursor rows are read again.
    """

    erp: Erp
    outbox: Outbox
    renderer: Renderer
    channels: Mapping[str, Channel]
    sender: Sender
    overlap_s: float
    clock: Clock = utc_now

    def since(self, position: datetime) -> datetime:
        """From when on rows are read again, for a cursor at `position`."""
        return position - timedelta(seconds=self.overlap_s)


@dataclass
class Swept:
    """What one sweep of one mailing found and did; `states` counts the messages that are new in the outbox."""

    mailing: str
    first_look: bool = False
    documents: int = 0
    silent: int = 0
    known: int = 0
    states: Counter[State] = field(default_factory=Counter)
    mended: Counter[State] = field(default_factory=Counter)  # what became of messages that were held
    problems: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)  # why messages are held still, as was told when they were new

    @property
    def new(self) -> int:
        """The messages that this sweep put into the outbox."""
        return self.states.total()


def sweep(sweeper: Sweeper, mailing: Mailing, begin: datetime | None = None) -> Swept:
    """Put a message into the outbox for every document that the ERP committed and nobody has been told of.

    The first look at a mailing marks what is there as history and sends nothing; with `begin` it starts from then
    instead. Raises ErpError, OutboxError (repeat it), SqlError (the author must mend the query); a row or a template
    that fails concerns its own message only and is told among the problems.
    """
    swept = Swept(mailing.name)
    position = sweeper.outbox.cursor(mailing.name)
    if position is None:
        swept.first_look = True
        position = _first_look(sweeper, mailing, begin)
        if begin is None:
            return swept
    while _pass(sweeper, mailing, position, swept):
        position = sweeper.outbox.cursor(mailing.name) or position
    return swept


def sweep_all(
    sweeper: Sweeper, mailings: Iterable[Mailing], begin: datetime | None = None, *, mending: bool = True
) -> Iterator[Swept]:
    """Sweep each mailing, and mend it before. One whose files are wrong tells it among its problems and stops no other.

    Raises ErpError and OutboxError, which concern them all.
    """
    for mailing in mailings:
        try:
            mended = mend(sweeper, mailing) if mending else Swept(mailing.name)
            swept = sweep(sweeper, mailing, begin)
            swept.mended, swept.held = mended.states, mended.problems
        except AuthoringError as error:
            swept = Swept(mailing.name, problems=[str(error)])
        yield swept


def _first_look(sweeper: Sweeper, mailing: Mailing, begin: datetime | None) -> datetime:
    """Start the mailing's cursor. What is committed by now is history, whatever its times say."""
    now = sweeper.clock()
    if begin is not None:
        sweeper.outbox.start(mailing.name, begin, [], now)
        return begin
    with sweeper.erp.reading() as reader:
        newest = reader.look(mailing.name, _ever(now)).newest
        position = min(newest, now) if newest else now
        rows = reader.changes(mailing.name, sweeper.since(position))
        found = [item for item in (events.event(mailing, row) for row in rows) if isinstance(item, Event)]
    sweeper.outbox.start(mailing.name, position, [(item.document, item.version) for item in found], now)
    return position


def _ever(now: datetime) -> datetime:
    return now - timedelta(days=365 * 100)


Addressed = tuple[Event, Envelope]


@dataclass
class Fresh:
    """What one pass over the changed rows found: the newest event of all, and what is new, by key."""

    newest: datetime | None = None
    addressed: dict[str, Addressed] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether memory's bound is reached; the rest is taken in a further pass."""
        return len(self.addressed) >= _NEW_AT_ONCE


def _pass(sweeper: Sweeper, mailing: Mailing, position: datetime, swept: Swept) -> bool:
    """One pass over the changed rows; whether there is more than one pass can hold in memory."""
    now = sweeper.clock()
    with sweeper.erp.reading() as reader:
        with closing(reader.changes(mailing.name, sweeper.since(position))) as rows:
            fresh = _fresh(sweeper, mailing, rows, swept, now)
        lines = reader.lines(mailing.name, _documents(event for event, _ in fresh.addressed.values()))
    cursor = {mailing.name: events.reach(fresh.newest, position, now)}
    batches = _whole_documents(fresh.addressed.values())
    for number, batch in enumerate(batches, start=1):
        messages = [_message(sweeper, events.with_lines(event, lines), envelope, swept) for event, envelope in batch]
        # The cursor moves with the last messages: killed before, the next sweep finds the first ones known.
        sweeper.outbox.put(messages, cursor if number == len(batches) else {}, now)
        swept.states.update(message.envelope.state for message in messages)
    if not batches and cursor[mailing.name] > position:
        sweeper.outbox.put([], cursor, now)
    return fresh.full


def _whole_documents(addressed: Iterable[Addressed]) -> list[list[Addressed]]:
    """Batches for the outbox. All messages of a document are put together: some of them would hide the others."""
    batches: list[list[Addressed]] = [[]]
    for _, together in groupby(addressed, key=lambda pair: (pair[0].document, pair[0].version)):
        if len(batches[-1]) >= _PUT_AT_ONCE:
            batches.append([])
        batches[-1].extend(together)
    return [batch for batch in batches if batch]


def _documents(changed: Iterable[Event]) -> list[object]:
    """The documents as the query gave them, each once: a database may not compare its numbers with text."""
    return list({event.document: event.variables["document"] for event in changed}.values())


def _fresh(
    sweeper: Sweeper, mailing: Mailing, rows: Iterable[Mapping[str, object]], swept: Swept, now: datetime
) -> Fresh:
    """Read changed rows until they end or memory's bound is reached, and keep what nobody knows yet."""
    fresh = Fresh()
    made = _events(sweeper, mailing, rows, swept)
    while not fresh.full and (batch := list(islice(made, _SIFT_AT_ONCE))):
        fresh.newest = batch[-1].changed_at
        _sift(sweeper, mailing, batch, fresh, swept, now)
    return fresh


def _events(sweeper: Sweeper, mailing: Mailing, rows: Iterable[Mapping[str, object]], swept: Swept) -> Iterator[Event]:
    for row in rows:
        event = events.event(mailing, row)
        if isinstance(event, Event):
            yield event
        else:
            path = sweeper.erp.query(mailing.name).path
            swept.problems.append(f"{path}: a row is left out: {event.reason}")


def _sift(
    sweeper: Sweeper,
    mailing: Mailing,
    batch: Sequence[Event],
    fresh: Fresh,
    swept: Swept,
    now: datetime,
) -> None:
    """Add to `fresh` the messages of this batch whose keys nobody knows yet."""
    swept.documents += len(batch)
    told = [event for event in batch if not event.silent]
    swept.silent += len(batch) - len(told)
    history = sweeper.outbox.baseline(mailing.name, [(event.document, event.version) for event in told])
    addressed = {
        envelope.key: (event, envelope)
        for event in told
        if (event.document, event.version) not in history
        for envelope in _envelopes(mailing, event, now)
    }
    known = sweeper.outbox.known(list(addressed))
    # A document is told to the addresses it had when it was first seen. That a customer's address changes later is no
    # news of his old documents; only who could not be reached at all is tried at his new address.
    told_before = sweeper.outbox.addressed({document_of(key) for key in addressed if key not in known})
    for key, pair in addressed.items():
        if key in known or document_of(key) in told_before:
            swept.known += 1
        else:
            fresh.addressed.setdefault(key, pair)


def _envelopes(mailing: Mailing, event: Event, now: datetime) -> Iterator[Envelope]:
    for channel in mailing.channels:
        for addressee in audience.addressed_by_row(event.variables, channel):
            envelope = events.envelope(mailing, event, channel, addressee.recipient, now)
            yield events.unaddressed(envelope, addressee.reason) if addressee.reason else envelope


def _message(sweeper: Sweeper, event: Event, envelope: Envelope, swept: Swept) -> Message:
    """The message, rendered and frozen; held with the reason when its template fails."""
    if envelope.state is not State.QUEUED:
        return Message(envelope)
    try:
        return freeze(sweeper, event, envelope)
    except OperationsError:  # concerns every message, such as a sender's address that cannot be
        raise
    except AuthoringError as error:
        problem = str(error)
    except Exception as error:  # whatever a row brings about concerns its own message only
        log.exception("message %s cannot be rendered", masked_key(envelope.key))
        problem = f"cannot be rendered: {type(error).__name__}: {error}"
    if problem not in swept.problems:
        swept.problems.append(problem)
    return Message(replace(envelope, state=State.HELD, reason=problem))


def freeze(sweeper: Sweeper, event: Event, envelope: Envelope) -> Message:
    """Render an envelope's message and freeze its bytes. Raises AuthoringError."""
    content = sweeper.renderer.render(event.mailing, event.variables, envelope.recipient)
    return Message(
        envelope,
        sender=sweeper.sender.address,
        subject=content.subject,
        message_id=message_id(envelope.key, sweeper.sender.domain),
        frozen=sweeper.channels[envelope.channel].freeze(envelope, content, sweeper.sender),
    )


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
        found = _by_document(mailing, reader, held)
    for envelope in held:
        event = found.get((envelope.document, envelope.version))
        if event is None:
            _drop(sweeper, envelope, swept)
            continue
        message = _message(sweeper, event, replace(envelope, state=State.QUEUED, reason=""), swept)
        if message.frozen is not None:
            sweeper.outbox.fill(message, sweeper.clock())
            swept.states[State.QUEUED] += 1


def _drop(sweeper: Sweeper, envelope: Envelope, swept: Swept) -> None:
    why = "the document was changed or deleted in the ERP before it could be rendered"
    with suppress(IllegalTransition):  # a person was quicker
        sweeper.outbox.cancel(envelope.key, "eMailketing", why, sweeper.clock())
        swept.states[State.CANCELLED] += 1


def _by_document(mailing: Mailing, reader: Reader, held: Sequence[Envelope]) -> dict[tuple[str, str], Event]:
    since = min(envelope.event_at for envelope in held)
    documents = sorted({envelope.document for envelope in held})
    rows = list(reader.documents(mailing.name, documents, since))
    made = [item for row in rows if isinstance(item := events.event(mailing, row), Event)]
    lines = reader.lines(mailing.name, _documents(made))
    return {(item.document, item.version): events.with_lines(item, lines) for item in made}


@dataclass(frozen=True)
class Carrier:
    """All that a delivery needs. `channel` makes a new channel; every connection has one of its own."""

    outbox: Outbox
    channel: Callable[[], Channel]
    backoff: Backoff
    batch: int
    lease_s: float
    pausing: Pausing = field(default_factory=Pausing)
    clock: Clock = utc_now
    chance: random.Random = field(default_factory=random.Random)
    told: Callable[[Claim, Receipt], None] = lambda _claim, _receipt: None


@dataclass
class Delivered:
    """What one drain did: messages by outcome, and why it ended early or left a lane out, if it did."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    down: str = ""

    def add(self, other: Delivered) -> None:
        """Take another connection's figures in."""
        self.outcomes.update(other.outcomes)
        self.down = self.down or other.down


def deliver(
    carrier: Carrier,
    lane: Lane | None = None,
    connections: int = 1,
    within_s: float = math.inf,
    heed_pauses: bool = True,
) -> Delivered:
    """Send what is due in a lane (in all of them, the instant one first, when None) until nothing is.

    After `within_s` seconds no further messages are claimed. With several connections each works in a thread of its
    own. One that gets no line ends its work; the messages keep their attempts and wait in the outbox. A few such
    failures in a row pause the lane, and nothing of it is claimed until the pause is over (or without `heed_pauses`).
    """
    gates = [_Gate(carrier, each, heed_pauses) for each in ([lane] if lane else Lane)]
    until = time.monotonic() + within_s
    if connections == 1:
        return _drain(carrier, gates, until)
    total = Delivered()
    with ThreadPoolExecutor(connections, thread_name_prefix="smtp") as pool:
        for done in pool.map(lambda _: _drain(carrier, gates, until), range(connections)):
            total.add(done)
    return total


def _drain(carrier: Carrier, gates: Sequence[_Gate], until: float) -> Delivered:
    hand = _Hand(carrier)
    try:
        for gate in gates:
            while time.monotonic() < until and gate.lets_in(hand):
                claims = hand.claim(gate.lane, carrier.batch)
                if not claims or not hand.carry(claims, gate):
                    break
    except ChannelDown:
        log.warning("%s", hand.delivered.down)
    finally:
        hand.channel.close()
        carrier.outbox.release(hand.owner)
    return hand.delivered


class _Hand:
    """One connection at work: its channel, the name by which it leases, and what it has done."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier, self.channel = carrier, carrier.channel()
        self.owner, self.delivered = uuid.uuid4().hex, Delivered()

    def claim(self, lane: Lane, most: int) -> list[Claim]:
        carrier = self._carrier
        return carrier.outbox.claim(self.channel.name, lane, most, self.owner, carrier.lease_s, carrier.clock())

    def carry(self, claims: Sequence[Claim], gate: _Gate) -> bool:
        """Send the claimed messages one by one; each step settles the last and marks the next in one transaction.

        Killed at any instruction, at most the one message marked as sending is unknown. False, and the rest is left,
        when the server fails so often that the lane is paused. Raises ChannelDown, told, when there is no line.
        """
        carrier, last, begun = self._carrier, None, True
        try:
            for claim in claims:
                self._open(gate)
                if begun:  # where one message is no longer ours, those after it may not be either
                    self.channel.announce(claim)
                settled, last = last, None
                begun = _step(carrier, self.owner, settled, claim.id)
                if not begun:
                    continue
                receipt = self.channel.deliver(claim)
                last = carrier.backoff.settlement(claim, receipt, carrier.chance)
                self._tell(claim, receipt)
                if not gate.heard(self, claim, receipt):
                    return False
        finally:
            if last is not None:
                _step(carrier, self.owner, last, None)
        return True

    def _open(self, gate: _Gate) -> None:
        try:
            self.channel.open()
        except ChannelDown as error:
            self.delivered.down = str(error)
            gate.no_line(self, error)
            raise

    def _tell(self, claim: Claim, receipt: Receipt) -> None:
        self.delivered.outcomes[receipt.outcome] += 1
        self._carrier.told(claim, receipt)
        log.info("%s to %s: %s", claim.key.partition(":")[0], masked(claim.address), receipt.outcome)


class _Gate:
    """Stands before a lane, for all connections of one drain: shut while the lane is paused.

    What works and what fails is told to it. It asks the outbox before each batch, because the pause is everybody's.
    """

    def __init__(self, carrier: Carrier, lane: Lane, heed: bool) -> None:
        self._carrier, self._outbox, self.lane, self._heed = carrier, carrier.outbox, lane, heed
        self._one_at_a_time = threading.Lock()
        self._troubled = not heed  # whether the outbox may remember failures
        self._trying = self._lineless = False

    def lets_in(self, hand: _Hand) -> bool:
        """Whether the lane is open; where its pause is over, after one message was tried and the others waited."""
        if not self._heed:
            return True
        with self._one_at_a_time:
            pause = self._outbox.pause(hand.channel.name, self.lane)
            self._troubled = pause is not None
            if pause is None or pause.until is None:
                return True
            if not pause.holds(self._carrier.clock()):
                return self._try_one(hand)
            hand.delivered.down = str(pause)
            return False

    def heard(self, hand: _Hand, claim: Claim, receipt: Receipt) -> bool:
        """What a receipt says of the server; whether the lane is still open."""
        if receipt.server_failed:
            return self._failed(hand, Failure(receipt.at, receipt.reason, claim.id, self._trying))
        if self._troubled:
            self._troubled = False
            if self._outbox.resume(hand.channel.name, self.lane):
                log.info("the %s lane (%s) is open: the server works", self.lane, hand.channel.name)
        return True

    def no_line(self, hand: _Hand, error: ChannelDown) -> None:
        """The server is down. It is the same to all connections of a drain, and so counts once."""
        if not self._lineless:
            self._lineless = True
            self._failed(hand, Failure(self._carrier.clock(), str(error), trial=self._trying))

    def _try_one(self, hand: _Hand) -> bool:
        channel, now = hand.channel.name, self._carrier.clock()
        claims = hand.claim(self.lane, 1)
        if not claims:
            return False
        if not self._outbox.take_trial(channel, self.lane, now, now + timedelta(seconds=self._carrier.lease_s)):
            self._outbox.release(hand.owner)  # this message need not wait for our lease
            hand.delivered.down = str(self._outbox.pause(channel, self.lane) or "")  # another process tries
            return False
        self._trying = True
        try:
            return hand.carry(claims, self) and not self._troubled
        finally:
            self._trying = False

    def _failed(self, hand: _Hand, failure: Failure) -> bool:
        self._troubled = True
        pausing, chance = self._carrier.pausing, self._carrier.chance
        pause = self._outbox.fail(hand.channel.name, self.lane, failure, lambda count: pausing.wait_s(count, chance))
        if not pause.holds(failure.at):
            return True
        hand.delivered.down = str(pause)
        return False


def _step(carrier: Carrier, owner: str, last: Settlement | None, begin: int | None) -> bool:
    """One step of the ledger; what was answered is held on to while the outbox's database comes back."""
    deadline = carrier.clock() + timedelta(seconds=carrier.lease_s / 2)
    repeated = False
    while True:
        now = carrier.clock()
        try:
            begun = carrier.outbox.step(owner, last, begin, now, carrier.lease_s)
            # The answer to a commit may have been lost: then the message is ours already, and waits to be sent.
            return begun or (repeated and begin is not None and carrier.outbox.is_sending(owner, begin))
        except IllegalTransition as error:  # settled meanwhile, by a person or a rescue: nothing to wait for
            log.error("a receipt came too late to be recorded: %s", error)
            last = None
        except OutboxError:
            if last is None or now >= deadline:
                raise
            log.warning("the outbox does not answer; the receipt of message %s is kept and written again", last.id)
            repeated = True
            time.sleep(0.5)


def keep_house(outbox: Outbox, backoff: Backoff, now: datetime) -> Counter[str]:
    """Settle what nobody settled: dead deliveries become unknown and follow their policy, the old expires."""
    done: Counter[str] = Counter()
    done["rescued"] = len(outbox.rescue(now, now + timedelta(seconds=backoff.first_s), backoff.attempts))
    done["expired"] = outbox.expire(now)
    return done


def send_test(channel: Channel, mailing: Mailing, content: Content, recipient: Recipient, sender: Sender) -> Receipt:
    """Send a rendered message straight to somebody, marked as a test; the outbox keeps nothing of it."""
    now = utc_now()
    event = Event(mailing.name, f"test-{now:%Y%m%dT%H%M%S%f}", "1", now, {})
    envelope = events.envelope(mailing, event, channel.name, recipient, now)
    frozen = channel.freeze(envelope, replace(content, subject=f"[test] {content.subject}"), sender)
    identity = message_id(envelope.key, sender.domain)
    channel.open()
    try:
        return channel.deliver(
            Claim(0, envelope.key, channel.name, sender.address, recipient.address, identity, 0, frozen)
        )
    finally:
        channel.close()


def check_mailing(erp: Erp, renderer: Renderer, mailing: Mailing) -> list[AuthoringError]:
    """Everything wrong with a mailing's query and templates, held against the live ERP and its newest document."""
    problems: list[AuthoringError] = list(renderer.check(mailing.name))
    try:
        event = newest_event(erp, mailing)
    except SqlError as error:
        return [*problems, error]
    if event and not problems:
        recipient = audience.addressed_by_row(event.variables, "email")[0].recipient
        try:
            renderer.render(mailing.name, event.variables, recipient)
        except AuthoringError as error:
            problems.append(error)
    return problems


def newest_event(erp: Erp, mailing: Mailing, document: str = "") -> Event | None:
    """The document that changed last, or the named one, as an event with its lines; None when there is none.

    Raises SqlError when the query breaks its contract.
    """
    with erp.reading() as reader:
        reader.check(mailing.name)
        row = next(reader.documents(mailing.name, [document]), None) if document else reader.latest(mailing.name)
        if row is None:
            return None
        event = events.event(mailing, row)
        if isinstance(event, events.BadRow):
            raise SqlError(event.reason, path=erp.query(mailing.name).path)
        return events.with_lines(event, reader.lines(mailing.name, _documents([event])))


def wire(outbox: Outbox, key: str) -> bytes:
    """The bytes of an e-mail as they were, or will be, sent. Raises OutboxError when they are kept no more."""
    frozen = outbox.frozen(key)
    if frozen is None:
        raise OutboxError(f"The bytes of message {key} are not there: it was never rendered, or they were pruned.")
    return assemble(frozen)
