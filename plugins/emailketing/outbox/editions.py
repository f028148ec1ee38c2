"""Editions of campaigns: what each told a group, who was sent which, and which coupons have been used."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from emailketing.model import State, chunks
from emailketing.outbox.fit import clipped, identity
from emailketing.outbox.schema import coupon, edition, message, reader

#: A message in one of these states was sent, may have been, or will be.
_SENT = (State.QUEUED, State.SENDING, State.ACCEPTED, State.UNKNOWN)

_KEPT = 60  # of a mailing: two months of days, a year of weeks
_MONTHS = 12  # of what is older, the first of each month: whoever is written to once a month missed some

_PEOPLE = 500  # asked after at once


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


def _dated(connection: sa.Connection, mailing: str) -> list[tuple[str, datetime]]:
    """The editions of a mailing of which something is kept, the newest first."""
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


def kept(
    connection: sa.Connection, mailing: str, names: Collection[str], groups: Collection[str]
) -> set[tuple[str, str]]:
    """Those of these editions and groups of which something is kept, by one query."""
    wanted = {identity("edition", name): name for name in names}
    among = {identity("content_group", group): group for group in groups}
    found = sa.select(edition.c.edition, edition.c.content_group).where(
        edition.c.mailing == identity("mailing", mailing),
        edition.c.edition.in_(wanted),
        edition.c.content_group.in_(among),
    )
    return {(wanted[name], among[group]) for name, group in connection.execute(found)}


@dataclass(frozen=True, slots=True)
class Sought:
    """Which messages are meant: since a time, before another, of one edition alone, of any but one."""

    since: datetime | None = None
    before: datetime | None = None
    edition: str = ""
    besides: str = ""


@dataclass(frozen=True, slots=True)
class Last:
    """The edition of a message, and the time of the run to which it belongs."""

    edition: str
    at: datetime


def last_sent(connection: sa.Connection, mailing: str, people: Iterable[str], sought: Sought) -> dict[str, Last]:
    """The last message that each of `people` was sent, may have been, or will be, of those that are sought.

    Two queries for five hundred people, however many messages they have.
    """
    found: dict[str, Last] = {}
    named = {identity("document", person): person for person in people}
    for some in chunks(sorted(named), _PEOPLE):
        newest = connection.execute(_newest(identity("mailing", mailing), some, sought)).scalars()
        numbers = [number for number in newest if number is not None]
        rows = sa.select(reader.c.person, reader.c.edition, reader.c.at).where(reader.c.message.in_(numbers))
        for person, name, at in connection.execute(rows):
            found[named[person]] = Last(name, at)
    return found


def reached(
    connection: sa.Connection, mailing: str, people: Iterable[str], sought: Sought
) -> set[tuple[str, str, str]]:
    """To whom of `people`, by which channel and to which address a message went, may have, or will, of those sought."""
    found: set[tuple[str, str, str]] = set()
    named = {identity("document", person): person for person in people}
    for some in chunks(sorted(named), _PEOPLE):
        theirs = (reader.c.mailing == identity("mailing", mailing), reader.c.person.in_(some))
        ways = sa.select(reader.c.person, message.c.channel, message.c.address)
        ways = ways.join(message, message.c.id == reader.c.message).where(*theirs, *_is_sought(reader, sought))
        found |= {(named[person], channel, address) for person, channel, address in connection.execute(ways)}
    return found


def _newest(mailing: str, people: Sequence[str], sought: Sought) -> sa.Select[Any]:
    """The newest message of each, by the index's end; to name those asked after, all their entries are read."""
    them = sa.select(reader.c.person).where(reader.c.mailing == mailing, reader.c.person.in_(people))
    each, one = them.distinct().subquery("each"), reader.alias("one")
    mine = sa.select(one.c.message).join(message, message.c.id == one.c.message)
    mine = mine.where(one.c.mailing == mailing, one.c.person == each.c.person, *_is_sought(one, sought))
    newest = mine.order_by(one.c.at.desc(), one.c.message.desc()).limit(1)
    return sa.select(newest.correlate(each).scalar_subquery()).select_from(each)


def _is_sought(one: sa.FromClause, sought: Sought) -> Iterator[sa.ColumnElement[bool]]:
    yield message.c.state.in_([state.value for state in _SENT])
    if sought.since:
        yield one.c.at >= sought.since
    if sought.before:
        yield one.c.at < sought.before
    if sought.edition:
        yield one.c.edition == identity("edition", sought.edition)
    if sought.besides:
        yield one.c.edition != identity("edition", sought.besides)


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
