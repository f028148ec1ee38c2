"""Looking into the outbox without changing it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from emailketing.model import (
    Envelope,
    Frozen,
    Kind,
    Lane,
    OnUnknown,
    Recipient,
    State,
    Telling,
    chunks,
    document_of,
    message_key,
    version_of,
)
from emailketing.outbox.claim import frozen_by_id
from emailketing.outbox.fit import identity
from emailketing.outbox.schema import WIDTHS, baseline, content, cursor, history, meant, message, standing

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Row:
    """A message as it stands in the outbox, without its bytes. The columns are explained in `schema`."""

    id: int
    key: str
    mailing: str
    document: str
    version: str
    channel: str
    lane: Lane
    recipient_name: str
    sender: str
    address: str
    language: str
    subject: str
    message_id: str
    on_unknown: OnUnknown
    state: State
    reason: str
    attempts: int
    code: int | None
    event_at: datetime
    created_at: datetime
    next_attempt_at: datetime | None
    expires_at: datetime | None
    lease_owner: str | None
    lease_until: datetime | None
    accepted_at: datetime | None
    updated_at: datetime
    segments: int | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a message's history: `from_state` is None at birth, and equal where a decision changed nothing."""

    at: datetime
    from_state: State | None
    to_state: State
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages to list; what is None or empty does not matter.

    `since` and `until` bound `created_at`, until excluded.
    """

    states: tuple[State, ...] = ()
    mailing: str | None = None
    document: str | None = None
    lane: Lane | None = None
    channel: str | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def cursors(connection: sa.Connection) -> dict[str, datetime]:
    """How far each mailing has read."""
    return {row.mailing: row.position for row in connection.execute(sa.select(cursor.c.mailing, cursor.c.position))}


def position(connection: sa.Connection, mailing: str) -> datetime | None:
    """How far one mailing has read; None before its first look."""
    found = sa.select(cursor.c.position).where(cursor.c.mailing == identity("mailing", mailing))
    return connection.execute(found).scalar()


def known(connection: sa.Connection, keys: Iterable[str]) -> set[str]:
    """Those of `keys` that the outbox has, in whatever state."""
    stored = {identity("key", key): key for key in keys}
    found = set[str]()
    for chunk in chunks(list(stored), CHUNK):
        found.update(connection.execute(sa.select(message.c.key).where(message.c.key.in_(chunk))).scalars())
    return {stored[key] for key in found}


def history_of(
    connection: sa.Connection, mailing: str, candidates: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], datetime]:
    """Those (document, version) of `candidates` that are history, each with the time of the look that found it."""
    stored = {(identity("document", one), identity("version", two)): (one, two) for one, two in candidates}
    found: dict[tuple[str, str], datetime] = {}
    for chunk in chunks(sorted({document for document, _ in stored}), CHUNK):
        rows = connection.execute(
            sa.select(baseline.c.document, baseline.c.version, baseline.c.seen_at).where(
                baseline.c.mailing == identity("mailing", mailing), baseline.c.document.in_(chunk)
            )
        )
        found.update({(row.document, row.version): row.seen_at for row in rows})
    return {pair: found[key] for key, pair in stored.items() if key in found}


@dataclass(frozen=True, slots=True)
class Leased:
    """How many messages deliveries hold at the moment, and when the last of their leases ends."""

    count: int
    until: datetime | None


def leased(connection: sa.Connection, now: datetime) -> Leased:
    """What is in the hands of deliveries, living or dead."""
    held = (standing(State.QUEUED, State.SENDING), message.c.lease_until > now)
    count, until = connection.execute(sa.select(sa.func.count(), sa.func.max(message.c.lease_until)).where(*held)).one()
    return Leased(count, until)


def unfinished(connection: sa.Connection, lane: Lane | None) -> bool:
    """Whether anything in a lane, or in all of them, will still happen by itself."""
    decided = sa.and_(message.c.state == State.UNKNOWN.value, message.c.next_attempt_at.is_(None))
    waiting = [standing(State.QUEUED, State.SENDING, State.UNKNOWN), ~decided]
    if lane:
        waiting.append(message.c.lane == lane.value)
    return connection.execute(sa.select(message.c.id).where(*waiting).limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """A message that stands in some state, as the envelope that it was."""

    id: int
    envelope: Envelope


def unrendered(connection: sa.Connection, mailing: str, after: int) -> list[Standing]:
    """A mailing's messages with ids above `after` that are held because they have no bytes, the oldest first."""
    bare = ~sa.exists().where(content.c.message == message.c.id)
    return _standing(connection, mailing, after, standing(State.HELD), bare)


def waiting(connection: sa.Connection, mailing: str, after: int) -> list[Standing]:
    """A mailing's messages with ids above `after` that are still to be sent, the oldest first."""
    return _standing(connection, mailing, after, standing(State.QUEUED))


#: The states of a message that did not reach its recipient and never will by itself.
UNREACHED = frozenset({State.REFUSED, State.UNADDRESSED})

#: What the history calls the decision of what follows for somebody who was not reached.
ESCALATED = "escalated"


#: No message is tried for longer; what was put before need not be looked through.
LONGEST_TRIED = timedelta(days=30)


def unreached(connection: sa.Connection, mailing: str, after: int, but: str, since: datetime) -> list[Standing]:
    """A mailing's messages with ids above `after` that since then did not reach whom the document's row names.

    Those of which it has been decided what follows are left out, and those of the channel `but`.
    """
    ended = message.c.state.in_([state.value for state in UNREACHED])
    by_row = ~sa.exists().where(meant.c.message == message.c.id)
    recent = (message.c.updated_at >= since, message.c.created_at >= since - LONGEST_TRIED, message.c.channel != but)
    return _standing(connection, mailing, after, ended, *recent, by_row, ~_decided(message.c.id))


def decided(connection: sa.Connection, ids: Iterable[int]) -> set[int]:
    """Those of `ids` of which it has been decided what follows."""
    mine = sa.select(history.c.message).where(history.c.message.in_(list(ids)), history.c.cause == ESCALATED)
    return set(connection.execute(mine).scalars())


def _decided(number: sa.ColumnElement[int]) -> sa.Exists:
    return sa.exists().where(history.c.message == number, history.c.cause == ESCALATED)


def _standing(
    connection: sa.Connection, mailing: str, after: int, *conditions: sa.ColumnElement[bool]
) -> list[Standing]:
    mine = (message.c.mailing == identity("mailing", mailing), message.c.id > after)
    query = sa.select(message).where(*conditions, *mine).order_by(message.c.id).limit(CHUNK)
    return [Standing(row.id, _envelope(_row(row))) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Addressed:
    """Which documents were told to somebody, whatever became of it; who had no usable address does not count.

    `by_row` are those (see `model.document_of`) of which somebody was told whom the row itself names; `at_all` those
    (see `model.version_of`) of which anybody was, by any channel.
    """

    by_row: frozenset[str] = frozenset()
    at_all: frozenset[str] = frozenset()


def addressed(connection: sa.Connection, documents: Iterable[str]) -> Addressed:
    """Of `documents` (the beginnings of keys, see `model.version_of`), those that are addressed to somebody."""
    by_row, at_all = set[str](), set[str]()
    for bounds in _bounds(documents):
        for key, because in connection.execute(_addressed(), bounds):
            at_all.add(version_of(key))
            if because is None:
                by_row.add(document_of(key))
    return Addressed(frozenset(by_row), frozenset(at_all))


def tellings(connection: sa.Connection, versions: Iterable[str]) -> dict[str, list[Telling]]:
    """The messages that told of each of `versions`: the beginnings of keys, of mailing, document and version."""
    found: dict[str, list[Telling]] = {}
    for bounds in _bounds(versions):
        for key, event_at, created_at in connection.execute(_tellings(), bounds):
            found.setdefault(version_of(key), []).append(Telling(event_at, created_at))
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """A document's version of which somebody was told."""

    document: str
    version: str
    event_at: datetime
    created_at: datetime


def told_after(connection: sa.Connection, mailing: str, after: datetime, until: datetime, limit: int) -> list[Told]:
    """What was told of documents that changed after `after`, the newest first; each version once for each address."""
    columns = (message.c.document, message.c.version, message.c.event_at, message.c.created_at)
    # An index finds the messages by their birth; the ERP's clock may be ahead of ours, but not by a day.
    recent = (message.c.event_at > after, message.c.event_at <= until, message.c.created_at > after - timedelta(days=1))
    mine = sa.select(*columns).where(message.c.mailing == identity("mailing", mailing), *recent)
    rows = connection.execute(mine.order_by(message.c.event_at.desc()).limit(limit))
    return [Told(row.document, row.version, row.event_at, row.created_at) for row in rows]


def _bounds(beginnings: Iterable[str]) -> Iterator[dict[str, str]]:
    for chunk in chunks(sorted(beginnings), _RANGES):
        full = [*chunk, *[chunk[0]] * (_RANGES - len(chunk))]
        yield {f"{end}{place}": f"{each}{sign}" for place, each in enumerate(full) for end, sign in _BOUNDS}


_RANGES = 100
_BOUNDS = (("from", ":"), ("to", ";"))  # ; follows :


@cache
def _addressed() -> sa.Select[Any]:
    query = sa.select(message.c.key, meant.c.because).join(meant, meant.c.message == message.c.id, isouter=True)
    return query.where(_in_ranges(), message.c.state != State.UNADDRESSED.value)


@cache
def _tellings() -> sa.Select[Any]:
    return sa.select(message.c.key, message.c.event_at, message.c.created_at).where(_in_ranges())


@cache
def _in_ranges() -> sa.ColumnElement[bool]:
    """Keys in any of a hundred ranges; built once, because building it takes longer than asking it."""
    ranges = [
        sa.and_(message.c.key >= sa.bindparam(f"from{place}"), message.c.key < sa.bindparam(f"to{place}"))
        for place in range(_RANGES)
    ]
    return sa.or_(*ranges)


def is_sending(connection: sa.Connection, owner: str, number: int) -> bool:
    """Whether `owner` is sending the message with this id."""
    mine = (message.c.id == number, message.c.lease_owner == owner, message.c.state == State.SENDING.value)
    return bool(connection.execute(sa.select(sa.exists().where(*mine))).scalar())


def _envelope(row: Row) -> Envelope:
    return Envelope(
        mailing=row.mailing,
        document=row.document,
        version=row.version,
        channel=row.channel,
        recipient=Recipient(row.address, row.recipient_name, row.language),
        lane=row.lane,
        on_unknown=row.on_unknown,
        event_at=row.event_at,
        created_at=row.created_at,
        expires_at=row.expires_at,
        state=row.state,
        reason=row.reason,
        kind=row.kind,
    )


def messages(connection: sa.Connection, wanted: Filter, limit: int | None) -> list[Row]:
    """The newest messages that fit the filter, newest first."""
    query = (
        sa.select(message)
        .where(*_conditions(wanted))
        .order_by(message.c.created_at.desc(), message.c.id.desc())
        .limit(limit)
    )
    return [_row(row) for row in connection.execute(query)]


def one(connection: sa.Connection, key: str) -> Row | None:
    """The message with this key, or with this number."""
    which = message.c.id == int(key) if key.isdecimal() else message.c.key == identity("key", key)
    row = connection.execute(sa.select(message).where(which)).one_or_none()
    return _row(row) if row else None


def story(connection: sa.Connection, key: str) -> list[Entry]:
    """A message's history, oldest first."""
    query = (
        sa.select(history)
        .join(message, message.c.id == history.c.message)
        .where(message.c.key == identity("key", key))
        .order_by(history.c.id)
    )
    return [
        Entry(row.at, State(row.from_state) if row.from_state else None, State(row.to_state), row.cause, row.detail)
        for row in connection.execute(query)
    ]


def frozen(connection: sa.Connection, key: str) -> Frozen | None:
    """The message's bytes with its attachments; None where it has none, or has them no more."""
    query = sa.select(content.c.message).join(message, message.c.id == content.c.message)
    number = connection.execute(query.where(message.c.key == identity("key", key))).scalar()
    return None if number is None else frozen_by_id(connection, [number])[number]


def counts(connection: sa.Connection) -> dict[str, dict[State, int]]:
    """How many messages each mailing has in each state; states without any are left out."""
    query = sa.select(message.c.mailing, message.c.state, sa.func.count()).group_by(message.c.mailing, message.c.state)
    found: dict[str, dict[State, int]] = {}
    for mailing, state, number in connection.execute(query.order_by(message.c.mailing, message.c.state)):
        found.setdefault(mailing, {})[State(state)] = number
    return found


def _conditions(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    equal = {
        "mailing": _fitted("mailing", wanted.mailing),
        "document": _fitted("document", wanted.document),
        "lane": wanted.lane and wanted.lane.value,
        "channel": wanted.channel,
        "address": _fitted("address", wanted.address),
    }
    found = [message.c[name] == value for name, value in equal.items() if value is not None]
    if wanted.states:
        found.append(message.c.state.in_([sa.literal_column(f"'{state}'") for state in wanted.states]))
    if wanted.since:
        found.append(message.c.created_at >= wanted.since)
    if wanted.until:
        found.append(message.c.created_at < wanted.until)
    return found + _beginning(wanted)


def _fitted(column: str, text: str | None) -> str | None:
    return None if text is None else identity(column, text)


def _beginning(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """A key begins with mailing and document, so the index of the keys finds them: the range up to the next letter."""
    if wanted.mailing is None:
        return []
    parts = [wanted.mailing] if wanted.document is None else [wanted.mailing, wanted.document]
    prefix = message_key(*parts, *[""] * (5 - len(parts))).rstrip(":") + ":"
    if len(prefix) > WIDTHS["key"] - 65:  # such a key is kept shortened
        return []
    return [message.c.key >= prefix, message.c.key < prefix[:-1] + ";"]


_CONVERTED: Mapping[str, Callable[[str], Any]] = {"lane": Lane, "on_unknown": OnUnknown, "state": State, "kind": Kind}
_NAMES = [field.name for field in fields(Row)]


def _row(row: Any) -> Row:
    given = row._mapping
    return Row(**{name: _CONVERTED[name](given[name]) if name in _CONVERTED else given[name] for name in _NAMES})
