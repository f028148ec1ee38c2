"""Messages for the tests of the outbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from emailketing.model import (
    Attachment,
    Envelope,
    Frozen,
    Lane,
    Message,
    OnUnknown,
    Outcome,
    Receipt,
    Recipient,
    State,
    message_id,
)
from emailketing.outbox import Settlement

NOW = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
ERP_TIME = datetime(2026, 3, 2, 12, 0, 0, 654321, tzinfo=UTC)
LEASE_S = 300.0


def at(seconds: float) -> datetime:
    """NOW and some seconds."""
    return NOW + timedelta(seconds=seconds)


def letter(document="4512", *, files=(), wire=b"From: us\r\n\r\nHello\r\n", **changes) -> Message:
    """A queued e-mail about a purchase order; `changes` are fields of its envelope, `files` its attachments' bytes."""
    attachments = [Attachment(f"{place}.pdf", "application/pdf", data) for place, data in enumerate(files)]
    given = {
        "mailing": "purchase_order",
        "document": document,
        "version": "1",
        "channel": "email",
        "recipient": Recipient("ana@example.com", "Ana", "es"),
        "lane": Lane.INSTANT,
        "on_unknown": OnUnknown.AGAIN,
        "event_at": NOW,
        "created_at": NOW,
        **changes,
    }
    final = given.get("state", State.QUEUED) not in {State.QUEUED, State.HELD}
    frozen = Frozen(
        wire,
        tuple((place + 1, each.sha256) for place, each in enumerate(attachments)),
        {each.sha256: each.data for each in attachments},
    )
    envelope = Envelope(**given)
    return Message(
        envelope,
        "us@company.example",
        f"Order {document}",
        message_id(envelope.key, "company.example"),
        None if final else frozen,
    )


def accepted(claim, seconds=0.0) -> Settlement:
    """The server took it, some seconds after NOW."""
    return Settlement(claim.id, Receipt(Outcome.ACCEPTED, at(seconds), 250, "2.0.0 queued as 1A2B"))


def later(claim, seconds=0.0, wait_s: float | None = 60.0) -> Settlement:
    """The server wants it later; without `wait_s` it is given up."""
    again = None if wait_s is None else at(seconds + wait_s)
    return Settlement(claim.id, Receipt(Outcome.LATER, at(seconds), 451, "4.7.1 greylisted"), again)


def refused(claim, seconds=0.0) -> Settlement:
    """The server will never take it."""
    return Settlement(claim.id, Receipt(Outcome.REFUSED, at(seconds), 550, "5.1.1 no such user"))


def unknown(claim, seconds=0.0) -> Settlement:
    """The answer never came."""
    return Settlement(claim.id, Receipt(Outcome.UNKNOWN, at(seconds), None, "the line broke after the message"))


def claim(outbox, owner="worker", limit=100, seconds=0.0, lane="instant", channel="email"):
    """What `owner` can claim some seconds after NOW."""
    return outbox.claim(channel, lane, limit, owner, LEASE_S, at(seconds))


def begin(outbox, owner="worker", seconds=0.0):
    """Claim one message and mark it as sending."""
    [taken] = claim(outbox, owner, 1, seconds)
    assert outbox.step(owner, None, taken.id, at(seconds), LEASE_S)
    return taken


def states(outbox) -> dict[str, str]:
    """The state of each message by its document."""
    return {row.document: row.state.value for row in outbox.messages(limit=1000)}


def tale(outbox, key) -> list[tuple[str | None, str]]:
    """The states of a message's history, from and to."""
    return [(entry.from_state and entry.from_state.value, entry.to_state.value) for entry in outbox.history(key)]
