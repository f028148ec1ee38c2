"""Text from outside made to fit a column: what the ERP calls a document may be longer than it, or hold a NUL."""

from __future__ import annotations

from hashlib import sha256

from emailketing.outbox.schema import WIDTHS


def identity(column: str, text: str) -> str:
    """`text` as the identity column `column` keeps it: too long, it ends in the hash of all of it.

    Different texts stay different, equal ones equal, and what was fitted once fits unchanged.
    """
    text, width = storable(text), WIDTHS[column]
    if len(text) <= width:
        return text
    return f"{text[: width - 65]}~{sha256(text.encode()).hexdigest()}"


def clipped(text: str, width: int) -> str:
    """`text` for people to read, cut at `width` characters with an ellipsis."""
    text = storable(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def storable(text: str) -> str:
    """`text` without what a database refuses in a text: NUL and halves of characters."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
