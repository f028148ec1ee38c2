"""What was read about a period becomes a report in one reader's words: tables, key figures, charts.

::

    Material: the rows of the report's queries, of the period and of those that it is compared with
    Voice:    the words and the writer of a language
    compose(mailing, material, voice) -> Report
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from emailketing.errors import DeclarationError, nearest
from emailketing.model import document_text
from emailketing.report import defaults
from emailketing.report.charts import Chart, Plot
from emailketing.report.declaration import Alert, Part, ReportMailing
from emailketing.report.frame import Layout, Table, readable, split, table
from emailketing.report.kinds import Exact, Kind, Money, Number, Percent, exact, plain
from emailketing.report.naming import Words
from emailketing.report.periods import Period, label
from emailketing.report.report import MOST_FIGURES, Figure, Report, Section
from emailketing.report.variance import Good

if TYPE_CHECKING:
    from emailketing.report.kinds import Writer

Row = Mapping[str, Any]

#: The names of the queries of key figures and of their courses, beside those of the parts.
FIGURES, TREND = "figures", "trend"

_CURRENCY = {"currency", "moneda"}


@dataclass(frozen=True)
class Listing:
    """What a query gave."""

    columns: tuple[str, ...] = ()
    rows: Sequence[Row] = ()

    def only(self, keep: Callable[[Row], bool]) -> Listing:
        """The rows that somebody is meant to see."""
        return replace(self, rows=[row for row in self.rows if keep(row)])


Listings = Mapping[str, Listing]  # by the name of a part; `FIGURES` and `TREND` beside them


@dataclass(frozen=True)
class Material:
    """All that was read about a period, and about the period before and the same one a year ago."""

    period: Period
    made_at: datetime
    now: Listings
    before: Listings = field(default_factory=dict)
    year_ago: Listings = field(default_factory=dict)

    def only(self, keep: Callable[[Row], bool]) -> Material:
        """The rows that somebody is meant to see, of every query; a query without the columns asked for gives none."""
        now, before, year_ago = (
            {part: listing.only(keep) for part, listing in listings.items()}
            for listings in (self.now, self.before, self.year_ago)
        )
        return replace(self, now=now, before=before, year_ago=year_ago)


@dataclass(frozen=True)
class Voice:
    """How one language tells a report: its words, its numbers and dates; `currency` is the company's."""

    words: Words
    writer: Writer
    currency: str = ""


def compose(mailing: ReportMailing, material: Material, voice: Voice) -> Report:
    """The report. Raises DeclarationError for whatever its declaration, its words or its queries say wrongly."""
    return _Composer(mailing, material, voice).report()


def beyond(alert: Alert, row: Row) -> bool:
    """Whether a row is beyond an alert's threshold. NULL is beyond nothing."""
    value = exact(_cell(row, alert.column))
    if value is None:
        return False
    above, below = (_limit(row, each) for each in (alert.above, alert.below))
    return (above is not None and value > above) or (below is not None and value < below)


def _limit(row: Row, limit: float | str | None) -> Exact | None:
    return exact(_cell(row, limit)) if isinstance(limit, str) else exact(limit)


def _cell(row: Row, column: str) -> Any:
    if column not in row:
        raise DeclarationError(f"The query gives no column {column!r}.", hint=nearest(column, row))
    return row[column]


class _Composer:
    """One report in the making."""

    def __init__(self, mailing: ReportMailing, material: Material, voice: Voice) -> None:
        self._mailing, self._material, self._voice = mailing, material, voice
        self._words = voice.words

    def report(self) -> Report:
        """The whole."""
        tables = {part.name: self._tables(part, self._material.now) for part in self._mailing.parts}
        return Report(
            what=self._words.title or readable(self._mailing.name),
            when=label(self._material.period, self._voice.writer.locale),
            made_at=self._material.made_at,
            unit=self._words.unit,
            message=self._words.message,
            figures=tuple(self._figures(tables[self._mailing.parts[0].name]))[:MOST_FIGURES],
            sections=tuple(each for part in self._mailing.parts for each in self._sections(part, tables[part.name])),
            notes=tuple(filter(None, [self._words.note])),
            period=self._material.period,
        )

    # Tables

    def _tables(self, part: Part, listings: Listings) -> dict[str, Table]:
        """A part's table by its currency, several where its amounts are of several; '' where nothing tells one."""
        listing = listings.get(part.name, Listing())
        rows = [row for row in listing.rows if self._told(part, row)]
        column = next((name for name in listing.columns if name.lower() in _CURRENCY), "")
        parted = split(rows, column) if column and column not in (*part.group_by, *part.columns) else {}
        layout = self._layout(part, listing)
        return {
            str(currency or "").strip(): table(self._worded(some), layout, listing.columns)
            for currency, some in (parted or {"": rows}).items()
        }

    def _told(self, part: Part, row: Row) -> bool:
        alert = self._mailing.alert
        return alert is None or bool(part.name) or beyond(alert, row)

    def _layout(self, part: Part, listing: Listing) -> Layout:
        labels = {name: word for name, word in self._words.columns.items() if name in listing.columns}
        return Layout(part.columns, labels, self._voice.currency, part.group_by, part.hide, part.total)

    def _worded(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows, with words for codes."""
        known = self._words.values
        if not known or not rows:
            return rows
        return [{name: _word(known.get(name), cell) for name, cell in row.items()} for row in rows]

    def _sections(self, part: Part, tables: Mapping[str, Table]) -> Iterator[Section]:
        name = part.name or self._mailing.name
        title = self._words.sections.get(name) or (readable(part.name) if part.name else "")
        for currency, whole in tables.items():
            sign = self._voice.writer.sign(currency) if currency and len(tables) > 1 else ""
            told = f"{title} ({sign})" if title and sign else title or sign
            yield Section(told, whole, self._plot(part, whole, self._words.charts.get(name, "")))

    def _plot(self, part: Part, whole: Table, title: str) -> Plot | None:
        if part.chart is False:
            return None
        if isinstance(part.chart, Chart):
            return replace(part.chart, title=title or part.chart.title).plot(whole)
        chosen = defaults.chart(whole, title)
        return chosen.plot(whole) if chosen else None

    # Key figures

    def _figures(self, tables: Mapping[str, Table]) -> Iterator[Figure]:
        """Those that the query of figures gives, or else the sums of the report's own table."""
        told = self._material.now.get(FIGURES)
        if told is not None and told.rows:
            yield from self._told_figures(told)
            return
        part, material = self._mailing.parts[0], self._material
        befores, agos = (self._tables(part, each) if each else {} for each in (material.before, material.year_ago))
        for currency, whole in tables.items():
            yield from defaults.figures(whole, befores.get(currency), agos.get(currency))

    def _told_figures(self, told: Listing) -> Iterator[Figure]:
        for needed in ("figure", "value"):
            if needed not in told.columns:
                raise DeclarationError(
                    f"The query of figures gives no column {needed!r}.", hint=nearest(needed, told.columns)
                )
        courses = self._courses()
        for row in told.rows:
            code = document_text(row["figure"])
            yield Figure(
                self._words.figures.get(code) or readable(code),
                exact(row["value"]),
                self._kind(row),
                self._compared(row, code, "previous", self._material.before),
                self._compared(row, code, "year_ago", self._material.year_ago),
                Good(_among(row.get("good"), Good, Good.UP)),
                courses.get(code, ()),
            )

    def _compared(self, row: Row, code: str, column: str, listings: Listings) -> Exact | None:
        if column in row:
            return exact(row[column])
        rows = listings.get(FIGURES, Listing()).rows
        return next((exact(each["value"]) for each in rows if document_text(each["figure"]) == code), None)

    def _kind(self, row: Row) -> Kind:
        currency, unit = plain(row.get("currency")), plain(row.get("unit"))
        kind = _among(row.get("kind"), ("money", "number", "percent"), "")
        if kind == "percent":
            return Percent()
        if kind == "money" or (currency and kind != "number"):
            return Money(str(currency or self._voice.currency).strip())
        return Number(measure=str(unit or ""))

    def _courses(self) -> dict[str, tuple[Exact | None, ...]]:
        trend = self._material.now.get(TREND, Listing())
        for needed in ("figure", "at", "value") if trend.rows else ():
            if needed not in trend.columns:
                raise DeclarationError(
                    f"The query of the trend gives no column {needed!r}.", hint=nearest(needed, trend.columns)
                )
        courses: dict[str, list[tuple[str, Exact | None]]] = {}
        for row in trend.rows:
            courses.setdefault(document_text(row["figure"]), []).append((str(row["at"]), exact(row["value"])))
        return {code: tuple(value for _, value in sorted(points, key=_first)) for code, points in courses.items()}


def _first(point: tuple[str, Exact | None]) -> str:
    return point[0]


def _word(known: Mapping[str, str] | None, cell: Any) -> Any:
    return cell if cell is None or not known else known.get(document_text(cell), cell)


def _among(given: Any, known: Any, default: Any) -> Any:
    word = str(plain(given) or "").strip().lower()
    if not word:
        return default
    names = [str(each) for each in known]
    if word not in names:
        raise DeclarationError(f"The query of figures says {word!r}.", hint=nearest(word, names))
    return word
