"""Which days a report is about: a cadence and a moment give the period, the one before, and the one a year ago."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from emailketing.errors import DeclarationError, nearest

if TYPE_CHECKING:
    from babel import Locale


class Cadence(StrEnum):
    """How often a reader gets a report, and so how long its period is."""

    DAILY = "daily"
    WEEKLY = "weekly"  # ISO weeks, Monday to Sunday
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"

    @classmethod
    def named(cls, name: str) -> Cadence:
        """The cadence of this name. Raises DeclarationError with the nearest one."""
        try:
            return cls(str(name).strip().lower())
        except ValueError:
            raise DeclarationError(
                f"There is no cadence {name!r}.", hint=nearest(str(name), [each.value for each in cls])
            ) from None


_MONTHS = {Cadence.MONTHLY: 1, Cadence.QUARTERLY: 3, Cadence.YEARLY: 12}


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `start` up to, but without, `end`: one whole day, ISO week, month, quarter or year."""

    cadence: Cadence
    start: date
    end: date

    @property
    def last_day(self) -> date:
        """The last day that belongs to the period."""
        return self.end - timedelta(days=1)

    @property
    def days(self) -> int:
        """How many days the period has."""
        return (self.end - self.start).days

    @property
    def name(self) -> str:
        """The period in short: 2026-11-24, 2026-W48, 2026-10, 2026-Q4, 2026; `named` reads it."""
        match self.cadence:
            case Cadence.DAILY:
                return self.start.isoformat()
            case Cadence.WEEKLY:
                year, week, _ = self.start.isocalendar()
                return f"{year:04}-W{week:02}"
            case Cadence.MONTHLY:
                return f"{self.start.year:04}-{self.start.month:02}"
            case Cadence.QUARTERLY:
                return f"{self.start.year:04}-Q{(self.start.month + 2) // 3}"
            case Cadence.YEARLY:
                return f"{self.start.year:04}"

    def before(self) -> Period:
        """The period that ends where this one begins."""
        return containing(self.cadence, self.start - timedelta(days=1))

    def after(self) -> Period:
        """The period that begins where this one ends."""
        return containing(self.cadence, self.end)

    def year_ago(self) -> Period:
        """The same period of the year before.

        29 February is compared with 28 February, and an ISO week 53 with the last week of a year that has only 52.
        """
        if self.cadence is Cadence.WEEKLY:
            return containing(self.cadence, _week_a_year_before(self.start))
        return containing(self.cadence, _same_day(self.start, self.start.year - 1))

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Beginning and end as moments in UTC; a day with a change of the clock has 23 or 25 hours between them."""
        return midnight(self.start, zone), midnight(self.end, zone)

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end


def containing(cadence: Cadence, day: date) -> Period:
    """The period of this cadence to which `day` belongs."""
    if cadence is Cadence.DAILY:
        return Period(cadence, day, day + timedelta(days=1))
    if cadence is Cadence.WEEKLY:
        monday = day - timedelta(days=day.weekday())
        return Period(cadence, monday, monday + timedelta(days=7))
    months = _MONTHS[cadence]
    first = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    return Period(cadence, first, _months_later(first, months))


_NAME = re.compile(r"(?P<year>\d{4})(-(?:W(?P<week>\d\d?)|Q(?P<quarter>[1-4])|(?P<month>\d\d)(-(?P<day>\d\d))?))?")


def named(name: str) -> Period:
    """The period of this name; its form tells the cadence. Raises DeclarationError."""
    try:
        return _named(name.strip().upper())
    except ValueError:
        raise DeclarationError(
            f"There is no period {name!r}.", hint="Periods are 2026-11-24, 2026-W48, 2026-10, 2026-Q4 or 2026."
        ) from None


def _named(name: str) -> Period:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(name)
    year = int(found["year"])
    if found["week"]:
        return containing(Cadence.WEEKLY, date.fromisocalendar(year, int(found["week"]), 1))
    if found["quarter"]:
        return containing(Cadence.QUARTERLY, date(year, 3 * int(found["quarter"]), 1))
    if found["day"]:
        return containing(Cadence.DAILY, date(year, int(found["month"]), int(found["day"])))
    if found["month"]:
        return containing(Cadence.MONTHLY, date(year, int(found["month"]), 1))
    return containing(Cadence.YEARLY, date(year, 1, 1))


def completed(cadence: Cadence, day: date) -> Period:
    """The last period that was over when `day` began: yesterday, the last ISO week, the last month …"""
    return containing(cadence, day).before()


def fitting(cadence: Cadence, moment: datetime, zone: ZoneInfo) -> Period:
    """The last period that was over at an aware `moment`, by the calendar of `zone`."""
    return completed(cadence, moment.astimezone(zone).date())


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The moment in UTC at which `day` begins in `zone`; where its midnight is skipped, the first one that there is."""
    return local(day, time(), zone)


def local(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The moment in UTC at which the clocks of `zone` show `at` on `day`.

    A time that the change of the clock skips is taken as far after the change as it is after the beginning of the gap;
    of a time that comes twice, the first is meant.
    """
    return datetime.combine(day, at.replace(fold=0), tzinfo=zone).astimezone(UTC)


_WEEK = {"es": "semana {}", "pt": "semana {}", "en": "week {}"}


def label(period: Period, locale: Locale) -> str:
    """The period as people name it: 'octubre de 2026', 'semana 47, 16–22 de nov. de 2026'."""
    from babel.dates import format_date, format_skeleton  # not needed to declare a report, which must cost nothing

    match period.cadence:
        case Cadence.DAILY:
            return str(format_date(period.start, "full", locale=locale))
        case Cadence.WEEKLY:
            number = period.start.isocalendar().week
            week = _WEEK.get(locale.language, "W{}").format(number)
            return f"{week}, {_days(period, locale)}"
        case Cadence.MONTHLY:
            return str(format_skeleton("yMMMM", period.start, locale=locale))
        case Cadence.QUARTERLY:
            return str(format_skeleton("yQQQQ", period.start, locale=locale))
        case Cadence.YEARLY:
            return str(period.start.year)


def short_label(period: Period, locale: Locale) -> str:
    """The period for a column's head or a chart: '19 nov.', 'nov. 2026', 'T4 2026'."""
    from babel.dates import format_date, format_skeleton

    match period.cadence:
        case Cadence.DAILY:
            return str(format_skeleton("MMMd", period.start, locale=locale))
        case Cadence.WEEKLY:
            return _days(period, locale, "MMMd")
        case Cadence.MONTHLY:
            return str(format_skeleton("yMMM", period.start, locale=locale))
        case Cadence.QUARTERLY:
            return f"{format_date(period.start, 'QQQ', locale=locale)} {period.start.year}"
        case Cadence.YEARLY:
            return str(period.start.year)


def subject_label(period: Period, locale: Locale) -> str:
    """The period where there is little room and nothing else tells the year: '20 nov 2026', '9–15 de nov. de 2026'."""
    from babel.dates import format_date

    match period.cadence:
        case Cadence.DAILY:
            return str(format_date(period.start, "medium", locale=locale))
        case Cadence.WEEKLY:
            return _days(period, locale)
        case _:
            return short_label(period, locale)


def _days(period: Period, locale: Locale, skeleton: str = "yMMMd") -> str:
    from babel.dates import format_interval

    written = str(format_interval(period.start, period.last_day, skeleton, locale=locale))
    written = written.replace("\u2009", " ").replace(" - ", " – ")
    # Spaces stay around a dash that parts words or years, and go where it parts two days of one month.
    return written.replace(" – ", "–") if period.start.month == period.last_day.month else written


def _months_later(first: date, months: int) -> date:
    index = first.year * 12 + first.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _same_day(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February
        return day.replace(year=year, day=28)


def _week_a_year_before(monday: date) -> date:
    year, week, _ = monday.isocalendar()
    last = date(year - 1, 12, 28).isocalendar().week  # 28 December is always in a year's last week
    return date.fromisocalendar(year - 1, min(week, last), 1)
