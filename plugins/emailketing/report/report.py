"""A report, assembled: what the templates of `_report` show as mail, text, phone message and paper.

`Report` is the value; `written(writer)` gives it as one reader sees it, every number and date in words, so that
templates only place them. Tables are written line by line when they are asked for: a mail shows some, paper all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from emailketing.errors import DeclarationError
from emailketing.hostile import cleaned, one_line
from emailketing.report.charts import Drawing, Plot, Spark, SparkDrawing
from emailketing.report.frame import Column, Line, Style, Table
from emailketing.report.kinds import DASH, Exact, Kind, Money, Text, Writer
from emailketing.report.periods import Cadence, Period
from emailketing.report.variance import Good, Mood, Scale, Variance, minus, variance
from emailketing.report.words import words

#: What a reader takes in at a glance.
MOST_FIGURES = 6

#: Lines of a section that a mail shows; a section of more travels as a file as well.
MOST_SHOWN = 12


@dataclass(frozen=True)
class Figure:
    """A key figure, with what it was in the period before and in the same one a year ago.

    `good` says which way is good: up, down or none. `trend` is its course, oldest first, drawn small beside it.
    """

    label: str
    value: Exact | None
    kind: Kind
    previous: Exact | None = None
    year_ago: Exact | None = None
    good: Good = Good.UP
    trend: tuple[Exact | None, ...] = ()


@dataclass(frozen=True)
class Section:
    """A table with its title, the chart above it and a note below it."""

    title: str
    table: Table
    chart: Plot | None = None
    note: str = ""


@dataclass(frozen=True)
class Report:
    """A report about one period: a title of three lines (who, what with its unit, when), figures, sections, notes.

    `unit` ("en guaraníes") stands behind `what` on paper and in the mail. `message` says in one sentence what the
    reader should know; '' says it of the first figure. `who` '' is the company.
    """

    what: str
    when: str
    made_at: datetime
    who: str = ""
    unit: str = ""
    message: str = ""
    figures: tuple[Figure, ...] = ()
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()
    period: Period | None = None

    def __post_init__(self) -> None:
        if len(self.figures) > MOST_FIGURES:
            raise DeclarationError(
                f"A report shows at most {MOST_FIGURES} key figures, and {len(self.figures)} are given.",
                hint="Choose those that a director asks for first; a section can hold the rest.",
            )

    @property
    def empty(self) -> bool:
        """Whether nothing happened: no row, and no figure but zero."""
        return not any(section.table for section in self.sections) and not any(each.value for each in self.figures)

    def written(self, writer: Writer) -> Written:
        """The report as one reader sees it."""
        return Written(self, writer)


@dataclass(frozen=True, slots=True)
class VarianceText:
    """'+8,1 %' and what it is compared with: 'mes anterior'."""

    text: str
    base: str
    mood: Mood


@dataclass(frozen=True)
class FigureText:
    """A key figure as it is written: the number large, a long unit small below it, `full` both in one line."""

    label: str
    value: str
    unit: str
    full: str
    variances: tuple[VarianceText, ...]
    spark: SparkDrawing | None


@dataclass(frozen=True, slots=True)
class HeadText:
    """The head of a column, and which part of the width it needs, in per cent."""

    label: str
    unit: str
    right: bool
    width: float

    @property
    def full(self) -> str:
        """Label and unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label


@dataclass(frozen=True, slots=True)
class LineText:
    """A line as it is written: a text for each column; and for narrow screens what it is, its details, its amount."""

    texts: tuple[str, ...]
    style: Style
    level: int
    what: str
    detail: str
    amount: str


class Written:
    """A report as one reader sees it."""

    def __init__(self, report: Report, writer: Writer) -> None:
        self.report, self.writer = report, writer
        self._words = words(writer.locale)
        self.who, self.what, self.when = (_clean(each) for each in (report.who, report.what, report.when))
        self.titled = ", ".join(filter(None, (self.what, _clean(report.unit))))
        self.notes = [_clean(note) for note in report.notes]
        self.shown = MOST_SHOWN
        self.empty = report.empty

    @cached_property
    def message(self) -> str:
        """The one sentence."""
        if self.report.message or self.empty:
            return _clean(self.report.message) or self._words["nothing"]
        if not self.figures:
            return f"{self.what}, {self.when}"
        first = self.figures[0]
        # Of what was nothing before, the variance would only repeat the figure.
        told = [(name, each) for name, each in self._compared(self.report.figures[0]) if each.relative]
        compared = [f"{each.written(self.writer)} {self._words[f'against_{name}']}" for name, each in told]
        return ", ".join([f"{first.label}: {first.full}", *compared[:1]])

    @cached_property
    def figures(self) -> list[FigureText]:
        """The key figures."""
        return [self._figure(figure) for figure in self.report.figures]

    @cached_property
    def sections(self) -> list[SectionText]:
        """The sections."""
        return [SectionText(section, self.writer) for section in self.report.sections]

    def _figure(self, figure: Figure) -> FigureText:
        scale = Scale.short(figure.value, figure.kind)
        full = DASH if figure.value is None else _full(figure.value, scale, self.writer)
        scaled = figure.value is not None and scale.power
        value = scale.written(figure.value or 0, self.writer) if scaled else full
        unit = scale.unit(self.writer) if scaled else ""
        trend = figure.trend if sum(each is not None for each in figure.trend) > 1 else ()
        spark = Spark(trend, figure.kind).written(self.writer) if trend else None
        variances = tuple(
            VarianceText(each.written(self.writer), self._words[name], each.mood)
            for name, each in self._compared(figure)
        )
        return FigureText(_clean(figure.label), value, unit, full, variances, spark)

    def _compared(self, figure: Figure) -> list[tuple[str, Variance]]:
        """The variances of a figure by the name of what they are compared with."""
        before = self.report.period.cadence.value if self.report.period else "before"
        pairs = [(before, figure.previous), ("year_ago", figure.year_ago)]
        if before == Cadence.YEARLY:  # the year before is the year ago
            pairs = pairs[:1]
        found = [(name, variance(figure.value, base, figure.kind, figure.good)) for name, base in pairs]
        return [(name, each) for name, each in found if each]


def _full(value: Exact, scale: Scale, writer: Writer) -> str:
    """A number with its unit, in its scale."""
    if not scale.power:
        return minus(scale.kind.told(value, writer))
    return f"{scale.written(value, writer)}\u00a0{scale.unit(writer)}"


class SectionText:
    """A section as one reader sees it."""

    def __init__(self, section: Section, writer: Writer) -> None:
        self.table, self._writer = section.table, writer
        self._words = words(writer.locale)
        self.title, self.note = _clean(section.title), _clean(section.note)
        self.chart: Drawing | None = section.chart.written(writer) if section.chart else None
        self.count = len(section.table.rows())
        self._groups = [section.table.index(name) for name in section.table.group_by]
        #: The place of the column that says what a line is.
        self.label = self._place_of_label()
        self._main = self._place_of_amount()

    @cached_property
    def heads(self) -> list[HeadText]:
        """The heads of the columns."""
        return [
            HeadText(_clean(column.label), column.kind.unit(self._writer), column.kind.right, width)
            for column, width in zip(self.table.columns, self._widths(), strict=True)
        ]

    @property
    def what_head(self) -> str:
        """The head over what a narrow screen shows at the left."""
        return self.heads[self.label].full if self.heads else ""

    @property
    def amount_head(self) -> str:
        """The head over what a narrow screen shows at the right."""
        return self.heads[self._main].full if self._main is not None else ""

    def lines(self) -> Iterator[LineText]:
        """All lines, for paper; a group's value is not repeated down its column."""
        above: tuple[object, ...] = ()
        for line in self.table.lines:
            yield self._written(line, above)
            above = self._group_of(line)

    def brief(self, most: int) -> list[LineText]:
        """At most so many lines that say the most: all, or the groups' sums, or the upper accounts, or the first."""
        lines = self.table.lines
        if len(lines) > most:
            lines = self._summary(most) or lines
        return [self._written(line, ()) for line in lines[:most]]

    @cached_property
    def foot(self) -> LineText | None:
        """The total."""
        return self._written(self.table.total, ()) if self.table.total else None

    def is_whole(self, most: int) -> bool:
        """Whether `brief` shows everything."""
        return len(self.table.lines) <= most

    def _summary(self, most: int) -> tuple[Line, ...]:
        lines = self.table.lines
        if self._groups:
            sums = tuple(line for line in lines if line.style is Style.SUBTOTAL and line.level == 0)
            return sums if len(sums) <= most else ()
        if any(line.style is Style.SUM for line in lines):
            depths = sorted({line.level for line in lines}, reverse=True)
            cuts = (tuple(line for line in lines if line.level <= depth) for depth in depths)
            return next((cut for cut in cuts if len(cut) <= most), ())
        return ()

    def _written(self, line: Line, above: tuple[object, ...]) -> LineText:
        texts = [
            minus(column.kind.written(value, self._writer))
            if column.kind.right
            else column.kind.written(value, self._writer)
            for column, value in zip(self.table.columns, line.cells, strict=True)
        ]
        if line.style in {Style.SUBTOTAL, Style.TOTAL}:
            return self._sum(line, texts)
        what = texts[self.label] if texts else ""
        amount = texts[self._main] if self._main is not None else ""
        detail = self._detail(line, texts)
        for depth, place in enumerate(self._groups):
            if above[: depth + 1] == self._group_of(line)[: depth + 1]:
                texts[place] = ""
        return LineText(tuple(texts), line.style, line.level, what, detail, amount)

    def _sum(self, line: Line, texts: list[str]) -> LineText:
        """A line of sums: what cannot be added stays empty, and the label says what is summed."""
        texts = ["" if value is None else text for value, text in zip(line.cells, texts, strict=True)]
        place = self._groups[line.level] if line.style is Style.SUBTOTAL else self._first_of_words()
        named = line.cells[place] if line.style is Style.SUBTOTAL else None
        what = self._words["total"]
        if line.style is Style.SUBTOTAL:
            what = f"{what} {DASH if named is None else self.table.columns[place].kind.written(named, self._writer)}"
        if texts and not self.table.columns[place].kind.right:
            texts[place] = what
        amount = texts[self._main] if self._main is not None else ""
        return LineText(tuple(texts), line.style, line.level, what, self._detail(line, texts, sums=True), amount)

    def _detail(self, line: Line, texts: Sequence[str], *, sums: bool = False) -> str:
        """What a narrow screen shows under a line: groups and words as they are, numbers with their heads."""
        there = [
            (column, value, text)
            for place, (column, value, text) in enumerate(zip(self.table.columns, line.cells, texts, strict=True))
            if place not in (self.label, self._main) and value is not None and not (sums and place in self._groups)
        ]
        return " · ".join(self._named(column, value, text) for column, value, text in there)

    def _named(self, column: Column, value: Exact, text: str) -> str:
        if type(column.kind) is Text:
            return text
        main = self.table.columns[self._main].kind if self._main is not None else column.kind
        same_unit = column.kind.unit(self._writer) == main.unit(self._writer)
        told = text if same_unit else column.kind.told(value, self._writer)
        return f"{_clean(column.label)} {minus(told) if column.kind.right else told}"

    def _group_of(self, line: Line) -> tuple[object, ...]:
        if line.style is Style.SUBTOTAL:
            return ()
        return tuple(line.cells[place] for place in self._groups)

    def _place_of_label(self) -> int:
        """The column that says what a line is: the first of words that is no group."""
        places = [place for place, column in enumerate(self.table.columns) if not column.kind.right]
        return next((place for place in places if place not in self._groups), places[0] if places else 0)

    def _first_of_words(self) -> int:
        return next((place for place, column in enumerate(self.table.columns) if not column.kind.right), 0)

    def _place_of_amount(self) -> int | None:
        """The column that matters most: the first of amounts, else the last of numbers that can be added."""
        columns = list(enumerate(self.table.columns))
        money = [place for place, column in columns if isinstance(column.kind, Money) and column.kind.sums]
        added = [place for place, column in columns if column.kind.sums]
        other = [place for place, column in columns if column.kind.right and place != self.label]
        return next(iter([*money[:1], *added[-1:], *other[-1:]]), None)

    def _widths(self) -> list[float]:
        """The part of a page's width that each column needs, by its longest words."""
        lines = [*self.table.lines[:2000], *([self.table.total] if self.table.total else [])]
        needs = [self._need(place, column, lines) for place, column in enumerate(self.table.columns)]
        return [round(100 * need / sum(needs), 2) for need in needs]

    def _need(self, place: int, column: Column, lines: Sequence[Line]) -> float:
        texts = [column.kind.written(line.cells[place], self._writer) for line in lines]
        head = max((len(word) for word in column.label.split()), default=1)
        if column.kind.right:  # numbers never break, and a digit is wider than a letter, in a bold total more so
            return float(max([head, *(1.25 * len(text) for text in texts)]) + 2)
        lengths = sorted(len(text) for text in texts) or [1]
        usual = lengths[int(len(lengths) * 0.95)]
        return float(min(max(head, usual), 44) + 2)


def _clean(text: str) -> str:
    return one_line(cleaned(text))
