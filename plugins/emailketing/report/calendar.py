"""The business calendar: which days are worked, and at which moments a reader's report is due.

A due moment belongs to one planned day, and its period is fixed by that day: a shift moves when a report is sent,
never what it is about. So whoever asks twice, or late, gets the same moments with the same periods.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from emailketing.errors import DeclarationError, nearest
from emailketing.report.periods import Cadence, Period, completed, containing, local

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: No company is closed for longer; a calendar that says so is wrong.
_LONGEST_CLOSURE = 60

_Choice = TypeVar("_Choice", bound=StrEnum)


class Shift(StrEnum):
    """What becomes of a day that is not worked."""

    NONE = "none"  # it stays
    BEFORE = "before"  # the last business day before it
    AFTER = "after"  # the first business day after it
    SKIP = "skip"  # nothing is due


class CatchUp(StrEnum):
    """What becomes of moments that passed while nobody looked."""

    ALL = "all"
    NEWEST = "newest"  # only the last one missed, and that only when none is due now
    NONE = "none"


@dataclass(frozen=True)
class BusinessCalendar:
    """The days on which a company works.

    `country` (ISO 3166, '' for none) and `subdivision` choose public holidays; `days_off` are the company's own, and
    `worked` are days on which it works all the same. `weekend` holds weekdays, Monday being 0.
    """

    country: str = "PY"
    subdivision: str = ""
    days_off: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()
    weekend: frozenset[int] = frozenset({5, 6})

    def __post_init__(self) -> None:
        if not self.weekend < frozenset(range(7)):
            raise DeclarationError(f"The weekend {sorted(self.weekend)} leaves no day to work on (Monday is 0).")
        _ = self._holidays  # an unknown country is told now

    def is_business_day(self, day: date) -> bool:
        """Whether the company works on this day."""
        if day in self.worked:
            return True
        return not (day.weekday() in self.weekend or day in self.days_off or self.holiday(day))

    def holiday(self, day: date) -> str:
        """The name of the public holiday on this day; '' when there is none."""
        return str(self._holidays.get(day) or "") if self.country else ""

    def shifted(self, day: date, shift: Shift) -> date | None:
        """The day on which something planned for `day` happens; None when it falls out."""
        if shift is Shift.NONE or self.is_business_day(day):
            return day
        if shift is Shift.SKIP:
            return None
        step = -1 if shift is Shift.BEFORE else 1
        near = (day + timedelta(days=step * distance) for distance in range(1, _LONGEST_CLOSURE + 1))
        found = next((each for each in near if self.is_business_day(each)), None)
        if found is None:
            raise DeclarationError(f"The calendar has no business day for {_LONGEST_CLOSURE} days {shift} {day}.")
        return found

    def nth_business_day(self, period: Period, nth: int) -> date:
        """The nth business day of a period, from 1; negative from its end. A period with fewer gives its last (first).

        A period without any gives the first business day after it.
        """
        days = [day for day in _days(period) if self.is_business_day(day)]
        if not days:
            return self.shifted(period.end, Shift.AFTER) or period.end
        return _nth(days, nth)

    def last_business_day(self, year: int, month: int) -> date:
        """The last business day of a month."""
        return self.nth_business_day(containing(Cadence.MONTHLY, date(year, month, 1)), -1)

    @cached_property
    def _holidays(self) -> Any:
        if not self.country:
            return {}
        import holidays

        known = holidays.list_supported_countries()
        if self.country not in known:
            raise DeclarationError(
                f"No holidays are known for the country {self.country!r}.", hint=nearest(self.country, known)
            )
        if self.subdivision and self.subdivision not in known[self.country]:
            raise DeclarationError(
                f"{self.country} has no subdivision {self.subdivision!r}.",
                hint=nearest(self.subdivision, known[self.country]),
            )
        return holidays.country_holidays(self.country, subdiv=self.subdivision or None)


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A report is due at `moment` (UTC), about `period`; `planned` is the day before any shift."""

    moment: datetime
    planned: date
    period: Period = field(compare=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a reader wants his report: once in each day, week, month, quarter or year, at an hour of his own zone.

    `day` counts the days of the week, month, quarter or year from 1, negative from its end, and stops at its last: 31
    is the last of every month. With `business` it counts business days. The report is about the period that was over
    on the planned day, or with `running` about the one to which that day belongs.
    """

    cadence: Cadence
    zone: ZoneInfo
    at: time = time(7)
    day: int = 1
    business: bool = False
    shift: Shift = Shift.NONE
    running: bool = False

    def __post_init__(self) -> None:
        if self.day == 0:
            raise DeclarationError("There is no day 0; the first is 1, the last -1.")

    def due(self, since: datetime, until: datetime, calendar: BusinessCalendar) -> list[Due]:
        """The due moments after `since` and up to `until` (aware), oldest first; of several at once all."""
        found = (self._due(cycle, calendar) for cycle in self._cycles(since, until))
        return sorted(each for each in found if each and since < each.moment <= until)

    def next(self, now: datetime, calendar: BusinessCalendar) -> Due | None:
        """The first due moment after `now`; None when none comes within three years."""
        for days in (40, 400, 1200):
            if found := self.due(now, now + timedelta(days=days), calendar):
                return found[0]
        return None

    def _cycles(self, since: datetime, until: datetime) -> Iterator[Period]:
        """The days, weeks, months … of which one may have its due moment between the two, shifts considered."""
        reach = timedelta(days=_LONGEST_CLOSURE + 1)
        cycle = containing(self.cadence, since.astimezone(self.zone).date() - reach)
        last = until.astimezone(self.zone).date() + reach
        while cycle.start <= last:
            yield cycle
            cycle = cycle.after()

    def _due(self, cycle: Period, calendar: BusinessCalendar) -> Due | None:
        planned = calendar.nth_business_day(cycle, self.day) if self.business else _nth(_days(cycle), self.day)
        day = calendar.shifted(planned, self.shift)
        if day is None:
            return None
        period = cycle if self.running else completed(self.cadence, cycle.start)
        return Due(local(day, self.at, self.zone), planned, period)

    @classmethod
    def declared(cls, given: Mapping[str, Any], zone: ZoneInfo) -> Rule:
        """A rule from the words of a settings or DAG file; `zone` is the company's, where none is given.

        `cadence`, `at` ("07:30"), `timezone`, `day` (a number, "first", "last", or a weekday), `business` (true or
        false), `shift` (none, before, after, skip), `period` (completed or running). Raises DeclarationError with the
        nearest valid word.
        """
        for name in given:
            _among(name, ("cadence", "at", "timezone", "day", "business", "shift", "period"), "word of a schedule")
        cadence = Cadence.named(given.get("cadence", "daily"))
        return cls(
            cadence,
            _zone(given["timezone"]) if given.get("timezone") else zone,
            clock(given.get("at", "07:00")),
            _day(given.get("day", 1), cadence),
            _flag(given.get("business", False)),
            chosen(Shift, given.get("shift", "none")),
            _among(given.get("period", "completed"), ("completed", "running"), "period") == "running",
        )


def caught_up(
    dues: Sequence[Due], now: datetime, policy: CatchUp, tolerance: timedelta = timedelta(hours=1)
) -> tuple[list[Due], list[Due]]:
    """Which of the due moments are sent at `now`, and which are passed over (to be recorded, not forgotten).

    What is late by no more than `tolerance` is always sent; `policy` decides on the rest.
    """
    ordered = sorted(dues)
    timely = [each for each in ordered if now - each.moment <= tolerance]
    late = [each for each in ordered if now - each.moment > tolerance]
    match policy:
        case CatchUp.ALL:
            return ordered, []
        case CatchUp.NEWEST if late and not timely:
            return late[-1:], late[:-1]
        case _:
            return timely, late


def _days(period: Period) -> list[date]:
    return [period.start + timedelta(days=number) for number in range(period.days)]


def _nth(days: Sequence[date], nth: int) -> date:
    index = min(nth, len(days)) - 1 if nth > 0 else max(nth, -len(days))
    return days[index]


def _among(word: Any, known: Iterable[str], what: str) -> str:
    names = list(known)
    if str(word).strip().lower() not in names:
        raise DeclarationError(f"There is no {what} {str(word)!r}.", hint=nearest(str(word), names))
    return str(word).strip().lower()


def chosen(kind: type[_Choice], word: Any) -> _Choice:
    """The member of `kind` that a settings or DAG file names. Raises DeclarationError with the nearest name."""
    return kind(_among(word, [each.value for each in kind], kind.__name__.lower()))


def _zone(name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        from zoneinfo import available_timezones

        raise DeclarationError(
            f"There is no timezone {str(name)!r}.", hint=nearest(str(name), available_timezones())
        ) from None


def clock(text: Any) -> time:
    """A time of day, from "07:30" or "7". Raises DeclarationError."""
    if isinstance(text, time):
        return text
    # YAML reads 7:30 without quotes as a number to the base of sixty.
    if isinstance(text, int) and not isinstance(text, bool) and 60 <= text < 1440:
        return time(*divmod(text, 60))
    match = re.fullmatch(r"([01]?\d|2[0-3])(?::([0-5]\d))?", str(text).strip())
    if match is None:
        raise DeclarationError(f"{str(text)!r} is no time of day.", hint='Write it like "07:30".')
    return time(int(match[1]), int(match[2] or 0))


def _day(word: Any, cadence: Cadence) -> int:
    text = str(word).strip().lower()
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    names = {"first": 1, "last": -1}
    if cadence is Cadence.WEEKLY:
        names.update({name: number for number, name in enumerate(WEEKDAYS, 1)})
    return names[_among(text, names, f"{cadence} day")]


def _flag(word: Any) -> bool:
    return _among(word, ("true", "false"), "choice") == "true"
