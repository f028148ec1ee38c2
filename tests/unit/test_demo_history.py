"""The whole two years, as rows in memory."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import date, datetime, time

import pytest

from demo import documents as docs
from demo import generate
from demo.masters import Data

UNTIL = date(2026, 11, 22)


@pytest.fixture(scope="module")
def data() -> Data:
    return generate.build(1, UNTIL)


@pytest.fixture(scope="module")
def balances(data) -> Counter:
    codes = {number: code for code, number in docs.ACCOUNT_IDS.items()}
    sums = Counter()
    for line in data.rows["journal_lines"]:
        sums[codes[line["account_id"]]] += line["debit"] - line["credit"]
    return sums


def test_the_company_is_as_large_as_promised(data):
    counts = {name: len(data.rows[name]) for name in ("parties", "products", "sales", "exchange_rates")}
    assert counts == {"parties": 600, "products": 1_200, "sales": 20_000, "exchange_rates": 730}
    for name in ("purchase_orders", "quotations", "payment_orders", "receipts", "cash_closings", "sales_closings"):
        assert len(data.rows[name]) > 1_000, name


def test_the_same_seed_gives_the_same_rows_and_another_one_others():
    first, again, other = (generate.build(seed, UNTIL, 0.05).rows for seed in (3, 3, 4))
    assert first == again
    assert first["sales"] != other["sales"]


def test_nothing_lies_in_the_future_or_before_the_two_years(data):
    for name in ("sales", "purchase_orders", "receipts", "cash_closings", "journal_entries", "quotations"):
        times = [row["changed_at"] for row in data.rows[name]]
        assert datetime.combine(data.start, time()) <= min(times), name
        assert max(times) < datetime.combine(UNTIL, time()), name


def test_debits_equal_credits_in_every_entry(data):
    sums = defaultdict(int)
    for line in data.rows["journal_lines"]:
        sums[line["entry_id"]] += line["debit"] - line["credit"]
        assert (line["debit"] > 0) != (line["credit"] > 0)
    assert len(sums) == len(data.rows["journal_entries"])
    assert not any(sums.values())


def test_open_sales_are_the_receivables_and_open_invoices_the_payables(data, balances):
    assert sum(sale["balance"] for sale in data.rows["sales"]) == balances[docs.CUSTOMERS] > 0
    open_invoices = [invoice for invoice in data.rows["supplier_invoices"] if invoice["balance"]]
    assert sum(invoice["total_pyg"] for invoice in open_invoices) == -balances[docs.SUPPLIERS] > 0


def test_the_stock_at_average_cost_is_the_inventory_of_the_books(data, balances):
    costs = {product["id"]: product["average_cost"] for product in data.rows["products"]}
    stock = sum(float(row["quantity"]) * costs[row["product_id"]] for row in data.rows["stock"])
    booked = sum(amount for code, amount in balances.items() if code.startswith(docs.INVENTORY))
    assert booked > 0
    assert stock == pytest.approx(booked, rel=0.001)
    assert min(row["quantity"] for row in data.rows["stock"]) >= 0


def test_the_tills_hold_what_the_books_say(data, balances):
    assert balances[docs.CASH] == 1_500_000 * len(data.rows["branches"])
    for closing in data.rows["cash_closings"]:
        assert closing["opening"] + closing["income"] - closing["outgoings"] == closing["expected"]
        assert closing["counted"] - closing["expected"] == closing["difference"]


def test_the_company_lives_and_does_not_get_rich(data, balances):
    revenue = -sum(amount for code, amount in balances.items() if code.startswith("4.1"))
    profit = -sum(amount for code, amount in balances.items() if code[0] in "456")
    assert 0 < profit < revenue * 0.05
    bank = docs.ACCOUNT_IDS[docs.BANK]
    held = 0
    for line in data.rows["journal_lines"]:
        held += (line["debit"] - line["credit"]) * (line["account_id"] == bank)
        assert held >= 0


def test_closings_sum_up_the_sales_of_their_day(data):
    sold = defaultdict(lambda: [0, 0])
    for sale in data.rows["sales"]:
        sold[sale["branch_id"], sale["sold_on"]][0] += 1
        sold[sale["branch_id"], sale["sold_on"]][1] += sale["total"]
    closed = {
        (row["branch_id"], row["closed_on"]): [row["tickets"], row["total"]] for row in data.rows["sales_closings"]
    }
    assert closed == sold


def test_a_vehicle_only_drives_forwards_and_fits_its_fuel(data):
    last, tanks = {}, {vehicle["id"]: vehicle["tank"] for vehicle in data.rows["vehicles"]}
    for line in data.rows["sale_lines"]:
        if line["vehicle_id"]:
            assert line["odometer"] > last.get(line["vehicle_id"], 0)
            assert 0 < line["litres"] <= tanks[line["vehicle_id"]]
            last[line["vehicle_id"]] = line["odometer"]
    assert len(last) > 500


def test_addresses_and_telephones_belong_to_nobody(data):
    people = [*data.rows["parties"], *data.rows["employees"]]
    for person in people:
        for address in re.findall(r"@([^\s;]*)", person["email"] or ""):
            assert re.fullmatch(r"|[a-z0-9.]+\.example", address), person["email"]
        assert re.fullmatch(r"(\+595 |0)9[6-9]1[ -]00\d{4}", person["phone"] or "+595 961 000000")


def test_the_parties_have_the_blemishes_of_a_real_register(data):
    parties = data.rows["parties"]
    assert sum(party["email"] is None for party in parties) >= 5
    assert sum(party["email"] is not None and "@" not in party["email"] for party in parties) >= 2
    assert {party["language"] for party in parties} == {"es", "en"}
    assert max(len(party["name"]) for party in parties) > 100
    assert any("ñ" in party["name"] for party in parties)
    assert any("'" in party["name"] for party in parties)
    assert any(party["birthday"] == date(1988, 2, 29) for party in parties)
    assert all((party["consent_at"] is not None) == party["consent"] for party in parties)


def test_documents_are_in_two_currencies_and_dollars_have_cents(data):
    orders = [order for order in data.rows["purchase_orders"] if order["currency"] == "USD"]
    assert len(orders) > 50
    assert all(order["total"].as_tuple().exponent == -2 and order["exchange_rate"] > 6_000 for order in orders)
    assert all(isinstance(sale["total"], int) for sale in data.rows["sales"])
