"""What people wish: addresses that must not be written to, consents, and the log of every change of either.

A suppression takes effect before the next message, whatever is under way: it ends all waiting messages in its own
transaction, `put` brings none that it forbids, and a claim leaves out what came in between. Only a message that a
connection is sending at that very moment still goes out. The withdrawal of a consent does the same to whatever asks for
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from emailketing.model import ASKS_CONSENT, Consent, Kind, Lane, State, Wish, chunks
from emailketing.outbox.changes import Move, move
from emailketing.outbox.fit import clipped, identity
from emailketing.outbox.schema import choice, consent, message, standing, suppression

#: The kind that stands for every kind: an address that is dead, or a person who wants nothing at all.
ALL = "all"

CHUNK = 500
_WAITING = (State.QUEUED, State.HELD)

Pair = tuple[str, str]  # an address and a kind


class Act(StrEnum):
    """What can be done to a suppression or a consent."""

    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    CONSENTED = "consented"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Choice:
    """A wish and what it did."""

    act: Act
    wish: Wish


def folded(address: str) -> str:
    """An address as wishes keep it: whoever opts out as Ana@x.example is not written to as ana@X.example."""
    return identity("address", address.strip().lower())


def suppress(connection: sa.Connection, wish: Wish) -> int:
    """Never write to the address again by this kind of mailings; how many waiting messages it ended."""
    _keep(connection, suppression, wish, Act.SUPPRESSED)
    return _end(connection, wish, list(Kind), told(wish))


def unsuppress(connection: sa.Connection, wish: Wish) -> bool:
    """Allow it again; False when it was not suppressed. What a suppression ended stays ended."""
    this = (suppression.c.address == folded(wish.address), suppression.c.kind == wish.kind)
    if not connection.execute(sa.delete(suppression).where(*this)).rowcount:
        return False
    _log(connection, wish, Act.UNSUPPRESSED)
    return True


def allow(connection: sa.Connection, wish: Wish) -> None:
    """Keep a consent that was given outside the ERP."""
    _keep(connection, consent, wish, Act.CONSENTED, given=True)


def withdraw(connection: sa.Connection, wish: Wish) -> int:
    """Keep that a consent was withdrawn, given here or not; how many waiting messages that ended."""
    _keep(connection, consent, wish, Act.WITHDRAWN, given=False)
    return _end(connection, wish, sorted(ASKS_CONSENT), _told_withdrawn(wish))


def suppressions(connection: sa.Connection, address: str | None = None) -> list[Wish]:
    """All suppressions, or those of an address, newest first."""
    return [_wish(row) for row in _listed(connection, suppression, address)]


def consents(connection: sa.Connection, address: str | None = None) -> list[Choice]:
    """What people said outside the ERP, all or an address's, newest first; the last word of each for each kind."""
    return [
        Choice(Act.CONSENTED if row.given else Act.WITHDRAWN, _wish(row))
        for row in _listed(connection, consent, address)
    ]


def choices(connection: sa.Connection, address: str | None = None) -> list[Choice]:
    """Every change, of all or of an address, newest first."""
    return [Choice(Act(row.act), _wish(row)) for row in _listed(connection, choice, address)]


def suppressed(connection: sa.Connection, wanted: Iterable[Pair]) -> dict[Pair, str]:
    """Those of `wanted` (address, kind) that must not be written to, each with the reason."""
    return {pair: told(_wish(rows[0])) for pair, rows in _found(connection, suppression, wanted).items()}


def own_consents(connection: sa.Connection, wanted: Iterable[Pair]) -> dict[Pair, Consent]:
    """What those of `wanted` (address, kind) said outside the ERP, if anything; the newest word."""
    said = _last_words(connection, wanted)
    return {pair: Consent(row.given, row.at, row.source, row.reason) for pair, row in said.items()}


def forbidden(connection: sa.Connection, rows: Sequence[tuple[str, str, datetime]]) -> list[str]:
    """Why messages (address, kind, created_at) must not be sent; '' where they may, in the order of `rows`.

    A withdrawal forbids what was made before it: what was made later was judged with it in view.
    """
    pairs = [(address, kind) for address, kind, _ in rows]
    reasons = suppressed(connection, pairs)
    said = _last_words(connection, [pair for pair in pairs if pair[1] in ASKS_CONSENT])
    return [
        reasons.get(pair) or _overtaken(said.get(pair), created_at)
        for pair, (*_, created_at) in zip(pairs, rows, strict=True)
    ]


def set_aside(connection: sa.Connection, ids: Sequence[int], now: datetime) -> set[int]:
    """Of these queued messages those become suppressed that a wish forbids; which."""
    columns = (message.c.id, message.c.key, message.c.state, message.c.address, message.c.kind, message.c.created_at)
    queued = sa.select(*columns).where(message.c.id.in_(ids), standing(State.QUEUED)).order_by(message.c.id)
    rows = connection.execute(queued.with_for_update()).all()
    reasons = forbidden(connection, [(row.address, row.kind, row.created_at) for row in rows])
    return forbid(connection, {row.id: reason for row, reason in zip(rows, reasons, strict=True) if reason}, now)


def forbid(connection: sa.Connection, reasons: Mapping[int, str], now: datetime) -> set[int]:
    """Waiting messages become suppressed, each with its reason, whoever holds them by a lease; which still waited."""
    ended = set[int]()
    for chunk in chunks(sorted(reasons), CHUNK):
        rows = _locked(connection, chunk)
        move(connection, [_move(row, now, reasons[row.id]) for row in rows])
        ended.update(row.id for row in rows)
    return ended


#: Whether a wish may forbid a message, as the claiming query asks. It is sure where the address is ASCII: databases
#: differ in what they take for a small letter beyond it.
MAY_BE_FORBIDDEN: sa.ColumnElement[bool] = sa.or_(
    sa.exists().where(
        suppression.c.address == sa.func.lower(message.c.address),
        suppression.c.kind.in_([sa.literal_column(f"'{ALL}'"), message.c.kind]),
    ),
    sa.exists().where(
        consent.c.address == sa.func.lower(message.c.address),
        consent.c.kind.in_([sa.literal_column(f"'{ALL}'"), message.c.kind]),
        consent.c.given.is_(sa.false()),
        consent.c.at >= message.c.created_at,
    ),
)


@dataclass(frozen=True, slots=True)
class Asking:
    """A message that is due and asks for a consent."""

    id: int
    mailing: str
    kind: Kind
    document: str
    address: str


def asking(connection: sa.Connection, due_by: datetime) -> list[Asking]:
    """The messages that are due by then, in nobody's hand, and ask for a consent; those of a mailing together."""
    columns = (message.c.id, message.c.mailing, message.c.kind, message.c.document, message.c.address)
    due = sa.select(*columns).where(_due(due_by)).order_by(message.c.mailing, message.c.kind, message.c.id)
    return [Asking(row.id, row.mailing, Kind(row.kind), row.document, row.address) for row in connection.execute(due)]


def postpone(connection: sa.Connection, mailing: str, until: datetime, reason: str, due_by: datetime) -> int:
    """A mailing's messages that are due by `due_by` and ask for a consent wait until `until`, with the reason."""
    these = sa.update(message).where(_due(due_by), message.c.mailing == identity("mailing", mailing))
    values = {"next_attempt_at": until, "reason": clipped(reason, 1000)}
    return connection.execute(these, values).rowcount


def _due(by: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        standing(State.QUEUED),
        message.c.lane == Lane.BULK.value,
        message.c.kind.in_(sorted(ASKS_CONSENT)),
        message.c.next_attempt_at <= by,
        sa.or_(message.c.lease_until.is_(None), message.c.lease_until <= by),
    )


def told(wish: Wish) -> str:
    """A suppression in words, as the reason of a message that it ended."""
    return f"no {_which(wish)} may go there since {_at(wish)}"


def _told_withdrawn(wish: Wish) -> str:
    return f"the consent to any {_which(wish)} was withdrawn {_at(wish)}"


def _overtaken(said: Any, created_at: datetime) -> str:
    """Why a message is forbidden by the last word of its address on consent; '' where it is not."""
    withdrawn = said is not None and not said.given and said.at >= created_at
    return _told_withdrawn(_wish(said)) if withdrawn else ""


def _which(wish: Wish) -> str:
    return "message" if wish.kind == ALL else wish.kind


def _at(wish: Wish) -> str:
    return f"{wish.at:%Y-%m-%d %H:%M} UTC ({wish.source}){f': {wish.reason}' if wish.reason else ''}"


def _end(connection: sa.Connection, wish: Wish, kinds: Sequence[Kind], reason: str) -> int:
    """End the messages of `kinds` that wait and that the wish is about; how many."""
    meant = [kind.value for kind in kinds if wish.kind in (ALL, kind)]
    return len(forbid(connection, dict.fromkeys(_waiting(connection, wish, meant), reason), wish.at))


def _waiting(connection: sa.Connection, wish: Wish, kinds: Sequence[str]) -> list[int]:
    """The waiting messages to the address, which the database may compare only where it is plain."""
    address = folded(wish.address)
    plain = [sa.func.lower(message.c.address) == address] if address.isascii() else []
    candidates = sa.select(message.c.id, message.c.address).where(
        standing(*_WAITING), message.c.kind.in_(kinds), *plain
    )
    return [row.id for row in connection.execute(candidates) if folded(row.address) == address]


def _locked(connection: sa.Connection, ids: Sequence[int]) -> Sequence[Any]:
    columns = (message.c.id, message.c.key, message.c.state)
    waiting = sa.select(*columns).where(message.c.id.in_(ids), standing(*_WAITING)).order_by(message.c.id)
    return connection.execute(waiting.with_for_update()).all()


def _move(row: Any, at: datetime, reason: str) -> Move:
    return Move(row.id, row.key, State(row.state), State.SUPPRESSED, at, "suppressed", reason)


def _keep(connection: sa.Connection, table: sa.Table, wish: Wish, act: Act, **more: Any) -> None:
    connection.execute(_upsert(connection.dialect.name, table), _row(wish) | more)
    _log(connection, wish, act)


def _log(connection: sa.Connection, wish: Wish, act: Act) -> None:
    connection.execute(sa.insert(choice), _row(wish) | {"act": act.value})


def _upsert(dialect: str, table: sa.Table) -> sa.Insert:
    """Insert, or take the newer wish: a link may be followed twice at once."""
    key = list(table.primary_key.columns)
    names = [column.name for column in table.c if not column.primary_key]
    if dialect in {"postgresql", "sqlite"}:
        new = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
        return new.on_conflict_do_update(index_elements=key, set_={name: new.excluded[name] for name in names})
    insert = mysql.insert(table)
    return insert.on_duplicate_key_update({name: insert.inserted[name] for name in names})


def _row(wish: Wish) -> dict[str, Any]:
    return {
        "address": folded(wish.address),
        "kind": wish.kind,
        "at": wish.at,
        "source": clipped(wish.source, 100),
        "reason": clipped(wish.reason, 1000),
    }


def _listed(connection: sa.Connection, table: sa.Table, address: str | None) -> Sequence[Any]:
    query = sa.select(table).order_by(table.c.at.desc(), *(column.desc() for column in table.primary_key.columns))
    if address is not None:
        query = query.where(table.c.address == folded(address))
    return connection.execute(query).all()


def _last_words(connection: sa.Connection, wanted: Iterable[Pair]) -> dict[Pair, Any]:
    found = _found(connection, consent, wanted)
    return {pair: max(rows, key=lambda row: row.at) for pair, rows in found.items()}


def _found(connection: sa.Connection, table: sa.Table, wanted: Iterable[Pair]) -> dict[Pair, list[Any]]:
    """The rows that concern each of `wanted`: the one of its kind before the one of all kinds."""
    pairs = list(wanted)
    kept: dict[Pair, Any] = {}
    for chunk in chunks(sorted({folded(address) for address, _ in pairs}), CHUNK):
        for row in connection.execute(sa.select(table).where(table.c.address.in_(chunk))):
            kept[row.address, row.kind] = row
    concerning = {
        (address, kind): [kept[folded(address), each] for each in (kind, ALL) if (folded(address), each) in kept]
        for address, kind in pairs
    }
    return {pair: rows for pair, rows in concerning.items() if rows}


def _wish(row: Any) -> Wish:
    return Wish(row.address, row.kind, row.at, row.source, row.reason)
