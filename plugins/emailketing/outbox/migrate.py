"""Bringing the outbox's tables up to date, by Alembic and without a configuration file."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from emailketing.errors import OutboxError
from emailketing.model import TRANSITIONS
from emailketing.outbox.schema import MEANINGS, state

logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)  # it tells of each look

#: Alembic's own table; not its usual name, because the database may be shared with another program's.
VERSION_TABLE = "outbox_version"
_LOCK = 7_316_620_412  # any number that nobody else uses as an advisory lock
_WAIT_S = 300


def migrate(engine: sa.Engine) -> None:
    """Apply the migrations that are missing. Two processes that start at once wait for one another."""
    with engine.connect() as connection:
        if _revision(connection) == newest():
            return
    with _alone(engine) as connection:
        try:
            upgrade(connection)
        except CommandError as error:
            raise OutboxError(
                f"The outbox's tables cannot be brought up to date: {error}",
                hint="Was this database used by a newer version of eMailketing? Then use that version.",
            ) from None
        _explain_states(connection)


@cache
def newest() -> str | None:
    """The last of the migrations; to know it, the first call of a process imports them all."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def upgrade(connection: sa.Connection, to: str = "head") -> None:
    """Apply the migrations that are missing up to `to`."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


@contextlib.contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction in which nobody else migrates this database."""
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection
        elif engine.dialect.name == "sqlite":  # the write lock is taken already, and tables are made in transactions
            yield connection
        else:
            with _named_lock(connection):
                yield connection


@contextlib.contextmanager
def _named_lock(connection: sa.Connection) -> Iterator[None]:
    """MariaDB commits at every table it makes, so the lock belongs to the connection. Its name is the server's."""
    name = sa.func.concat(sa.func.left(sa.func.database(), 40), ".outbox")
    if connection.execute(sa.select(sa.func.get_lock(name, _WAIT_S))).scalar() != 1:
        raise OutboxError(f"Another process has been migrating the outbox for more than {_WAIT_S} s.")
    try:
        yield
        connection.exec_driver_sql("COMMIT")  # before the next in line looks which migrations are done
    finally:
        connection.execute(sa.select(sa.func.release_lock(name)))


def _explain_states(connection: sa.Connection) -> None:
    connection.execute(sa.delete(state))
    rows = [
        {"name": one.value, "meaning": text, "may_become": ", ".join(sorted(TRANSITIONS[one]))}
        for one, text in MEANINGS.items()
    ]
    connection.execute(sa.insert(state), rows)
