from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from emailketing.errors import DeclarationError
from emailketing.report.periods import (
    Cadence,
    completed,
    containing,
    fitting,
    label,
    local,
    midnight,
    short_label,
    subject_label,
)

ASUNCION, BERLIN, TOKYO = ZoneInfo("America/Asuncion"), ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")
ES, EN = Locale.parse("es_PY"), Locale.parse("en")
DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))
CADENCES = st.sampled_from(list(Cadence))


@pytest.mark.parametrize(
    ("cadence", "start", "end"),
    [
        ("daily", date(2026, 11, 18), date(2026, 11, 19)),
        ("weekly", date(2026, 11, 9), date(2026, 11, 16)),
        ("monthly", date(2026, 10, 1), date(2026, 11, 1)),
        ("quarterly", date(2026, 7, 1), date(2026, 10, 1)),
        ("yearly", date(2025, 1, 1), date(2026, 1, 1)),
    ],
)
def test_each_cadence_gets_the_last_period_that_is_over(cadence, start, end):
    period = fitting(Cadence(cadence), datetime(2026, 11, 19, 10, 0, tzinfo=UTC), ASUNCION)
    assert (period.start, period.end) == (start, end)


def test_which_day_it_is_depends_on_the_reader_s_zone():
    moment = datetime(2026, 11, 1, 1, 0, tzinfo=UTC)  # 31 October, 22:00 in Asunción; 1 November, 10:00 in Tokyo
    assert fitting(Cadence.MONTHLY, moment, ASUNCION).start == date(2026, 9, 1)
    assert fitting(Cadence.MONTHLY, moment, TOKYO).start == date(2026, 10, 1)


@given(CADENCES, DAYS)
def test_periods_tile_the_calendar(cadence, day):
    period = containing(cadence, day)
    assert day in period
    assert period.before().end == period.start
    assert period.after().start == period.end
    assert period.before().after() == period
    assert containing(cadence, period.last_day) == period
    assert completed(cadence, day).end <= day


@given(CADENCES, DAYS)
def test_the_same_period_a_year_ago_is_whole_and_about_a_year_away(cadence, day):
    period = containing(cadence, day)
    ago = period.year_ago()
    assert containing(cadence, ago.start) == ago
    assert 350 <= (period.start - ago.start).days <= 372
    if cadence is not Cadence.WEEKLY:
        assert ago.start.year == period.start.year - 1


def test_leap_days_and_week_53():
    assert containing(Cadence.DAILY, date(2028, 2, 29)).year_ago().start == date(2027, 2, 28)
    assert containing(Cadence.MONTHLY, date(2028, 2, 10)).days == 29
    week_53 = containing(Cadence.WEEKLY, date(2026, 12, 31))
    assert week_53.start.isocalendar()[:2] == (2026, 53)
    assert week_53.year_ago().start.isocalendar()[:2] == (2025, 52)
    assert week_53.after().start.isocalendar()[:2] == (2027, 1)
    assert containing(Cadence.WEEKLY, date(2021, 1, 2)).year_ago().start.isocalendar()[:2] == (2019, 52)


def test_a_day_on_which_the_clock_changes_has_23_or_25_hours():
    def hours(day):
        start, end = containing(Cadence.DAILY, day).bounds(BERLIN)
        return (end - start).total_seconds() / 3600

    assert [hours(date(2026, 3, 29)), hours(date(2026, 10, 25)), hours(date(2026, 6, 1))] == [23, 25, 24]


@given(CADENCES, DAYS, st.sampled_from([ASUNCION, BERLIN, TOKYO]))
def test_bounds_of_neighbours_meet_in_every_zone(cadence, day, zone):
    period = containing(cadence, day)
    assert period.bounds(zone)[1] == period.after().bounds(zone)[0]
    assert fitting(cadence, period.bounds(zone)[1], zone) == period
    assert fitting(cadence, period.bounds(zone)[1] - timedelta(seconds=1), zone) == period.before()


def test_a_time_that_the_clock_skips_comes_after_the_gap_and_one_that_comes_twice_is_the_first():
    assert local(date(2026, 3, 29), time(2, 30), BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 03:30 there
    assert local(date(2026, 10, 25), time(2, 30), BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    # Paraguay began its summer time at midnight, so that 1 October 2023 had none.
    assert midnight(date(2023, 10, 1), ASUNCION) == datetime(2023, 10, 1, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cadence", "spanish", "english"),
    [
        ("daily", "jueves, 19 de noviembre de 2026", "Thursday, November 19, 2026"),
        ("weekly", "semana 47, 16–22 de nov. de 2026", "week 47, Nov 16–22, 2026"),
        ("monthly", "noviembre de 2026", "November 2026"),
        ("quarterly", "4.º trimestre de 2026", "4th quarter 2026"),
        ("yearly", "2026", "2026"),
    ],
)
def test_people_s_names_of_periods(cadence, spanish, english):
    period = containing(Cadence(cadence), date(2026, 11, 19))
    assert label(period, ES) == spanish
    assert label(period, EN).replace("\u2009", " ") == english


def test_a_week_over_the_turn_of_the_year_names_both_years():
    assert label(containing(Cadence.WEEKLY, date(2026, 12, 31)), ES) == (
        "semana 53, 28 de dic. de 2026 – 3 de ene. de 2027"
    )


def test_short_names_for_heads_and_charts():
    day = date(2026, 11, 19)
    names = [short_label(containing(cadence, day), ES) for cadence in Cadence]
    assert names == ["19 nov.", "16–22 de nov.", "nov. 2026", "T4 2026", "2026"]


def test_a_misspelt_cadence_is_told_with_the_nearest():
    with pytest.raises(DeclarationError, match=r"'montly'\.\n  Did you mean 'monthly'\?"):
        Cadence.named("montly")
    assert Cadence.named(" Weekly ") is Cadence.WEEKLY


@pytest.mark.parametrize(
    ("cadence", "spanish", "english"),
    [
        ("daily", "19 nov. 2026", "Nov 19, 2026"),
        ("weekly", "16–22 de nov. de 2026", "Nov 16–22, 2026"),
        ("monthly", "nov. 2026", "Nov 2026"),
    ],
)
def test_in_a_subject_a_period_is_short_and_has_its_year(cadence, spanish, english):
    period = containing(Cadence(cadence), date(2026, 11, 19))
    assert subject_label(period, ES) == spanish
    assert subject_label(period, EN).replace("\u2009", " ") == english
