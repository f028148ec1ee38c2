"""What a report reads of the ERP about a period, in one snapshot; and whether the period may be told yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from emailketing.erp import Erp
from emailketing.erp import Reader as ErpReader
from emailketing.errors import SqlError, nearest
from emailketing.report import parameters
from emailketing.report.composing import FIGURES, TREND, Listing, Listings, Material
from emailketing.report.declaration import ReportMailing
from emailketing.report.periods import Period
from emailketing.road.reporter import About, Reporter

#: Rows of a query that are held in memory; a report of more is no reading matter.
MOST_ROWS = 200_000

_COMPARED = 50_000  # a longer listing is not read twice more, to be compared with itself


def gather(reporter: Reporter, mailing: ReportMailing, about: About, now: datetime) -> Material:
    """The rows of all of a report's queries, in one snapshot of the ERP."""
    period = about.period
    elapsed = (about.until - period.start).days + 1 if about.until else None
    with reporter.erp.reading() as reader:
        reading = _Reading(reporter.erp, reader, mailing, elapsed)
        told = reading.of(period, [*(part.name for part in mailing.parts), FIGURES, TREND])
        compared = reading.compared(told)
        before = reading.of(period.before(), compared) if compared else {}
        ago = reading.of(period.year_ago(), compared) if compared and period.before() != period.year_ago() else {}
    return Material(period, now, told, before, ago)


def ready(reporter: Reporter, mailing: ReportMailing, period: Period) -> bool:
    """Whether a period may be told, by `<name>.ready.sql`: its first row says so. Raises SqlError."""
    name = f"{mailing.name}.ready"
    with reporter.erp.reading() as reader:
        asked = parameters.days(period, reporter.erp.query(name).parameters)
        columns, rows = reader.listing(name, MOST_ROWS, **asked)
    if "ready" not in columns:
        query = reporter.erp.query(name)
        raise SqlError("the query gives no column 'ready'.", path=query.path, hint=nearest("ready", columns))
    return bool(rows) and _is_true(rows[0]["ready"])


def _is_true(value: Any) -> bool:
    """As databases say it: true, 1, 't', 'true', 'yes'; NULL is no."""
    if isinstance(value, str):
        return value.strip().lower() in {"true", "t", "yes", "y", "1", "s", "sí", "si"}
    return bool(value)


class _Reading:
    """One snapshot's reading of a report; of a period that still runs, and of those beside it, `days` count."""

    def __init__(self, erp: Erp, reader: ErpReader, mailing: ReportMailing, days: int | None) -> None:
        self._erp, self._reader, self._mailing, self._days = erp, reader, mailing, days

    def of(self, period: Period, parts: Sequence[str]) -> Listings:
        """The rows of these parts about a period."""
        names = {part: f"{self._mailing.name}.{part}" if part else self._mailing.name for part in parts}
        there = {part: name for part, name in names.items() if part not in (FIGURES, TREND) or self._erp.has(name)}
        return {part: Listing(*self._listing(name, period)) for part, name in there.items()}

    def _listing(self, name: str, period: Period) -> tuple[tuple[str, ...], Sequence[Mapping[str, Any]]]:
        asked = parameters.days(period, self._erp.query(name).parameters, self._days)
        return self._reader.listing(name, MOST_ROWS, **asked)

    def compared(self, told: Listings) -> list[str]:
        """Which parts are read of the periods to compare with: what the key figures come from, where periods matter."""
        part = FIGURES if FIGURES in told else ""
        query = self._erp.query(f"{self._mailing.name}.{part}" if part else self._mailing.name)
        if not {"start", "end"} & query.parameters.keys() or len(told[part].rows) > _COMPARED:
            return []
        return [] if {"previous", "year_ago"} <= set(told[part].columns) and part else [part]
