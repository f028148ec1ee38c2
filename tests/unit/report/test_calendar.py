from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from emailketing.errors import DeclarationError
from emailketing.report.calendar import BusinessCalendar, CatchUp, Rule, Shift, caught_up
from emailketing.report.periods import Cadence, containing

ASUNCION, BERLIN = ZoneInfo("America/Asuncion"), ZoneInfo("Europe/Berlin")
PARAGUAY = BusinessCalendar()
PLAIN = BusinessCalendar(country="")
CLOSED = BusinessCalendar(days_off=frozenset(date(2027, 1, 1) + timedelta(days=n) for n in range(20)))


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
RULES = st.builds(
    Rule,
    st.sampled_from(list(Cadence)),
    st.sampled_from([ASUNCION, BERLIN]),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.integers(-40, 40).filter(bool),
    st.booleans(),
    st.sampled_from(list(Shift)),
    st.booleans(),
)


def test_holidays_weekends_days_off_and_days_worked_all_the_same():
    calendar = BusinessCalendar(days_off=frozenset({date(2026, 11, 20)}), worked=frozenset({date(2026, 5, 1)}))
    assert not calendar.is_business_day(date(2026, 12, 25))
    assert calendar.holiday(date(2026, 12, 25))
    assert not calendar.is_business_day(date(2026, 11, 21))  # a Saturday
    assert not calendar.is_business_day(date(2026, 11, 20))
    assert calendar.is_business_day(date(2026, 5, 1))
    assert calendar.is_business_day(date(2026, 11, 19))


def test_a_company_that_works_on_saturdays():
    assert BusinessCalendar(weekend=frozenset({6})).last_business_day(2026, 10) == date(2026, 10, 31)


@pytest.mark.parametrize(
    ("year", "month", "last"),
    [(2026, 1, date(2026, 1, 30)), (2026, 2, date(2026, 2, 27)), (2026, 5, date(2026, 5, 29))],
)
def test_the_last_business_day_of_a_month(year, month, last):
    assert PARAGUAY.last_business_day(year, month) == last


def test_the_nth_business_day_counts_neither_weekends_nor_holidays():
    may = containing(Cadence.MONTHLY, date(2026, 5, 1))  # Friday 1 May is a holiday
    assert PARAGUAY.nth_business_day(may, 1) == date(2026, 5, 4)
    assert PARAGUAY.nth_business_day(may, 5) == date(2026, 5, 8)
    assert PARAGUAY.nth_business_day(may, 99) == PARAGUAY.nth_business_day(may, -1) == date(2026, 5, 29)
    week = containing(Cadence.WEEKLY, date(2027, 1, 5))
    assert CLOSED.nth_business_day(week, 1) == date(2027, 1, 21)


@given(st.dates(date(2024, 1, 1), date(2032, 1, 1)))
def test_a_shift_gives_the_nearest_business_day_on_its_side(day):
    before, after = PARAGUAY.shifted(day, Shift.BEFORE), PARAGUAY.shifted(day, Shift.AFTER)
    assert before <= day <= after
    assert PARAGUAY.is_business_day(before)
    assert PARAGUAY.is_business_day(after)
    between = [before + timedelta(days=n) for n in range(1, (after - before).days)]
    assert not any(PARAGUAY.is_business_day(each) for each in between)
    assert PARAGUAY.shifted(day, Shift.SKIP) == (day if PARAGUAY.is_business_day(day) else None)


def test_a_calendar_without_days_to_work_on_is_refused():
    with pytest.raises(DeclarationError, match="no day to work on"):
        BusinessCalendar(weekend=frozenset(range(7)))
    for_ever = BusinessCalendar(days_off=frozenset(date(2026, 1, 1) + timedelta(days=n) for n in range(200)))
    with pytest.raises(DeclarationError, match="no business day for 60 days after"):
        for_ever.shifted(date(2026, 2, 1), Shift.AFTER)


def test_unknown_countries_and_subdivisions_are_told():
    with pytest.raises(DeclarationError, match="No holidays are known for the country 'XX'"):
        BusinessCalendar(country="XX")
    with pytest.raises(DeclarationError, match="BR has no subdivision 'SO'"):
        BusinessCalendar(country="BR", subdivision="SO")
    assert BusinessCalendar(country="BR", subdivision="SP").holiday(date(2026, 7, 9))


def moments(rule, since, until, calendar=PARAGUAY):
    return [each.moment for each in rule.due(since, until, calendar)]


def test_a_daily_reader_who_wants_business_days_only():
    rule = Rule(Cadence.DAILY, ASUNCION, time(7), shift=Shift.SKIP)
    found = rule.due(utc(2026, 11, 19), utc(2026, 11, 24), PARAGUAY)
    assert [each.moment for each in found] == [
        utc(2026, 11, 19, 10),
        utc(2026, 11, 20, 10),
        utc(2026, 11, 23, 10),
    ]
    assert [each.period.start.day for each in found] == [18, 19, 22]


def test_a_daily_reader_who_wants_every_day_but_at_work_gets_the_weekend_on_monday():
    rule = Rule(Cadence.DAILY, ASUNCION, shift=Shift.AFTER)
    found = rule.due(utc(2026, 11, 20, 12), utc(2026, 11, 24), PARAGUAY)
    assert [each.moment for each in found] == [utc(2026, 11, 23, 10)] * 3
    assert [each.period.start.day for each in found] == [20, 21, 22]


def test_the_first_of_the_month_shifted_keeps_its_period():
    rule = Rule(Cadence.MONTHLY, ASUNCION, time(6, 30), shift=Shift.BEFORE)
    [due] = rule.due(utc(2027, 4, 28), utc(2027, 5, 3), PARAGUAY)  # 1 May 2027, a holiday, is a Saturday
    assert due.moment == utc(2027, 4, 30, 9, 30)
    assert due.planned == date(2027, 5, 1)
    assert due.period.start == date(2027, 4, 1)


def test_on_the_last_business_day_the_running_month_is_meant_when_asked():
    rule = Rule(Cadence.MONTHLY, ASUNCION, time(18), day=-1, business=True, running=True)
    [due] = rule.due(utc(2026, 5, 1), utc(2026, 6, 1), PARAGUAY)
    assert due.moment == utc(2026, 5, 29, 21)
    assert due.period.start == date(2026, 5, 1)


def test_the_31st_is_the_last_day_of_every_month():
    rule = Rule(Cadence.MONTHLY, BERLIN, time(12), day=31)
    assert [each.planned.day for each in rule.due(utc(2028, 1, 1), utc(2028, 5, 1), PLAIN)] == [31, 29, 31, 30]


def test_one_moment_a_day_over_the_changes_of_the_clock():
    rule = Rule(Cadence.DAILY, BERLIN, time(2, 30))
    assert moments(rule, utc(2026, 3, 28), utc(2026, 3, 31), PLAIN) == [
        utc(2026, 3, 28, 1, 30),
        utc(2026, 3, 29, 1, 30),
        utc(2026, 3, 30, 0, 30),
    ]
    assert moments(rule, utc(2026, 10, 24, 12), utc(2026, 10, 26, 12), PLAIN) == [
        utc(2026, 10, 25, 0, 30),
        utc(2026, 10, 26, 1, 30),
    ]


@settings(max_examples=60, deadline=None)
@given(RULES, MOMENTS, st.integers(0, 90), st.integers(0, 90), st.sampled_from([PARAGUAY, CLOSED]))
def test_looking_twice_finds_the_same_as_looking_once(rule, since, first, second, calendar):
    middle, until = since + timedelta(days=first), since + timedelta(days=first + second)
    assert rule.due(since, until, calendar) == rule.due(since, middle, calendar) + rule.due(middle, until, calendar)


@settings(max_examples=60, deadline=None)
@given(RULES, MOMENTS)
def test_each_cycle_has_one_due_moment_and_each_a_period_of_its_own(rule, since):
    found = rule.due(since, since + timedelta(days=800), PARAGUAY)
    assert len({each.period for each in found}) == len(found)
    for each in found:
        day = each.moment.astimezone(rule.zone)
        assert rule.shift is Shift.NONE or PARAGUAY.is_business_day(day.date())
        assert each.period.cadence is rule.cadence
    if rule.shift is not Shift.SKIP and not rule.business:
        cycles = {containing(rule.cadence, each.planned).start for each in found}
        assert len(cycles) == len(found)
        assert len(found) >= {"daily": 780, "weekly": 112, "monthly": 24, "quarterly": 6, "yearly": 1}[rule.cadence]


def test_the_clock_moves_and_the_reader_is_due_once():
    rule = Rule(Cadence.WEEKLY, ASUNCION, time(7))
    seen, since = [], utc(2026, 11, 13)
    with time_machine.travel(since, tick=False) as clock:
        for _ in range(14 * 24 * 4):
            clock.shift(timedelta(minutes=15))
            now = datetime.now(UTC)
            seen += moments(rule, since, now)
            since = now
    assert seen == [utc(2026, 11, 16, 10), utc(2026, 11, 23, 10)]


def test_the_next_moment():
    rule = Rule(Cadence.YEARLY, ASUNCION, time(8), day=1, business=True)
    assert rule.next(utc(2026, 2, 1), PARAGUAY).moment == utc(2027, 1, 4, 11)


DAILY = Rule(Cadence.DAILY, ASUNCION)


@pytest.mark.parametrize(
    ("policy", "now", "sent", "passed"),
    [
        ("all", utc(2026, 11, 20, 15), [18, 19, 20], []),
        ("newest", utc(2026, 11, 20, 15), [20], [18, 19]),
        ("none", utc(2026, 11, 20, 15), [], [18, 19, 20]),
        ("newest", utc(2026, 11, 20, 10, 30), [20], [18, 19]),
        ("none", utc(2026, 11, 20, 10, 30), [20], [18, 19]),
    ],
)
def test_after_downtime_the_missed_are_caught_up_or_passed_over_by_rule(policy, now, sent, passed):
    dues = DAILY.due(utc(2026, 11, 18, 9), now, PLAIN)
    found = caught_up(dues, now, CatchUp(policy))
    assert [[each.planned.day for each in part] for part in found] == [sent, passed]


@given(st.sampled_from(list(CatchUp)), st.integers(0, 400))
def test_catching_up_forgets_nothing(policy, hours):
    since = utc(2026, 11, 1)
    now = since + timedelta(hours=hours)
    dues = DAILY.due(since, now, PLAIN)
    sent, passed = caught_up(dues, now, policy)
    assert sorted(sent + passed) == dues


def test_a_rule_in_words():
    words = {"cadence": "weekly", "at": "06:30", "timezone": "Europe/Berlin", "day": "Friday", "shift": "before"}
    assert Rule.declared(words, ASUNCION) == Rule(Cadence.WEEKLY, BERLIN, time(6, 30), 5, shift=Shift.BEFORE)
    monthly = {"cadence": "monthly", "day": "last", "business": True, "period": "running", "at": 450}
    assert Rule.declared(monthly, ASUNCION) == Rule(
        Cadence.MONTHLY, ASUNCION, time(7, 30), -1, business=True, running=True
    )
    assert Rule.declared({}, ASUNCION) == Rule(Cadence.DAILY, ASUNCION, time(7))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"cadance": "daily"}, "Did you mean 'cadence'"),
        ({"cadence": "dayly"}, "Did you mean 'daily'"),
        ({"at": "25:00"}, "no time of day"),
        ({"cadence": "weekly", "day": "mondey"}, "Did you mean 'monday'"),
        ({"cadence": "monthly", "day": "monday"}, "no monthly day"),
        ({"day": 0}, "no day 0"),
        ({"shift": "befor"}, "Did you mean 'before'"),
        ({"timezone": "America/Asunción"}, "Did you mean 'America/Asuncion'"),
        ({"business": "yes please"}, "Known: false, true"),
        ({"period": "current"}, "Known: completed, running"),
    ],
)
def test_a_misspelt_word_is_told_with_the_nearest(words, told):
    with pytest.raises(DeclarationError, match=told):
        Rule.declared(words, ASUNCION)
