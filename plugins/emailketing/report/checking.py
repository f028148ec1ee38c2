"""Names that a report's declaration and its words use, held against the columns that its queries give."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from emailketing.errors import DeclarationError, nearest
from emailketing.report.charts import Chart
from emailketing.report.composing import FIGURES, Listing, Listings
from emailketing.report.declaration import Part, ReportMailing
from emailketing.report.kinds import Quotient
from emailketing.report.naming import Words


def faults(mailing: ReportMailing, listings: Listings) -> list[DeclarationError]:
    """Every name in the declaration that no column has."""
    return [error for part in mailing.parts for error in _part(mailing, part, listings.get(part.name, Listing()))]


def unwritten(mailing: ReportMailing, part: Part, sql: str) -> list[DeclarationError]:
    """Every name in a part's declaration that its query does not even mention: without the ERP no more can be told.

    A query that takes all columns of a table, by `*`, may give any.
    """
    if _EVERY_COLUMN.search(sql):
        return []
    return list(_part(mailing, part, Listing(tuple(sorted(set(_NAME.findall(sql)))))))


_EVERY_COLUMN = re.compile(r"(?:\bselect|,|\.)\s*\*", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d]\w*")


def misnamed(mailing: ReportMailing, words: Words, listings: Listings) -> list[DeclarationError]:
    """Every name in the words of a language that says nothing of this report."""
    columns = {name for listing in listings.values() for name in listing.columns}
    columns |= {name for part in mailing.parts for name in part.columns}
    parts = {mailing.name, *(part.name for part in mailing.parts if part.name)}
    found = list(_unknown("No query gives a column {}.", {**words.columns, **words.values}, columns))
    found += _unknown("The report has no section {}.", {**words.sections, **words.charts}, parts)
    told = listings.get(FIGURES, Listing())
    codes = {str(row.get("figure")) for row in told.rows}
    return [*found, *(_unknown("The query of figures gives no {}.", words.figures, codes) if codes else ())]


def _part(mailing: ReportMailing, part: Part, listing: Listing) -> Iterator[DeclarationError]:
    told = f"{part.query(mailing.name)}.sql gives no column {{}}."
    quotients = {name: kind.of for name, kind in part.columns.items() if isinstance(kind, Quotient) and kind.of}
    there = [*listing.columns, *quotients]
    parts = [each for of in quotients.values() for each in of]
    said = (*part.columns, *part.group_by, *part.hide, *parts, *(part.brief or ()), *filter(None, [part.largest]))
    yield from _unknown(told, said, there)
    if isinstance(part.chart, Chart):
        chart = part.chart
        named = (chart.x, chart.y, chart.previous, chart.plan, chart.forecast, chart.by, chart.sums)
        yield from _unknown(told, filter(None, named), there)
    if mailing.alert and not part.name:
        limits = [each for each in (mailing.alert.above, mailing.alert.below) if isinstance(each, str)]
        yield from _unknown(told, [mailing.alert.column, *limits, *mailing.alert.marks], listing.columns)


def _unknown(told: str, names: Iterable[str], known: Iterable[str]) -> Iterator[DeclarationError]:
    known = list(known)
    for name in dict.fromkeys(names):
        if name not in known:
            yield DeclarationError(told.format(repr(name)), hint=nearest(name, known))
