"""How a message changes its state: checked against `model.TRANSITIONS`, and never without a row of history.

`move` is the way of every change but two: `put` gives birth, and `step` has prepared statements for the hot path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from emailketing.errors import IllegalTransition, OutboxError
from emailketing.model import TRANSITIONS, State
from emailketing.outbox.fit import clipped
from emailketing.outbox.schema import history, message


@dataclass(frozen=True, slots=True)
class Move:
    """One message's change of state, with what the history will tell of it.

    `columns` are further columns of the message to set. What is not named there ends: the lease and the next attempt.
    """

    id: int
    key: str
    origin: State
    to: State
    at: datetime
    cause: str
    detail: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)


def check(key: str, origin: State, to: State) -> None:
    """Raises IllegalTransition unless a message may change from `origin` to `to`."""
    if to in TRANSITIONS[origin]:
        return
    allowed = ", ".join(sorted(TRANSITIONS[origin])) or "nothing: it is final"
    raise IllegalTransition(
        f"Message {key} is {origin} and cannot become {to}. From {origin} it may become: {allowed}."
    )


def sources(to: State) -> frozenset[State]:
    """The states from which a message may become `to`."""
    return frozenset(origin for origin, targets in TRANSITIONS.items() if to in targets)


_MOVE = sa.update(message).where(message.c.id == sa.bindparam("b_id"), message.c.state == sa.bindparam("b_origin"))


def move(connection: sa.Connection, moves: Sequence[Move]) -> None:
    """Carry the changes out. The caller holds the rows' locks; all moves of one call set the same columns."""
    if not moves:
        return
    for each in moves:
        check(each.key, each.origin, each.to)
    changed = connection.execute(_MOVE, [_columns(each) for each in moves]).rowcount
    if changed != len(moves):
        raise OutboxError(
            f"{len(moves) - changed} of {len(moves)} messages changed their state meanwhile; nothing done."
        )
    remember(connection, [told(each.id, each.at, each.origin, each.to, each.cause, each.detail) for each in moves])


def remember(connection: sa.Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows of `told` into the history."""
    if rows := list(rows):
        connection.execute(sa.insert(history), rows)


def told(message: int, at: datetime, origin: State | None, to: State, cause: str, detail: str) -> dict[str, Any]:
    """A row of history. With `origin` equal to `to` it tells of a decision that changed nothing."""
    return {
        "message": message,
        "at": at,
        "from_state": origin.value if origin else None,
        "to_state": to.value,
        "cause": clipped(cause, 100),
        "detail": clipped(detail, 1000),
    }


def _columns(move: Move) -> dict[str, Any]:
    return {
        "b_id": move.id,
        "b_origin": move.origin.value,
        "state": move.to.value,
        "reason": clipped(move.detail, 1000),
        "updated_at": move.at,
        "lease_owner": None,
        "lease_until": None,
        "next_attempt_at": None,
        **move.columns,
    }
