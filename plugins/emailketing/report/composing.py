"""What was read about a period becomes a report in one reader's words: tables, key figures, charts.

::

    Material: the rows of the report's queries, of the period and of those that it is compared with
    Voice:    the words and the writer of a language
    compose(mailing, material, voice) -> Report
    notice(mailing, period, made_at, voice, about) -> Report    that it is late, or that its alert is over
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from emailketing.errors import DeclarationError, nearest
from emailketing.model import document_text
from emailketing.report import defaults
from emailketing.report.alerting import Row, beyond
from emailketing.report.charts import Chart, Plot
from emailketing.report.declaration import Part, ReportMailing
from emailketing.report.frame import Layout, Table, readable, split, table
from emailketing.report.kinds import Exact, Kind, Money, Number, Percent, Ratio, exact, plain, total
from emailketing.report.naming import Words
from emailketing.report.periods import Period, label, short_label
from emailketing.report.report import MOST_FIGURES, Figure, Report, Section
from emailketing.report.variance import Good
from emailketing.report.words import words

if TYPE_CHECKING:
    from emailketing.report.kinds import Writer

#: The names of the queries of key figures and of their courses, beside those of the parts.
FIGURES, TREND = "figures", "trend"

#: What is told of a report instead of its figures, and the version of such a message: it is late, its alert is over.
LATE, OVER = "late", "over"

_CURRENCY = {"currency", "moneda"}

_WHOLE = 1000  # of a figure as large as this nobody reads the decimals


@dataclass(frozen=True)
class Listing:
    """What a query gave; `denied` says that it gave rows, and none that the reader may see."""

    columns: tuple[str, ...] = ()
    rows: Sequence[Row] = ()
    denied: bool = False

    def only(self, keep: Callable[[Row], bool]) -> Listing:
        """The rows that somebody is meant to see."""
        rows = [row for row in self.rows if keep(row)]
        return replace(self, rows=rows, denied=bool(self.rows) and not rows)


Listings = Mapping[str, Listing]  # by the name of a part; `FIGURES` and `TREND` beside them


@dataclass(frozen=True)
class Material:
    """All that was read about a period, and about the period before and the same one a year ago."""

    period: Period
    made_at: datetime
    now: Listings
    before: Listings = field(default_factory=dict)
    year_ago: Listings = field(default_factory=dict)

    def of_alert(self, rows: Sequence[Row]) -> Material:
        """With these rows in the place of those of the report's own query."""
        return replace(self, now={**self.now, "": replace(self.now[""], rows=rows)})

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
        there = {*listing.columns, *part.columns}
        labels = {name: self._dated(word) for name, word in self._words.columns.items() if name in there}
        sums = (part.group_by, part.hide, part.total, part.brief, part.fold, part.largest, part.most)
        return Layout(part.columns, labels, self._voice.currency, *sums)

    def _dated(self, head: str) -> str:
        """A column's head, where it names the period, or one that it is compared with: 'nov. 2026'."""
        if "{" not in head:
            return head
        for name, dates in self._spans.items():
            head = head.replace(f"{{{name}}}", dates)
        return head

    @cached_property
    def _spans(self) -> Mapping[str, str]:
        period, locale = self._material.period, self._voice.writer.locale
        ago = short_label(period.year_ago(), locale)
        year = str(period.year_ago().last_day.year)
        return {
            "period": short_label(period, locale),
            "previous": short_label(period.before(), locale),
            "year_ago": ago if year in ago else f"{ago} {year}",
        }

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
        if told is not None and not told.denied:
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
        for code, rows in _by_figure(told).items():
            kind = self._kind({**rows[0], "value": total(exact(row["value"]) for row in rows)})
            yield Figure(
                self._words.figures.get(code) or readable(code),
                _come_to(rows, kind),
                kind,
                self._compared(rows, kind, "previous", self._material.before),
                self._compared(rows, kind, "year_ago", self._material.year_ago),
                Good(_among(rows[0].get("good"), Good, Good.UP)),
                courses.get(code, ()),
            )

    def _compared(self, rows: Sequence[Row], kind: Kind, column: str, listings: Listings) -> Exact | None:
        if column in rows[0]:
            return total(exact(row[column]) for row in rows)
        code = document_text(rows[0]["figure"])
        return _come_to(_by_figure(listings.get(FIGURES, Listing())).get(code, []), kind)

    def _kind(self, row: Row) -> Kind:
        currency, unit = plain(row.get("currency")), plain(row.get("unit"))
        kind = _among(row.get("kind"), ("money", "number", "percent"), "")
        if kind == "percent":
            return Percent()
        if kind == "money" or (currency and kind != "number"):
            return Money(str(currency or self._voice.currency).strip())
        measure = str(unit or "")
        if plain(row.get("per")) is not None:
            return Ratio(measure=measure)
        value = exact(row["value"])
        return Number(0 if value is not None and not -_WHOLE < value < _WHOLE else None, measure=measure)

    def _courses(self) -> dict[str, tuple[Exact | None, ...]]:
        trend = self._material.now.get(TREND, Listing())
        for needed in ("figure", "at", "value") if trend.rows else ():
            if needed not in trend.columns:
                raise DeclarationError(
                    f"The query of the trend gives no column {needed!r}.", hint=nearest(needed, trend.columns)
                )
        return {code: _course(rows) for code, rows in _by_figure(trend).items()}


def _by_figure(told: Listing) -> dict[str, list[Row]]:
    """The rows of each figure, in the order in which figures first come."""
    found: dict[str, list[Row]] = {}
    for row in told.rows:
        found.setdefault(document_text(row["figure"]), []).append(row)
    return found


def _come_to(rows: Sequence[Row], kind: Kind) -> Exact | None:
    """What the rows of a figure come to: their sum, or where they have a `per`, what it is of the sum of that."""
    value = total(exact(row["value"]) for row in rows)
    if all(plain(row.get("per")) is None for row in rows):
        return value
    whole = total(exact(row["per"]) for row in rows)
    return (kind if isinstance(kind, Percent) else Ratio()).quotient(value, whole)


def _course(rows: Sequence[Row]) -> tuple[Exact | None, ...]:
    """The points of a figure by their time, those of one time added up."""
    points: dict[str, list[Exact | None]] = {}
    for row in rows:
        points.setdefault(str(row["at"]), []).append(exact(row["value"]))
    return tuple(total(points[at]) for at in sorted(points))


def notice(mailing: ReportMailing, period: Period, made_at: datetime, voice: Voice, about: str) -> Report:
    """What is told of a report instead of its figures: that it is `late`, or that its alert is `over`."""
    own, known = voice.words, words(voice.writer.locale)
    told = {LATE: own.waiting, OVER: own.recovered}[about] or known[f"{about}_because"]
    return Report(
        what=f"{own.title or readable(mailing.name)}: {known[about]}",
        when=label(period, voice.writer.locale),
        made_at=made_at,
        message=f"{told} {known['late_until']}" if about == LATE else told,
        period=period,
    )


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
