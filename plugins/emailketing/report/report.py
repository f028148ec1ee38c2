"""A report, assembled: what the templates of `_report` show as mail, text, phone message and paper.

`Report` is the value; `written(writer)` gives it as one reader sees it, every number and date in words, so that
templates only place them. Tables are written line by line when they are asked for: a mail shows some, paper all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from emailketing.errors import DeclarationError
from emailketing.hostile import cleaned, one_line
from emailketing.report.charts import Drawing, Plot, Spark, SparkDrawing
from emailketing.report.frame import Column, Line, Style, Table
from emailketing.report.kinds import DASH, Exact, Kind, Money, Numeric, Text, Writer, minus
from emailketing.report.periods import Cadence, Period, subject_label
from emailketing.report.variance import Good, Mood, Scale, Variance, variance
from emailketing.report.words import words

#: What a reader takes in at a glance.
MOST_FIGURES = 6

#: A column of texts as short as this without a space is one of codes.
_LONGEST_CODE = 14

#: A page's width in letters, what pictures beside the rows leave of it, and the least that a column of words needs.
_PAGE, _BESIDE_PICTURES, _NARROWEST = 114.0, 106.0, 24.0

#: So many amounts side by side are there to be compared, and may be told in thousands; fewer may be looked up.
_COMPARED = 4

#: Columns with one unit that say it once, in the head of the first.
_SAME_UNIT = 3

#: Lines of a section that a mail shows, which is read on a phone; a section of more travels as a file as well. A list
#: of more that is not the first section shows the fewer of them. Accounts and groups are summed up instead.
MOST_SHOWN, FEWER_SHOWN, MOST_SUMMED = 10, 5, 12

#: A detail as short as this stays in one line on a narrow screen.
_SHORT_DETAIL = 24


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


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of goods: a file below include/ or the picture's bytes, and what it shows; '' what its line is."""

    source: str | bytes
    alt: str = ""


@dataclass(frozen=True)
class Section:
    """A table with its title, the chart above it and a note below it.

    `picture` stands beside the title; `pictures` beside the rows, one or None for each line of the table, or there are
    none at all. Only paper shows them.
    """

    title: str
    table: Table
    chart: Plot | None = None
    note: str = ""
    picture: Picture | None = None
    pictures: tuple[Picture | None, ...] = ()


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
    """The head of a column, and which part of the width it needs, in per cent.

    `shared` is the unit of the other columns, where it is said once.
    """

    label: str
    unit: str
    right: bool = False
    width: float = 0.0
    shared: str = ""

    @property
    def full(self) -> str:
        """Label and unit."""
        own = f"{self.label}, {self.unit}" if self.unit else self.label
        return f"{own} ({self.shared})" if self.shared else own


@dataclass(frozen=True, slots=True)
class DetailText:
    """What a narrow screen shows under a line: 'Anterior 1.200'; a variance with its mood."""

    text: str
    mood: Mood | None = None


@dataclass(frozen=True, slots=True)
class LineText:
    """A line as it is written: a text for each column; and for narrow screens what it is, its details, its amount.

    `moods` says of each text what its variance means; () where there are none.
    """

    texts: tuple[str, ...]
    style: Style
    level: int
    what: str
    details: tuple[DetailText, ...]
    amount: str
    moods: tuple[Mood | None, ...] = ()
    picture: Picture | None = None

    @property
    def detail(self) -> str:
        """All details in one line."""
        return " ·\u00a0".join(each.text for each in self.details)


class Written:
    """A report as one reader sees it."""

    def __init__(self, report: Report, writer: Writer) -> None:
        self.report, self.writer = report, writer
        self._words = words(writer.locale)
        self.who, self.what, self.when = (_clean(each) for each in (report.who, report.what, report.when))
        self.titled = ", ".join(filter(None, (self.what, _clean(report.unit))))
        self.notes = [_clean(note) for note in report.notes]
        self.empty = report.empty

    @cached_property
    def when_short(self) -> str:
        """The period where there is little room, as in a subject."""
        period = self.report.period
        return subject_label(period, self.writer.locale) if period else self.when

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
        """The sections; those of the same columns have them at the same places."""
        found = [
            SectionText(section, self.writer, FEWER_SHOWN if place else MOST_SHOWN)
            for place, section in enumerate(self.report.sections)
        ]
        for each in found:
            each.alike = tuple(other for other in found if other.table.columns == each.table.columns)
        return found

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
    """A section as one reader sees it; `most` lines are what a mail shows of more than anybody reads there."""

    def __init__(self, section: Section, writer: Writer, most: int = MOST_SHOWN) -> None:
        self._section, self.table, self._writer = section, section.table, writer
        self._words = words(writer.locale)
        self.title, self.note = _clean(section.title), _clean(section.note)
        self.chart: Drawing | None = section.chart.written(writer) if section.chart else None
        self.picture, self.pictured = section.picture, bool(section.pictures)
        #: The sections whose columns stand at the same places.
        self.alike: tuple[SectionText, ...] = (self,)
        self._page = _BESIDE_PICTURES if self.pictured else _PAGE
        self._most, self.count = most, len(section.table.rows())
        self._groups = [section.table.index(name) for name in section.table.group_by]
        #: The place of the column that says what a line is.
        self.label = self._place_of_label()
        self._main = self._place_of_amount()

    @cached_property
    def heads(self) -> list[HeadText]:
        """The heads of the columns; a unit that most of them have stands in the first one."""
        units = [column.kind.unit(self._writer) for column in self.table.columns]
        most = max(filter(None, units), key=units.count, default="")
        once = most if units.count(most) >= _SAME_UNIT else ""
        return [
            HeadText(
                _clean(column.label),
                "" if unit == once else unit,
                column.kind.right,
                width,
                once if place == self.label else "",
            )
            for place, (column, unit, width) in enumerate(zip(self.table.columns, units, self._widths(), strict=True))
        ]

    @cached_property
    def shown(self) -> int:
        """How many lines a mail shows at most."""
        lines = self.table.lines
        if self._groups or any(line.style is Style.SUM for line in lines):
            return self.room(MOST_SUMMED)
        return self.room(self._most if len(lines) > MOST_SHOWN else MOST_SHOWN)

    @property
    def what_head(self) -> str:
        """The head over what a narrow screen shows at the left."""
        return self.heads[self.label].label if self.heads else ""

    @property
    def amount_head(self) -> str:
        """The head over what a narrow screen shows at the right."""
        if self._main is None:
            return ""
        column = self.table.columns[self._main]
        return HeadText(_clean(column.label), column.kind.unit(self._writer)).full

    @cached_property
    def paper(self) -> SectionText:
        """The section for a page: where many amounts do not fit beside one another, in thousands or millions."""
        amounts = [column for column in self.table.columns if isinstance(column.kind, Money) and column.kind.sums]
        if len(amounts) < _COMPARED or self._least() <= self._page:
            return self
        every = [value for column in amounts for value in self.table.values(column.name)]
        scale = Scale.compared(every, amounts[0].kind)
        columns = tuple(_scaled(column, scale) if column in amounts else column for column in self.table.columns)
        return SectionText(replace(self._section, table=replace(self.table, columns=columns)), self._writer)

    def lines(self) -> Iterator[LineText]:
        """All lines, for paper; a group's value is not repeated down its column."""
        above: tuple[object, ...] = ()
        others = self.table.others()
        pictures = self._section.pictures or (None,) * len(self.table.lines)
        for line, picture in zip(self.table.lines[: len(self.table.lines) - len(others)], pictures, strict=False):
            written = self._written(line, above)
            yield replace(written, picture=picture) if picture else written
            above = self._group_of(line)
        if others:
            yield self._others(others)

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

    def room(self, most: int) -> int:
        """So many lines, or all where a single row would be left over: it takes no more room than saying so."""
        return len(self.table.lines) if self.more(most) == 1 else most

    def more(self, most: int) -> int:
        """How many rows come after those that `brief` shows; 0 where it shows all, or sums that stand for all."""
        if self.is_whole(most) or self._summary(most):
            return 0
        return self.count - sum(line.style is not Style.SUBTOTAL for line in self.table.lines[:most])

    @property
    def printed(self) -> int:
        """How many rows paper shows."""
        return self.count - max(len(self.table.others()) - 1, 0)

    def _others(self, rows: Sequence[Line]) -> LineText:
        """Rows that paper does not show, as one line."""
        line = self.table.summed(rows)
        texts = ["" if value is None else text for value, text in zip(line.cells, self._texts(line), strict=True)]
        what = self._words["others"].format(count=self._writer.number(len(rows), 0))
        if texts and not self.table.columns[self.label].kind.right:
            texts[self.label] = what
        amount = texts[self._main] if self._main is not None else ""
        details = self._details(line, texts, sums=True)
        return LineText(tuple(texts), line.style, line.level, what, details, amount, line.moods)

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
        texts = self._texts(line)
        if line.style in {Style.SUBTOTAL, Style.TOTAL}:
            return self._sum(line, texts)
        what = texts[self.label] if texts else ""
        amount = texts[self._main] if self._main is not None else ""
        details = self._details(line, texts)
        for depth, place in enumerate(self._groups):
            if above[: depth + 1] == self._group_of(line)[: depth + 1]:
                texts[place] = ""
        return LineText(tuple(texts), line.style, line.level, what, details, amount, line.moods)

    def _texts(self, line: Line) -> list[str]:
        written = [
            (column.kind.right, column.kind.written(value, self._writer))
            for column, value in zip(self.table.columns, line.cells, strict=True)
        ]
        return [minus(text) if is_number else text for is_number, text in written]

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
        details = self._details(line, texts, sums=True)
        return LineText(tuple(texts), line.style, line.level, what, details, amount, line.moods)

    def _details(self, line: Line, texts: Sequence[str], *, sums: bool = False) -> tuple[DetailText, ...]:
        """What a narrow screen shows under a line: groups and words as they are, numbers with their heads."""
        moods = line.moods or (None,) * len(texts)
        return tuple(
            DetailText(self._named(column, value, text), mood)
            for place, (column, value, text, mood) in enumerate(
                zip(self.table.columns, line.cells, texts, moods, strict=True)
            )
            if self._is_detail(place, column) and value is not None and not (sums and place in self._groups)
        )

    def _is_detail(self, place: int, column: Column) -> bool:
        if place in (self.label, self._main):
            return False
        return self.table.brief is None or column.name in self.table.brief

    def _named(self, column: Column, value: Exact, text: str) -> str:
        if type(column.kind) is Text:
            return text
        main = self.table.columns[self._main].kind if self._main is not None else column.kind
        same_unit = column.kind.unit(self._writer) == main.unit(self._writer)
        told = text if same_unit else column.kind.told(value, self._writer)
        return _together(_clean(column.label), minus(told) if column.kind.right else told)

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
        """The part of a page's width that each column needs; words give way to numbers, which never break."""
        needed = [max(needs) for needs in zip(*(each._needs for each in self.alike), strict=True)]
        breaking = [any(breaks) for breaks in zip(*(each._breaking for each in self.alike), strict=True)]
        pairs = list(zip(needed, breaking, strict=True))
        fixed = sum(need for need, breaks in pairs if not breaks)
        rest = sum(need for need, breaks in pairs if breaks)
        given = min(1.0, max(self._page - fixed, 0.0) / rest) if rest else 1.0
        needs = [max(need * given, min(need, _NARROWEST / 2)) if breaks else need for need, breaks in pairs]
        # Rounded down: a hundredth too much in all, and the last head of a listing stands on a line of its own.
        return [math.floor(10_000 * need / sum(needs)) / 100 for need in needs]

    def _least(self) -> float:
        """How many letters wide a page must be for the table."""
        pairs = zip(self._needs, self._breaking, strict=True)
        return sum(min(need, _NARROWEST) if breaks else need for need, breaks in pairs)

    @cached_property
    def _needs(self) -> list[float]:
        """How wide each column would be, in letters, by its longest words."""
        lines = [*self.table.lines[:2000], *([self.table.total] if self.table.total else [])]
        return [self._need(place, column, lines) for place, column in enumerate(self.table.columns)]

    @cached_property
    def _breaking(self) -> list[bool]:
        """Which columns may be broken over lines: those of words; numbers, dates, ticks and short codes never are."""
        lines = self.table.rows()[:2000]
        return [
            isinstance(column.kind, Text)
            and not (type(column.kind) is Text and all(_is_code(line.cells[place]) for line in lines))
            for place, column in enumerate(self.table.columns)
        ]

    def _need(self, place: int, column: Column, lines: Sequence[Line]) -> float:
        texts = [column.kind.written(line.cells[place], self._writer) for line in lines]
        unit = column.kind.unit(self._writer)
        head = max((1.2 * _breadth(word) for word in f"{column.label}, {unit}".strip(" ,").split()), default=1.0)
        if not self._breaking[place]:  # a digit is wider than a letter, in a bold total more so
            return float(max([head, *(1.25 * len(text) for text in texts)]) + 2)
        lengths = sorted(map(_breadth, texts)) or [1.0]
        usual = lengths[int(len(lengths) * 0.95)]
        indent = 2 * max((line.level for line in lines), default=0) if place == self.label else 0
        return float(min(max(head, usual) + indent, 44) + 2)


@dataclass(frozen=True)
class _Scaled(Numeric):
    """Amounts in thousands or millions."""

    scale: Scale
    good: str = ""  # type: ignore[misc]
    sums: bool = True  # type: ignore[misc]

    def unit(self, writer: Writer) -> str:
        """'miles de Gs.'."""
        return self.scale.unit(writer)

    def _written(self, value: Any, writer: Writer) -> str:
        return self.scale.written(value, writer)


def _scaled(column: Column, scale: Scale) -> Column:
    kind = column.kind
    plain = replace(kind, good="") if isinstance(kind, Money) else kind
    good = kind.good if isinstance(kind, Numeric) else ""
    return replace(column, kind=_Scaled(replace(scale, kind=plain), good))


def _is_code(text: str | None) -> bool:
    """Whether a text is one short word, which a hyphen in it must not break."""
    return text is None or (len(text) <= _LONGEST_CODE and not text.count(" "))


def _together(label: str, told: str) -> str:
    """A head and its value: short ones in one line, of longer ones what makes no sense apart."""
    named = f"{label}\u00a0{told}".replace("Δ ", "Δ\u00a0")
    return named.replace(" ", "\u00a0") if len(named) <= _SHORT_DETAIL else named


def _breadth(text: str) -> float:
    """How wide a text is, in small letters; digits and capitals are wider."""
    return len(text) + 0.25 * sum(sign.isdigit() or sign.isupper() for sign in text)


def _clean(text: str) -> str:
    return one_line(cleaned(text))
