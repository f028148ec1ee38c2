"""The days that a report's queries may ask for, by the names of their parameters.

::

    :start  :end                        the first day of the period, and the day after its last
    :previous_start  :previous_end      of the period before
    :year_ago_start  :year_ago_end      of the same period a year ago
    :end_less_1  :end_plus_7            any of these, so many days earlier or later

Ends are exclusive: `booked_on >= :start AND booked_on < :end` is right for days and for moments alike. No two databases
add days in the same words, so it is done here; `:end_less_1` is the period's last day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta

from emailketing.report.periods import Period

_SHIFTED = re.compile(r"(?P<day>\w+)_(?P<way>less|plus)_(?P<days>\d{1,5})")


def days(period: Period, names: Iterable[str], told: int | None = None) -> dict[str, date]:
    """The days by name, and those among `names` that are so many days from one of them.

    Of a period that still runs only the first `told` days count, and as many of those that it is compared with. A name
    that is none is left out: the query's own error names its line.
    """
    spans = {"": period, "previous_": period.before(), "year_ago_": period.year_ago()}
    known = {}
    for name, span in spans.items():
        known[f"{name}start"] = span.start
        known[f"{name}end"] = min(span.end, span.start + timedelta(days=told)) if told else span.end
    shifted = {name: day for name in names if (day := _shifted(name, known))}
    return {**known, **shifted}


def _shifted(name: str, known: dict[str, date]) -> date | None:
    found = _SHIFTED.fullmatch(name)
    if found is None or found["day"] not in known:
        return None
    by = timedelta(days=int(found["days"]))
    return known[found["day"]] + (by if found["way"] == "plus" else -by)
