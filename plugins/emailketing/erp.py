"""The ERP, read only: named queries with bound parameters on any database that SQLAlchemy speaks to.

A query is a file below include/sql; its name is its file name without `.sql`. Values only ever travel as bound
parameters (`:name`), a list as `IN :name`. Everything that one sweep reads comes from one read-only snapshot.

Shapes of query, all plain rows:

- `rows(name, **parameters)`: any query, streamed.
- `changes(name, since)`: a notification's query, wrapped so that only rows changed since then come, oldest first.
- `lines(name, documents)`: `<name>.lines.sql`, for a list of documents at once, grouped by document.
- `listing(name, **parameters)`: a report's query, its columns and its rows; days travel as parameters.

And for campaigns, on a day of the company's calendar:

- `people(name, day)`: an audience's query, in the order in which it is written to.
- `items(name, groups, day)`, `groups(name, groups, day)`: `<name>.items.sql` and `<name>.groups.sql`, what each group
  of the audience is told.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, CursorResult, Date, DateTime, Engine, TextClause, bindparam, inspect, text
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    InterfaceError,
    NoSuchTableError,
    OperationalError,
    SQLAlchemyError,
)

from emailketing.errors import ErpError, SqlError, nearest
from emailketing.model import chunks, document_text, query_files

Row = dict[str, Any]

#: The column that says which of an audience are told the same.
GROUP = "content_group"

#: The columns that every notification's query must give.
REQUIRED = ("document", "changed_at")

# Databases limit the number of bound parameters of a statement (SQLite 32766, PostgreSQL 65535, SQL Server 2100).
_LIST_LIMIT = {"mssql": 2000, "oracle": 1000}
_LIST_DEFAULT = 30_000

_PATIENCE_S = 120  # a query of the sweep that takes longer is ended where the database can do so

# The server's clock in UTC, where there is a server.
_CLOCK = {
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mariadb": "SELECT UTC_TIMESTAMP(6)",
    "mssql": "SELECT SYSUTCDATETIME()",
    "oracle": "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM dual",
}

_BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, tzinfo=UTC)

_WORDS = re.compile(
    r"""(?P<kept> '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | --[^\n]* | /\*.*?\*/ )
      | (?<![:\w\\]) (?P<open>\(\s*)? :(?P<name>[A-Za-z_]\w*) (?P<close>\s*\))? (?!:)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Look:
    """A cheap look at a notification's query: how many rows changed since then, and when the newest did.

    `newest_past` is the newest of those that are not dated in the future.
    """

    count: int
    newest: datetime | None
    newest_past: datetime | None = None


class Query:
    """One file of include/sql, read once: its text, its parameters and where they stand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name.removesuffix(".sql")
        self.source = path.read_text(encoding="utf-8").rstrip().rstrip(";")

    @cached_property
    def parameters(self) -> dict[str, int]:
        """The names of the parameters, each with the first line (from 1) on which it stands."""
        found: dict[str, int] = {}
        for match in _WORDS.finditer(self.source):
            if match["name"]:
                found.setdefault(match["name"], self.line_at(match.start("name")))
        return found

    def clause(self, values: Mapping[str, Any], wrap: str = "{}") -> TextClause:
        """The statement with `values` bound; lists are expanded, other parameters of the file must all be there."""
        for name, line in self.parameters.items():
            if name not in values:
                hint = nearest(name, values) or "This query is given no parameters."
                raise SqlError(f"parameter :{name} is not given to this query.", path=self.path, line=line, hint=hint)
        lists = {name for name, value in values.items() if isinstance(value, list | tuple | set | frozenset)}
        statement = wrap.replace("{}", _WORDS.sub(lambda match: _bound(match, lists), self.source))
        used = self.parameters.keys() | set(re.findall(r"(?<![:\w\\]):(\w+)", wrap))
        return text(statement).bindparams(*(_parameter(name, values[name], name in lists) for name in sorted(used)))

    def line_at(self, offset: int) -> int:
        """The line, from 1, on which the character at `offset` stands."""
        return self.source.count("\n", 0, offset) + 1

    def line_of(self, word: str) -> int | None:
        """The first line on which `word` stands outside comments and strings; None when nowhere."""
        bare = _WORDS.sub(
            lambda match: " " * len(match[0]) if match["kept"] and match[0][0] in "-/'" else match[0], self.source
        )
        match = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", bare, re.IGNORECASE)
        return self.line_at(match.start()) if match else None


class Erp:
    """The ERP's database and the folder of queries that is its only adapter.

    `zone` is the timezone of the ERP's times that carry none.
    """

    def __init__(self, engine: Engine, folder: Path, zone: ZoneInfo) -> None:
        self.engine, self.folder, self.zone = engine, folder, zone
        self._queries: dict[str, tuple[int, Query]] = {}

    def query(self, name: str) -> Query:
        """The query of this name. Raises SqlError with the nearest name when there is none."""
        path = self._path(name)
        written = path.stat().st_mtime_ns
        if name not in self._queries or self._queries[name][0] != written:
            self._queries[name] = written, Query(path)
        return self._queries[name][1]

    def has(self, name: str) -> bool:
        """Whether there is a query of this name."""
        return self._found(name) is not None

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """One read-only snapshot of the ERP; everything read within belongs together."""
        try:
            connection = self.engine.connect()
        except SQLAlchemyError as error:
            raise _unreachable(error) from error
        try:
            with connection:
                _read_only(connection, self.zone)
                yield Reader(self, connection)
        except DBAPIError as error:  # as it began, or as it was closed; what is read raises its own
            raise _unreachable(error) from error

    def look(self, name: str, since: datetime) -> Look:
        """How many rows of a notification changed since then, and when the newest did."""
        with self.reading() as reader:
            return reader.look(name, since)

    def _found(self, name: str) -> Path | None:
        return next((path for path in query_files(self.folder) if path.name == f"{name}.sql"), None)

    def _path(self, name: str) -> Path:
        path = self._found(name)
        if path is None:
            names = [known.name.removesuffix(".sql") for known in query_files(self.folder)]
            raise SqlError(f"there is no query {name!r}.", path=self.folder / f"{name}.sql", hint=nearest(name, names))
        return path


class Reader:
    """Reads queries within one snapshot; made by `Erp.reading`."""

    def __init__(self, erp: Erp, connection: Connection) -> None:
        self._erp, self._connection = erp, connection

    def rows(self, name: str, **parameters: Any) -> Iterator[Row]:
        """The rows of a query, streamed, as dictionaries by column name."""
        query = self._erp.query(name)
        yield from self._stream(query, query.clause(parameters), parameters)

    def listing(self, name: str, most: int, **parameters: Any) -> tuple[tuple[str, ...], list[Row]]:
        """The columns and rows of a report's query, at most `most` rows.

        A parameter that the query does not name is not given to it; a day is its first moment. Raises SqlError.
        """
        query = self._erp.query(name)
        values = {key: self._day(value) if type(value) is date else value for key, value in parameters.items()}
        result = self._execute(query, query.clause(values), values)
        if not result.returns_rows:
            raise SqlError("this gives no rows; a query begins with SELECT or WITH.", path=query.path)
        columns = tuple(result.keys())
        if twice := next((each for each in columns if columns.count(each) > 1), None):
            result.close()
            line, hint = query.line_of(twice), "Give each a name of its own, by AS."
            raise SqlError(f"two columns are named {twice!r}.", path=query.path, line=line, hint=hint)
        try:
            rows = [dict(zip(columns, row, strict=True)) for row in result.fetchmany(most + 1)]
        except DBAPIError as error:
            raise self._explained(query, error) from error
        finally:
            result.close()
        if len(rows) > most:
            hint = "Add up in the query, or send the report for shorter periods."
            raise SqlError(f"the query gives more than {most:,} rows.", path=query.path, hint=hint)
        return columns, rows

    def changes(self, name: str, since: datetime, until: datetime | None = None) -> Generator[Row, None, None]:
        """The rows of a notification that changed at or after `since`, oldest first; `changed_at` comes aware in UTC.

        With `until` none that changed later. A changed_at that is no time comes as it is; the caller tells whose row it
        is.
        """
        within, values = "changes.changed_at >= :since", {"since": self._local(since)}
        if until is not None:
            within, values = (
                f"{within} AND changes.changed_at <= :until",
                {**values, "until": self._latest_local(until)},
            )
        for row in self._wrapped(name, f"WHERE {within} ORDER BY changes.changed_at", **values):
            # The hour that comes twice is written twice: the ERP's words for it may mean the later one.
            if until is None or not isinstance(row["changed_at"], datetime) or row["changed_at"] <= until:
                yield row

    def documents(self, name: str, documents: Sequence[str], since: datetime = _BEGINNING) -> Iterator[Row]:
        """The rows of a notification for these documents that changed at or after `since`."""
        as_text = f"TRIM(CAST(changes.document AS {self._text_type}))"
        tail = f"WHERE changes.changed_at >= :since AND {as_text} IN :documents"
        for some in chunks(documents, self._list_limit):
            yield from self._wrapped(name, tail, documents=list(some), since=self._local(since))

    def latest(self, name: str) -> Row | None:
        """The row that changed last, for previews and checks; None when the query gives none with a changed_at."""
        return next(self._wrapped(name, "WHERE changes.changed_at IS NOT NULL ORDER BY changes.changed_at DESC"), None)

    def look(self, name: str, since: datetime, until: datetime | None = None) -> Look:
        """How many rows changed since then, and when the newest did; `until` is the present, if not this moment."""
        query = self._erp.query(name)
        past = "MAX(CASE WHEN changes.changed_at <= :until THEN changes.changed_at END)"
        wrap = (
            f"SELECT COUNT(*), MAX(changes.changed_at), {past} "  # noqa: S608 nothing but this module's own words
            "FROM (\n{}\n) changes WHERE changes.changed_at >= :since"
        )
        values = {"since": self._local(since), "until": self._latest_local(until or datetime.now(UTC))}
        count, *newest = tuple(self._execute(query, query.clause(values, wrap), values).one())
        newest, past = (self._utc_or_raw(value) for value in newest)
        return Look(count, *(each if isinstance(each, datetime) else None for each in (newest, past)))

    def undated(self, name: str) -> int:
        """How many rows have no changed_at, and so are never told."""
        query = self._erp.query(name)
        values = {"since": self._local(_BEGINNING)}
        wrap = "SELECT COUNT(*) FROM (\n{}\n) changes WHERE changes.changed_at IS NULL"
        return int(self._execute(query, query.clause(values, wrap), values).scalar() or 0)

    def now(self) -> datetime | None:
        """The database server's clock; None where the database is a file, and so has none of its own."""
        asked = _CLOCK.get(self._connection.dialect.name)
        if asked is None:
            return None
        try:
            moment: datetime = self._connection.exec_driver_sql(asked).scalar_one()
        except DBAPIError as error:
            raise _unreachable(error) from error
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)

    def lines(self, name: str, documents: Sequence[Any]) -> dict[str, list[Row]]:
        """The lines of these documents, by document as text; empty when the mailing has no `<name>.lines.sql`.

        The documents are given as the mailing's query gave them: a number stays one.
        """
        found: dict[str, list[Row]] = {}
        if not documents or not self._erp.has(f"{name}.lines"):
            return found
        query = self._erp.query(f"{name}.lines")
        for some in chunks(documents, self._list_limit):
            values = {"documents": list(some)}
            for row in self._stream(query, query.clause(values), values, ("document",)):
                found.setdefault(document_text(row["document"]), []).append(row)
        return found

    def people(self, name: str, day: date) -> Generator[Row, None, None]:
        """The rows of an audience's query, those of a group together, in the order of their documents.

        The query may take `:today`, which is `day`, and `:days_ago_<n>`, so many days before it.
        """
        query = self._erp.query(name)
        values = _days(query, day)
        order = "people.content_group, people.document" if GROUP in self.audience(name) else "people.document"
        clause = query.clause(values, f"SELECT * FROM (\n{{}}\n) people ORDER BY {order}")  # noqa: S608 our own words
        yield from self._stream(query, clause, values, ("document",))

    def audience(self, name: str) -> list[str]:
        """The columns of an audience's query. Raises SqlError where it is broken, or gives no document."""
        query = self._erp.query(name)
        values = _days(query, date(2000, 1, 1))
        clause = query.clause(values, "SELECT * FROM (\n{}\n) people WHERE 1 = 0")
        columns = list(self._execute(query, clause, values).keys())
        self._require(query, columns, ("document",))
        return columns

    def items(self, name: str, groups: Sequence[Any], day: date) -> dict[str, list[Row]]:
        """What each of these groups is told, by group as text: `<name>.items.sql`; empty when there is no such file.

        The groups are given as the audience's query gave them: a number stays one.
        """
        return self._by_group(f"{name}.items", groups, day)

    def groups(self, name: str, groups: Sequence[Any], day: date) -> dict[str, list[Row]]:
        """The variables of each of these groups, one row each: `<name>.groups.sql`."""
        return self._by_group(f"{name}.groups", groups, day)

    def _by_group(self, name: str, groups: Sequence[Any], day: date) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        if not groups or not self._erp.has(name):
            return found
        query = self._erp.query(name)
        lists = chunks(groups, self._list_limit) if "groups" in query.parameters else [groups]
        for some in lists:
            values = _days(query, day) | {"groups": list(some)}
            for row in self._stream(query, query.clause(values), values, (GROUP,)):
                found.setdefault(document_text(row[GROUP]), []).append(row)
        return found

    def check(self, name: str) -> list[str]:
        """The columns of a notification's query, after holding it and its lines to the contract. Raises SqlError."""
        query = self._erp.query(name)
        values = {"since": self._local(datetime.now(UTC))}
        clause = query.clause(values, "SELECT * FROM (\n{}\n) changes WHERE 1 = 0")
        columns = list(self._execute(query, clause, values).keys())
        self._require(query, columns, REQUIRED)
        self.look(name, datetime.now(UTC))
        self.lines(name, [None])  # which is of every type
        return columns

    def columns(self, name: str) -> list[str]:
        """The columns of a query without parameters. Raises SqlError for a broken one."""
        query = self._erp.query(name)
        return list(self._execute(query, query.clause({}, "SELECT * FROM (\n{}\n) asked WHERE 1 = 0"), {}).keys())

    def require(self, name: str, columns: Sequence[str], required: Sequence[str]) -> None:
        """Raise SqlError, with the nearest name, where a query does not give a required column."""
        self._require(self._erp.query(name), columns, required)

    @property
    def _text_type(self) -> str:
        return "CHAR(200)" if self._connection.dialect.name in {"mysql", "mariadb"} else "VARCHAR(200)"

    @property
    def _list_limit(self) -> int:
        return _LIST_LIMIT.get(self._connection.dialect.name, _LIST_DEFAULT)

    def _wrapped(self, name: str, tail: str, **values: Any) -> Iterator[Row]:
        query = self._erp.query(name)
        if "since" in query.parameters:
            values.setdefault("since", self._local(_BEGINNING))
        clause = query.clause(values, f"SELECT * FROM (\n{{}}\n) changes {tail}")  # noqa: S608 the tail is this module's own
        for row in self._stream(query, clause, values, REQUIRED):
            yield row | {"changed_at": self._utc_or_raw(row["changed_at"])}

    def _missing(self, query: Query, column: str, columns: Sequence[str]) -> SqlError:
        hint = nearest(column, columns) or f"It gives: {', '.join(columns)}."
        return SqlError(
            f"the query gives no column {column!r}.", path=query.path, hint=f"{hint} Rename one with AS {column}."
        )

    def _require(self, query: Query, columns: Sequence[str], required: Sequence[str]) -> None:
        for column in required:
            if column not in columns:
                raise self._missing(query, column, columns)

    def _stream(
        self, query: Query, clause: TextClause, values: Mapping[str, Any], required: Sequence[str] = ()
    ) -> Iterator[Row]:
        result = self._execute(query, clause, values)
        names = list(result.keys())
        self._require(query, names, required)
        try:
            for row in result:
                yield dict(zip(names, row, strict=True))
        except DBAPIError as error:
            raise self._explained(query, error) from error
        finally:
            result.close()

    def _execute(self, query: Query, clause: TextClause, values: Mapping[str, Any]) -> CursorResult[Any]:
        used = {name: values[name] for name in clause.compile().params if name in values}
        try:
            return self._connection.execute(clause.execution_options(stream_results=True, max_row_buffer=500), used)
        except DBAPIError as error:
            raise self._explained(query, error) from error

    def _local(self, moment: datetime) -> datetime | str:
        """The earliest time that the ERP may write, naive and in its own zone, for anything at or after `moment`.

        Where clocks are put back within a day, the hour that comes twice is written twice, so begin that much earlier.
        """
        local, tomorrow = (at.astimezone(self._erp.zone) for at in (moment, moment + timedelta(days=1)))
        put_back = max(timedelta(0), _offset(local) - _offset(tomorrow))
        earliest = local.replace(tzinfo=None) - put_back
        # SQLite compares text; the shortest form of a time is not greater than any longer form of the same time.
        return earliest.isoformat(" ") if self._connection.dialect.name == "sqlite" else earliest

    def _day(self, day: date) -> datetime | str:
        # SQLite compares text: the bare day is not greater than any form of a moment of it, nor than the day itself.
        return day.isoformat() if self._connection.dialect.name == "sqlite" else datetime.combine(day, time())

    def _latest_local(self, moment: datetime) -> datetime | str:
        """The latest time that the ERP may write for `moment`, naive and in its own zone."""
        local = moment.astimezone(self._erp.zone).replace(tzinfo=None)
        # As text, what follows the fractions of a second must not make an earlier time greater.
        return f"{local.isoformat(' ', 'microseconds')}~" if self._connection.dialect.name == "sqlite" else local

    def _utc_or_raw(self, value: Any) -> Any:
        moment = _moment(value)
        if moment is None:
            return value
        try:
            return (moment if moment.tzinfo else moment.replace(tzinfo=self._erp.zone)).astimezone(UTC)
        except OverflowError:  # the last hours of the year 9999, with which some ERPs say "for ever"
            return _END

    def _explained(self, query: Query, error: DBAPIError) -> Exception:
        if error.connection_invalidated or isinstance(error, InterfaceError) or _passes(error):
            return _unreachable(error)
        return Diagnosis(query, error, self._erp.engine).error()


class Diagnosis:
    """Turns a database's complaint about a query into an error that its author can act upon."""

    # What each database says of an unknown name: SQLite, PostgreSQL, MariaDB/MySQL, SQL Server.
    _COLUMN = re.compile(
        r"no such column: (?:\w+\.)?(\w+)|column \"?(?:\w+\.)?(\w+)\"? does not exist|Unknown column '(?:\w+\.)*(\w+)'"
        r"|Invalid column name '(\w+)'"
    )
    _TABLE = re.compile(
        r"no such table: (?:\w+\.)?(\w+)|relation \"(?:\w+\.)?(\w+)\" does not exist"
        r"|Table '(?:\w+\.)?(\w+)' doesn't exist|Invalid object name '(?:\w+\.)*(\w+)'"
    )
    _SYNTAX = re.compile(r"near \"([^\"]+)\": syntax error|syntax error at or near \"([^\"]+)\"|near '(\S+)")
    _LOST = re.compile(
        r"unable to open database|server has gone away|Lost connection|connection .*(closed|failed)", re.I
    )

    def __init__(self, query: Query, error: DBAPIError, engine: Engine) -> None:
        self._query, self._error, self._engine = query, error, engine
        self._message = " ".join(str(error.orig).split())

    def error(self) -> Exception:
        """The error to raise: SqlError for what the author wrote, ErpError for what the database does."""
        complaint = self._COLUMN.search(self._message)
        column = _first(complaint)
        if complaint and f"changes.{column}" in complaint[0]:  # as the sweep's wrapping names it
            message = f"the query gives no column {column!r}."
            return self._sql_error(message, None, f"{nearest(column, self._columns())} Name one with AS {column}.")
        if column:
            return self._unknown("column", column, self._columns())
        if table := _first(self._TABLE.search(self._message)):
            return self._unknown("table", table, self._tables())
        if word := _first(self._SYNTAX.search(self._message)):
            return self._sql_error(f"syntax error near {word!r}.", self._query.line_of(word), "")
        if isinstance(self._error, OperationalError) and self._LOST.search(self._message):
            return _unreachable(self._error)
        return self._sql_error(f"the ERP's database refuses this query: {self._message}", None, "")

    def _unknown(self, what: str, name: str, known: list[str]) -> SqlError:
        return self._sql_error(f"the ERP has no {what} {name!r}.", self._query.line_of(name), nearest(name, known))

    def _sql_error(self, message: str, line: int | None, hint: str) -> SqlError:
        return SqlError(message, path=self._query.path, line=line, hint=hint)

    def _tables(self) -> list[str]:
        try:
            inspector = inspect(self._engine)
            return [*inspector.get_table_names(), *inspector.get_view_names()]
        except SQLAlchemyError:
            return []

    def _columns(self) -> list[str]:
        mentioned = set(re.findall(r"\b(?:from|join)\s+[\"`]?(\w+)", self._query.source, re.IGNORECASE))
        try:
            inspector = inspect(self._engine)
            return [column["name"] for table in mentioned for column in inspector.get_columns(table)]
        except (SQLAlchemyError, NoSuchTableError):
            return []


def _days(query: Query, day: date) -> dict[str, date]:
    """The days that a query asks for by the names of its parameters."""
    asked = {name: _DAYS_AGO.fullmatch(name) for name in query.parameters}
    found = {name: day - timedelta(days=int(match[1])) for name, match in asked.items() if match}
    return found | {"today": day}


_DAYS_AGO = re.compile(r"days_ago_(\d{1,5})")


def _bound(match: re.Match[str], lists: set[str]) -> str:
    if match["kept"] is not None:
        return match["kept"].replace(":", "\\:")
    if match["name"] in lists:  # the list brings its own parentheses
        return f":{match['name']}"
    return match[0]


def _parameter(name: str, value: Any, is_list: bool) -> Any:
    if is_list:
        return bindparam(name, expanding=True)
    if isinstance(value, datetime):
        return bindparam(name, type_=DateTime())
    return bindparam(name, type_=Date()) if isinstance(value, date) else bindparam(name)


def _read_only(connection: Connection, zone: ZoneInfo) -> None:
    """Begin a read-only snapshot in the words of the dialect; where it has none, the login's rights must do."""
    match connection.dialect.name:
        case "postgresql":
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            connection.execute(text(f"SET LOCAL TIME ZONE '{zone.key}'"))
            connection.execute(text(f"SET LOCAL statement_timeout = {_PATIENCE_S * 1000}"))
        case "mysql" | "mariadb":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        case "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
            connection.exec_driver_sql("BEGIN")
        case "oracle":
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")


# What is wrong with the database or with our rights, not with the query. PostgreSQL: classes of SQLSTATE (connection,
# transaction rollback, resources, intervention, system) and insufficient privilege; MariaDB and MySQL: error numbers of
# lost connections, lock waits, deadlocks, interruption, denied access, time limits, too many connections, no memory and
# no room for a temporary table; SQLite: words.
_PASSING_STATES = ("08", "40", "42501", "53", "55", "57", "58")
_PASSING_NUMBERS = frozenset(
    {3, 1021, 1026, 1037, 1038, 1040, 1041, 1044, 1045, 1114, 1142, 1143, 1203, 1205, 1213, 1317, 1969}
    | {2006, 2013, 3024}
)
_PASSING_WORDS = re.compile(r"locked|busy|disk I/O|not a database|malformed|disk is full", re.IGNORECASE)


def _passes(error: DBAPIError) -> bool:
    original = error.orig
    state, first = getattr(original, "sqlstate", None), next(iter(getattr(original, "args", ())), None)
    if isinstance(first, int):  # before the state, which MariaDB gives as well, and as HY000 for whatever has no other
        return first in _PASSING_NUMBERS
    if isinstance(state, str):
        return state.startswith(_PASSING_STATES)
    return isinstance(error, DatabaseError) and _PASSING_WORDS.search(str(original)) is not None


def _unreachable(error: SQLAlchemyError) -> ErpError:
    cause = " ".join(str(getattr(error, "orig", None) or error).split())
    return ErpError(
        f"The ERP's database does not answer: {cause}",
        hint="Check the Airflow Connection 'erp' and that the database is up; the sweep is repeated, nothing is lost.",
    )


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta(0)


def _first(match: re.Match[str] | None) -> str:
    return next((group for group in match.groups() if group), "") if match else ""


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    return None
