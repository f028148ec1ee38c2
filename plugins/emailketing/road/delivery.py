"""The second half of the road: what is due leaves the outbox by a channel, and every answer is settled."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from emailketing.channels import SLOWEST, Channel
from emailketing.channels.wire import assemble
from emailketing.errors import ChannelDown, IllegalTransition, OutboxError
from emailketing.model import (
    Claim,
    Lane,
    Outcome,
    Receipt,
    masked,
)
from emailketing.outbox import Backoff, Failure, Outbox, Pausing, Settlement
from emailketing.road.clock import Clock, utc_now
from emailketing.road.consenting import Consultation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Carrier:
    """All that a delivery needs. `channels` make new ones, by name; every connection has a channel of its own.

    `consult` sees to it that nothing is sent to whoever wants no more; asked before the bulk lane is drained, it
    answers why that lane must wait, or ''.
    """

    outbox: Outbox
    channels: Mapping[str, Callable[[], Channel]]
    backoff: Backoff
    batch: int
    lease_s: float
    pausing: Pausing = field(default_factory=Pausing)
    clock: Clock = utc_now
    chance: random.Random = field(default_factory=random.Random)
    told: Callable[[Claim, Receipt], None] = lambda _claim, _receipt: None
    consult: Callable[[], str] = lambda: ""


@dataclass
class Delivered:
    """What one drain did: messages by outcome, and why it ended early or left a lane out, if it did."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    down: str = ""

    def add(self, other: Delivered) -> None:
        """Take another connection's figures in; what several of them tell alike is told once."""
        self.outcomes.update(other.outcomes)
        if other.down not in self.down.splitlines():
            self.down = "\n".join(filter(None, [self.down, other.down]))


def deliver(
    carrier: Carrier,
    lane: Lane | None = None,
    connections: int = 1,
    within_s: float = math.inf,
    heed_pauses: bool = True,
) -> Delivered:
    """Send what is due in a lane (in all of them, the instant one first, when None) until nothing is.

    After `within_s` seconds no further messages are claimed. Every channel has `connections` of its own, each in a
    thread of its own, so that a gateway that is down or slow keeps no mail waiting. One that gets no line ends its
    work; the messages keep their attempts and wait in the outbox. A few such failures in a row pause the channel's
    lane, and nothing of it is claimed until the pause is over (or without `heed_pauses`).
    """
    shift = _Shift(time.monotonic() + within_s)
    lanes = [lane] if lane else list(Lane)
    consulted = Consultation(carrier.consult)
    drains = []
    for channel in carrier.channels.values():
        gates = [_Gate(carrier, each, heed_pauses, consulted) for each in lanes]
        drains += [partial(_drain, carrier, channel, gates, shift)] * connections
    return _side_by_side(drains, shift)


def _side_by_side(drains: Sequence[Callable[[], Delivered]], shift: _Shift) -> Delivered:
    """All drains at once, the first of them in this thread; what ends this one ends the others after their message."""
    total = Delivered()
    first, *others = drains
    with ThreadPoolExecutor(len(drains), thread_name_prefix="delivery") as pool:
        try:
            running = [pool.submit(drain) for drain in others]
            total.add(first())
            for done in running:
                total.add(done.result())
        except BaseException:
            shift.over.set()
            raise
    return total


@dataclass
class _Shift:
    """How long a delivery works: until a time, or until it is told that it is over."""

    until: float
    over: threading.Event = field(default_factory=threading.Event)

    def lasts(self) -> bool:
        return time.monotonic() < self.until and not self.over.is_set()


def _drain(carrier: Carrier, channel: Callable[[], Channel], gates: Sequence[_Gate], shift: _Shift) -> Delivered:
    hand = _Hand(carrier, channel(), shift)
    try:
        for gate in gates:
            while shift.lasts() and gate.lets_in(hand):
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

    def __init__(self, carrier: Carrier, channel: Channel, shift: _Shift) -> None:
        self._carrier, self.channel, self._shift = carrier, channel, shift
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
                if self._shift.over.is_set():
                    return False
                self._open(gate)
                if begun:  # where one message is no longer ours, those after it may not be either
                    self.channel.announce(claim)
                settled, last = last, None
                begun = _step(carrier, self.owner, settled, claim)
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

    def __init__(self, carrier: Carrier, lane: Lane, heed: bool, consulted: Callable[[], str]) -> None:
        self._carrier, self._outbox, self.lane, self._heed = carrier, carrier.outbox, lane, heed
        self._consulted = consulted
        self._one_at_a_time = threading.Lock()
        self._troubled = not heed  # whether the outbox may remember failures
        self._trying = self._lineless = False

    def lets_in(self, hand: _Hand) -> bool:
        """Whether the lane is open; where its pause is over, after one message was tried and the others waited."""
        if self.lane is Lane.BULK and (waits := self._consulted()):
            hand.delivered.down = waits
            return False
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


def _step(carrier: Carrier, owner: str, last: Settlement | None, begin: Claim | None) -> bool:
    """One step of the ledger; what was answered is held on to while the outbox's database comes back.

    A big message over a slow line is leased for longer, or it would be taken for a dead process's and sent again.
    """
    number, lease_s = (begin.id, carrier.lease_s + begin.frozen.size / SLOWEST) if begin else (None, carrier.lease_s)
    deadline = carrier.clock() + timedelta(seconds=carrier.lease_s / 2)
    repeated = False
    while True:
        now = carrier.clock()
        try:
            begun = carrier.outbox.step(owner, last, number, now, lease_s)
            # The answer to a commit may have been lost: then the message is ours already, and waits to be sent.
            return begun or (repeated and number is not None and carrier.outbox.is_sending(owner, number))
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


def wire(outbox: Outbox, key: str) -> bytes:
    """The bytes of an e-mail as they were, or will be, sent. Raises OutboxError when they are kept no more."""
    frozen = outbox.frozen(key)
    if frozen is None:
        raise OutboxError(f"The bytes of message {key} are not there: it was never rendered, or they were pruned.")
    return assemble(frozen)
