"""What a report shows when its author declares nothing: the sums of its columns as key figures, and one chart."""

from __future__ import annotations

from collections.abc import Sequence

from emailketing.report.charts import Chart, ChartKind
from emailketing.report.frame import Column, Table
from emailketing.report.kinds import Date, DateTime, Exact, Money, Quotient, Text, total
from emailketing.report.report import MOST_FIGURES, Figure

#: A chart of one point says nothing that the figure beside it does not.
_FEWEST_POINTS = 2


def figures(table: Table, before: Table | None = None, year_ago: Table | None = None) -> tuple[Figure, ...]:
    """The sums of the columns that can be added, amounts first, and the ratios of sums; at most six.

    `before` and `year_ago` are the same query's tables for the periods to compare with; a column that they lack, or a
    period without rows, is compared with nothing.
    """
    named = [column for column in table.columns if column.kind.sums]
    named.sort(key=lambda column: not isinstance(column.kind, Money))
    named += [column for column in table.columns if _is_ratio(column)]
    return tuple(
        Figure(column.label, _sum(table, column), column.kind, _sum(before, column), _sum(year_ago, column))
        for column in named[:MOST_FIGURES]
    )


def chart(table: Table, title: str = "") -> Chart | None:
    """The main amount over the days or by the first column of words; None where there is nothing to compare."""
    y = next((column for column in table.columns if isinstance(column.kind, Money) and column.kind.sums), None)
    y = y or next((column for column in reversed(table.columns) if column.kind.sums), None)
    if y is None:
        return None
    for x in _by_preference(table):
        points = len({value for value in table.values(x.name) if value is not None})
        if points >= _FEWEST_POINTS:
            over_time = isinstance(x.kind, Date | DateTime)
            return Chart(ChartKind.LINE if over_time and points > 7 else ChartKind.BAR, x.name, y.name, title=title)
    return None


def _is_ratio(column: Column) -> bool:
    """Whether a column is a quotient that says something of itself; a variance is told beside its figure."""
    return isinstance(column.kind, Quotient) and column.kind.of is not None and not column.kind.good


def _by_preference(table: Table) -> Sequence[Column]:
    """Groups, then days that every row has, then words."""
    groups = [column for column in table.columns if column.name in table.group_by]
    days = [column for column in table.columns if isinstance(column.kind, Date | DateTime)]
    every = [column for column in days if all(value is not None for value in table.values(column.name))]
    return [*groups, *every, *(column for column in table.columns if type(column.kind) is Text)]


def _sum(table: Table | None, column: Column) -> Exact | None:
    if not table or column.name not in {each.name for each in table.columns}:
        return None
    if isinstance(column.kind, Quotient) and column.kind.of:
        part, whole = (total(map(table.cell(name), table.rows())) for name in column.kind.of)
        return column.kind.quotient(part, whole)
    return table.sum(column.name)
