"""Reports by a clock that is moved: changes of the clock, ends of months, a leap day, each through the whole road."""

from datetime import time, timedelta

import pytest

from emailketing.report.periods import Cadence
from tests.bureau import opened

ALL = tuple(Cadence)


@pytest.fixture
def bureau(tmp_path):
    with opened(tmp_path) as bureau:
        bureau.declare(to="", cadences=ALL, at=time(7))
        yield bureau


def told(bureau, since, hours, step=timedelta(minutes=30)):
    """What is told by looks at each half hour, with the moment (UTC) of the look that told it."""
    bureau.clock.set(since)
    found = {}
    for _ in range(int(timedelta(hours=hours) / step)):
        bureau.look()
        for row in bureau.rows():
            found.setdefault((row.document, row.address), f"{bureau.clock():%d %H:%M}")
        bureau.clock.now += step
    return {document: moment for (document, _), moment in found.items()}


def test_an_hour_that_the_clock_skips_is_told_after_the_gap_once(bureau):
    bureau.subscribe('mailing: sales, to: m@company.example, timezone: Europe/Madrid, at: "02:30"')
    assert told(bureau, "2026-03-28 12:00", 48) == {
        "daily 2026-03-28": "29 01:30",  # 03:30 by the clocks that went from 02:00 to 03:00
        "daily 2026-03-29": "30 00:30",
    }


def test_an_hour_that_comes_twice_is_told_once(bureau):
    bureau.subscribe('mailing: sales, to: m@company.example, timezone: Europe/Madrid, at: "02:30"')
    assert told(bureau, "2026-10-24 12:00", 48) == {
        "daily 2026-10-24": "25 00:30",  # the first of the two
        "daily 2026-10-25": "26 01:30",
    }


def test_the_day_of_the_change_has_its_rows_whole(bureau):
    bureau.write("sql/sales.sql", "SELECT branch, amount FROM sold WHERE day >= :start AND day < :end")
    bureau.subscribe("mailing: sales, to: m@company.example, timezone: America/Santiago")
    for day, amount in (("2026-04-03", 1), ("2026-04-04", 10), ("2026-04-05", 100)):  # 25 hours on the 4th
        bureau.sell(day, amount)
    told(bureau, "2026-04-05 06:00", 30)
    assert [row.document for row in bureau.rows()] == ["daily 2026-04-04", "daily 2026-04-05"]
    assert [row.subject.split(" · ")[1].replace("\xa0", " ") for row in bureau.rows()] == ["Gs. 10", "Gs. 100"]


@pytest.mark.parametrize(
    ("day", "moments"),
    [
        ("31", ["2026-12-31", "2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]),
        ("-1", ["2026-12-31", "2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]),
        ("30", ["2026-12-30", "2027-01-30", "2027-02-28", "2027-03-30", "2027-04-30"]),
        ("last, business: true", ["2026-12-31", "2027-01-29", "2027-02-26", "2027-03-31", "2027-04-30"]),
    ],
)
def test_ends_of_months_are_told_each_on_its_day(bureau, day, moments):
    bureau.subscribe(f"mailing: sales, to: m@company.example, cadence: monthly, day: {day}, period: running")
    bureau.clock.set("2026-12-01 07:30")
    for _ in range(152):
        bureau.look()
        bureau.clock.now += timedelta(hours=24)
    assert [document for _, document, *_ in bureau.told()] == [f"monthly {each[:7]} to {each}" for each in moments]


def test_a_leap_day_is_a_day_and_the_end_of_its_month(bureau):
    bureau.subscribe("mailing: sales, to: m@company.example, cadence: [daily, monthly]")
    days = told(bureau, "2028-02-28 06:00", 72, timedelta(hours=1))
    assert list(days) == ["daily 2028-02-27", "daily 2028-02-28", "daily 2028-02-29", "monthly 2028-02"]
    assert days["monthly 2028-02"] == days["daily 2028-02-29"] == "01 10:00"


def test_the_turn_of_the_year_is_told_in_every_cadence(bureau):
    bureau.subscribe("mailing: sales, to: m@company.example, cadence: [daily, weekly, monthly, quarterly, yearly]")
    days = told(bureau, "2026-12-31 06:00", 120, timedelta(hours=1))
    assert days == {
        "daily 2026-12-30": "31 10:00",
        "daily 2026-12-31": "01 10:00",
        "monthly 2026-12": "01 10:00",
        "quarterly 2026-Q4": "01 10:00",
        "yearly 2026": "01 10:00",
        "daily 2027-01-01": "02 10:00",
        "daily 2027-01-02": "03 10:00",
        "daily 2027-01-03": "04 10:00",
        "weekly 2026-W53": "04 10:00",
    }
