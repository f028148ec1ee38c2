"""The shipped financial reports against the same figures computed from the raw tables without SQL, to the guaraní."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from demo import database, generate
from emailketing.erp import Erp
from emailketing.report import parameters
from emailketing.report.kinds import exact
from emailketing.report.periods import Cadence, containing
from emailketing.settings import PROJECT
from tests.books import CASH, UNTIL, Books, age, by, percent, small_company

OCTOBER = containing(Cadence.MONTHLY, date(2026, 10, 5))
PERIODS = {
    "month": OCTOBER,
    "January": containing(Cadence.MONTHLY, date(2026, 1, 5)),
    "week": containing(Cadence.WEEKLY, date(2026, 11, 4)),
    "day": containing(Cadence.DAILY, date(2026, 11, 10)),
    "last day": containing(Cadence.DAILY, UNTIL - timedelta(days=1)),
    "year": containing(Cadence.YEARLY, date(2026, 5, 5)),
    "first month": containing(Cadence.MONTHLY, UNTIL - timedelta(days=450)),
    "before all": containing(Cadence.MONTHLY, date(2024, 3, 1)),
}
QUERIES = sorted(
    path.name.removesuffix(".sql")
    for name in ("income_statement", "balance_sheet", "cash_flow", "receivables", "payables")
    for path in (PROJECT / "include" / "sql").glob(f"{name}*.sql")
)
AMOUNTS = ("amount", "previous", "year_ago")


@pytest.fixture(scope="module")
def data():
    return small_company()


@pytest.fixture(scope="module")
def books(data):
    return Books(data)


@pytest.fixture(params=PERIODS)
def period(request):
    return PERIODS[request.param]


def rows(erp, name, period):
    with erp.reading() as reader:
        return reader.listing(name, 10_000, **parameters.days(period, erp.query(name).parameters))[1]


def figures(erp, name, period):
    return {row["figure"]: exact(row["value"]) for row in rows(erp, f"{name}.figures", period)}


def by_account(found):
    return {row.get("account", row.get("cash_account")): row for row in found}


def spans(period):
    """The period, the one before and that of a year ago, by the name of their column."""
    return dict(zip(AMOUNTS, (period, period.before(), period.year_ago()), strict=True))


def alike(one, other):
    """Amounts are equal to the last digit, ratios to a millionth."""
    if one is None or other is None or isinstance(one, str):
        return one == other
    return abs(Decimal(one) - Decimal(other)) <= Decimal("1e-6")


def plain(row):
    return {name: each if isinstance(each, str | date) else exact(each) for name, each in row.items()}


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_every_database_gives_the_same(erps, server, name, period):
    ours, theirs = ([plain(row) for row in rows(erps[each], name, period)] for each in ("sqlite", server))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for column, value in one.items():
            if isinstance(other[column], date):
                assert value == other[column].isoformat()
            elif isinstance(value, str) or value is None:
                assert value == other[column]
            elif column in {"value", "share"} or column.endswith("_pct"):
                assert abs(value - other[column]) < Decimal("0.001"), (column, one)
            else:
                assert value == other[column], (column, one)


# The income statement


def placed(code):
    """Where an account stands in the income statement: the first digits of what is summed before each result."""
    if code[:3] == "4.1":
        return 1
    if code[0] == "5":
        return 2
    if code[:3] == "6.1":
        return 3
    return 4 if code[0] == "4" else 5


@pytest.mark.parametrize("column", AMOUNTS)
def test_every_account_of_the_income_statement_is_what_was_booked(sqlite, books, period, column):
    found = by_account(rows(sqlite, "income_statement", period))
    span = spans(period)[column]
    moved = books.moved(span.start, span.end)
    for code, name in books.names.items():
        if code[0] in "456" and name in found:
            below = sum(amount for each, amount in moved.items() if each == code or each.startswith(f"{code}."))
            assert found[name][column] == (-below if code[0] == "4" else below), name
    for result, last in (("gross_margin", 2), ("operating_result", 3), ("result", 5)):
        expected = -sum(amount for code, amount in moved.items() if code[0] in "456" and placed(code) <= last)
        assert not found or found[result][column] == expected, result


def test_no_account_that_moved_is_missing_and_none_stands_there_twice(sqlite, books, period):
    found = rows(sqlite, "income_statement", period)
    names = [row["account"] for row in found]
    assert len(names) == len(set(names))
    moved = books.moved(period.start, period.end)
    posted = {books.names[code] for code, amount in moved.items() if code[0] in "456" and amount}
    assert posted <= set(names)
    shown_codes = {books.names[code] for code in books.names}
    assert set(names) - shown_codes <= {"gross_margin", "operating_result", "result"}


def test_accounts_stand_in_the_order_of_their_codes_below_their_groups(sqlite):
    lines = [(row["account"], row["level"], bool(row["is_sum"])) for row in rows(sqlite, "income_statement", OCTOBER)]
    tops = [name for name, level, _ in lines if level == 0]
    assert tops == [
        "Ingresos operativos", "Costo de ventas", "gross_margin", "Gastos operativos", "operating_result",
        "Otros ingresos", "Gastos financieros", "result",
    ]  # fmt: skip
    assert lines[:2] == [("Ingresos operativos", 0, True), ("Ventas de combustibles", 1, False)]
    staff = lines.index(("Gastos de personal", 1, True))
    assert lines[staff + 1] == ("Sueldos y jornales", 2, False)
    assert ("Ventas", 1, True) not in lines  # the only group of its group would repeat its sum


def test_variances_and_shares_follow_from_the_amounts(sqlite, period):
    found = rows(sqlite, "income_statement", period)
    sales = next((row["amount"] for row in found if row["account"] == "Ingresos operativos"), None)
    for row in found:
        assert alike(exact(row["share"]), percent(row["amount"], sales))
        for base, name in (("previous", "difference"), ("year_ago", "year_difference")):
            assert row[name] == row["amount"] - row[base]
            assert alike(exact(row[f"{name}_pct"]), percent(row[name], row[base]))


def test_the_steps_of_the_waterfall_lead_from_the_sales_to_the_result(sqlite, period):
    level = None
    for row in rows(sqlite, "income_statement", period):
        if row["effect"] is not None and row["is_result"]:
            assert level in (None, row["effect"]), row["account"]
            level = row["effect"]
        elif row["effect"] is not None:
            level = (level or 0) + row["effect"]


def test_the_key_figures_of_the_income_statement(sqlite, books, period):
    found, moved = figures(sqlite, "income_statement", period), books.moved(period.start, period.end)
    sums = {place: -sum(amount for code, amount in moved.items() if code[0] in "456" and placed(code) == place)
            for place in range(1, 6)}  # fmt: skip
    margin, result = sums[1] + sums[2], sum(sums.values())
    assert found["sales"] == sums[1]
    assert found["gross_margin"] == margin
    assert found["expenses"] == -sums[3]
    assert found["result"] == result == books.result(period.start, period.end)
    assert alike(found["gross_margin_pct"], percent(margin, sums[1]))
    assert alike(found["net_margin_pct"], percent(result, sums[1]))


def test_the_months_of_the_trend_are_whole(sqlite, books):
    found = rows(sqlite, "income_statement.trend", PERIODS["week"])
    results = [(row["at"][:7], row["value"]) for row in found if row["figure"] == "result"]
    assert results[0][0] == "2025-11"
    assert results[-1][0] == "2026-10"
    for month, value in results:
        span = containing(Cadence.MONTHLY, date.fromisoformat(f"{month}-01"))
        assert value == books.result(span.start, span.end)


def test_sales_of_the_statement_are_those_of_the_documents_without_their_tax(sqlite, books):
    sold = sum(
        sale["total"] - sale["tax_10"] - sale["tax_5"]
        for sale in books.rows["sales"]
        if sale["sold_on"] in OCTOBER and sale["status"] == "valid"
    )
    assert figures(sqlite, "income_statement", OCTOBER)["sales"] == sold


# The balance sheet


@pytest.mark.parametrize("column", ["amount", "opening", "year_ago"])
def test_every_account_of_the_balance_sheet_is_what_the_ledger_holds(sqlite, books, period, column):
    day = {"amount": period.end, "opening": period.start, "year_ago": period.year_ago().end}[column]
    held, found = books.held(day), by_account(rows(sqlite, "balance_sheet", period))
    results = -sum(amount for code, amount in held.items() if code[0] in "456")
    for code, name in books.names.items():
        if code[0] in "123" and name in found:
            below = sum(amount for each, amount in held.items() if each == code or each.startswith(f"{code}."))
            expected = below if code[0] == "1" else -below
            assert found[name][column] == expected + (results if code == "3" else 0), name
    if found:
        of_the_year = books.result(date((day - timedelta(days=1)).year, 1, 1), day)
        assert found.get("year_result", {column: 0})[column] == of_the_year
        assert found.get("earlier_results", {column: 0})[column] == results - of_the_year


def test_assets_equal_liabilities_and_equity(sqlite, period):
    found = by_account(rows(sqlite, "balance_sheet", period))
    for column in ("amount", "opening", "year_ago") if found else ():
        assets, debts, equity = (found[name][column] for name in ("ACTIVO", "PASIVO", "PATRIMONIO NETO"))
        assert assets == debts + equity == found["funding"][column]
    assert "unbalanced" not in found


def test_the_result_of_the_income_statement_is_what_equity_changed_by(sqlite, period):
    balance, result = by_account(rows(sqlite, "balance_sheet", period)), figures(sqlite, "income_statement", period)
    if balance and period != PERIODS["first month"]:  # in which the capital was paid in
        assert balance["PATRIMONIO NETO"]["difference"] == result["result"]


def test_books_out_of_balance_say_so(sqlite, tmp_path, data):
    engine = database.open_engine(f"sqlite:///{tmp_path / 'erp.db'}")
    database.create(engine)
    generate.store(engine, data)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE journal_lines SET debit = debit + 7 WHERE id = (SELECT MIN(id) FROM "
                                   "journal_lines WHERE debit > 0)")  # fmt: skip
    found = by_account(rows(Erp(engine, sqlite.folder, sqlite.zone), "balance_sheet", OCTOBER))
    assert found["unbalanced"]["amount"] == 7
    assert found["ACTIVO"]["amount"] - found["funding"]["amount"] == 7
    engine.dispose()


def test_the_key_figures_of_the_balance_sheet(sqlite, books, period):
    found, held = figures(sqlite, "balance_sheet", period), books.held(period.end)
    assets, debts, current, short, cash = (
        (1 if head[0] == "1" else -1) * sum(amount for code, amount in held.items() if code.startswith(head))
        for head in ("1", "2", "1.1", "2.1", CASH)
    )
    assert (found["assets"], found["liabilities"], found["cash"]) == (assets, debts, cash)
    assert found["equity"] == assets - debts
    assert alike(found["debt_pct"], Decimal(100) * debts / assets if assets else None)
    assert not short or abs(found["current_ratio"] - Decimal(current) / short) < Decimal("0.0051")


def test_the_bars_of_the_balance_are_as_long_as_assets_and_what_funds_them(sqlite, period):
    found = rows(sqlite, "balance_sheet", period)
    sides = by((row for row in found if row["block"] is not None), lambda row: row["side"], lambda row: row["block"])
    assert not found or sides["assets"] == sides["funding"] == by_account(found)["ACTIVO"]["amount"]


# The cash flow


@pytest.mark.parametrize("column", AMOUNTS)
def test_the_cash_flow_leads_from_what_there_was_to_what_there_is(sqlite, books, period, column):
    found, span = by_account(rows(sqlite, "cash_flow", period)), spans(period)[column]
    opening, closing = (
        sum(amount for code, amount in books.held(day).items() if code.startswith(CASH))
        for day in (span.start, span.end)
    )
    if found:
        assert (found["opening"][column], found["closing"][column]) == (opening, closing)
        assert sum(row[column] for row in found.values() if row["level"] == 1) == closing - opening
        activities = (found.get(name, {column: 0})[column] for name in ("operating", "investing", "financing"))
        assert sum(activities) == closing - opening


def test_what_came_in_and_went_out_is_that_of_the_documents(sqlite, books, period):
    found, rows_of = by_account(rows(sqlite, "cash_flow", period)), books.rows
    amount = {name: row["amount"] for name, row in found.items()}
    at_once = sum(
        sale["total"] for sale in rows_of["sales"]
        if sale["sold_on"] in period and sale["payment_method"] in {"cash", "transfer", "cheque"}
    )  # fmt: skip
    collected = sum(receipt["total"] for receipt in rows_of["receipts"] if receipt["received_on"] in period)
    assert amount.get("cash_sales", 0) == at_once
    assert amount.get("collections", 0) == collected
    moved = Counters(books, period)
    assert amount.get("suppliers", 0) == moved.paid("payment_orders")
    assert amount.get("card_settlements", 0) == moved.other("1.1.02.02")
    assert amount.get("staff", 0) == moved.other("6.1.01.", "2.1.02.03", "2.1.02.04")
    assert amount.get("taxes", 0) == moved.other("1.1.02.03", "2.1.02.01", "2.1.02.02")
    assert amount.get("loans", 0) == moved.other("2.2.")
    assert amount.get("interest", 0) == moved.other("6.2.01.01")
    assert amount.get("bank_fees", 0) == moved.other("6.2.01.02")


class Counters:
    """What entries with cash in them did in a period."""

    def __init__(self, books, period):
        entries = {}
        for entry, code, amount in books.postings:
            if entry["booked_on"] in period:
                entries.setdefault(entry["id"], (entry, []))[1].append((code, amount))
        self.entries = [each for each in entries.values() if any(code.startswith(CASH) for code, _ in each[1])]

    def paid(self, source):
        lines = [lines for entry, lines in self.entries if entry["source"] == source]
        return sum(amount for each in lines for code, amount in each if code.startswith(CASH))

    def other(self, *heads):
        """The other side of entries that no sale, receipt or payment caused."""
        lines = [
            lines for entry, lines in self.entries
            if entry["source"] not in {"sales", "receipts", "payment_orders"}
        ]  # fmt: skip
        return -sum(amount for each in lines for code, amount in each if code.startswith(heads))


def test_each_account_of_cash_ends_with_its_balance(sqlite, books, period):
    held, before = books.held(period.end), books.held(period.start)
    found = by_account(rows(sqlite, "cash_flow.accounts", period))
    for code, amount in held.items():
        if code.startswith(CASH) and (amount or before[code]):
            row = found[books.names[code]]
            assert (row["opening"], row["closing"]) == (before[code], amount)
            assert row["opening"] + row["inflows"] + row["outflows"] == row["closing"]


def test_the_key_figures_of_the_cash_flow(sqlite, books, period):
    found = figures(sqlite, "cash_flow", period)
    changes = Counters(books, period).entries
    sums = [sum(amount for code, amount in lines if code.startswith(CASH)) for _, lines in changes]
    assert found["inflows"] == sum(each for each in sums if each > 0)
    assert found["outflows"] == -sum(each for each in sums if each < 0)
    assert found["net"] == found["closing"] - found["opening"] == sum(sums)


# What is owed


@pytest.mark.parametrize(("column", "of"), [("amount", lambda each: each), ("previous", lambda each: each.before())])
@pytest.mark.parametrize("name", ["receivables", "payables"])
def test_ages_are_those_of_the_open_documents(sqlite, books, period, name, column, of):
    day = of(period).end
    last = day - timedelta(days=1)
    owed = [(row["due_on"], amount) for row, amount in books.receivable(day)]
    if name == "payables":
        owed = [(row["due_on"], amount) for row, _, amount in books.payable(day)]
    expected = by(owed, lambda each: age(each[0], last), lambda each: each[1])
    found = {row["age"]: row[column] for row in rows(sqlite, name, period)}
    assert {each: amount for each, amount in found.items() if amount} == expected
    assert list(found) == ["not_due", "days_1_30", "days_31_60", "days_61_90", "days_over_90"] or not found


def test_what_is_owed_is_what_the_ledger_says(sqlite, books, period):
    held = books.held(period.end)
    for name, account, sign in (("receivables", "1.1.02.01", 1), ("payables", "2.1.01.01", -1)):
        assert figures(sqlite, name, period)["total"] == sign * held[account]
        for query, column in ((name, "amount"), (f"{name}.parties", "total")):
            assert sum(row[column] for row in rows(sqlite, query, period)) == sign * held[account]


def test_every_age_has_its_stragglers(sqlite):
    """Or the tests above would compare nothing with nothing."""
    found = rows(sqlite, "receivables", PERIODS["last day"])
    assert all(row["amount"] > 0 and row["documents"] > 0 for row in found)
    assert len(found) == 5


@pytest.mark.parametrize("name", ["receivables", "payables"])
def test_each_party_owes_or_is_owed_what_its_documents_come_to(sqlite, books, period, name):
    last, names = period.last_day, {party["id"]: party["name"] for party in books.rows["parties"]}
    owed = [(row["customer_id"], row["due_on"], amount) for row, amount in books.receivable(period.end)]
    if name == "payables":
        owed = [(row["supplier_id"], row["due_on"], amount) for row, _, amount in books.payable(period.end)]
    expected = by(owed, lambda each: (names[each[0]], age(each[1], last)), lambda each: each[2])
    found = rows(sqlite, f"{name}.parties", period)
    ages = ("not_due", "days_1_30", "days_31_60", "days_61_90", "days_over_90")
    cells = by(
        [(row["party"], each, row[each] or 0) for row in found for each in ages],
        lambda each: each[:2],
        lambda each: each[2],
    )
    assert cells == expected
    totals = [sum(row[each] or 0 for each in ages) for row in found]
    assert [row["total"] for row in found] == sorted(totals, reverse=True)
    oldest = {}
    for party, due, _ in owed:
        oldest[names[party]] = min(due, oldest.get(names[party], due))
    assert {row["party"]: row["oldest_due"] for row in found} == {who: due.isoformat() for who, due in oldest.items()}


def test_overdue_sales_are_listed_one_by_one_the_oldest_first(sqlite, books, period):
    found = rows(sqlite, "receivables.overdue", period)
    expected = {
        sale["number"]: amount for sale, amount in books.receivable(period.end) if sale["due_on"] < period.last_day
    }
    assert {row["number"]: row["open_amount"] for row in found} == expected
    assert [row["due_on"] for row in found] == sorted(row["due_on"] for row in found)


def test_invoices_in_dollars_are_listed_in_dollars(sqlite, books, period):
    found = {row["number"]: exact(row["open_amount"]) for row in rows(sqlite, "payables.foreign", period)}
    expected = {row["number"]: rest for row, rest, _ in books.payable(period.end) if row["currency"] == "USD"}
    assert {number: Decimal(amount) for number, amount in found.items()} == expected
    assert exact(figures(sqlite, "payables", period)["dollars"]) == sum(expected.values())


def test_the_key_figures_of_what_is_owed(sqlite, books, period):
    last, found = period.last_day, figures(sqlite, "receivables", period)
    owed = books.receivable(period.end)
    late = sum(amount for sale, amount in owed if sale["due_on"] < last)
    collected = sum(each["total"] for each in books.rows["receipts"] if each["received_on"] in period)
    assert found["overdue"] == late
    assert found["over_90"] == sum(amount for sale, amount in owed if age(sale["due_on"], last) == "days_over_90")
    assert found["collected"] == collected
    assert alike(found["overdue_pct"], percent(late, sum(amount for _, amount in owed)))
    found, invoices = figures(sqlite, "payables", period), books.payable(period.end)
    week = last + timedelta(days=7)
    assert found["overdue"] == sum(amount for each, _, amount in invoices if each["due_on"] < last)
    assert found["next_days"] == sum(amount for each, _, amount in invoices if last <= each["due_on"] <= week)


@pytest.mark.parametrize("name", ["income_statement", "cash_flow", "balance_sheet", "receivables", "payables"])
def test_nothing_is_told_where_nothing_happened(sqlite, name):
    assert rows(sqlite, name, PERIODS["before all"]) == []
    values = figures(sqlite, name, PERIODS["before all"]).values()
    assert not any(values)
