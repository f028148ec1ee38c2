"""Rows before they are a table: alike ones added up, quotients reckoned, the largest first.

A query gives one row for each part that a reader may be denied (a branch, a customer); what he may see is added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import localcontext
from typing import Any

from emailketing.report.kinds import EXACT, Exact, Kind, Numeric, Quotient, total

Row = dict[str, Any]
Kinds = Mapping[str, Kind]


def folded(rows: Iterable[Row], kinds: Kinds, shown: Iterable[str]) -> list[Row]:
    """One row for all that are alike in the words and days they show, in the order in which the first ones come.

    What can be added is added; of the rest stays what is the same in all of them.
    """
    words = [name for name in shown if not isinstance(kinds[name], Numeric)]
    parts: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        parts.setdefault(tuple(row[name] for name in words), []).append(row)
    return [_one(part, kinds) for part in parts.values()]


def _one(rows: Sequence[Row], kinds: Kinds) -> Row:
    if len(rows) == 1:
        return rows[0]
    return {name: _cell([row[name] for row in rows], kind) for name, kind in kinds.items()}


def _cell(values: Sequence[Any], kind: Kind) -> Any:
    if kind.sums:
        return total(values)
    return values[0] if all(value == values[0] for value in values) else None


def reckoned(rows: Iterable[Row], kinds: Kinds, names: Iterable[str]) -> list[Row]:
    """The rows with the quotients of these columns."""
    quotients = {name: kind for name in names if isinstance(kind := kinds[name], Quotient) and kind.of}
    return [row | {name: kind.quotient(*parts_of(kind, row)) for name, kind in quotients.items()} for row in rows]


def parts_of(kind: Quotient, row: Mapping[str, Any]) -> tuple[Exact | None, Exact | None]:
    """The two numbers whose quotient a column is."""
    part, whole = kind.of or ("", "")
    return row.get(part), row.get(whole)


def largest_first(rows: Sequence[Row], by: str, groups: Sequence[str]) -> list[Row]:
    """The rows by the size of one column, groups by their sums."""
    sums: dict[tuple[Any, ...], Exact] = {}
    depths = range(1, len(groups) + 1)

    def prefix(row: Row, depth: int) -> tuple[Any, ...]:
        return tuple(row[name] for name in groups[:depth])

    with localcontext(EXACT):
        for row in rows:
            for depth in depths:
                place = prefix(row, depth)
                sums[place] = sums.get(place, 0) + (row[by] or 0)
        return sorted(rows, key=lambda row: [*(-sums[prefix(row, depth)] for depth in depths), -(row[by] or 0)])
