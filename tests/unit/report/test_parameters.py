from datetime import date

from emailketing.report.parameters import days
from emailketing.report.periods import Cadence, containing

FEBRUARY = containing(Cadence.MONTHLY, date(2026, 2, 5))


def test_a_query_may_ask_for_the_days_of_the_period_and_of_those_it_is_compared_with():
    assert days(FEBRUARY, []) == {
        "start": date(2026, 2, 1),
        "end": date(2026, 3, 1),
        "previous_start": date(2026, 1, 1),
        "previous_end": date(2026, 2, 1),  # the whole of it, though it is longer
        "year_ago_start": date(2025, 2, 1),
        "year_ago_end": date(2025, 3, 1),
    }


def test_and_for_days_that_are_so_many_days_from_them():
    asked = days(FEBRUARY, ["end_less_1", "end_less_91", "previous_end_less_1", "end_plus_7", "start"])
    assert asked["end_less_1"] == date(2026, 2, 28)
    assert asked["end_less_91"] == date(2025, 11, 30)
    assert asked["previous_end_less_1"] == date(2026, 1, 31)
    assert asked["end_plus_7"] == date(2026, 3, 8)


def test_what_is_no_day_is_left_to_the_query_to_complain_of():
    assert set(days(FEBRUARY, ["ends_less_1", "end_less_x", "branch"])) == set(days(FEBRUARY, []))


def test_of_a_period_that_still_runs_as_many_days_count_as_of_those_beside_it():
    running = days(containing(Cadence.MONTHLY, date(2026, 3, 5)), ["end_less_1"], told=30)
    assert running["end"] == date(2026, 3, 31)
    assert running["previous_end"] == date(2026, 3, 1)  # it has no more days
    assert running["year_ago_end"] == date(2025, 3, 31)
    assert running["end_less_1"] == date(2026, 3, 30)
