"""The ERP's database: opened, created, and worked in by operators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from demo import schema, triggers

ZONE = ZoneInfo("America/Asuncion")


def open_engine(url: str | sa.URL) -> Engine:
    """An engine for the ERP. On SQLite foreign keys are enforced and a writer waits up to 30 s for another."""
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_manners)
    return engine


def create(engine: Engine) -> None:
    """Create all tables, indexes and triggers in an empty database; SQLite is put into WAL for good."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    with engine.begin() as connection:
        schema.metadata.create_all(connection)
        triggers.create(connection)


@contextmanager
def transaction(engine: Engine, operator: str, origin: str, began: datetime) -> Iterator[Connection]:
    """One transaction of an operator, committed at the end of the block; an exception rolls it back.

    `began` is company-local; it becomes the time in audit_log.
    """
    with engine.begin() as connection:
        triggers.sign_on(connection, operator, origin, began)
        yield connection
        triggers.sign_off(connection)


def local(moment: datetime) -> datetime:
    """An aware time as the ERP writes it: the company's local time, without a zone."""
    return moment.astimezone(ZONE).replace(tzinfo=None)


def utc_now() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)


def _sqlite_manners(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA synchronous = NORMAL")
