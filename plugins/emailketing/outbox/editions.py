"""Editions of campaigns: what each told a group, who was sent which, and which coupons have been used."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from emailketing.model import State, version_of
from emailketing.outbox.fit import clipped, identity
from emailketing.outbox.reading import in_ranges
from emailketing.outbox.schema import coupon, edition, message

#: A message in one of these states was sent, may have been, or will be.
_SENT = (State.QUEUED, State.SENDING, State.ACCEPTED, State.UNKNOWN)

_KEPT = 60  # of a mailing: two months of days, a year of weeks
_MONTHS = 12  # of what is older, the first of each month: whoever is written to once a month missed some


@dataclass(frozen=True, slots=True)
class Used:
    """When a coupon was used, and who took it."""

    at: datetime
    by: str


def keep(
    connection: sa.Connection, mailing: str, name: str, snapshots: Mapping[str, Mapping[str, str]], now: datetime
) -> None:
    """Keep what an edition tells each group. The first word stands: a repeated run changes nothing.

    Editions that are too old to be compared with are forgotten.
    """
    mailing, name = identity("mailing", mailing), identity("edition", name)
    rows = [
        {
            "mailing": mailing,
            "edition": name,
            "content_group": identity("content_group", group),
            "at": now,
            "told": zlib.compress(json.dumps(snapshot).encode()),
        }
        for group, snapshot in sorted(snapshots.items())
    ]
    connection.execute(_insert_new(connection.dialect.name, edition), rows)
    if old := _too_old(connection, mailing):
        connection.execute(sa.delete(edition).where(edition.c.mailing == mailing, edition.c.edition.in_(old)))


def names(connection: sa.Connection, mailing: str) -> list[str]:
    """The editions of a mailing of which something is kept, the newest first."""
    return [name for name, _ in _dated(connection, mailing)]


def _dated(connection: sa.Connection, mailing: str) -> list[tuple[str, datetime]]:
    newest = sa.func.max(edition.c.at, type_=edition.c.at.type)
    mine = sa.select(edition.c.edition, newest).where(edition.c.mailing == identity("mailing", mailing))
    rows = connection.execute(mine.group_by(edition.c.edition).order_by(newest.desc()))
    return [(name, at) for name, at in rows]


def _too_old(connection: sa.Connection, mailing: str) -> list[str]:
    """The editions that nobody is compared with any more."""
    older = _dated(connection, mailing)[_KEPT:]
    firsts = {(at.year, at.month): name for name, at in older}  # the oldest of a month comes last, and stands
    kept = set(list(firsts.values())[:_MONTHS])
    return [name for name, _ in older if name not in kept]


def told(connection: sa.Connection, mailing: str, name: str, group: str) -> dict[str, str] | None:
    """What an edition told a group; None where nothing is kept."""
    mine = (
        edition.c.mailing == identity("mailing", mailing),
        edition.c.edition == identity("edition", name),
        edition.c.content_group == identity("content_group", group),
    )
    deflated = connection.execute(sa.select(edition.c.told).where(*mine)).scalar()
    return None if deflated is None else json.loads(zlib.decompress(deflated))


def sent(connection: sa.Connection, versions: Iterable[str]) -> dict[str, datetime]:
    """Those of `versions` (see `model.version_key`) of which a message was sent, may have been, or will be.

    Each with the time of which the last of its messages tells.
    """
    found: dict[str, datetime] = {}
    states = [state.value for state in _SENT]
    for bounds, where in in_ranges(versions):
        rows = sa.select(message.c.key, message.c.event_at).where(where, message.c.state.in_(states))
        for key, at in connection.execute(rows.order_by(message.c.event_at), bounds):
            found[version_of(key)] = at
    return found


def documents(connection: sa.Connection, mailing: str) -> list[tuple[int, str]]:
    """The documents of a mailing with the ids of their messages."""
    mine = sa.select(message.c.id, message.c.document).where(message.c.mailing == identity("mailing", mailing))
    return [(row.id, row.document) for row in connection.execute(mine.order_by(message.c.id))]


def use(connection: sa.Connection, code: str, mailing: str, document: str, used: Used) -> Used | None:
    """Take a coupon; the answer is None, or when and by whom it was taken before."""
    used = Used(used.at, clipped(used.by, 100))
    row = {"code": code, "mailing": identity("mailing", mailing), "document": identity("document", document)}
    if before := taken(connection, code):
        return before
    new = row | {"used_at": used.at, "used_by": used.by}
    connection.execute(_insert_new(connection.dialect.name, coupon), new)
    now = taken(connection, code)
    return None if now == used else now


def taken(connection: sa.Connection, code: str) -> Used | None:
    """When and by whom a coupon was taken; None when it was not."""
    row = connection.execute(sa.select(coupon).where(coupon.c.code == code)).one_or_none()
    return Used(row.used_at, row.used_by) if row else None


def _insert_new(dialect: str, table: sa.Table) -> sa.Insert:
    """Insert where the key is new."""
    if dialect in {"mysql", "mariadb"}:
        first = next(iter(table.primary_key))
        return mysql.insert(table).on_duplicate_key_update({first.name: first})
    new = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return new.on_conflict_do_nothing(index_elements=list(table.primary_key))
