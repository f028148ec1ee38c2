"""What the alerts of reports remember of each reader from one look to the next."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from emailketing.errors import OutboxError
from emailketing.outbox.fit import identity
from emailketing.outbox.schema import alert

#: Of whom something is remembered: mailing, channel, address in small letters, cadence.
Place = tuple[str, str, str, str]

_COLUMNS = ("mailing", "channel", "address", "cadence")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered, in the words of whoever remembers, and how often it has changed."""

    text: str
    number: int = 0


def recall(connection: sa.Connection, places: Iterable[Place]) -> dict[Place, Kept]:
    """What is remembered of these; nothing of whom no alert has judged."""
    fitted = {place: _fitted(place) for place in places}
    mine = sa.select(alert).where(alert.c.mailing.in_({mailing for mailing, *_ in fitted.values()}))
    found = {
        (row.mailing, row.channel, row.address, row.cadence): Kept(zlib.decompress(row.memory).decode(), row.number)
        for row in connection.execute(mine)
    }
    return {place: found[fit] for place, fit in fitted.items() if fit in found}


def keep(connection: sa.Connection, kept: Mapping[Place, Kept], now: datetime) -> None:
    """Remember this instead; each `number` is that of what was recalled, 0 where nothing was.

    Raises OutboxError where another look has changed it meanwhile: it told what we were about to tell.
    """
    for place, each in sorted(kept.items()):
        key = dict(zip(_COLUMNS, _fitted(place), strict=True))
        row = {"number": each.number + 1, "at": now, "memory": zlib.compress(each.text.encode())}
        if not (_change(connection, key, row, each.number) if each.number else _insert(connection, key | row)):
            raise OutboxError(
                f"Another look at {place[0]} has judged its alert in the same moment.",
                hint="Nothing was lost; the look is repeated.",
            )


def _fitted(place: Place) -> Place:
    mailing, channel, address, cadence = place
    return identity("mailing", mailing), channel, identity("address", address), cadence


def _change(connection: sa.Connection, key: Mapping[str, str], row: Mapping[str, object], number: int) -> bool:
    mine = [alert.c[name] == value for name, value in key.items()]
    changed = connection.execute(sa.update(alert).where(*mine, alert.c.number == number).values(**row))
    return bool(changed.rowcount)


def _insert(connection: sa.Connection, row: Mapping[str, object]) -> bool:
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(alert), row)
    except sa.exc.IntegrityError:
        return False
    return True
