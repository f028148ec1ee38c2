"""Putting messages into the outbox: all of a sweep's messages and its cursors in one transaction, each key once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from emailketing.model import Envelope, Epoch, Frozen, Kind, Measuring, Message, State, chunks
from emailketing.outbox.alerts import Kept, Place, keep
from emailketing.outbox.changes import Move, move, remember, told
from emailketing.outbox.epochs import begin
from emailketing.outbox.fit import clipped, identity, storable
from emailketing.outbox.schema import (
    WIDTHS,
    attachment,
    baseline,
    blob,
    content,
    cursor,
    history,
    meant,
    measured,
    message,
    reader,
)
from emailketing.outbox.wishes import forbidden

CHUNK = 500  # rows in hand at once

#: A message in one of these states will be sent, or may be when a person says so: it needs its bytes.
NEEDS_BYTES = frozenset({State.QUEUED, State.HELD})


@dataclass(frozen=True, slots=True)
class Put:
    """How many messages were new, and how many keys the outbox (or the same batch) had already.

    `too_large` says by key which ones the database cannot take, and why: they are held, without their bytes.
    """

    inserted: int
    known: int
    too_large: Mapping[str, str] = field(default_factory=dict)


def put(
    connection: sa.Connection,
    messages: Sequence[Message],
    cursors: Mapping[str, datetime],
    now: datetime,
    memories: Mapping[Place, Kept] = MappingProxyType({}),
) -> Put:
    """Insert the messages whose keys are new, with content, attachments and birth; move the cursors forward."""
    # Every transaction takes its locks in one order (blobs, keys, cursors, alerts, each sorted), or two would wait in a
    # ring.
    too_large = _too_large(connection, messages)
    sendable = _wished(connection, [_sendable(each, too_large) for each in reversed(messages)])
    unique = {identity("key", each.envelope.key): each for each in sendable}
    ordered = sorted(unique.items())
    _put_blobs(connection, unique.values(), now)
    inserted = sum(_put_messages(connection, dict(chunk), now) for chunk in chunks(ordered, CHUNK))
    for mailing, position in sorted(cursors.items()):
        _advance(connection, identity("mailing", mailing), position, now)
    keep(connection, memories, now)
    return Put(inserted, len(messages) - inserted, too_large)


def start(
    connection: sa.Connection, mailing: str, position: datetime, seen: Iterable[tuple[str, str]], now: datetime
) -> bool:
    """A mailing's first look: its cursor, and what was there before. False when it had looked already."""
    mailing = identity("mailing", mailing)
    try:
        with connection.begin_nested():
            _insert_cursor(connection, mailing, position, now)
    except sa.exc.IntegrityError:
        return False
    begin(connection, mailing, Epoch(0, position, now))
    pairs = sorted({(identity("document", document), identity("version", version)) for document, version in seen})
    for chunk in chunks(pairs, CHUNK):
        rows = [{"mailing": mailing, "document": one, "version": two, "seen_at": now} for one, two in chunk]
        connection.execute(sa.insert(baseline), rows)
    return True


def _sendable(given: Message, too_large: Mapping[str, str]) -> Message:
    """`given`, or the form it takes where it cannot be kept as it is: held when too large, final with a bad address."""
    envelope = given.envelope
    if envelope.key in too_large:
        return replace(given, envelope=replace(envelope, state=State.HELD, reason=too_large[envelope.key]), frozen=None)
    if envelope.state not in NEEDS_BYTES:
        return given
    if given.frozen is None and envelope.state is State.HELD:  # its template failed; `fill` brings the bytes
        return given
    if given.frozen is None:
        raise ValueError(f"message {envelope.key} is {envelope.state} and has no bytes")
    if identity("address", envelope.recipient.address) == envelope.recipient.address:
        return given
    reason = f"the address is longer than {WIDTHS['address']} characters, or no text"
    return _ended(given, State.UNADDRESSED, reason)


def _ended(given: Message, state: State, reason: str) -> Message:
    """`given` as it is kept when it is never sent."""
    envelope = replace(given.envelope, state=state, reason=reason)
    return replace(given, envelope=envelope, frozen=None, measuring=Measuring())


def _wished(connection: sa.Connection, given: Sequence[Message]) -> list[Message]:
    """`given`, those suppressed that a wish forbids: it may have come since the sweep asked."""
    waiting = [each for each in given if each.envelope.state in NEEDS_BYTES]
    reasons = dict(
        zip(map(id, waiting), forbidden(connection, [_whom(each.envelope) for each in waiting]), strict=True)
    )
    wished = [(each, reasons.get(id(each), "")) for each in given]
    return [_ended(each, State.SUPPRESSED, reason) if reason else each for each, reason in wished]


def _whom(envelope: Envelope) -> tuple[str, str, datetime]:
    return envelope.recipient.address, envelope.kind.value, envelope.created_at


def fill(connection: sa.Connection, given: Message, now: datetime) -> str:
    """Give a message that was held without bytes its bytes, and queue it. Nothing is done when it is held no more.

    Where the database cannot take the bytes it stays held, and the answer says why; otherwise ''.
    """
    assert given.frozen is not None
    if too_large := _too_large(connection, [given]):
        return too_large[given.envelope.key]
    key = identity("key", given.envelope.key)
    held = sa.select(message.c.id).where(message.c.key == key, message.c.state == State.HELD.value, ~_has_content)
    number = connection.execute(held.with_for_update()).scalar()
    if number is None:
        return ""
    _put_blobs(connection, [given], now)
    _insert(connection, content, [_content(number, given.frozen)])
    _insert(connection, attachment, list(_attachments(number, given.frozen)))
    columns = {name: _row(key, given, now)[name] for name in ("sender", "subject", "message_id", "segments")}
    columns["next_attempt_at"] = max(now, given.envelope.not_before or now)
    move(connection, [Move(number, key, State.HELD, State.QUEUED, now, "rendered", "", columns)])
    return ""


_ALWAYS_FITS = 500_000  # MariaDB takes statements of 1 MB whatever its settings, and escaping doubles bytes at most
_ESCAPED = b"\0\n\r\x1a\"'\\"  # by PyMySQL, each with a second byte


def _too_large(connection: sa.Connection, messages: Iterable[Message]) -> dict[str, str]:
    """Why the database cannot take some of the messages, by key: MariaDB would close the line over the whole batch."""
    pieces = [(each.envelope.key, data) for each in messages if each.frozen for data in _pieces(each.frozen)]
    large = [(key, data) for key, data in pieces if len(data) > _ALWAYS_FITS]
    if not large or connection.dialect.name not in {"mysql", "mariadb"}:
        return {}
    most = int(connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar() or 0)
    reason = (
        "a part of {:,} bytes is larger than the outbox's database takes at once: its max_allowed_packet is {:,}. "
        "Operations must raise that; the next sweep goes on."
    )
    return {key: reason.format(len(data), most) for key, data in large if _statement_size(data) > most}


def _pieces(frozen: Frozen) -> list[bytes]:
    return [frozen.wire, *frozen.blobs.values()]


def _statement_size(data: bytes) -> int:
    return 2 * len(data) - len(data.translate(None, _ESCAPED)) + 10_000


_has_content = sa.exists().where(content.c.message == message.c.id)


def _put_blobs(connection: sa.Connection, messages: Iterable[Message], now: datetime) -> None:
    blobs: dict[str, bytes] = {}
    for each in messages:
        if each.frozen:
            blobs.update(each.frozen.blobs)
    for digest in sorted(blobs):
        data = blobs[digest]
        row = {"sha256": digest, "size": len(data), "last_put_at": now, "data": data}
        connection.execute(_upsert_blob(connection.dialect.name), row)


def _put_messages(connection: sa.Connection, chunk: Mapping[str, Message], now: datetime) -> int:
    connection.execute(_insert_new(connection.dialect.name), [_row(key, each, now) for key, each in chunk.items()])
    born = {key: (number, chunk[key]) for number, key in connection.execute(_NEWBORN, {"keys": list(chunk)})}
    frozen = [(number, each.frozen) for number, each in born.values() if each.frozen]
    _insert(connection, meant, [row for number, each in born.values() for row in _meant(number, each.envelope)])
    _insert(connection, measured, [_measured(number, each) for number, each in born.values() if each.measuring])
    _insert(connection, reader, [row for number, each in born.values() for row in _reader(number, each.envelope)])
    _insert(connection, content, [_content(number, bytes_) for number, bytes_ in frozen])
    _insert(connection, attachment, [row for number, bytes_ in frozen for row in _attachments(number, bytes_)])
    remember(connection, [_birth(number, each.envelope, now) for number, each in born.values()])
    return len(born)


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)


# Which of the keys were born in this transaction: those without a history. A key that another transaction brought has
# its birth row, because our insert has waited for that transaction to end.
# (A subquery with a limit is looked up by index for each key; of an EXISTS, PostgreSQL makes a scan of all history.)
_OLDEST = sa.select(history.c.id).where(history.c.message == message.c.id).limit(1).scalar_subquery()
_NEWBORN = sa.select(message.c.id, message.c.key).where(
    message.c.key.in_(sa.bindparam("keys", expanding=True)), _OLDEST.is_(None)
)


def _insert_new(dialect: str) -> sa.Insert:
    """Insert where the key is new. Not MariaDB's INSERT IGNORE, which would ignore every other error as well."""
    if dialect == "postgresql":
        return postgresql.insert(message).on_conflict_do_nothing(index_elements=[message.c.key])
    if dialect == "sqlite":
        return sqlite.insert(message).on_conflict_do_nothing(index_elements=[message.c.key])
    return mysql.insert(message).on_duplicate_key_update(key=message.c.key)


def _upsert_blob(dialect: str) -> sa.Insert:
    """Insert, or touch `last_put_at`: the row's lock makes `prune` wait, and then the new time makes it pass by."""
    if dialect in {"postgresql", "sqlite"}:
        new = postgresql.insert(blob) if dialect == "postgresql" else sqlite.insert(blob)
        return new.on_conflict_do_update(index_elements=[blob.c.sha256], set_={"last_put_at": new.excluded.last_put_at})
    insert = mysql.insert(blob)
    return insert.on_duplicate_key_update(last_put_at=insert.inserted.last_put_at)


def _row(key: str, given: Message, now: datetime) -> dict[str, Any]:
    envelope = given.envelope
    in_order = envelope.not_before or min(envelope.event_at, envelope.created_at)  # the ERP's
    due = in_order if envelope.state is State.QUEUED else None
    return {
        "key": key,
        "mailing": identity("mailing", envelope.mailing),
        "document": identity("document", envelope.document),
        "version": identity("version", envelope.version),
        "channel": envelope.channel,
        "lane": envelope.lane.value,
        "recipient_name": clipped(envelope.recipient.name, 300),
        "sender": storable(given.sender),
        "address": identity("address", envelope.recipient.address),
        "language": clipped(envelope.recipient.language, 35),
        "subject": clipped(given.subject, 1000),
        "message_id": storable(given.message_id),
        "on_unknown": envelope.on_unknown.value,
        "state": envelope.state.value,
        "reason": clipped(envelope.reason, 1000),
        "attempts": 0,
        "event_at": envelope.event_at,
        "created_at": envelope.created_at,
        "next_attempt_at": due,
        "expires_at": envelope.expires_at,
        "updated_at": now,
        "segments": given.frozen.segments if given.frozen else None,
        "kind": envelope.kind.value,
    }


def _content(number: int, frozen: Frozen) -> dict[str, Any]:
    digest = sha256(frozen.wire).hexdigest()
    return {"message": number, "sha256": digest, "size": len(frozen.wire), "wire": frozen.wire}


def _attachments(number: int, frozen: Frozen) -> Iterable[dict[str, Any]]:
    for position, (offset, digest) in enumerate(frozen.inserts):
        yield {"message": number, "position": position, "offset_in_wire": offset, "sha256": digest}


def _meant(number: int, envelope: Envelope) -> Iterable[dict[str, Any]]:
    if envelope.because:
        yield {"message": number, "because": clipped(envelope.because, 300)}


def _reader(number: int, envelope: Envelope) -> Iterable[dict[str, Any]]:
    edition, parted, person = envelope.document.partition(":")
    if envelope.kind is Kind.CAMPAIGN and parted:
        yield {
            "message": number,
            "mailing": identity("mailing", envelope.mailing),
            "person": identity("document", person),
            "edition": identity("edition", edition),
            "at": envelope.event_at,
        }


def _measured(number: int, given: Message) -> dict[str, Any]:
    counted = {"opens": given.measuring.opens, "clicks": given.measuring.clicks}
    return {"message": number, "reference": given.reference, **counted}


def _birth(number: int, envelope: Envelope, now: datetime) -> dict[str, Any]:
    return told(number, now, None, envelope.state, "put", envelope.reason or envelope.because)


def _position(connection: sa.Connection, mailing: str) -> datetime | None:
    return connection.execute(sa.select(cursor.c.position).where(cursor.c.mailing == mailing)).scalar()


def _insert_cursor(connection: sa.Connection, mailing: str, position: datetime, now: datetime) -> None:
    connection.execute(sa.insert(cursor), {"mailing": mailing, "position": position, "updated_at": now})


def _advance(connection: sa.Connection, mailing: str, position: datetime, now: datetime) -> None:
    forward = sa.update(cursor).where(cursor.c.mailing == mailing, cursor.c.position < position)
    moved = connection.execute(forward, {"position": position, "updated_at": now}).rowcount
    if not moved and _position(connection, mailing) is None:
        _insert_cursor(connection, mailing, position, now)
