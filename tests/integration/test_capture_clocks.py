"""An ERP whose clock is wrong by hours, or was set back: every document is told once all the same."""

from dataclasses import replace
from datetime import timedelta

import pytest

from emailketing import road
from tests.era import PAPER


def far(era):
    return era.dated().replace(year=2099)


@pytest.fixture(params=["the server's too", "the programs' only"])
def skewed(request, era):
    """Sets the ERP's clock wrong: its server's too, or only that of the programs that write the rows."""

    def skew(hours):
        era.ahead = timedelta(hours=hours)
        era.server_ahead = era.ahead if request.param == "the server's too" else timedelta(0)
        era.wait(0)

    return skew


@pytest.mark.parametrize("old", [0, 3], ids=["an empty ERP", "an ERP in use"])
@pytest.mark.parametrize("hours", [-3, -0.2, 0.2, 3])
def test_a_clock_that_is_wrong_by_hours_costs_no_document_and_doubles_none(era, skewed, hours, old):
    skewed(hours)
    for number in range(old):
        era.save(f"OLD{number}")
        era.wait(600)
    era.sweep()
    told = []
    for number in range(8):
        era.wait(1500)
        era.save(f"N{number}")
        if number == 2:
            era.save("FAR", changed_at=far(era))
            told.append(("FAR", "1"))
        told.append((f"N{number}", "1"))
        era.sweep()
        era.sweep()
        assert era.told() == sorted(told)
        assert era.outbox.cursor("paper") <= era.now


def test_a_document_of_the_year_2099_at_the_first_look_hides_none_of_an_erp_that_is_behind(era, skewed):
    skewed(-3)
    era.save("FAR", changed_at=far(era))
    era.sweep()
    era.wait(60)
    era.save("N")
    era.sweep()
    assert era.told() == [("N", "1")]


@pytest.mark.parametrize("eternal_era", ["postgres"], indirect=True)  # SQLite, a file, has no clock
def test_a_document_of_later_today_hides_none_of_an_erp_that_is_behind(era):
    """Our clock passes its time hours before the ERP's does."""
    era.ahead = era.server_ahead = timedelta(hours=-3)
    era.wait(0)
    era.save("OLD")
    era.sweep()
    era.save("TODAY", changed_at=era.dated() + timedelta(hours=1))
    told = [("TODAY", "1")]
    for number in range(4):
        era.wait(60)
        era.save(f"N{number}")
        era.sweep()
        told.append((f"N{number}", "1"))
    assert era.told() == sorted(told)


@pytest.mark.parametrize("eternal_era", ["postgres"], indirect=True)  # SQLite, a file, has no clock
def test_a_server_that_is_set_back_hides_nothing(era):
    era.save("OLD")
    era.sweep()
    era.wait(6 * 3600)
    era.save("A")
    era.sweep()
    era.ahead = era.server_ahead = timedelta(hours=-3)
    for number in range(3):
        era.wait(60)
        era.save(f"B{number}")
        era.sweep()
    assert era.told() == [("A", "1"), ("B0", "1"), ("B1", "1"), ("B2", "1")]


def test_a_server_that_was_ahead_and_is_set_right_hides_nothing(era):
    era.ahead = era.server_ahead = timedelta(hours=3)
    era.wait(0)
    era.sweep()
    era.save("A")
    era.sweep()
    era.ahead = era.server_ahead = timedelta(0)
    era.wait(60)
    era.save("B")
    era.sweep()
    assert era.told() == [("A", "1"), ("B", "1")]


def test_our_own_clock_set_back_hides_nothing(era):
    era.save("OLD")
    era.sweep()
    era.wait(3600)
    era.save("A")
    era.sweep()
    sweeper = replace(era.sweeper, clock=lambda: era.now - timedelta(minutes=30))
    era.wait(60)
    era.save("B")
    road.sweep(sweeper, PAPER)
    road.sweep(sweeper, PAPER)
    era.save("C")
    era.sweep()
    assert era.told() == [("A", "1"), ("B", "1"), ("C", "1")]


def test_another_zone_of_the_erps_times_sends_nothing_again_and_loses_nothing(era):
    """Operations set the zone right: the rows' times go back by hours, as far as we can see."""
    era.save("OLD")
    era.sweep()
    era.wait(4 * 3600)
    for number in range(5):
        era.save(f"A{number}")
    era.sweep()
    with era.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE papers SET changed_at = "
            + (
                "changed_at - interval '3 hours'"
                if era.engine.dialect.name == "postgresql"
                else "strftime('%Y-%m-%d %H:%M:%f000', changed_at, '-3 hours')"
            )
        )
    era.ahead = timedelta(hours=-3)
    swept = era.sweep()
    assert (swept.new, swept.alarms) == (0, [])
    era.wait(60)
    era.save("B")
    era.sweep()
    assert era.told() == [*((f"A{number}", "1") for number in range(5)), ("B", "1")]


def test_a_first_look_that_finds_nothing_tells_no_history_when_the_query_is_mended(era):
    query = era.include / "sql" / "paper.sql"
    good = query.read_text()
    query.write_text(good + " WHERE p.body = 'mistaken'")
    era.save("OLD", changed_at=era.dated() - timedelta(days=30))
    era.sweep()
    query.write_text(good)
    assert era.sweep().new == 0
