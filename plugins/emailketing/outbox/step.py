"""The hot path of delivery: one transaction settles the message just delivered and marks the next as sending.

So at any instant at most one message per connection stands in `sending`, and a process that is killed leaves at most
that one in doubt, however many it had claimed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from emailketing.errors import IllegalTransition
from emailketing.model import Outcome, Receipt, State
from emailketing.outbox.backoff import Settlement
from emailketing.outbox.changes import Move, check, move, remember, told
from emailketing.outbox.fit import clipped
from emailketing.outbox.schema import message


def step(
    connection: sa.Connection, owner: str, settled: Settlement | None, begin: int | None, now: datetime, lease_s: float
) -> bool:
    """Settle one message and mark another as sending. False when that other is no longer ours to send.

    Raises IllegalTransition, and does nothing at all, when the settled one is not `owner`'s attempt.
    """
    rows = _settle(connection, owner, settled) if settled else []
    began = begin is not None and _begin(connection, owner, begin, now, lease_s)
    if begin is not None and began:
        rows.append(told(begin, now, State.QUEUED, State.SENDING, "attempt", f"by {owner}"))
    remember(connection, rows)
    return began


def target(settled: Settlement) -> State:
    """The state into which a receipt leads."""
    return State.REFUSED if settled.gave_up else _TARGETS[settled.receipt.outcome]


_TARGETS = {
    Outcome.ACCEPTED: State.ACCEPTED,
    Outcome.LATER: State.QUEUED,
    Outcome.REFUSED: State.REFUSED,
    Outcome.UNKNOWN: State.UNKNOWN,
}
for _state in {*_TARGETS.values()}:
    check("(any)", State.SENDING, _state)
check("(any)", State.QUEUED, State.SENDING)

_SETTLE = (
    sa.update(message)
    .where(
        message.c.id == sa.bindparam("b_id"),
        message.c.state == State.SENDING.value,
        message.c.lease_owner == sa.bindparam("b_owner"),
    )
    .values(
        state=sa.bindparam("b_state"),
        reason=sa.bindparam("b_reason"),
        code=sa.bindparam("b_code"),
        next_attempt_at=sa.bindparam("b_next"),
        accepted_at=sa.func.coalesce(
            sa.bindparam("b_accepted", type_=message.c.accepted_at.type), message.c.accepted_at
        ),
        updated_at=sa.bindparam("b_at"),
        lease_owner=None,
        lease_until=None,
    )
)
_BEGIN = (
    sa.update(message)
    .where(
        message.c.id == sa.bindparam("b_id"),
        message.c.state == State.QUEUED.value,
        message.c.lease_owner == sa.bindparam("b_owner"),
        message.c.lease_until.is_not(None),  # without one it was rescued from us, not claimed by us
        sa.or_(message.c.expires_at.is_(None), message.c.expires_at > sa.bindparam("b_now")),
    )
    .values(
        state=State.SENDING.value,
        reason="",
        attempts=message.c.attempts + 1,
        lease_until=sa.bindparam("b_until"),
        updated_at=sa.bindparam("b_now"),
    )
)


def _begin(connection: sa.Connection, owner: str, number: int, now: datetime, lease_s: float) -> bool:
    until = now + timedelta(seconds=lease_s)
    parameters = {"b_id": number, "b_owner": owner, "b_now": now, "b_until": until}
    return connection.execute(_BEGIN, parameters).rowcount == 1


def _settle(connection: sa.Connection, owner: str, settled: Settlement) -> list[dict[str, Any]]:
    """Settle a message; the rows of history that are still to be written."""
    receipt, to = settled.receipt, target(settled)
    accepted = to is State.ACCEPTED
    parameters = {
        "b_id": settled.id,
        "b_owner": owner,
        "b_state": to.value,
        "b_reason": clipped(receipt.reason, 1000),
        "b_code": receipt.code,
        "b_next": _next(settled),
        "b_accepted": receipt.at if accepted else None,
        "b_at": receipt.at,
    }
    if connection.execute(_SETTLE, parameters).rowcount:
        return [told(settled.id, receipt.at, State.SENDING, to, _cause(settled), _detail(receipt))]
    _settle_late(connection, owner, settled)
    return []


def _next(settled: Settlement) -> datetime | None:
    """When more is to happen; for an unknown one at once, which tells `rescue` that the policy has not spoken yet."""
    return settled.receipt.at if settled.receipt.outcome is Outcome.UNKNOWN else settled.next_attempt_at


def _cause(settled: Settlement) -> str:
    return "attempts used up" if settled.gave_up else "receipt"


def _detail(receipt: Receipt) -> str:
    return f"{receipt.code or ''} {receipt.reason}".strip()


_STANDING = (
    sa.select(
        *(message.c.id, message.c.key, message.c.state, message.c.updated_at),
        *(message.c.lease_owner, message.c.lease_until),
    )
    .where(message.c.id == sa.bindparam("b_id"))
    .with_for_update()
)


def _settle_late(connection: sa.Connection, owner: str, settled: Settlement) -> None:
    """Settle a message that is not sending any more: its lease ran out, or this very receipt was recorded before."""
    row = connection.execute(_STANDING, {"b_id": settled.id}).one_or_none()
    if row is None:
        raise IllegalTransition(f"Message {settled.id} does not exist; its receipt cannot be recorded.")
    state, to = State(row.state), target(settled)
    if state is to and row.updated_at == settled.receipt.at:
        return  # repeated, because the answer to the first commit was lost
    if row.lease_owner != owner or row.lease_until is not None:
        check(row.key, state, to)
        raise IllegalTransition(f"Message {row.key} is {state} and not {owner}'s attempt: it cannot become {to}.")
    for origin, onward in _late_way(state, to):
        move(connection, [_late_move(row, origin, onward, settled)])


def _late_way(state: State, to: State) -> list[tuple[State, State]]:
    """The changes that a late receipt brings to a message that was rescued from its sender."""
    if to is State.UNKNOWN or (state, to) == (State.QUEUED, State.QUEUED):
        return []  # nothing that the rescue did not know
    if state is State.QUEUED:  # again, by policy; but the attempt had come to its end: never send it twice
        return [(State.QUEUED, State.SENDING), (State.SENDING, to)]
    return [(state, to)]


def _late_move(row: Any, origin: State, to: State, settled: Settlement) -> Move:
    receipt = settled.receipt
    columns: dict[str, Any] = {"code": receipt.code, "next_attempt_at": _next(settled)}
    if to is State.ACCEPTED:
        columns["accepted_at"] = receipt.at
    return Move(row.id, row.key, origin, to, receipt.at, "late receipt", _detail(receipt), columns)
