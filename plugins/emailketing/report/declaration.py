"""What a DAG file declares of a report: its tables, for whom, how often, as which files, on which condition.

A declaration costs no database, no pandas and no drawing: Airflow reads it every few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import StrEnum

from emailketing.errors import DeclarationError, nearest
from emailketing.model import Mailing
from emailketing.report.calendar import CatchUp
from emailketing.report.charts import Chart
from emailketing.report.kinds import Kind
from emailketing.report.periods import Cadence

#: The files that may travel with a report.
FORMATS = ("pdf", "xlsx", "csv")


class Empty(StrEnum):
    """What becomes of a report in whose period nothing happened."""

    TELL = "tell"  # it says so
    SKIP = "skip"  # nobody is written to; the outbox says why


@dataclass(frozen=True)
class Part:
    """One table of a report, from a query of its own: `<report>.<name>.sql`, or `<report>.sql` where `name` is ''.

    `columns`, `group_by`, `hide`, `total`, `brief`, `fold`, `largest` and `most` are those of `frame.Layout`. `chart`
    None draws what fits, False nothing.
    """

    name: str = ""
    columns: Mapping[str, Kind] = field(default_factory=dict)
    group_by: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    total: bool | None = None
    chart: Chart | bool | None = None
    brief: tuple[str, ...] | None = None
    fold: bool = False
    largest: str = ""
    most: int | None = None

    def query(self, report: str) -> str:
        """The name of its query."""
        return f"{report}.{self.name}" if self.name else report


@dataclass(frozen=True)
class Alert:
    """Only rows beyond a threshold are told, and nobody is written to when there is none.

    `column` is a column of the report's query; a row is beyond when its value is more than `above` or less than
    `below`, each a number or the name of another column.

    - `only_changed`: not told again while the rows are the same as those that were told last.
    - `grace`: a row is told when it has been beyond for so long, as often as anybody looked.
    - `recovery`: once nothing is beyond any more, those who were told are told so.
    - `watch`: judged at each look of the DAG, about the period that runs, and not when a reader is due; told when there
      is something to tell, and again when the rows have changed.
    - `by`: the columns that make a row the same one at the next look. Without it those that hold no number, and
      `only_changed` heeds every column that is shown.
    """

    column: str
    above: float | str | None = None
    below: float | str | None = None
    only_changed: bool = False
    grace: timedelta = timedelta(0)
    recovery: bool = False
    watch: bool = False
    by: str | tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise DeclarationError(
                f"An alert on {self.column!r} has no threshold.", hint="Give above=… or below=…, a number or a column."
            )
        if not isinstance(self.grace, timedelta) or self.grace < timedelta(0):
            raise DeclarationError(
                f"The grace of an alert is no length of time: {self.grace!r}.", hint="Write grace=timedelta(hours=2)."
            )

    @property
    def remembers(self) -> bool:
        """Whether what one look found decides what the next one tells."""
        return self.only_changed or self.recovery or self.watch or bool(self.grace)

    @property
    def marks(self) -> tuple[str, ...]:
        """The columns of `by`."""
        return (self.by,) if isinstance(self.by, str) else tuple(self.by)

    @property
    def limits(self) -> str:
        """The thresholds, in words for whoever runs it."""
        given = {"above": self.above, "below": self.below}
        return " or ".join(f"{name} {limit}" for name, limit in given.items() if limit is not None)


@dataclass(frozen=True, slots=True)
class ReportMailing(Mailing):
    """A report as its DAG file declares it.

    `parts` begins with the table of the report's own query. `cadences` are those that readers may have, the first of
    them is had by `to`, an audience of include/subscriptions.yaml. `at` is the hour of readers who name none.
    `schedule` is the DAG's cron, '' where it has another timetable, by the clock of `clock` (an IANA name), '' where
    Airflow's default is meant; `path` and `line` are the place of the declaration.
    """

    to: str = ""
    cadences: tuple[Cadence, ...] = (Cadence.DAILY,)
    attach: tuple[str, ...] = ()
    parts: tuple[Part, ...] = (Part(),)
    at: time | None = None
    empty: Empty = Empty.TELL
    alert: Alert | None = None
    wait_hours: float | None = None
    catch_up: CatchUp = CatchUp.NEWEST
    schedule: str = ""
    clock: str = ""
    path: str = ""
    line: int = 0


def formats(given: object) -> tuple[str, ...]:
    """The files that somebody wants, from a name, a list of names, or none. Raises DeclarationError."""
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, list | tuple) else []
    wanted = [str(name).strip().lower() for name in names if str(name).strip().lower() not in {"", "none"}]
    for name in wanted:
        if name not in FORMATS:
            raise DeclarationError(f"There is no format {name!r}.", hint=nearest(name, FORMATS))
    return tuple(dict.fromkeys(wanted))
