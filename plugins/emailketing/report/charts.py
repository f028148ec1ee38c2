"""Charts: declared by a small record, made into data by a table, told in words, drawn when somebody looks.

    Chart("bar", x="branch", y="sales", previous="sales_before", title="Ventas por sucursal")

What means the same looks the same: the actual period is dark, the one before lighter, a plan outlined, a forecast
hatched; time runs from left to right, categories run down by size; what is good for the business is green and has its
sign. `Plot` is the data and can be read without a picture; `drawing` draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

from emailketing.errors import DeclarationError, nearest
from emailketing.model import Attachment
from emailketing.report.frame import Line, Style, Table
from emailketing.report.kinds import DASH, Date, DateTime, Exact, Kind, Numeric, Writer, ratio, signed, total
from emailketing.report.variance import Good, Scale, Variance, variance
from emailketing.report.words import words

#: Parts that are told apart in one bar.
MOST_PARTS = 5

#: Points that an alternative text tells one by one; of longer series it tells the course.
MOST_TOLD = 12


class ChartKind(StrEnum):
    """What a chart shows."""

    LINE = "line"  # the course of time
    BAR = "bar"  # sizes; columns where x is time
    STACKED = "stacked"  # sizes and what they consist of
    WATERFALL = "waterfall"  # how one sum becomes the next; every sum stands after what it sums
    SHARE = "share"  # parts of a whole; bars where there are more than three


class Role(StrEnum):
    """What a series stands for."""

    ACTUAL = "actual"
    PREVIOUS = "previous"
    PLAN = "plan"
    FORECAST = "forecast"
    PART = "part"


@dataclass(frozen=True)
class Chart:
    """A declared chart over the columns of its section's table.

    `x` is a column of categories or days, `y` of numbers; `previous`, `plan` and `forecast` are columns to compare
    with, `by` the column whose values a stacked bar consists of. They may be columns that the table hides; then rows
    without a number in a hidden `y` are left out, and sums of accounts may be drawn. `sums` names the column that says
    which steps of a waterfall are sums, where those are not the sums of accounts. `good` says which way is good: up,
    down or none. Categories run by size, with `in_order` as the rows do; those beyond `most` are added up as others.
    """

    kind: str
    x: str
    y: str
    title: str = ""
    previous: str = ""
    plan: str = ""
    forecast: str = ""
    by: str = ""
    sums: str = ""
    good: str = "up"
    in_order: bool = False
    most: int = 10

    def __post_init__(self) -> None:
        for word, known in ((self.kind, ChartKind), (self.good, Good)):
            if word not in list(known):
                names = [each.value for each in known]
                raise DeclarationError(f"A chart has no {known.__name__.lower()} {word!r}.", hint=nearest(word, names))
        if (self.kind == ChartKind.STACKED) != bool(self.by):
            raise DeclarationError("A stacked chart, and only that, names the column `by` that parts its bars.")
        if self.sums and self.kind != ChartKind.WATERFALL:
            raise DeclarationError("Only a waterfall has sums among its bars: `sums` says which they are.")

    def plot(self, table: Table) -> Plot | None:
        """The chart's data; None when there is nothing to draw. Raises DeclarationError for unknown columns."""
        if not table:
            return None
        for name in filter(None, (self.y, self.previous, self.plan, self.forecast)):
            if not isinstance(table.kind(name), Numeric):
                raise DeclarationError(f"A chart draws numbers, and column {name!r} holds none.")
        data = _Data(self, table).plot()
        return data if any(value for series in data.series for value in series.values) else None


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one role, one for each label of the plot; None where there is none. '' as label: the role's word."""

    role: Role
    label: str
    values: tuple[Exact | None, ...]


@dataclass(frozen=True)
class Plot:
    """The data of a chart, ready to be drawn or told: exact numbers, in the order in which they are shown."""

    kind: ChartKind
    title: str
    labels: tuple[Any, ...]
    label_kind: Kind
    value_kind: Kind
    series: tuple[Series, ...]
    good: Good = Good.UP
    sums: tuple[bool, ...] = ()  # waterfall: which of the labels are sums
    others: int = 0  # how many categories the last label adds up

    @property
    def over_time(self) -> bool:
        """Whether the labels are days."""
        return isinstance(self.label_kind, Date | DateTime)

    @property
    def actual(self) -> Series:
        """The first series: what the chart is about."""
        return self.series[0]

    def compared(self) -> list[Variance | None]:
        """For each label, how far the actual value is from the one before, or else from the plan."""
        base = next((each for each in self.series if each.role in {Role.PREVIOUS, Role.PLAN}), None)
        if base is None:
            return [None for _ in self.labels]
        pairs = zip(self.actual.values, base.values, strict=True)
        return [variance(value, other, self.value_kind, self.good) for value, other in pairs]

    def written(self, writer: Writer) -> Drawing:
        """The chart for one reader."""
        return Drawing(self, writer)


class Drawing:
    """A chart for one reader: `alt` tells its figures, `png` is for mail, `svg` for paper; drawn when first asked."""

    def __init__(self, plot: Plot, writer: Writer) -> None:
        self.plot, self.writer = plot, writer
        self._words = words(writer.locale)

    @cached_property
    def png(self) -> Attachment:
        """For a column of 600 px, at twice its size, with type that is legible when a phone halves it."""
        from emailketing.report import drawing

        return Attachment("chart.png", "image/png", drawing.png(self))

    @cached_property
    def svg(self) -> Attachment:
        """For the width of a page."""
        from emailketing.report import drawing

        return Attachment("chart.svg", "image/svg+xml", drawing.svg(self))

    @cached_property
    def scale(self) -> Scale:
        """The scale of the chart's numbers."""
        stacked = self.plot.kind is ChartKind.STACKED
        series = [tuple(stacks(self.plot))] if stacked else [each.values for each in self.plot.series]
        return Scale.fitting((value for values in series for value in values), self.plot.value_kind)

    @property
    def title(self) -> str:
        """The title, or what the values are."""
        return self.plot.title

    @cached_property
    def labels(self) -> list[str]:
        """The labels as they are written."""
        return [self._label(place) for place in range(len(self.plot.labels))]

    def name(self, series: Series) -> str:
        """The name of a series."""
        return series.label or self._words[series.role.value]

    def shares(self) -> list[str]:
        """Each label's part of the whole."""
        whole = total(self.plot.actual.values)
        parts = [ratio(value, whole) for value in self.plot.actual.values]
        return [DASH if part is None else self.writer.percent(part, 1) for part in parts]

    @cached_property
    def alt(self) -> str:
        """The chart in words, with its figures."""
        plot, unit = self.plot, self.scale.unit(self.writer)
        head = f"{self._words[plot.kind.value]}: {plot.title}" if plot.title else self._words[plot.kind.value]
        head = f"{head}, {unit}".rstrip(".,") if unit else head
        if plot.kind is ChartKind.STACKED:
            return f"{head}. {self._stacked()}"
        told = self._course(plot.actual) if len(plot.labels) > MOST_TOLD else "; ".join(self._points())
        return f"{head}. {told}."

    def number(self, value: Exact) -> str:
        """A value in the chart's scale."""
        return self.scale.written(value, self.writer)

    def varied(self, against: Variance) -> str:
        """A variance; of what was nothing before, the difference in the chart's scale."""
        if against.relative:
            return against.written(self.writer)
        return signed(against.absolute, self.number(against.absolute))

    def _points(self) -> list[str]:
        shares = self.shares() if self.plot.kind is ChartKind.SHARE else [""] * len(self.labels)
        points = zip(self.labels, self.plot.actual.values, self.plot.compared(), shares, strict=True)
        return [self._point(*point) for point in points]

    def _point(self, label: str, value: Exact | None, against: Variance | None, share: str) -> str:
        number = DASH if value is None else self.number(value)
        more = share or (self.varied(against) if against else "")
        return f"{label} {number} ({more})" if more else f"{label} {number}"

    def _course(self, series: Series) -> str:
        there = [(label, value) for label, value in zip(self.labels, series.values, strict=True) if value is not None]
        if not there:
            return DASH
        least, most = min(there, key=lambda each: each[1]), max(there, key=lambda each: each[1])
        ends = {"first": there[0], "last": there[-1], "least": least, "most": most}
        told = {name: f"{self.number(value)} ({label})" for name, (label, value) in ends.items()}
        return self._words["from_to"].format(**told)

    def _stacked(self) -> str:
        sums = [total(series.values) for series in self.plot.series]
        parts = [
            f"{self.name(each)} {self.number(part or 0)}" for each, part in zip(self.plot.series, sums, strict=True)
        ]
        whole = Series(Role.ACTUAL, self._words["total"], tuple(stacks(self.plot)))
        if len(self.labels) > MOST_TOLD:
            bars = self._course(whole)
        else:
            bars = "; ".join(
                f"{label} {self.number(value or 0)}" for label, value in zip(self.labels, whole.values, strict=True)
            )
        return f"{bars}. {'; '.join(parts)}."

    def _label(self, place: int) -> str:
        value = self.plot.labels[place]
        if self.plot.others and place == len(self.plot.labels) - 1:
            return self._words["others"].format(count=self.plot.others)
        return day_label(value, self) if self.plot.over_time else self.plot.label_kind.written(value, self.writer)


def day_label(day: date | None, drawing: Drawing) -> str:
    """A day as a chart has it: '19 nov.'; the year, where the chart is about years, and the month, about months."""
    from babel.dates import format_date, format_skeleton

    if day is None:
        return DASH
    locale = drawing.writer.locale
    days = [each for each in drawing.plot.labels if each is not None]
    if all((each.month, each.day) == (1, 1) for each in days) and len(days) > 1:
        return str(day.year)
    if all(each.day == 1 for each in days) and len(days) > 1:
        return str(format_date(day, "MMM" if days[0].year == days[-1].year else "MMM yy", locale=locale))
    return str(format_skeleton("MMMd", day, locale=locale))


def stacks(plot: Plot) -> list[Exact | None]:
    """The height of each bar of a stacked chart."""
    return [total(values) for values in zip(*(series.values for series in plot.series), strict=True)]


@dataclass(frozen=True)
class Spark:
    """A course without axes, beside a key figure."""

    values: tuple[Exact | None, ...]
    kind: Kind

    def written(self, writer: Writer) -> SparkDrawing:
        """The course for one reader."""
        return SparkDrawing(self, writer)


class SparkDrawing:
    """A small course for one reader."""

    def __init__(self, spark: Spark, writer: Writer) -> None:
        self.spark, self.writer = spark, writer

    @cached_property
    def png(self) -> Attachment:
        """Twice 120 x 32 px."""
        from emailketing.report import drawing

        return Attachment("trend.png", "image/png", drawing.spark_png(self.spark.values))

    @cached_property
    def svg(self) -> Attachment:
        """The same for paper."""
        from emailketing.report import drawing

        return Attachment("trend.svg", "image/svg+xml", drawing.spark_svg(self.spark.values))

    @property
    def alt(self) -> str:
        """The course in words."""
        known = words(self.writer.locale)
        there = [value for value in self.spark.values if value is not None]
        scale = Scale.fitting(there, self.spark.kind)
        ends = {"first": there[0], "last": there[-1], "least": min(there), "most": max(there)}
        told = {name: scale.written(value, self.writer) for name, value in ends.items()}
        unit = scale.unit(self.writer)
        return f"{known['trend']}{', ' + unit if unit else ''}: {known['from_to'].format(**told)}"


class _Data:
    """From a declared chart and a table to a plot."""

    def __init__(self, chart: Chart, table: Table) -> None:
        self._chart, self._table = chart, table
        self._kind = ChartKind(chart.kind)
        self._label_kind = table.kind(chart.x)
        self._time = isinstance(self._label_kind, Date | DateTime)

    def plot(self) -> Plot:
        if self._kind is ChartKind.WATERFALL:
            return self._waterfall()
        labels = self._labels()
        parts = self._parts(labels) if self._kind is ChartKind.STACKED else self._compared(labels)
        plot = Plot(
            self._kind,
            self._chart.title,
            tuple(labels),
            Date() if self._time else self._label_kind,
            self._table.kind(self._chart.y),
            parts,
            Good(self._chart.good),
        )
        return self._ordered(plot)

    def _waterfall(self) -> Plot:
        lines = self._drawn() if self._hidden else self._table.rows()
        x, y = self._table.cell(self._chart.x), self._table.cell(self._chart.y)
        is_sum = self._table.cell(self._chart.sums) if self._chart.sums else None
        return Plot(
            self._kind,
            self._chart.title,
            tuple(x(line) for line in lines),
            self._label_kind,
            self._table.kind(self._chart.y),
            (Series(Role.ACTUAL, "", tuple(y(line) for line in lines)),),
            Good(self._chart.good),
            sums=tuple(bool(is_sum(line)) if is_sum else line.style is Style.SUM for line in lines),
        )

    @property
    def _hidden(self) -> bool:
        """Whether the numbers are of a column that is not shown, and so were made for the chart."""
        return self._chart.y in {column.name for column in self._table.aside}

    def _drawn(self) -> list[Line]:
        y = self._table.cell(self._chart.y)
        return [line for line in self._table.rows() if y(line) is not None]

    def _lines(self) -> list[Line]:
        if self._hidden:
            return self._drawn()
        return [line for line in self._table.lines if line.style is Style.ROW]

    def _labels(self) -> list[Any]:
        label = self._table.cell(self._chart.x)
        found = dict.fromkeys(self._day(label(line)) for line in self._lines())
        if self._time:
            return sorted(day for day in found if day is not None)
        return list(found)

    def _day(self, value: Any) -> Any:
        return value.date() if self._time and isinstance(value, datetime) else value

    def _values(self, labels: Sequence[Any], name: str, lines: Iterable[Line]) -> tuple[Exact | None, ...]:
        x, y = self._table.cell(self._chart.x), self._table.cell(name)
        cells: dict[Any, list[Exact | None]] = {}
        for line in lines:
            cells.setdefault(self._day(x(line)), []).append(y(line))
        return tuple(total(cells.get(label, [])) for label in labels)

    def _compared(self, labels: Sequence[Any]) -> tuple[Series, ...]:
        chart = self._chart
        roles = [(Role.ACTUAL, chart.y), (Role.PREVIOUS, chart.previous), (Role.PLAN, chart.plan)]
        named = [(role, name) for role, name in (*roles, (Role.FORECAST, chart.forecast)) if name]
        lines = self._lines()
        return tuple(Series(role, self._head(name, named), self._values(labels, name, lines)) for role, name in named)

    def _head(self, name: str, named: Sequence[Any]) -> str:
        """Where one column is drawn the title tells; of several each has its head."""
        return self._table.column(name).label if len(named) > 1 else ""

    def _parts(self, labels: Sequence[Any]) -> tuple[Series, ...]:
        by = self._table.cell(self._chart.by)
        groups: dict[Any, list[Line]] = {}
        for line in self._lines():
            groups.setdefault(by(line), []).append(line)
        found = [
            Series(Role.PART, DASH if name is None else str(name), self._values(labels, self._chart.y, lines))
            for name, lines in groups.items()
        ]
        found.sort(key=lambda series: abs(Decimal(total(series.values) or 0)), reverse=True)
        return _gathered(found)

    def _ordered(self, plot: Plot) -> Plot:
        if self._time or plot.kind is ChartKind.LINE or self._chart.in_order:
            return plot
        sizes = stacks(plot) if plot.kind is ChartKind.STACKED else plot.actual.values
        order = sorted(range(len(sizes)), key=lambda place: -(sizes[place] or 0))
        plot = _picked(plot, order)
        return _with_others(plot, self._chart.most) if len(order) > self._chart.most else plot


def _picked(plot: Plot, order: Sequence[int]) -> Plot:
    series = tuple(replace(each, values=tuple(each.values[place] for place in order)) for each in plot.series)
    return replace(plot, labels=tuple(plot.labels[place] for place in order), series=series)


def _with_others(plot: Plot, most: int) -> Plot:
    """The first categories, and all others as one."""
    kept = most - 1
    series = tuple(replace(each, values=(*each.values[:kept], total(each.values[kept:]))) for each in plot.series)
    return replace(plot, labels=(*plot.labels[:kept], None), series=series, others=len(plot.labels) - kept)


def _gathered(parts: list[Series]) -> tuple[Series, ...]:
    if len(parts) <= MOST_PARTS:
        return tuple(parts)
    kept, rest = parts[: MOST_PARTS - 1], parts[MOST_PARTS - 1 :]
    values = tuple(total(column) for column in zip(*(each.values for each in rest), strict=True))
    return (*kept, Series(Role.PART, "…", values))
