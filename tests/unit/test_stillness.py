"""When a document has stood still: by the ERP's clock or by first sight, and in the end in any case."""

from datetime import UTC, datetime, timedelta

import pytest

from emailketing.model import Event
from emailketing.road import Stillness

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Watch:
    """A stopwatch that the test sets."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def stillness(watch):
    return Stillness(watch)


def saved(version="1", at=NOON, document="A"):
    return Event("paper", document, version, at, {})


def test_a_window_of_nothing_waits_for_nothing(stillness):
    assert stillness.wait_s(saved(), 0, NOON) == 0


@pytest.mark.parametrize(("age", "left"), [(0, 10), (4, 6), (12, -2), (-600, 10)])
def test_the_erps_clock_says_how_old_a_save_is(stillness, age, left):
    assert stillness.wait_s(saved(), 10, NOON + timedelta(seconds=age)) == left


def test_first_sight_does_where_the_erps_clock_does_not(stillness, watch):
    tomorrow = saved(at=NOON + timedelta(days=1))
    assert stillness.wait_s(tomorrow, 10, NOON) == 10
    watch.seconds = 9
    assert stillness.wait_s(tomorrow, 10, NOON) == 1


def test_another_save_begins_the_window_anew_but_not_for_ever(stillness, watch):
    for second in range(0, 100, 5):
        watch.seconds = second
        at = NOON + timedelta(seconds=second)
        assert stillness.wait_s(saved(str(second), at), 10, at) == min(10, 100 - second)
    watch.seconds = 100
    assert stillness.wait_s(saved("last", NOON + timedelta(seconds=100)), 10, NOON + timedelta(seconds=100)) <= 0


def test_what_is_not_left_any_more_is_forgotten(stillness, watch):
    future = NOON + timedelta(days=1)
    for document in "AB":
        stillness.wait_s(saved(at=future, document=document), 10, NOON)
    watch.seconds = 8
    stillness.keep("paper", [saved(at=future, document="B")])
    stillness.keep("another mailing", [])
    assert stillness.wait_s(saved(at=future, document="A"), 10, NOON) == 10
    assert stillness.wait_s(saved(at=future, document="B"), 10, NOON) == 2
