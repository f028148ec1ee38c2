"""The hot path of delivery: one transaction settles the message just delivered and marks the next as sending.

So at any instant at most one message per connection stands in `sending`, and a process that is killed leaves at most
that one in doubt, however many it had claimed. PostgreSQL does it in a single statement, which is a transaction of its
own and costs one round trip; SQLite and MariaDB in two updates and one insert.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from emailketing.errors import IllegalTransition
from emailketing.model import Outcome, Receipt, State
from emailketing.outbox.backoff import Settlement
from emailketing.outbox.changes import Move, check, move, told
from emailketing.outbox.database import Database
from emailketing.outbox.fit import clipped
from emailketing.outbox.prepared import OnServer, Prepared
from emailketing.outbox.schema import history, message

_TARGETS = {
    Outcome.ACCEPTED: State.ACCEPTED,
    Outcome.LATER: State.QUEUED,
    Outcome.REFUSED: State.REFUSED,
    Outcome.UNKNOWN: State.UNKNOWN,
}
for _state in _TARGETS.values():
    check("of any key", State.SENDING, _state)
check("of any key", State.QUEUED, State.SENDING)

_NOBODY = 0  # no message has this id


class Stepper:
    """The step on one database, its statements prepared."""

    def __init__(self, database: Database) -> None:
        self._database = database
        dialect = database.engine.dialect
        self._commit, self._opening = dialect.do_commit, "BEGIN IMMEDIATE" if dialect.name == "sqlite" else ""
        self._settle = Prepared(_settling(), dialect)
        self._begin = Prepared(_beginning(), dialect)
        self._tell = {which: Prepared(_telling(which), dialect) for which in ("s", "b", "sb")}
        self._at_once = OnServer("outbox_step", _all_in_one()) if dialect.name == "postgresql" else None

    def step(self, owner: str, settled: Settlement | None, begin: int | None, now: datetime, lease_s: float) -> bool:
        """See `Outbox.step`."""
        given = _begin_parameters(owner, begin, now, lease_s) | _settle_parameters(owner, settled)
        if self._at_once:
            changed = self._database.hot(partial(self._at_once.run, parameters=given))
            done = None if settled and settled.id not in changed else begin in changed
        else:
            done = self._database.hot(partial(self._one_by_one, settled, begin, given))
        if done is None:
            assert settled is not None
            self._database.write(partial(_settle_late, owner=owner, settled=settled))
            return self.step(owner, None, begin, now, lease_s)
        return done

    def _one_by_one(
        self, settled: Settlement | None, begin: int | None, given: dict[str, Any], connection: sa.PoolProxiedConnection
    ) -> bool | None:
        """Whether it was begun; None, and nothing was done, where the message to settle is not being sent any more."""
        cursor = connection.cursor()
        if self._opening:  # other drivers open a transaction by themselves
            cursor.execute(self._opening)
        if settled and not self._settle.run(cursor, given):
            return None
        begun = begin is not None and self._begin.run(cursor, given) > 0
        if settled or begun:
            self._tell["s" * (settled is not None) + "b" * begun].run(cursor, given)
        self._commit(connection)
        return begun


# The statements. Parameters that begin with s_ are of the message that is settled, with b_ of the one that is begun.


def _bind(which: str, column: sa.Column[Any], name: str = "") -> sa.BindParameter[Any]:
    return sa.bindparam(f"{which}_{name or column.name}", type_=column.type)


def _settling() -> sa.Update:
    """The message that its owner was sending changes to s_to_state."""
    return (
        sa.update(message)
        .where(
            message.c.id == _bind("s", message.c.id, "message"),
            message.c.state == State.SENDING.value,
            message.c.lease_owner == _bind("s", message.c.lease_owner),
        )
        .values(
            state=_bind("s", message.c.state, "to_state"),
            reason=_bind("s", message.c.reason),
            code=_bind("s", message.c.code),
            next_attempt_at=_bind("s", message.c.next_attempt_at),
            accepted_at=sa.func.coalesce(_bind("s", message.c.accepted_at), message.c.accepted_at),
            updated_at=_bind("s", message.c.updated_at, "at"),
            lease_owner=None,
            lease_until=None,
        )
    )


def _beginning() -> sa.Update:
    """The message that its owner has claimed, and that is still to be sent, changes to sending."""
    return (
        sa.update(message)
        .where(
            message.c.id == _bind("b", message.c.id, "message"),
            message.c.state == State.QUEUED.value,
            message.c.lease_owner == _bind("b", message.c.lease_owner),
            message.c.lease_until.is_not(None),  # without one it was rescued from us, not claimed by us
            sa.or_(message.c.expires_at.is_(None), message.c.expires_at > _bind("b", message.c.expires_at, "at")),
        )
        .values(
            state=State.SENDING.value,
            reason="",
            attempts=message.c.attempts + 1,
            lease_until=_bind("b", message.c.lease_until),
            updated_at=_bind("b", message.c.updated_at, "at"),
        )
    )


_TOLD = [column for column in history.c if column.name != "id"]


def _telling(which: str) -> sa.Insert:
    """The history of one of the two, or of both."""
    return sa.insert(history).values([{column.name: _bind(one, column) for column in _TOLD} for one in which])


def _all_in_one() -> sa.Insert:
    """All of it as one statement that answers the ids of the messages it changed.

    Where the one cannot be settled, the other is not begun.
    """
    settled = _settling().returning(message.c.id).cte("settled")
    allowed = sa.or_(_bind("s", message.c.id, "message") == _NOBODY, sa.exists(sa.select(settled.c.id)))
    begun = _beginning().where(allowed).returning(message.c.id).cte("begun")
    rows = [
        sa.select(changed.c.id, *(_bind(which, column) for column in _TOLD if column.name != "message"))
        for which, changed in (("s", settled), ("b", begun))
    ]
    names = ["message", *(column.name for column in _TOLD if column.name != "message")]
    return sa.insert(history).from_select(names, sa.union_all(*rows)).returning(history.c.message)


def _begin_parameters(owner: str, begin: int | None, now: datetime, lease_s: float) -> dict[str, Any]:
    row = told(begin or _NOBODY, now, State.QUEUED, State.SENDING, "attempt", f"by {owner}")
    return {
        **{f"b_{name}": value for name, value in row.items()},
        "b_lease_owner": owner,
        "b_lease_until": now + timedelta(seconds=lease_s),
    }


def _settle_parameters(owner: str, settled: Settlement | None) -> dict[str, Any]:
    if settled is None:
        return _NOT_SETTLED
    receipt, to = settled.receipt, target(settled)
    row = told(settled.id, receipt.at, State.SENDING, to, _cause(settled), _detail(receipt))
    return {
        **{f"s_{name}": value for name, value in row.items()},
        "s_lease_owner": owner,
        "s_reason": clipped(receipt.reason, 1000),
        "s_code": receipt.code,
        "s_next_attempt_at": _next(settled),
        "s_accepted_at": receipt.at if to is State.ACCEPTED else None,
    }


_NOT_SETTLED: dict[str, Any] = {
    **{f"s_{column.name}": None for column in _TOLD},
    **dict.fromkeys(["s_lease_owner", "s_reason", "s_code", "s_next_attempt_at", "s_accepted_at"]),
    "s_message": _NOBODY,
}


# What a receipt means.


def target(settled: Settlement) -> State:
    """The state into which a receipt leads."""
    return State.REFUSED if settled.gave_up else _TARGETS[settled.receipt.outcome]


def _next(settled: Settlement) -> datetime | None:
    """When more is to happen; for an unknown one at once, which tells `rescue` that the policy has not spoken yet."""
    return settled.receipt.at if settled.receipt.outcome is Outcome.UNKNOWN else settled.next_attempt_at


def _cause(settled: Settlement) -> str:
    return "attempts used up" if settled.gave_up else "receipt"


def _detail(receipt: Receipt) -> str:
    return f"{receipt.code or ''} {receipt.reason}".strip()


# A receipt that comes late.

_STANDING = (
    sa.select(
        *(message.c.id, message.c.key, message.c.state, message.c.updated_at),
        *(message.c.lease_owner, message.c.lease_until),
    )
    .where(message.c.id == sa.bindparam("id"))
    .with_for_update()
)


def _settle_late(connection: sa.Connection, owner: str, settled: Settlement) -> None:
    """Settle a message that is not sending any more: its lease ran out, or this very receipt was recorded before."""
    row = connection.execute(_STANDING, {"id": settled.id}).one_or_none()
    if row is None:
        raise IllegalTransition(f"Message {settled.id} does not exist; its receipt cannot be recorded.")
    state, to = State(row.state), target(settled)
    if state is to and row.updated_at == settled.receipt.at:
        return  # repeated, because the answer to the first commit was lost
    if row.lease_owner != owner or row.lease_until is not None:
        check(row.key, state, to)
        raise IllegalTransition(f"Message {row.key} is {state} and not {owner}'s attempt: it cannot become {to} by it.")
    for origin, onward in _late_way(state, to):
        move(connection, [_late_move(row, origin, onward, settled)])


def _late_way(state: State, to: State) -> list[tuple[State, State]]:
    """The changes that a late receipt brings to a message that was rescued from its sender."""
    if to is State.UNKNOWN or (state, to) == (State.QUEUED, State.QUEUED):
        return []  # nothing that the rescue did not know
    if state is State.QUEUED:  # again, by policy; but the attempt did come to its end: never send it twice
        return [(State.QUEUED, State.SENDING), (State.SENDING, to)]
    return [(state, to)]


def _late_move(row: Any, origin: State, to: State, settled: Settlement) -> Move:
    receipt = settled.receipt
    columns: dict[str, Any] = {"code": receipt.code, "next_attempt_at": _next(settled)}
    if to is State.ACCEPTED:
        columns["accepted_at"] = receipt.at
    return Move(row.id, row.key, origin, to, receipt.at, "late receipt", _detail(receipt), columns)
