"""Two plausible years of the company, from a seed: the same seed and end give the same rows on every database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, Table

from demo import documents, history, masters, schema
from demo.masters import Data, Row

DAYS, PARTIES, PRODUCTS, SALES = 730, 600, 1_200, 20_000
_CHUNK = 5_000


def generate(engine: Engine, *, seed: int = 1, until: date, scale: float = 1.0) -> dict[str, int]:
    """Fill a database that `demo.database.create` made; returns the number of rows by table.

    The history ends with the day before `until` (company-local), so that nothing in it lies in the future. A `scale`
    below 1 makes fewer days, parties, products and sales; only the whole is plausible as a business.
    """
    return store(engine, build(seed, until, scale))


def store(engine: Engine, data: Data) -> dict[str, int]:
    """Store rows that were built; returns their number by table."""
    with engine.begin() as connection:
        for table in schema.metadata.sorted_tables:
            _store(connection, table, data.rows[table.name])
    return {table.name: len(data.rows[table.name]) for table in schema.metadata.sorted_tables}


def build(seed: int, until: date, scale: float = 1.0, days: int | None = None) -> Data:
    """The rows that `generate` stores, by table; `days` of history, if not as many as `scale` gives."""
    data = Data(Random(seed), until - timedelta(days=days or max(45, round(DAYS * scale))))
    data.rows["accounts"] = documents.chart()
    masters.build(data, max(40, round(PARTIES * scale)), max(60, round(PRODUCTS * scale)))
    history.History(data, until, round(SALES * scale)).run()
    masters.offers(data, until)
    return data


def _store(connection: Connection, table: Table, rows: list[Row]) -> None:
    if not rows:
        return
    names = [column.name for column in table.columns]
    if connection.dialect.name == "postgresql":
        _copy(connection, table, names, rows)
    else:
        for start in range(0, len(rows), _CHUNK):
            part = [{name: row.get(name) for name in names if name in row} for row in rows[start : start + _CHUNK]]
            connection.execute(sa.insert(table), part)


def _copy(connection: Connection, table: Table, names: list[str], rows: list[Row]) -> None:
    """PostgreSQL's COPY, several times quicker than INSERT; the ids' sequence is moved behind them."""
    used = [name for name in names if name in rows[0]]
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({', '.join(used)}) FROM STDIN") as copy:
        for row in _tuples(rows, used):
            copy.write_row(row)
    if "id" in used:
        connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {rows[-1]['id']})")


def _tuples(rows: Iterable[Row], names: list[str]) -> Iterator[tuple[Any, ...]]:
    return (tuple(row[name] for name in names) for row in rows)
