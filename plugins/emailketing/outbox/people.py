"""What a person may do to a message; each act is told in the history with the person's name and reason."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from emailketing.errors import IllegalTransition, OutboxError
from emailketing.model import State
from emailketing.outbox.changes import Move, check, move
from emailketing.outbox.fit import identity
from emailketing.outbox.schema import content, message
from emailketing.outbox.wishes import forbidden


class Verdict(StrEnum):
    """What a person found out, or decides, about a message of which nobody knows whether it arrived."""

    SENT = "sent"  # it arrived
    RESEND = "resend"  # send it again
    DROP = "drop"  # leave it, whatever became of it


def cancel(connection: sa.Connection, key: str, by: str, why: str, now: datetime) -> None:
    """Take a message back that waits, or of which nobody knows whether it arrived."""
    row = _standing(connection, key)
    _change(connection, Move(*_who(row), State.CANCELLED, now, f"cancelled by {by}", why))


def resend(connection: sa.Connection, key: str, by: str, why: str, now: datetime) -> None:
    """Queue a message again that was in a connection's hands or has ended."""
    row = _standing(connection, key)
    if row.state in {State.HELD, State.SENDING}:
        raise IllegalTransition(f"Message {key} is {row.state}: only what has ended, or is unknown, is sent again.")
    _change(connection, Move(*_who(row), State.QUEUED, now, f"resent by {by}", why, _AFRESH | {"next_attempt_at": now}))


def approve(connection: sa.Connection, key: str, by: str, why: str, now: datetime) -> None:
    """Queue a held message."""
    row = _standing(connection, key)
    if row.state != State.HELD:
        raise IllegalTransition(f"Message {key} is {row.state}, not held: there is nothing to approve.")
    _change(connection, Move(*_who(row), State.QUEUED, now, f"approved by {by}", why, {"next_attempt_at": now}))


def settle_unknown(connection: sa.Connection, key: str, verdict: Verdict, by: str, why: str, now: datetime) -> None:
    """A person settles a message in state unknown, and only such a one."""
    row = _standing(connection, key)
    if row.state != State.UNKNOWN:
        raise IllegalTransition(f"Message {key} is {row.state}, not unknown: there is nothing to settle.")
    to, columns = _verdict(verdict, now)
    _change(connection, Move(*_who(row), to, now, f"settled as {verdict} by {by}", why, columns))


#: Sent again by a person, a message starts afresh, and without the limit that may have ended it.
_AFRESH: dict[str, Any] = {"attempts": 0, "expires_at": None}


def _verdict(verdict: Verdict, now: datetime) -> tuple[State, dict[str, Any]]:
    if verdict is Verdict.SENT:
        return State.ACCEPTED, {"accepted_at": now}
    if verdict is Verdict.RESEND:
        return State.QUEUED, _AFRESH | {"next_attempt_at": now}
    return State.CANCELLED, {}


def _change(connection: sa.Connection, wanted: Move) -> None:
    check(wanted.key, wanted.origin, wanted.to)
    if wanted.to is State.QUEUED and not _has_bytes(connection, wanted.id):
        raise IllegalTransition(
            f"Message {wanted.key} cannot be sent: it was never rendered, or its content was pruned."
        )
    if wanted.to is State.QUEUED and (reason := _why_forbidden(connection, wanted.id)):
        hint = "Where that is over: bin/emailketing unsuppress, or consent give."
        raise IllegalTransition(f"Message {wanted.key} cannot be sent: {reason}.", hint=hint)
    move(connection, [wanted])


def _who(row: Any) -> tuple[int, str, State]:
    return row.id, row.key, State(row.state)


def _standing(connection: sa.Connection, key: str) -> Any:
    columns = (message.c.id, message.c.key, message.c.state)
    found = sa.select(*columns).where(message.c.key == identity("key", key)).with_for_update()
    row = connection.execute(found).one_or_none()
    if row is None:
        raise OutboxError(f"There is no message {key} in the outbox.")
    return row


def _why_forbidden(connection: sa.Connection, number: int) -> str:
    whom = sa.select(message.c.address, message.c.kind, message.c.created_at).where(message.c.id == number)
    (reason,) = forbidden(connection, [tuple(connection.execute(whom).one())])
    return reason


def _has_bytes(connection: sa.Connection, number: int) -> bool:
    return bool(connection.execute(sa.select(sa.exists().where(content.c.message == number))).scalar())
