"""Where a mailing stands in the ERP's time: its first look, its cursor, and the restores of the ERP since then."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from emailketing.model import Epoch
from emailketing.outbox.fit import identity
from emailketing.outbox.schema import cursor, epoch


def epochs(connection: sa.Connection, mailing: str) -> list[Epoch]:
    """The mailing's first look and the restores since then, in order; none before its first look."""
    mine = epoch.c.mailing == identity("mailing", mailing)
    rows = connection.execute(sa.select(epoch.c.number, epoch.c.since, epoch.c.at).where(mine).order_by(epoch.c.number))
    return [Epoch(row.number, row.since, row.at) for row in rows]


def begin(connection: sa.Connection, mailing: str, given: Epoch) -> None:
    """Add an epoch; `mailing` fits its column already."""
    row = {"mailing": mailing, "number": given.number, "since": given.since, "at": given.at}
    connection.execute(sa.insert(epoch), row)


def rewind(
    connection: sa.Connection, mailing: str, seen: datetime, to: datetime, lost_since: datetime | None, now: datetime
) -> bool:
    """Set the cursor back from `seen` to `to`, but not behind the first look; False when another sweep was quicker.

    With `lost_since` a restore is recorded with it: what was told of the time from then on may be gone from the ERP.
    """
    mailing = identity("mailing", mailing)
    earliest = _earliest(connection, mailing)
    to = seen if earliest is None else min(seen, max(to, earliest))
    if to == seen and lost_since is None:
        return False
    here = (cursor.c.mailing == mailing, cursor.c.position == seen)
    moved = connection.execute(sa.update(cursor).where(*here), {"position": to, "updated_at": now}).rowcount == 1
    if moved and lost_since is not None:
        begin(connection, mailing, Epoch(_next(connection, mailing), lost_since, now))
    return moved


def restored(connection: sa.Connection, mailing: str, since: datetime, at: datetime, now: datetime) -> bool:
    """Record that the ERP was brought back at `at` to what it was at `since`; False before the mailing's first look."""
    mailing = identity("mailing", mailing)
    place = sa.select(cursor.c.position).where(cursor.c.mailing == mailing).with_for_update()
    position, earliest = connection.execute(place).scalar(), _earliest(connection, mailing)
    if position is None or earliest is None:
        return False
    values = {"position": min(position, max(since, earliest)), "updated_at": now}
    connection.execute(sa.update(cursor).where(cursor.c.mailing == mailing), values)
    begin(connection, mailing, Epoch(_next(connection, mailing), since, at))
    return True


def _earliest(connection: sa.Connection, mailing: str) -> datetime | None:
    first = sa.select(epoch.c.since).where(epoch.c.mailing == mailing, epoch.c.number == 0)
    return connection.execute(first).scalar()


def _next(connection: sa.Connection, mailing: str) -> int:
    return (
        connection.execute(sa.select(sa.func.max(epoch.c.number)).where(epoch.c.mailing == mailing)).scalar() or 0
    ) + 1
