"""Special dates: which day is celebrated, and that whoever looks, however often, greets each person once a year."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.easter import easter
from hypothesis import given, settings
from hypothesis import strategies as st

from emailketing.errors import DeclarationError
from emailketing.greetings import Greeting, Leap, When, Window, occasion, own_day, window
from emailketing.model import Kind, Lane, OnUnknown
from emailketing.report.calendar import BusinessCalendar

PARAGUAY = BusinessCalendar()
TODAY = date(2026, 11, 25)
ASUNCION, AHEAD = ZoneInfo("America/Asuncion"), timedelta(hours=25)


def paraguay():
    return PARAGUAY


def nobody():
    raise AssertionError("this date needs no calendar")


def day(on, year, leap=Leap.BEFORE):
    return occasion(on, leap, paraguay, TODAY).day(year, paraguay)


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("12-25", date(2026, 12, 25)),
        ("1-1", date(2026, 1, 1)),
        ("02-29", date(2026, 2, 28)),
        ("easter", date(2026, 4, 5)),
        ("easter-2", date(2026, 4, 3)),
        ("Easter + 49", date(2026, 5, 24)),
        ("second sunday of may", date(2026, 5, 10)),
        ("Last  Friday of November", date(2026, 11, 27)),
        ("first day of march", date(2026, 3, 1)),
        ("last day of february", date(2026, 2, 28)),
        ("last business day of december", date(2026, 12, 31)),
        ("first business day of may", date(2026, 5, 4)),
        ("Día de la Virgen de Caacupé", date(2026, 12, 8)),
        ("día de los trabajadores", date(2026, 5, 1)),
        ("Caacupe Virgin Day", date(2026, 12, 8)),
    ],
)
def test_what_is_declared_is_a_day_of_each_year(on, expected):
    assert day(on, 2026) == expected


def test_a_holiday_moves_as_its_country_moves_it():
    assert [day("Día de la Paz del Chaco", year) for year in (2024, 2025, 2026)] == [
        date(2024, 6, 10),
        date(2025, 6, 16),
        date(2026, 6, 12),
    ]


@given(st.integers(1900, 2199))
def test_easter_is_the_churchs(year):
    assert day("easter", year) == easter(year)
    assert day("easter-2", year).weekday() == 4


def test_29_february_is_settled_by_rule():
    assert [day("02-29", year) for year in (2027, 2028, 2100)] == [
        date(2027, 2, 28),
        date(2028, 2, 29),
        date(2100, 2, 28),
    ]
    assert [day("02-29", year, Leap.AFTER) for year in (2027, 2028)] == [date(2027, 3, 1), date(2028, 2, 29)]


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ("13-01", "There is no day '13-01'"),
        ("02-30", "There is no day '02-30'"),
        ("easter+300", "too far from Easter"),
        ("secnd sunday of may", "Did you mean 'second'?"),
        ("second sunnday of may", "Did you mean 'sunday'?"),
        ("second sunday of mai", "Did you mean 'may'?"),
        ("Dia de la Virgen de Caacupe", "Did you mean 'Día de la Virgen de Caacupé'?"),
        ("whenever", 'Write "12-25"'),
        ("whenever", "Those of PY: Asuncion Foundation's Day"),
    ],
)
def test_what_cannot_be_a_date_says_what_would(on, message):
    with pytest.raises(DeclarationError) as raised:
        day(on, 2026)
    assert message in str(raised.value)


def test_only_holidays_and_business_days_ask_the_calendar():
    for on in ("day", "12-25", "easter", "second sunday of may", "last business day of december"):
        occasion(on, Leap.BEFORE, nobody, TODAY)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (None, None),
        ("", None),
        ("1988-02-29", date(1988, 2, 29)),
        ("1988-02-29 00:00:00", date(1988, 2, 29)),
        (datetime(1988, 2, 29, tzinfo=UTC), date(1988, 2, 29)),
        (date(1900, 1, 1), None),
        ("0001-01-01", None),
    ],
)
def test_a_day_is_read_as_each_database_gives_it_and_zeros_are_none(given_, expected):
    assert own_day(given_) == expected


def test_what_is_no_date_is_an_error():
    with pytest.raises(ValueError, match="Invalid isoformat"):
        own_day("29/02/1988")


def test_a_greeting_is_bulk_and_never_sent_on_a_doubt():
    greeting = Greeting("birthday")
    assert (greeting.kind, greeting.lane, greeting.on_unknown) == (Kind.GREETING, Lane.BULK, OnUnknown.NEVER)


def wide(year):
    return Window(utc(year, 1, 1), utc(year, 1, 1), utc(year + 1, 1, 1))


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_the_hour_is_that_of_the_recipients_clock():
    born, when = date(1990, 5, 3), When(at=time(9))
    dues = [
        when.occurrences(born, ZoneInfo(zone), wide(2026), nobody)[0].due
        for zone in ("Asia/Tokyo", "Europe/Madrid", "America/Asuncion", "America/Los_Angeles")
    ]
    assert dues == [utc(2026, 5, 3), utc(2026, 5, 3, 7), utc(2026, 5, 3, 12), utc(2026, 5, 3, 16)]


def test_a_greeting_helps_until_its_days_of_grace_are_over():
    (one,) = When(grace_days=2).occurrences(date(1990, 5, 3), ASUNCION, wide(2026), nobody)
    assert one.expires_at == datetime(2026, 5, 6, tzinfo=ASUNCION)
    (one,) = When(grace_days=0).occurrences(date(1990, 5, 3), ASUNCION, wide(2026), nobody)
    assert one.expires_at == datetime(2026, 5, 4, tzinfo=ASUNCION)


def test_the_day_on_which_something_began_is_no_anniversary():
    assert When().occurrences(date(2026, 5, 3), ASUNCION, wide(2026), nobody) == []
    assert len(When().occurrences(date(2025, 5, 3), ASUNCION, wide(2026), nobody)) == 1


def test_in_july_nobody_need_be_asked_for_christmas():
    christmas = When(occasion("12-25", Leap.BEFORE, nobody, TODAY))
    july = window(utc(2026, 7, 2), utc(2026, 7, 1), utc(2025, 1, 1), AHEAD)
    assert christmas.days(july, nobody) == []
    eve = window(utc(2026, 12, 24, 8), utc(2026, 12, 23, 8), utc(2025, 1, 1), AHEAD)
    assert christmas.days(eve, nobody) == [date(2026, 12, 25)]


ZONES = [ZoneInfo(name) for name in ("America/Asuncion", "Asia/Tokyo", "Pacific/Auckland", "America/New_York")]
BORN = st.one_of(
    st.dates(date(1940, 1, 1), date(2015, 12, 31)),
    st.sampled_from([date(1988, 2, 29), date(1990, 2, 28), date(1990, 3, 1), date(1990, 12, 31), date(1990, 1, 1)]),
)
RULES = st.builds(
    When,
    st.sampled_from(
        [
            None,
            None,
            *(occasion(on, Leap.AFTER, nobody, TODAY) for on in ("12-25", "01-01", "12-31", "easter", "02-29")),
        ]
    ),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.integers(0, 5),
    st.sampled_from(list(Leap)),
)
GAPS = st.lists(st.integers(0, 20 * 24 * 60), min_size=1, max_size=60)  # minutes between looks
STARTS = st.datetimes(datetime(2024, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
PEOPLE = st.lists(st.tuples(BORN, st.sampled_from(ZONES)), min_size=1, max_size=4)


class Machine:
    """Looks again and again as the road does: the outbox keeps first and last look, and each key once."""

    def __init__(self, when, people, start):
        self.when, self.people, self.since, self.looked = when, people, start, start
        self.sent, self.expired = {}, {}

    def window(self, now):
        return window(now, self.looked, self.since, AHEAD)

    def look(self, now, seen=None):
        """One look; `seen` is the window of a look that began before others ended."""
        for number, (born, zone) in enumerate(self.people):
            month_days = self.when.month_days(seen or self.window(now))
            for one in self.when.occurrences(born, zone, seen or self.window(now), nobody):
                assert self.when.occasion or (born.month, born.day) in month_days, "sifted out before it was looked at"
                key = number, one.day.year
                if key not in self.sent | self.expired:
                    (self.expired if one.expires_at <= now else self.sent)[key] = one
        self.looked = max(self.looked, now)

    def all_there_is(self, until):
        whole = Window(self.since, self.since, until)
        for number, (born, zone) in enumerate(self.people):
            for one in self.when.occurrences(born, zone, whole, nobody):
                yield (number, one.day.year), one


@settings(deadline=None, max_examples=300)
@given(RULES, PEOPLE, STARTS, GAPS, st.sets(st.integers(0, 60)))
def test_each_is_greeted_once_a_year_whenever_somebody_looks(when, people, start, gaps, overlapping):
    machine, now, looks = Machine(when, people, start), start, [start]
    machine.look(now)
    for number, gap in enumerate(gaps):
        before = machine.window(now)
        now += timedelta(minutes=gap)
        if number in overlapping:  # another machine that saw the outbox as it was before
            machine.look(now, Window(before.since, before.looked, now + AHEAD))
        machine.look(now)
        looks.append(now)
    for key, one in machine.all_there_is(now):
        in_time = [moment for moment in looks if one.due - AHEAD <= moment < one.expires_at]
        assert (key in machine.sent) == bool(in_time), (one, in_time)
        assert (key in machine.expired) != (key in machine.sent), one


@settings(deadline=None)
@given(RULES, PEOPLE, STARTS)
def test_looked_at_each_day_everybody_is_greeted_on_his_day(when, people, start):
    machine = Machine(when, people, start)
    for number in range(800):
        machine.look(start + timedelta(days=number))
    assert not machine.expired
    counts = Counter(year for _, year in machine.sent)
    assert all(count <= len(people) for count in counts.values())
    for key, one in machine.all_there_is(start + timedelta(days=799)):
        assert machine.sent[key] == one
