"""Filters of subscriptions: which documents somebody hears of, whatever types a database gives its columns."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing.audience.filters import condition, number_of, parsed, scalar

NUMBERS = st.decimals(min_value=-(10**12), max_value=10**12, places=2)
TEXTS = st.text(max_size=12)
VALUES = st.none() | st.booleans() | NUMBERS | st.integers(-(10**6), 10**6) | TEXTS
FILTERS = st.dictionaries(
    st.sampled_from(["branch", "total", "difference"]),
    VALUES
    | st.lists(VALUES, min_size=1, max_size=3)
    | st.fixed_dictionaries({}, optional={"not": VALUES, "at_least": NUMBERS, "at_most": NUMBERS}).filter(bool),
    max_size=3,
)


def matches(where, **row):
    return parsed(where).matches(row)


@pytest.mark.parametrize(
    ("wanted", "value", "fits"),
    [
        ("001", "001", True),
        ("001", 1, False),
        ("001", " 001 ", True),  # CHAR columns come padded
        ("1", 1, True),
        ("1", Decimal("1.00"), True),
        (Decimal(1), "1.00", True),
        (Decimal(1), "001", False),
        (Decimal(0), "0.00", True),
        (Decimal(0), -0.0, True),
        (Decimal(1), None, False),
        (Decimal(1), float("nan"), False),
        ("delete", "DELETE", True),
        ("pri*", "PRICES", True),
        ("pri*", "prime ñandú", True),
        ("pri*", "reprice", False),
        ("*price*", "list_price_old", True),
        ("caja [1]", "CAJA [1]", True),  # itself, though brackets are wildcards
        ("2026-01-01", date(2026, 1, 1), True),
        ("ñ", "Ñ", True),
        (True, 1, True),
        (True, "t", True),
        (True, "no", False),
        (False, Decimal(0), True),
        (False, None, False),
        (None, None, True),
        (None, "", False),
        (["a", "b*"], "BETA", True),
        (["a", "b*"], "c", False),
        ({"not": Decimal(0)}, "0.00", False),
        ({"not": Decimal(0)}, -15000, True),
        ({"not": Decimal(0)}, None, True),
        ({"not": None}, None, False),
        ({"not": ["a", "b"]}, "B", False),
        ({"at_least": 5000000}, "5000000.00", True),
        ({"at_least": 5000000}, 4999999.99, False),
        ({"at_least": "0.1"}, 0.1, True),
        ({"at_most": 5}, 5, True),
        ({"at_least": 1, "at_most": 5}, Decimal(6), False),
        ({"at_least": 1, "not": 3}, 3, False),
        ({"at_least": 1}, None, False),
        ({"at_least": 1}, "Gs. 5.000.000", False),
    ],
)
def test_a_column_is_as_wanted(wanted, value, fits):
    assert matches({"column": wanted}, column=value) is fits


def test_every_column_named_must_hold_and_a_missing_one_never_does():
    where = {"branch": "001", "total": {"at_least": 10}}
    assert matches(where, branch="001", total=10, other="x")
    assert not matches(where, branch="002", total=10)
    assert not matches(where, branch="001")
    assert not matches({"branch": None})
    assert matches({})


@pytest.mark.parametrize(
    ("written", "quoted", "value"),
    [
        ("001", False, "001"),
        ("1", False, Decimal(1)),
        ("1", True, "1"),
        ("-0.50", False, Decimal("-0.50")),
        ("1e5", False, "1e5"),
        ("no", False, "no"),
        ("true", False, True),
        ("true", True, "true"),
        ("null", False, None),
        ("", False, None),
        ("", True, ""),
    ],
)
def test_a_value_is_read_as_it_is_meant(written, quoted, value):
    assert scalar(written, quoted=quoted) == value


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"at_leats": 5}, "there is no comparison 'at_leats'. Did you mean 'at_least'?"),
        ({"at_least": "5.000.000"}, "at_least wants a number without signs of thousands"),
        ({"at_least": None}, "at_least wants a number"),
        ({"at_most": True}, "at_most wants a number"),
        ({}, "nothing is wanted of it"),
        ([], "the list is empty"),
        ({"not": []}, "the list is empty"),
        ([["a"]], "expected a value or a list of values"),
        ({"not": {"not": 1}}, "expected a value or a list of values"),
    ],
)
def test_a_slip_in_a_filter_is_told(wanted, told):
    with pytest.raises(ValueError, match=r"^total: ") as caught:
        condition("total", wanted)
    assert told in str(caught.value)


def test_what_can_never_hold_is_told_with_the_nearest_column():
    misfits = [why for _, why in parsed({"brnch": "001"}).misfits({"branch": "001", "total": 1})]
    assert misfits == ["the query gives no column 'brnch'. Did you mean 'branch'?"]
    (why,) = [why for _, why in parsed({"total": {"at_least": 5}}).misfits({"total": "Gs. 5.000"})]
    assert "total is 'Gs. 5.000'" in why
    assert list(parsed({"total": {"at_least": 5}}).misfits({"total": None})) == []


@given(NUMBERS, NUMBERS)
def test_numbers_are_compared_as_numbers_however_a_database_gives_them(limit, value):
    for given_as in (value, str(value), f" {value} "):
        assert matches({"total": {"at_least": limit}}, total=given_as) is (value >= limit)
        assert matches({"total": {"at_most": limit}}, total=given_as) is (value <= limit)
        assert matches({"total": limit}, total=given_as) is (value == limit)


@given(VALUES, VALUES)
def test_not_is_the_contrary_and_a_list_is_any_of_it(wanted, value):
    assert matches({"x": {"not": wanted}}, x=value) is not matches({"x": wanted}, x=value)
    assert matches({"x": [wanted, value]}, x=value) >= matches({"x": value}, x=value)
    assert matches({"x": [wanted]}, x=value) is matches({"x": wanted}, x=value)


@given(FILTERS, st.fixed_dictionaries({"branch": VALUES, "total": VALUES, "difference": VALUES}))
def test_a_filter_survives_the_outbox(where, row):
    """It is kept as JSON."""
    kept = json.loads(json.dumps(parsed(where).plain()))
    assert parsed(kept).matches(row) is parsed(where).matches(row)
    assert parsed(kept).plain() == kept


@given(st.one_of(VALUES, st.floats(), st.binary(max_size=5), st.dates(), st.datetimes()))
def test_whatever_the_erp_gives_no_filter_fails(value):
    number_of(value)
    for wanted in ("x*", "[", Decimal(1), True, None, {"at_least": 1}, {"not": "?"}):
        assert matches({"column": wanted}, column=value) in {True, False}
