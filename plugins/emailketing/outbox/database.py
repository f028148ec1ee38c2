"""The outbox's database: how it is opened, how a transaction runs, and what its errors say.

SQLite (WAL, every commit on the disk), PostgreSQL and MariaDB are served by the same statements; where they must
differ, the difference stands here or in `statements`.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from emailketing.errors import OutboxError

T = TypeVar("T")
C = TypeVar("C")

BUSY_S = 30  # how long a transaction waits for another's lock
IDLE_S = 5.0  # a pooled connection that rested for longer is tried before it is used
TRIES = 6  # for a transaction that the database itself broke off: a deadlock, a serialisation failure

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
_MARIADB_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO', "
    f"innodb_lock_wait_timeout = {BUSY_S}"
)


# A connection that is dead without saying so must not be waited for (seconds, but for tcp_user_timeout).
_PATIENCE: dict[str, dict[str, Any]] = {
    "postgresql": {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "tcp_user_timeout": 60_000,
    },
    "mysql": {"connect_timeout": 10, "read_timeout": 180, "write_timeout": 60},
}


def connect_outbox(url: str | sa.URL) -> sa.Engine:
    """An engine for `Outbox` on an SQLAlchemy URL; no connection is made yet.

    The drivers of PostgreSQL and MariaDB need not be named. Raises OutboxError for a URL that cannot be one.
    """
    try:
        url = sa.make_url(url)
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        return _sqlite(url) if url.get_backend_name() == "sqlite" else _server(url)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        raise OutboxError(f"The outbox's URL cannot be used: {error}") from None


def _server(url: sa.URL) -> sa.Engine:
    # A plan that PostgreSQL made for an empty queue and keeps would read all of a long one: plan each time anew.
    arguments = dict(_PATIENCE.get(url.get_backend_name(), _PATIENCE["mysql"]))
    if url.get_backend_name() == "postgresql":
        arguments["prepare_threshold"] = None
    arguments = {name: value for name, value in arguments.items() if name not in url.query}
    engine = sa.create_engine(url, isolation_level="READ COMMITTED", hide_parameters=True, connect_args=arguments)
    if url.get_backend_name() != "postgresql":
        sa.event.listen(engine, "connect", _set_up_mariadb)
    sa.event.listen(engine, "checkin", _note_the_time)
    sa.event.listen(engine, "checkout", _try_after_a_rest(engine.dialect))
    return engine


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_S}, hide_parameters=True)
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_mariadb(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(_MARIADB_SESSION)


def _set_up_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not by the driver's guess
    with contextlib.closing(connection.cursor()) as cursor:
        _switch_to_wal(cursor)
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")


def _switch_to_wal(cursor: Any) -> None:
    """The one step of SQLite that does not wait for a lock by itself."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: sa.Connection) -> None:
    """A write takes its lock at once: one that started by reading could no longer get it and would fail."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _note_the_time(_connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
    entry.info["rests_since"] = time.monotonic()


def _try_after_a_rest(dialect: sa.Dialect) -> Callable[[DBAPIConnection, ConnectionPoolEntry, Any], None]:
    """SQLAlchemy's pool_pre_ping, without its round trip before each of many quick transactions."""

    def check_out(connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        rested = time.monotonic() - entry.info.get("rests_since", time.monotonic())
        if rested > IDLE_S and not _answers(dialect, connection):
            raise sa.exc.InvalidatePoolError()

    return check_out


def _answers(dialect: sa.Dialect, connection: DBAPIConnection) -> bool:
    try:
        return dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error:
        return False


class Database:
    """Transactions on the outbox's engine; what goes wrong comes out as an OutboxError."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(writes=True)

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """What `work` finds out; it changes nothing."""
        return self._run(self.engine.begin, work)

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """What `work` answers, committed. It may run several times, should the database break a try off."""
        return self._run(self._writer.begin, work)

    def hot(self, work: Callable[[sa.PoolProxiedConnection], T]) -> T:
        """What `work` answers, for steps of microseconds: it gets the driver's connection, begins and commits itself.

        What it leaves open is undone. It may run several times, as in `write`.
        """
        return self._run(self._driver, work)

    def _run(self, connect: Callable[[], contextlib.AbstractContextManager[C]], work: Callable[[C], T]) -> T:
        for tried in range(1, TRIES + 1):
            try:
                with self.speaking(), connect() as connection:
                    return work(connection)
            except BrokenOff:
                if tried == TRIES:
                    raise
                time.sleep(random.uniform(0, 0.01 * 2**tried))  # noqa: S311 spreads tries, hides nothing
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _driver(self) -> Iterator[sa.PoolProxiedConnection]:
        connection, dialect = self.engine.raw_connection(), self.engine.dialect
        base = dialect.loaded_dbapi.Error
        try:
            yield connection
        except base as error:
            gone = dialect.is_disconnect(error, connection, None)
            if gone:
                connection.invalidate(error)
            raise sa.exc.DBAPIError.instance(
                None, None, error, base, hide_parameters=True, connection_invalidated=gone, dialect=dialect
            ) from error
        finally:
            connection.close()

    @contextlib.contextmanager
    def speaking(self) -> Iterator[None]:
        """Turns the database's errors into sentences for operations."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            kind = BrokenOff if _was_broken_off(error) else OutboxError
            raise kind(f"The outbox ({self.where}): {_said(error)}", hint=_hint(error)) from error
        except sa.exc.SQLAlchemyError as error:
            raise OutboxError(f"The outbox ({self.where}): {error}") from error

    @property
    def where(self) -> str:
        """Which database this is, for people; without its password."""
        return self.engine.url.render_as_string(hide_password=True)


class BrokenOff(OutboxError):
    """The database broke a transaction off to let another one pass; all of it was undone."""


def _was_broken_off(error: sa.exc.DBAPIError) -> bool:
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate in {"40001", "40P01"} or _mysql_code(error) in {1205, 1213}


def _mysql_code(error: sa.exc.DBAPIError) -> int | None:
    args = getattr(error.orig, "args", ())
    return args[0] if args and isinstance(args[0], int) else None


def _said(error: sa.exc.DBAPIError) -> str:
    """The driver's own words, one line of them: further lines may quote a recipient's data."""
    args = getattr(error.orig, "args", ())
    words = str(args[-1] if args else error.orig).strip()
    return words.splitlines()[0] if words else type(error.orig).__name__


# What SQLite, PostgreSQL and MariaDB say (in words or in MariaDB's numbers), and what operations can do about it.
_HINTS: tuple[tuple[tuple[str | int, ...], str], ...] = (
    (
        ("no such table", "undefinedtable", 1146),
        "Its tables are missing: the migrations have not run on this database.",
    ),
    (("readonly", "read-only"), "The account or file may only be read; the outbox must be writable."),
    (
        ("disk is full", "no space left", "errcode: 28", 1021, 1114),
        "Its disk is full; make room. Nothing was lost; it is repeated.",
    ),
    (("disk i/o error",), "Its disk is full or fails; see the system's log. Nothing was lost; it is repeated."),
    (
        (1153, "max_allowed_packet"),
        "A message or attachment is larger than the server's max_allowed_packet; raise it.",
    ),
    (("locked",), f"Another process has been writing for more than {BUSY_S} s."),
)


def _hint(error: sa.exc.DBAPIError) -> str:
    words, code = f"{type(error.orig).__name__} {error.orig}".lower(), _mysql_code(error)
    for signs, hint in _HINTS:
        if code in signs or any(isinstance(sign, str) and sign in words for sign in signs):
            return hint
    if isinstance(error, sa.exc.OperationalError):
        return (
            "Is the server running, and are host, port, account and password right? Nothing was lost; it is repeated."
        )
    return ""
