"""eMailketing's delivery: a filled outbox, drained over one connection, every message settled durably."""

from __future__ import annotations

import fresh
from frozen import SEEN, SENDER, frozen

from emailketing import road
from emailketing.model import Lane, Message, Outcome, State, chunks, message_id
from emailketing.outbox import Outbox

_filled: list[Outbox] = []


def prepare(count: int) -> None:
    outbox = fresh.outbox()
    _filled[:] = [outbox]
    for numbers in chunks(range(count), 500):
        outbox.put([_message(number) for number in numbers], {}, SEEN)


def _message(number: int) -> Message:
    envelope, bytes_ = frozen(number)
    identity = message_id(envelope.key, SENDER.domain)
    return Message(envelope, SENDER.address, "", identity, bytes_)


def run() -> int:
    outbox = _filled[0]
    delivered = road.deliver(fresh.carrier(outbox), Lane.BULK)
    sent = delivered.outcomes[Outcome.ACCEPTED]
    assert outbox.counts() == {"letter": {State.ACCEPTED: sent}}, delivered
    return sent
