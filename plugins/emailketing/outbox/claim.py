"""Claiming: a delivery process takes due messages in hand by a lease, with their bytes ready to send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from emailketing.model import Claim, Frozen, State
from emailketing.outbox.schema import attachment, blob, content, message, standing
from emailketing.outbox.wishes import MAY_BE_FORBIDDEN

BUDGET = 32 * 1024 * 1024  # bytes that one claim brings into memory; a larger message comes alone


def lease(  # noqa: PLR0913
    connection: sa.Connection, *, channel: str, lane: str, limit: int, owner: str, lease_s: float, now: datetime
) -> list[int]:
    """Lease the oldest due messages that no living process holds; their ids. They stay queued until `step`."""
    due = {"channel": channel, "lane": lane, "now": now, "limit": limit}
    ids = _within_budget(connection, list(connection.execute(_DUE, due).scalars()))
    if ids:
        values = {"lease_owner": owner, "lease_until": now + timedelta(seconds=lease_s)}
        connection.execute(_LEASE, {"ids": ids, **values})
    return ids


def bytes_of(connection: sa.Connection, ids: Sequence[int]) -> tuple[list[Claim], list[int]]:
    """The leased messages with their bytes, in the order of `ids`; and the ids of those that a wish may forbid."""
    blobs_of = _blobs(connection, ids)
    rows = {row.id: row for row in connection.execute(_CLAIMED, {"ids": ids})}
    claims = [
        Claim(
            *(row.id, row.key, row.channel, row.sender, row.address, row.message_id, row.attempts),
            Frozen(row.wire, *blobs_of(row.id)),
        )
        for row in (rows[number] for number in ids)
    ]
    return claims, [row.id for row in rows.values() if row.doubtful or not row.address.isascii()]


def frozen_by_id(connection: sa.Connection, ids: Sequence[int]) -> dict[int, Frozen]:
    """The frozen bytes of messages, blobs included; a message whose content is gone is missing."""
    blobs_of = _blobs(connection, ids)
    return {row.message: Frozen(row.wire, *blobs_of(row.message)) for row in connection.execute(_WIRES, {"ids": ids})}


_DUE = (
    sa.select(message.c.id)
    .where(
        standing(State.QUEUED),
        message.c.channel == sa.bindparam("channel"),
        message.c.lane == sa.bindparam("lane"),
        message.c.next_attempt_at <= sa.bindparam("now"),
        sa.or_(message.c.expires_at.is_(None), message.c.expires_at > sa.bindparam("now")),
        sa.or_(message.c.lease_until.is_(None), message.c.lease_until <= sa.bindparam("now")),
    )
    .order_by(message.c.next_attempt_at, message.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
    .with_for_update(skip_locked=True)
)


class _Numbers(sa.types.UserDefinedType[Any]):
    """A list of ids, written at once: SQLAlchemy's own way with lists takes longer than the query."""

    cache_ok = True

    def literal_processor(self, dialect: sa.Dialect) -> Callable[[Any], str]:  # noqa: ARG002
        """As it stands in a statement."""
        return lambda ids: f"({', '.join([str(int(number)) for number in ids]) or 'NULL'})"


# Our own numbers, so they may stand in the statement itself: a hundred parameters cost more than the query.
_IDS: sa.BindParameter[Any] = sa.bindparam("ids", type_=_Numbers(), literal_execute=True)


def _among_ids(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return column.bool_op("IN")(_IDS)


_LEASE = sa.update(message).where(_among_ids(message.c.id))
_CLAIMED = sa.select(
    *(message.c.id, message.c.key, message.c.channel, message.c.sender, message.c.address),
    *(message.c.message_id, message.c.attempts, content.c.wire, MAY_BE_FORBIDDEN.label("doubtful")),
).where(_among_ids(message.c.id), content.c.message == message.c.id)
_WIRES = sa.select(content.c.message, content.c.wire).where(_among_ids(content.c.message))
_WIRE_SIZES = sa.select(content.c.message, content.c.size).where(_among_ids(content.c.message))
_INSERTS = (
    sa.select(attachment.c.message, attachment.c.offset_in_wire, attachment.c.sha256)
    .where(_among_ids(attachment.c.message))
    .order_by(attachment.c.message, attachment.c.position)
)
_BLOB_SIZES = (
    sa.select(attachment.c.message, blob.c.sha256, blob.c.size)
    .join(blob, blob.c.sha256 == attachment.c.sha256)
    .where(_among_ids(attachment.c.message))
)
_BLOBS = sa.select(blob.c.sha256, blob.c.data).where(blob.c.sha256.in_(sa.bindparam("digests", expanding=True)))


_Inserts = tuple[tuple[int, str], ...]


def _blobs(connection: sa.Connection, ids: Sequence[int]) -> Callable[[int], tuple[_Inserts, dict[str, bytes]]]:
    """What belongs into the wires of these messages: a function of a message's id that gives places and blobs."""
    places: dict[int, list[tuple[int, str]]] = {}
    for row in connection.execute(_INSERTS, {"ids": ids}):
        places.setdefault(row.message, []).append((row.offset_in_wire, row.sha256))
    wanted = sorted({digest for inserts in places.values() for _, digest in inserts})
    found = connection.execute(_BLOBS, {"digests": wanted}) if wanted else ()
    blobs: dict[str, bytes] = {row.sha256: row.data for row in found}

    def blobs_of(number: int) -> tuple[_Inserts, dict[str, bytes]]:
        inserts = tuple(places.get(number, ()))
        return inserts, {digest: blobs[digest] for _, digest in inserts}

    return blobs_of


def _within_budget(connection: sa.Connection, ids: list[int]) -> list[int]:
    """The first of `ids` whose bytes fit the budget, and at least one. A blob that several carry counts once."""
    wires: dict[int, int] = {row.message: row.size for row in connection.execute(_WIRE_SIZES, {"ids": ids})}
    blobs: dict[int, dict[str, int]] = {}
    for row in connection.execute(_BLOB_SIZES, {"ids": ids}):
        blobs.setdefault(row.message, {})[row.sha256] = row.size
    total, counted = 0, set[str]()
    for place, number in enumerate(ids):
        fresh = {digest: size for digest, size in blobs.get(number, {}).items() if digest not in counted}
        total += wires.get(number, 0) + sum(fresh.values())
        counted.update(fresh)
        if place and total > BUDGET:
            return ids[:place]
    return ids
