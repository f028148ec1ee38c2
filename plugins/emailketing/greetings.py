"""Special dates: which day of a year is celebrated, and from when until when a person may be greeted. Pure.

An `Occasion` gives the celebrated day of each year; without one, each person has a day of his own (a birthday, the day
on which he was hired). `When` adds the hour of the recipient's clock and the days of grace. A `Window` is what one look
takes in. The celebrated day's year names the greeting, so that whoever looks on 31 December and on 1 January, twice, or
on two machines, means the same greeting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from emailketing.errors import DeclarationError, nearest
from emailketing.model import Kind, Mailing, OnUnknown

#: What an `on=` says where each row gives a day of its own.
OWN_DAY = "day"

#: How far back a look goes for greetings that nobody has seen expire.
_LONGEST = timedelta(days=366)

_ONE_DAY = timedelta(days=1)

#: Days that programs write for "none": the zero of Delphi and Excel, of SQL Server, and what people type.
NO_DAYS = frozenset(map(date.fromisoformat, ("0001-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01")))

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_NTH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_DAYS = (*_WEEKDAYS, "day", "business day")

_FIXED = re.compile(r"(\d{1,2})-(\d{1,2})")
_EASTER = re.compile(r"easter(?:\s*([+-])\s*(\d{1,3}))?")
_COUNTED = re.compile(r"(\S+) (business day|\S+) of (\S+)")


class Leap(StrEnum):
    """On which day of an ordinary year 29 February is celebrated."""

    BEFORE = "02-28"
    AFTER = "03-01"

    def day(self, year: int) -> date:
        """29 February, or what stands for it in this year."""
        if _is_leap(year):
            return date(year, 2, 29)
        return date(year, 2, 28) if self is Leap.BEFORE else date(year, 3, 1)


class Calendar(Protocol):
    """What is known of the days of a company."""

    @property
    def country(self) -> str:
        """Whose public holidays it keeps (ISO 3166); '' for none."""

    def is_business_day(self, day: date) -> bool:
        """Whether the company works on this day."""


class Occasion(Protocol):
    """A day that comes once a year."""

    def day(self, year: int, calendar: Callable[[], Calendar]) -> date | None:
        """The celebrated day of this year; None when the year has none."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same date each year."""

    month: int
    number: int
    leap: Leap

    def day(self, year: int, calendar: Callable[[], Calendar]) -> date:  # noqa: ARG002 the protocol's signature
        """The date; 29 February by the rule."""
        return self.leap.day(year) if (self.month, self.number) == (2, 29) else date(year, self.month, self.number)


@dataclass(frozen=True, slots=True)
class Easter:
    """So many days after Easter Sunday, or before it when negative."""

    offset: int

    def day(self, year: int, calendar: Callable[[], Calendar]) -> date:  # noqa: ARG002 the protocol's signature
        """The day by the Gregorian Easter."""
        from dateutil.easter import easter

        found: date = easter(year) + timedelta(days=self.offset)
        return found


@dataclass(frozen=True, slots=True)
class Counted:
    """The nth day, weekday or business day of a month; -1 is the last one."""

    nth: int
    what: str
    month: int

    def day(self, year: int, calendar: Callable[[], Calendar]) -> date | None:
        """The day; None when the month has none such."""
        first = date(year, self.month, 1)
        days = [first + timedelta(days=number) for number in range(31)]
        found = [day for day in days if day.month == self.month and self._is_meant(day, calendar)]
        index = self.nth - 1 if self.nth > 0 else self.nth
        return found[index] if -len(found) <= index < len(found) else None

    def _is_meant(self, day: date, calendar: Callable[[], Calendar]) -> bool:
        if self.what == "business day":
            return calendar().is_business_day(day)
        return self.what == "day" or _WEEKDAYS[day.weekday()] == self.what


@dataclass(frozen=True, slots=True)
class Holiday:
    """A public holiday by its name; of several days of that name in a year the first one."""

    name: str

    def day(self, year: int, calendar: Callable[[], Calendar]) -> date | None:
        """The day; None in a year without it."""
        return {name.casefold(): day for name, day in _holidays(calendar().country, year)}.get(self.name.casefold())


def occasion(text: str, leap: Leap, calendar: Callable[[], Calendar], today: date) -> Occasion | None:
    """What the `on=` of a declaration means; None for a day of each row's own.

    A date ("12-25"), "easter", "easter-2", "second sunday of may", "last business day of december", or a public
    holiday's name. `calendar` is asked for the last two alone. Raises DeclarationError with the nearest valid word.
    """
    words = " ".join(text.lower().split())
    if words == OWN_DAY:
        return None
    if match := _FIXED.fullmatch(words):
        return _fixed(text, int(match[1]), int(match[2]), leap)
    if match := _EASTER.fullmatch(words):
        return _easter(text, int(f"{match[1] or ''}{match[2] or 0}"))
    if match := _COUNTED.fullmatch(words):
        _among(match[1], _NTH, text)
        _among(match[2], _DAYS, text)
        _among(match[3], _MONTHS, text)
        return Counted(_NTH[match[1]], match[2], _MONTHS.index(match[3]) + 1)
    return _holiday(text, calendar(), today)


def _fixed(text: str, month: int, number: int, leap: Leap) -> Fixed:
    try:
        date(2000, month, number)
    except ValueError:
        raise DeclarationError(f"There is no day {text!r}.", hint='Write month and day, such as "12-25".') from None
    return Fixed(month, number, leap)


def _easter(text: str, offset: int) -> Easter:
    if abs(offset) > 80:  # beyond, it could fall into another year
        raise DeclarationError(f"{text!r} is too far from Easter.", hint="Give at most 80 days, such as easter+60.")
    return Easter(offset)


def _holiday(text: str, calendar: Calendar, today: date) -> Holiday:
    known = {name for year in (today.year, today.year + 1) for name, _ in _holidays(calendar.country, year)}
    if text.strip().casefold() not in {name.casefold() for name in known}:
        forms = 'Write "12-25", "easter-2", "second sunday of may", "last business day of december", or a holiday.'
        holding = [name for name in sorted(known) if text.strip().casefold() in name.casefold()]
        close = f"Did you mean {holding[0]!r}?" if holding else nearest(text, known)
        hint = close if close.startswith("Did") else f"{forms} Those of {calendar.country}: {', '.join(sorted(known))}."
        raise DeclarationError(f"There is no special date {text!r}.", hint=hint)
    return Holiday(text.strip())


@cache
def _holidays(country: str, year: int) -> list[tuple[str, date]]:
    """The public holidays of a year by name, in the country's language and in English; of several of a name the first.

    Without a language the names would come in the machine's, and a declaration would hold on one machine alone.
    """
    if not country:
        return []
    import holidays

    calendar = holidays.country_holidays(country, years=year)
    known = {calendar.default_language, "en_US"} & set(calendar.supported_languages) or {calendar.default_language}
    found = [holidays.country_holidays(country, years=year, language=language) for language in sorted(known, key=str)]
    named = [(name, day) for each in found for day, names in each.items() for name in names.split("; ")]
    return sorted(named, key=lambda pair: pair[1], reverse=True)


def _among(word: str, known: Sequence[str] | Mapping[str, int], text: str) -> None:
    if word not in known:
        hint = nearest(word, known) or f"Known: {', '.join(known)}."
        raise DeclarationError(f"{word!r} in {text!r} is not understood.", hint=hint)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One celebrated day of one person: the day itself, when his greeting is due, and when it helps nobody any more."""

    day: date
    due: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """What a look takes in: what is due from `since` (the first look) up to `until`, whose grace lasted at `looked`.

    `looked` is the time of the look before: what had expired by then has been seen to. All three are aware.
    """

    since: datetime
    looked: datetime
    until: datetime

    def holds(self, one: Occurrence) -> bool:
        """Whether the look must see to it."""
        return self.since <= one.due <= self.until and one.expires_at > self.looked


@dataclass(frozen=True, slots=True)
class When:
    """When people are greeted: `at` this hour of their own clocks, on the day of `occasion` or, without, of their own.

    A greeting that was missed may still be sent until the end of the day that is `grace_days` later.
    """

    occasion: Occasion | None = None
    at: time = time(9)
    grace_days: int = 2
    leap: Leap = Leap.BEFORE

    def occurrences(
        self, born: date | None, zone: ZoneInfo, window: Window, calendar: Callable[[], Calendar]
    ) -> list[Occurrence]:
        """What a look must see to for a person whose own day is `born` and whose clock shows the time of `zone`.

        The day on which it began is no anniversary of it.
        """
        found = []
        for year in self._years(window):
            day = self._day(born, year, calendar)
            if day is not None:
                found.append(self._occurrence(day, zone))
        return [one for one in found if window.holds(one)]

    def next(
        self, born: date | None, zone: ZoneInfo, today: date, calendar: Callable[[], Calendar]
    ) -> Occurrence | None:
        """The next one from `today` on, today's included; None when there is none within ten years."""
        days = (self._day(born, year, calendar) for year in range(today.year, today.year + 10))
        found = next((day for day in days if day is not None and day >= today), None)
        return self._occurrence(found, zone) if found else None

    def days(self, window: Window, calendar: Callable[[], Calendar]) -> list[date]:
        """The days of the occasion that a look may concern, in whatever zone; [] when there is nothing to do."""
        days = [self._day(None, year, calendar) for year in self._years(window)]
        first, last = self._reach(window)
        return [day for day in days if day is not None and first <= day <= last]

    def month_days(self, window: Window) -> frozenset[tuple[int, int]]:
        """Month and day of the people whom a look may concern, in whatever zone they live."""
        first, last = self._reach(window)
        days = [first + timedelta(days=number) for number in range(min((last - first).days, 366) + 1)]
        leap = {(2, 29) for day in days if day == self.leap.day(day.year)}
        return frozenset({(day.month, day.day) for day in days} | leap)

    def _reach(self, window: Window) -> tuple[date, date]:
        """From which local day on, and up to which one, something can be due, wherever the person lives."""
        begin = max(window.since, window.looked - timedelta(days=self.grace_days + 1), window.until - 2 * _LONGEST)
        return (begin - _ONE_DAY).date(), (window.until + _ONE_DAY).date()

    def _years(self, window: Window) -> range:
        first, last = self._reach(window)
        return range(first.year, last.year + 1)

    def _day(self, born: date | None, year: int, calendar: Callable[[], Calendar]) -> date | None:
        if self.occasion is not None:
            return self.occasion.day(year, calendar)
        if born is None or year <= born.year:
            return None
        return Fixed(born.month, born.day, self.leap).day(year, calendar)

    def _occurrence(self, day: date, zone: ZoneInfo) -> Occurrence:
        due = datetime.combine(day, self.at, zone).astimezone(UTC)
        end = datetime.combine(day + timedelta(days=self.grace_days + 1), time(), zone).astimezone(UTC)
        return Occurrence(day, due, end)


@dataclass(frozen=True, slots=True)
class Greeting(Mailing):
    """A mailing of a special date. `on` is the occasion as it was declared, for people."""

    kind: Kind = Kind.GREETING
    on_unknown: OnUnknown = OnUnknown.NEVER
    on: str = OWN_DAY
    when: When = field(default_factory=When)


def window(now: datetime, looked: datetime, since: datetime, ahead: timedelta) -> Window:
    """What a look at `now` takes in, when the one before was at `looked` and the first one began at `since`.

    It goes `ahead`, so that what is due before the next look waits in the outbox for its hour.
    """
    return Window(since, max(looked, now - _LONGEST), now + ahead)


def own_day(value: Any) -> date | None:
    """A person's own day as a database gives it; None where it gives none. Raises ValueError for what is no date."""
    if value is None or value == "":
        return None
    day = value.date() if isinstance(value, datetime) else value
    if not isinstance(day, date):
        day = date.fromisoformat(str(value).strip()[:10])
    return None if day in NO_DAYS else day
