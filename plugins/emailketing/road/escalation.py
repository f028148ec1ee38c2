"""What follows where a channel did not reach somebody, and what is taken back because it is no longer so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from emailketing import events
from emailketing.audience import addressed_by_row
from emailketing.model import Envelope, Event, Mailing, Message, State, chunks, masked
from emailketing.outbox import Escalation, Standing
from emailketing.road.sweeping import Sweeper, Swept, current, drop, informed, message_of, with_their_lines

#: What was refused longer ago is left as it is: by another channel, too, its news comes too late.
HORIZON = timedelta(days=2)

_AT_ONCE = 200  # messages whose documents are read, and whose successors are rendered, together


def escalate(sweeper: Sweeper, mailing: Mailing) -> Swept:
    """Tell by `mailing.if_refused` whom a document's row names where another channel refused him, or had no address.

    Copies and subscribers are not concerned. What follows is decided once for each message and stands in its history;
    it may be repeated and killed, for the decision and what is put by it are one transaction.
    """
    sweeper = informed(sweeper)
    mailing = sweeper.audience.settled(mailing)
    swept = Swept(mailing.name)
    after, since = 0, sweeper.clock() - HORIZON
    while mailing.if_refused and (missed := sweeper.outbox.unreached(mailing.name, after, mailing.if_refused, since)):
        after = missed[-1].id
        for some in chunks(missed, _AT_ONCE):
            _escalate(sweeper, mailing, some, swept)
    return swept


@dataclass(frozen=True)
class _Instead:
    """What follows one message: the envelopes by the other channel, or in words why there are none."""

    missed: Standing
    event: Event | None
    envelopes: Sequence[Envelope] = ()
    why_none: str = ""

    def decision(self, channel: str, known: set[str]) -> str:
        """As the history tells it; `known` are the keys of those who were told by the other channel before."""
        if self.why_none:
            return f"nobody is told by {channel} instead: {self.why_none}"
        before = [masked(each.recipient.address) for each in self.envelopes if each.key in known]
        anew = [masked(each.recipient.address) for each in self.envelopes if each.key not in known]
        told = [f"told by {channel} instead: {', '.join(anew)}"] if anew else []
        return "; ".join([*told, *([f"told by {channel} already: {', '.join(before)}"] if before else [])])


def _escalate(sweeper: Sweeper, mailing: Mailing, missed: Sequence[Standing], swept: Swept) -> None:
    with sweeper.erp.reading() as reader:
        found = current(mailing, sweeper.outbox, reader, [each.envelope for each in missed])
        found = with_their_lines(mailing, reader, found)
    off = sweeper.audience.off(mailing.name)
    follows = [
        _Instead(each, None, why_none=off)
        if off
        else _instead(sweeper, mailing, each, found.get((each.envelope.document, each.envelope.version)))
        for each in missed
    ]
    follows = _allowed(sweeper, follows)
    known = sweeper.outbox.known({envelope.key for each in follows for envelope in each.envelopes})
    messages = _messages(sweeper, follows, known, swept)
    decisions = [
        Escalation(
            each.missed.id,
            each.decision(mailing.if_refused, known),
            tuple(messages[envelope.key] for envelope in each.envelopes if envelope.key not in known),
        )
        for each in follows
    ]
    too_large = sweeper.outbox.escalate(decisions, sweeper.clock()).too_large
    swept.states.update(State.HELD if key in too_large else each.envelope.state for key, each in messages.items())
    for reason in too_large.values():
        swept.tell(reason)


def _instead(sweeper: Sweeper, mailing: Mailing, missed: Standing, event: Event | None) -> _Instead:
    if event is None:
        return _Instead(missed, None, why_none="the document was changed or deleted in the ERP meanwhile")
    named = addressed_by_row(event.variables, mailing.if_refused, sweeper.audience.region)
    usable = [each.recipient for each in named if not each.reason]
    if not usable:
        return _Instead(missed, event, why_none="; ".join(each.reason for each in named))
    now, old = sweeper.clock(), missed.envelope
    whom = f" to {masked(old.recipient.address)}" if old.recipient.address else ""
    reason = f"instead of {old.channel}{whom}, which was {old.state}"
    made = [events.envelope(mailing, event, mailing.if_refused, recipient, now) for recipient in usable]
    if made[0].state is State.EXPIRED:
        return _Instead(missed, event, why_none=made[0].reason)
    return _Instead(missed, event, [replace(each, reason=reason) for each in made])


def _allowed(sweeper: Sweeper, follows: Sequence[_Instead]) -> list[_Instead]:
    """Without those who must not be written to by the other channel either."""
    pairs = {(envelope.recipient.address, envelope.kind.value) for each in follows for envelope in each.envelopes}
    forbidden = sweeper.outbox.suppressed(pairs)
    return [_without(each, forbidden) for each in follows]


def _without(follows: _Instead, forbidden: Mapping[tuple[str, str], str]) -> _Instead:
    reasons = [forbidden.get((each.recipient.address, each.kind.value), "") for each in follows.envelopes]
    kept = [each for each, reason in zip(follows.envelopes, reasons, strict=True) if not reason]
    return replace(follows, envelopes=kept, why_none=follows.why_none or ("" if kept else "; ".join(reasons)))


def _messages(sweeper: Sweeper, follows: Sequence[_Instead], known: set[str], swept: Swept) -> Mapping[str, Message]:
    """The messages that are new, by key; two that were missed may lead to one."""
    messages: dict[str, Message] = {}
    for each in follows:
        for envelope in each.envelopes:
            if each.event and envelope.key not in known and envelope.key not in messages:
                messages[envelope.key] = message_of(sweeper, each.event, envelope, swept)
    return messages


def withdraw(sweeper: Sweeper, mailing: Mailing) -> Swept:
    """Take a follow-up's messages back that are not sent yet and whose documents its query gives no longer."""
    swept = Swept(mailing.name)
    after = 0
    while waiting := sweeper.outbox.waiting(mailing.name, after):
        after = waiting[-1].id
        with sweeper.erp.reading() as reader:
            found = current(mailing, sweeper.outbox, reader, [each.envelope for each in waiting])
        for each in waiting:
            if (each.envelope.document, each.envelope.version) not in found:
                drop(
                    sweeper, each.envelope, "it has happened, or the document was changed, before this was sent", swept
                )
    return swept
