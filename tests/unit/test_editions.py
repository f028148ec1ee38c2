"""Editions: which one a day belongs to, who gets which subject, whose code is which."""

from collections import Counter
from datetime import date, timedelta

import pytest

from emailketing.road.editions import began, coupon_of, edition_of, next_began, read_coupon, variant_of

SECRET = b"a secret of enough signs"


@pytest.mark.parametrize(
    ("cadence", "day", "edition"),
    [
        ("daily", date(2026, 11, 25), "2026-11-25"),
        ("weekly", date(2026, 11, 25), "2026-W48"),
        ("weekly", date(2027, 1, 3), "2026-W53"),
        ("weekly", date(2024, 12, 30), "2025-W01"),
        ("monthly", date(2026, 2, 28), "2026-02"),
        ("once", date(2026, 2, 28), "once"),
    ],
)
def test_a_day_belongs_to_an_edition(cadence, day, edition):
    assert edition_of(cadence, day) == edition


@pytest.mark.parametrize("cadence", ["daily", "weekly", "monthly"])
def test_an_edition_begins_on_its_first_day(cadence):
    for number in range(800):
        day = date(2024, 1, 1) + timedelta(number)
        first = began(cadence, day)
        assert first <= day
        assert edition_of(cadence, first) == edition_of(cadence, day) != edition_of(cadence, first - timedelta(1))


@pytest.mark.parametrize("cadence", ["daily", "weekly", "monthly"])
def test_the_next_edition_begins_on_the_day_after_the_last_one_of_this(cadence):
    for number in range(800):
        day = date(2024, 1, 1) + timedelta(number)
        following = next_began(cadence, day)
        assert following > day
        assert edition_of(cadence, following - timedelta(1)) == edition_of(cadence, day)
        assert edition_of(cadence, following) != edition_of(cadence, day)
        assert began(cadence, following) == following


def test_a_week_is_one_edition_across_the_new_year():
    week = [date(2026, 12, 28) + timedelta(number) for number in range(7)]
    assert {edition_of("weekly", day) for day in week} == {"2026-W53"}
    assert {next_began("weekly", day) for day in week} == {date(2027, 1, 4)}
    assert edition_of("weekly", date(2027, 1, 4)) == "2027-W01"
    assert next_began("monthly", date(2026, 12, 31)) == date(2027, 1, 1)
    assert next_began("once", date(2026, 12, 31)) is None


def test_subjects_are_shared_out_fairly_and_for_ever_the_same():
    shares = Counter(variant_of(("a", "b"), "promotion", f"2026-11:{number}") for number in range(10_000))
    assert all(abs(share - 5_000) < 200 for share in shares.values())
    first = [variant_of(("a", "b"), "promotion", f"2026-11:{number}") for number in range(200)]
    second = [variant_of(("a", "b"), "promotion", f"2026-12:{number}") for number in range(200)]
    assert first != second
    assert variant_of((), "promotion", "2026-11:1") == ""


def test_a_coupon_is_one_persons_and_nobody_elses():
    codes = {coupon_of(SECRET, "promotion", f"2026-11:{number}") for number in range(20_000)}
    assert len(codes) == 20_000
    one = coupon_of(SECRET, "promotion", "2026-11:1")
    assert one == coupon_of(SECRET, "promotion", "2026-11:1")
    assert one not in {
        coupon_of(b"another secret of signs", "promotion", "2026-11:1"),
        coupon_of(SECRET, "x", "2026-11:1"),
    }


def test_a_coupon_is_read_as_people_type_it():
    code = coupon_of(SECRET, "promotion", "2026-11:1")
    assert read_coupon(f" {code.lower().replace('-', ' ')} ") == code
    assert read_coupon("oil01-00000") == "01101-00000"
