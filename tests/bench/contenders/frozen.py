"""The letter as eMailketing freezes it."""

from __future__ import annotations

from datetime import UTC, datetime

import letter

from emailketing.channels.wire import compose
from emailketing.model import Content, Envelope, Frozen, Lane, OnUnknown, Recipient, Sender

SENDER = Sender(letter.SENDER, "Petrolera del Este S.A.")
SEEN = datetime(2026, 3, 2, 12, tzinfo=UTC)


def frozen(number: int) -> tuple[Envelope, Frozen]:
    """The message to recipient `number`."""
    recipient = Recipient(letter.address(number), f"Cliente {number}", "es")
    envelope = Envelope("letter", str(number), "1", "email", recipient, Lane.BULK, OnUnknown.NEVER, SEEN, SEEN)
    content = Content(letter.subject(number), letter.text(number), letter.html(number))
    return envelope, compose(envelope, content, SENDER)
