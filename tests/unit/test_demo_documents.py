from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo import documents as docs
from demo.documents import Entry, Line

GOODS = {"id": 1, "description": "Filtro", "unit": "un", "tax_rate": 10, "part": "03"}
BREAD = GOODS | {"tax_rate": 5, "part": "05"}
PAPER = GOODS | {"tax_rate": 0, "part": "05"}


def test_a_tenth_lies_in_eleven_parts_and_a_twentieth_in_twenty_one():
    sums = docs.totals([(10, 110_000), (5, 21_000), (0, 7_000)])
    assert sums == docs.Totals(subtotal=127_000, tax_10=10_000, tax_5=1_000, exempt=7_000, total=138_000)


@given(st.integers(0, 10**12), st.sampled_from([10, 5]))
def test_the_contained_tax_is_the_nearest_whole_unit(amount, rate):
    exact = Decimal(amount) * rate / (100 + rate)
    assert abs(docs.contained(amount, rate) - exact) <= Decimal("0.5")


@given(st.lists(st.tuples(st.sampled_from([10, 5, 0]), st.integers(0, 10**9))))
def test_subtotal_and_taxes_add_up_to_the_total(amounts):
    sums = docs.totals(amounts)
    assert sums.subtotal + sums.tax_10 + sums.tax_5 == sums.total == sum(amount for _, amount in amounts)


def test_a_line_of_litres_is_rounded_once():
    assert Line(GOODS, 35_127, 7_690).amount == 270_127  # 270126.63


def test_guaranies_are_whole_and_dollars_have_two_decimals():
    assert docs.money(12_450_000, "PYG") == 12_450_000
    assert str(docs.money(1_250, "USD")) == "12.50"
    assert docs.minor(Decimal("12.50"), "USD") == 1_250


def test_dollars_are_booked_at_the_rate_of_the_day():
    assert docs.in_guaranies(1_001, "USD", 7_345) == 73_523  # 10.01 × 7345 = 73523.45


@pytest.mark.parametrize(("number", "digit"), [(80_000_519, 8), (80_009_735, 1)])
def test_the_check_digit_of_a_tax_number_is_that_of_the_tax_office(number, digit):
    assert docs.check_digit(number) == digit


def test_an_entry_that_does_not_balance_cannot_be_made():
    with pytest.raises(ValueError, match="differ in 'Venta'"):
        Entry(date(2026, 1, 1), "Venta", ((docs.CASH, 100, None), (docs.TAX_OWED, -99, None)))


def test_an_entry_names_each_account_once_and_debits_first():
    sums = (("4.1.01.01", -60, None), (docs.CASH, 100, None), ("4.1.01.01", -40, None), (docs.BANK, 0, None))
    rows = Entry(date(2026, 1, 1), "Venta", sums).rows(7)
    assert [(row["account_id"], row["debit"], row["credit"]) for row in rows] == [
        (docs.ACCOUNT_IDS[docs.CASH], 100, 0),
        (docs.ACCOUNT_IDS["4.1.01.01"], 0, 100),
    ]


@given(st.lists(st.tuples(st.sampled_from([GOODS, BREAD, PAPER]), st.integers(1, 10**8)), min_size=1, max_size=9))
def test_the_books_of_any_sale_balance(goods):
    lines = [Line(product, 1_000, price) for product, price in goods]
    costs = [line.amount // 2 for line in lines]
    Entry(date(2026, 1, 1), "Venta", docs.sale_sums(lines, costs, "credit", 5))


def test_every_account_but_the_roots_stands_under_a_known_one():
    chart = {row["code"]: row for row in docs.chart()}
    orphans = [code for code, row in chart.items() if row["parent_id"] is None]
    assert orphans == ["1", "2", "3", "4", "5", "6"]
    assert all(chart[code.rpartition(".")[0]]["kind"] == row["kind"] for code, row in chart.items() if "." in code)
