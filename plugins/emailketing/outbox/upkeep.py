"""What is done for the messages of processes that died, for those that came too late, and for old ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from emailketing.model import FINAL, OnUnknown, State
from emailketing.outbox.changes import Move, move, remember, sources, told
from emailketing.outbox.schema import attachment, blob, content, message, standing

CHUNK = 500  # messages that one transaction of upkeep holds


@dataclass(frozen=True, slots=True)
class Rescued:
    """A message whose sending nobody finished, and what was decided: queued again, or left unknown with the reason."""

    key: str
    mailing: str
    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted, in rows."""

    messages: int = 0
    contents: int = 0
    blobs: int = 0


def _locked(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    columns = (
        message.c.id,
        message.c.key,
        message.c.mailing,
        message.c.state,
        message.c.on_unknown,
        message.c.attempts,
        message.c.expires_at,
        message.c.reason,
    )
    lease = (message.c.lease_owner, message.c.lease_until)
    return sa.select(*columns, *lease).where(condition).limit(CHUNK).with_for_update(skip_locked=True)


def _not_leased(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(message.c.lease_until.is_(None), message.c.lease_until <= now)


def held_by(connection: sa.Connection, owner: str) -> Sequence[int]:
    """The messages that `owner` has claimed and not begun to send."""
    mine = sa.and_(standing(State.QUEUED), message.c.lease_owner == owner, message.c.lease_until.is_not(None))
    return connection.execute(sa.select(message.c.id).where(mine)).scalars().all()


def release(connection: sa.Connection, owner: str, ids: Sequence[int]) -> int:
    """Give the leases of `ids` back where `owner` still holds them and has not begun to send."""
    mine = (message.c.id.in_(ids), standing(State.QUEUED), message.c.lease_owner == owner)
    return connection.execute(sa.update(message).where(*mine), {"lease_owner": None, "lease_until": None}).rowcount


def strand(connection: sa.Connection, now: datetime) -> int:
    """One chunk of messages that a dead process was sending become unknown; how many."""
    rows = connection.execute(_locked(sa.and_(standing(State.SENDING), message.c.lease_until <= now))).all()
    move(
        connection,
        [
            Move(
                *(row.id, row.key, State.SENDING, State.UNKNOWN, now, "lease expired"),
                f"sent by {row.lease_owner}, of which nothing was heard since {row.lease_until:%Y-%m-%d %H:%M:%S} UTC",
                {"next_attempt_at": now, "lease_owner": row.lease_owner},  # undecided; a late receipt is still welcome
            )
            for row in rows
        ],
    )
    return len(rows)


def decide(connection: sa.Connection, retry_at: datetime, attempts: int, now: datetime) -> list[Rescued]:
    """The policy speaks for one chunk of unknown messages of which it has not spoken yet."""
    rows = connection.execute(_locked(sa.and_(standing(State.UNKNOWN), message.c.next_attempt_at.is_not(None)))).all()
    why_left = {row.id: _why_left(row, attempts, retry_at) for row in rows}
    again = [row for row in rows if not why_left[row.id]]
    left = [row for row in rows if why_left[row.id]]
    move(connection, [_again(row, retry_at, now) for row in again])
    for row in left:
        values = {"next_attempt_at": None, "reason": why_left[row.id]}
        connection.execute(sa.update(message).where(message.c.id == row.id), values)
    remember(connection, [told(row.id, now, State.UNKNOWN, State.UNKNOWN, "policy", why_left[row.id]) for row in left])
    return [Rescued(row.key, row.mailing, State.QUEUED, AGAIN) for row in again] + [
        Rescued(row.key, row.mailing, State.UNKNOWN, why_left[row.id]) for row in left
    ]


AGAIN = "may have arrived; sent again with the same Message-ID"


def _again(row: Any, retry_at: datetime, now: datetime) -> Move:
    columns = {"next_attempt_at": retry_at, "lease_owner": row.lease_owner}  # until claimed, a late receipt is welcome
    return Move(row.id, row.key, State.UNKNOWN, State.QUEUED, now, "policy", AGAIN, columns)


def _why_left(row: Any, attempts: int, retry_at: datetime) -> str:
    if row.on_unknown == OnUnknown.NEVER:
        return "may have arrived; this mailing is never sent again in doubt"
    if row.attempts >= attempts:
        return f"may have arrived; all {row.attempts} attempts are used up"
    if row.expires_at is not None and row.expires_at <= retry_at:
        return "may have arrived; too old to be sent again"
    return ""


def expire(connection: sa.Connection, now: datetime) -> int:
    """One chunk of waiting messages that have become too old; how many."""
    waiting = standing(*sources(State.EXPIRED))
    rows = connection.execute(_locked(sa.and_(waiting, message.c.expires_at <= now, _not_leased(now)))).all()
    moves = [Move(row.id, row.key, State(row.state), State.EXPIRED, now, "expired", _too_old(row)) for row in rows]
    move(connection, moves)
    return len(rows)


def _too_old(row: Any) -> str:
    return f"too old to help anybody{'; an earlier attempt may have arrived' if row.reason == AGAIN else ''}"


_ENDED = sa.or_(
    message.c.state.in_([state.value for state in FINAL]),
    sa.and_(message.c.state == State.UNKNOWN.value, message.c.next_attempt_at.is_(None)),
)


def prune_messages(connection: sa.Connection, before: datetime) -> int:
    """One chunk of messages that ended before `before`, with history and content; how many."""
    old = sa.select(message.c.id).where(_ENDED, message.c.created_at < before, message.c.updated_at < before)
    ids = connection.execute(old.limit(CHUNK).with_for_update(skip_locked=True)).scalars().all()
    return connection.execute(sa.delete(message).where(message.c.id.in_(ids))).rowcount if ids else 0


def prune_contents(connection: sa.Connection, before: datetime) -> int:
    """One chunk of frozen bytes of messages that ended before `before`; how many."""
    old = (
        sa.select(message.c.id)
        .join(content, content.c.message == message.c.id)
        .where(_ENDED, message.c.created_at < before, message.c.updated_at < before)
    )
    ids = connection.execute(old.limit(CHUNK).with_for_update(skip_locked=True)).scalars().all()
    if not ids:
        return 0
    connection.execute(sa.delete(attachment).where(attachment.c.message.in_(ids)))
    return connection.execute(sa.delete(content).where(content.c.message.in_(ids))).rowcount


def prune_blobs(connection: sa.Connection, before: datetime) -> int:
    """One chunk of attachments that no message carries and no put has brought since `before`; how many."""
    unused = sa.and_(blob.c.last_put_at < before, ~sa.exists().where(attachment.c.sha256 == blob.c.sha256))
    found = connection.execute(sa.select(blob.c.sha256).where(unused).limit(CHUNK)).scalars().all()
    # Not by digest alone: a put may have touched it since, and has the lock for which this delete waits.
    return connection.execute(sa.delete(blob).where(blob.c.sha256.in_(found), unused)).rowcount if found else 0


def until_none(chunk: Callable[[], int]) -> int:
    """The sum of a chunk's work, repeated until less than a whole chunk is done."""
    total = 0
    while done := chunk():
        total += done
        if done < CHUNK:
            break
    return total
