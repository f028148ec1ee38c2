"""Who gets what, as people set it here, and what a mailing that is switched off has passed over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from emailketing.model import Subscribed, Subscription, Switch, chunks
from emailketing.outbox.fit import clipped, identity, storable
from emailketing.outbox.schema import baseline, subscription, switch
from emailketing.outbox.schema import provision as kept

CHUNK = 500


def subscribed(connection: sa.Connection) -> Subscribed:
    """Every subscription and switch, by mailing, channel and address."""
    ordered = sa.select(subscription).order_by(*subscription.primary_key.columns)
    switches = sa.select(switch).order_by(switch.c.mailing)
    return Subscribed(
        tuple(_subscription(row) for row in connection.execute(ordered)),
        tuple(Switch(row.mailing, row.is_on, row.changed_by, row.changed_at) for row in connection.execute(switches)),
    )


def subscribe(connection: sa.Connection, given: Subscription, by: str, now: datetime) -> None:
    """Set an address's place in a mailing, in the place of what was set before."""
    key = _key(given.mailing, given.channel, given.address)
    values = {
        "name": clipped(given.name, 300),
        "language": clipped(given.language, 35),
        "is_on": given.on,
        "filter": None if given.where is None else dict(given.where),
        "options": dict(given.options),
    }
    _upsert(connection, subscription, key, {**values, **_signed(by, now)})


def unsubscribe(connection: sa.Connection, mailing: str, channel: str, address: str) -> bool:
    """Take an address's place away; False when it had none."""
    this = [subscription.c[name] == value for name, value in _key(mailing, channel, address).items()]
    return connection.execute(sa.delete(subscription).where(*this)).rowcount == 1


def switch_mailing(connection: sa.Connection, mailing: str, on: bool, by: str, now: datetime) -> None:
    """Switch a mailing on or off."""
    _upsert(connection, switch, {"mailing": identity("mailing", mailing)}, {"is_on": on, **_signed(by, now)})


_FILE = "subscriptions.yaml"


def provision(connection: sa.Connection) -> str | None:
    """What the file said when it could be read last."""
    return connection.execute(sa.select(kept.c.text).where(kept.c.name == _FILE)).scalar()


def provide(connection: sa.Connection, text: str, now: datetime) -> None:
    """Keep what the file says now."""
    _upsert(connection, kept, {"name": _FILE}, {"text": storable(text), "read_at": now})


def pass_over(connection: sa.Connection, mailing: str, seen: Iterable[tuple[str, str]], now: datetime) -> None:
    """Make each (document, version) of `seen` history, of which nobody is told."""
    pairs = sorted({(identity("document", document), identity("version", version)) for document, version in seen})
    insert, mailing = _ignoring(connection.dialect.name, baseline), identity("mailing", mailing)
    for chunk in chunks(pairs, CHUNK):
        rows = [{"mailing": mailing, "document": one, "version": two, "seen_at": now} for one, two in chunk]
        connection.execute(insert, rows)


def _key(mailing: str, channel: str, address: str) -> dict[str, str]:
    return {"mailing": identity("mailing", mailing), "channel": channel, "address": identity("address", address)}


def _signed(by: str, now: datetime) -> dict[str, Any]:
    return {"changed_at": now, "changed_by": clipped(by, 100)}


def _upsert(connection: sa.Connection, table: sa.Table, key: dict[str, str], values: dict[str, Any]) -> None:
    """Two people who set the same at once: the later one's values stand."""
    connection.execute(_ignoring(connection.dialect.name, table), {**key, **values})
    this = [table.c[name] == value for name, value in key.items()]
    connection.execute(sa.update(table).where(*this).values(values))


def _ignoring(dialect: str, table: sa.Table) -> sa.Insert:
    """Insert where the key is new."""
    key = list(table.primary_key.columns)
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing(index_elements=key)
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing(index_elements=key)
    return mysql.insert(table).on_duplicate_key_update({key[0].name: key[0]})


def _subscription(row: Any) -> Subscription:
    return Subscription(
        mailing=row.mailing,
        channel=row.channel,
        address=row.address,
        name=row.name,
        language=row.language,
        where=row.filter,
        options=row.options,
        on=row.is_on,
        by=row.changed_by,
        at=row.changed_at,
    )
