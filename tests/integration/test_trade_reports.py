"""The shipped reports of trade against the same figures computed from the raw tables without SQL, to the guaraní."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal

import pytest

from demo import generate
from emailketing.report import parameters
from emailketing.report.kinds import exact
from emailketing.report.periods import Cadence, containing
from emailketing.settings import PROJECT
from tests.trade import EXTRA, UNTIL, Shop, trading_company, whole

PERIODS = {
    "month": containing(Cadence.MONTHLY, date(2026, 10, 5)),
    "running month": containing(Cadence.MONTHLY, UNTIL),
    "week": containing(Cadence.WEEKLY, UNTIL - timedelta(days=12)),
    "day": containing(Cadence.DAILY, UNTIL - timedelta(days=12)),
    "last day": containing(Cadence.DAILY, UNTIL - timedelta(days=1)),
    "year": containing(Cadence.YEARLY, date(2026, 5, 5)),
    "first month": containing(Cadence.MONTHLY, UNTIL - timedelta(days=450)),
    "before all": containing(Cadence.MONTHLY, date(2024, 3, 1)),
}
QUERIES = sorted(
    path.name.removesuffix(".sql")
    for name in ("executive_summary", "sales", "stock", "stock_minimum", "fuel")
    for path in (PROJECT / "include" / "sql").glob(f"{name}*.sql")
    if path.name.split(".")[0] == name
)
AMOUNTS = ("sales", "previous", "year_ago")


@pytest.fixture(scope="module")
def data():
    return trading_company()


@pytest.fixture(scope="module")
def shop(data):
    return Shop(data)


@pytest.fixture(params=PERIODS)
def period(request):
    return PERIODS[request.param]


def rows(erp, name, period):
    with erp.reading() as reader:
        given = parameters.days(period, erp.query(name).parameters)
        return [dict(row) for row in reader.listing(name, 10**6, **given)[1]]


def spans(period):
    """The period, the one before and that of a year ago, by the name of their column."""
    return dict(zip(AMOUNTS, (period, period.before(), period.year_ago()), strict=True))


def by(found, *key, value):
    """The sums of a column by some others, without what is nothing."""
    sums = Counter()
    for row in found:
        sums[tuple(row[name] for name in key)] += exact(row[value]) or 0
    return without_nothing(sums)


def without_nothing(sums):
    return {key: value for key, value in sums.items() if value}


def figures(erp, name, period):
    """Value and `per` of each figure, by branch or customer."""
    found = defaultdict(dict)
    for row in rows(erp, f"{name}.figures", period):
        part = row.get("branch_code", row.get("customer_tax_id"))
        found[row["figure"]][part] = exact(row["value"]), exact(row.get("per"))
    return found


def alike(one, other):
    if isinstance(other, date):
        return str(one) == other.isoformat()
    if one is None or other is None or isinstance(one, str) or isinstance(other, str):
        return one == other
    return exact(one) == exact(other)


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_every_database_gives_the_same(erps, server, name, period):
    ours, theirs = (rows(erps[each], name, period) for each in ("sqlite", server))
    assert len(ours) == len(theirs)
    for one, other in zip(sorted(ours, key=words_of), sorted(theirs, key=words_of), strict=True):
        assert one.keys() == other.keys()
        assert [name for name in one if not alike(one[name], other[name])] == [], (one, other)


def words_of(row):
    """What tells a row from the others; databases sort words and NULLs each in its own way."""
    return [str(each) for each in row.values() if each is None or isinstance(each, str | date)]


@pytest.mark.parametrize("name", QUERIES)
def test_the_largest_stand_first(sqlite, name, period):
    size = {"sales": "sales", "executive_summary": "sales", "stock": "value", "fuel": "amount"}
    column = size.get(name, {"stock_minimum": "missing_value", "stock.products": "value"}.get(name))
    if column or name in {"sales.products", "sales.branches", "sales.sellers", "sales.customers"}:
        values = [exact(row[column or "sales"]) for row in rows(sqlite, name, period)]
        assert values == sorted(values, reverse=True)


# The executive summary


def test_the_six_figures_are_those_of_the_documents(sqlite, shop, period):
    found, expected = figures(sqlite, "executive_summary", period), shop.figures(period)
    assert list(found) == ["sales", "margin", "litres", "collected", "receivables", "cash_difference"]
    for name, sums in expected.items():
        assert {code: value for code, (value, _) in found[name].items() if value} == without_nothing(sums), name


def test_what_customers_owe_is_what_the_books_say(sqlite, shop, period):
    """But for what was sold beside the books."""
    found = sum(value for value, _ in figures(sqlite, "executive_summary", period)["receivables"].values())
    beside = sum(
        whole(sale["total"] * sale["exchange_rate"])
        for sale in shop.sales
        if sale["saved_by"] == EXTRA and sale["payment_method"] == "credit" and sale["sold_on"] < period.end
    )
    void = shop.rows["receipts"][-1]
    beside += void["total"] if void["received_on"] < period.end else 0
    assert found == shop.booked("1.1.02.01", date.min, period.end) + beside


def test_what_came_in_is_what_the_tills_took(sqlite, shop, period):
    """But for what was sold beside the tills, and a receipt that was voided after they were closed."""
    found = sum(value for value, _ in figures(sqlite, "executive_summary", period)["collected"].values())
    beside = sum(
        whole(sale["total"] * sale["exchange_rate"])
        for sale in shop.within(period)
        if sale["saved_by"] == EXTRA and sale["payment_method"] != "credit"
    )
    void = shop.rows["receipts"][-1]
    beside -= void["total"] if period.start <= void["received_on"] < period.end else 0
    tills = [each for each in shop.rows["cash_closings"] if period.start <= each["changed_at"].date() < period.end]
    assert found == sum(each["income"] for each in tills) + beside


def test_the_days_of_the_branches_add_up_to_the_figures(sqlite, period):
    found, told = rows(sqlite, "executive_summary", period), figures(sqlite, "executive_summary", period)
    before = figures(sqlite, "executive_summary", period.before())
    ago = figures(sqlite, "executive_summary", period.year_ago())
    for column in ("sales", "margin", "litres", "collected", "cash_difference"):
        ours = {code: value for (code,), value in by(found, "branch_code", value=column).items()}
        assert ours == {code: value for code, (value, _) in told[column].items() if value}, column
    for column, other in (("previous", before), ("year_ago", ago)):
        sums = {code: value for (code,), value in by(found, "branch_code", value=column).items()}
        theirs = {code: value for code, (value, _) in other["sales"].items() if value}
        assert {code: theirs[code] for code in sums} == sums
        shown = {row["branch_code"] for row in found}
        assert {code for code in theirs if code in shown} <= set(sums)
    for row in found:
        assert exact(row["difference"]) == exact(row["sales"]) - exact(row["previous"])
        assert exact(row["year_difference"]) == exact(row["sales"]) - exact(row["year_ago"])


def test_the_course_of_a_figure_is_that_of_its_days(sqlite, shop, period):
    found = defaultdict(dict)
    for row in rows(sqlite, "executive_summary.trend", period):
        found[row["figure"], row["at"]][row["branch_code"]] = exact(row["value"])
    days = [period.end - timedelta(days=back) for back in range(1, 31)]
    assert {at for _, at in found} <= {day.isoformat() for day in days}
    for day in days[:9]:
        for name, sums in shop.figures(containing(Cadence.DAILY, day)).items():
            told = without_nothing(found.get((name, day.isoformat()), {}))
            # On a day without any sale nothing is drawn of what customers owe.
            assert told == (without_nothing(sums) if told or name != "receivables" else {}), (name, day)


# Sales


def test_every_account_of_sales_is_what_was_sold_of_its_goods(sqlite, shop, period):
    """The books keep the net of every sale by kind of goods; what was sold beside them is taken away."""
    parts = {product["code"][:3]: product["part"] for product in shop.rows["products"]}
    names = {group["name"]: group["code"] for group in shop.rows["product_groups"]}
    for column, span in spans(period).items():
        ours = Counter()
        for row in rows(sqlite, "sales", period):
            ours[parts[names[row["product_group"]]]] += exact(row[column])
        for sale in shop.within(span):
            for line, net in shop.nets(sale) if sale["saved_by"] == EXTRA else ():
                ours[shop.by_id("products", line["product_id"])["part"]] -= net
        books = {part: -shop.booked(f"4.1.01.{part}", span.start, span.end) for part in parts.values()}
        assert without_nothing(ours) == without_nothing(books)


def group_of(shop, product):
    return shop.by_id("product_groups", product["group_id"])["name"]


def named(shop, table, number):
    return (shop.by_id(table, number)["name"],)


@pytest.mark.parametrize(
    ("query", "columns", "key"),
    [
        ("sales", ("branch_code", "product_group"), group_of),
        ("sales.products", ("branch_code", "product_code"), lambda _, product: product["code"]),
    ],
)  # fmt: skip
def test_sales_by_goods_are_those_of_the_lines(sqlite, shop, period, query, columns, key):
    found = rows(sqlite, query, period)
    for column, span in spans(period).items():
        lines = shop.lines_by(span, lambda sale, product: (shop.branches[sale["branch_id"]], key(shop, product)))
        assert by(found, *columns, value=column) == without_nothing(lines)


def test_quantities_are_those_of_the_lines(sqlite, shop, period):
    sums = Counter()
    for sale in shop.within(period):
        for line in shop.lines[sale["id"]]:
            code = shop.by_id("products", line["product_id"])["code"]
            sums[shop.branches[sale["branch_id"]], code] += Decimal(line["quantity"])
    found = by(rows(sqlite, "sales.products", period), "branch_code", "product_code", value="quantity")
    assert found == without_nothing(sums)


def customer_of(shop, sale):
    party = sale["customer_id"] and shop.by_id("parties", sale["customer_id"])
    return (party["name"], party["tax_id"]) if party else ("unnamed", None)


@pytest.mark.parametrize(
    ("query", "columns", "key"),
    [
        ("sales.branches", ("branch_code", "branch"), lambda shop, sale: named(shop, "branches", sale["branch_id"])),
        ("sales.sellers", ("branch_code", "seller"), lambda shop, sale: named(shop, "employees", sale["cashier_id"])),
        ("sales.customers", ("branch_code", "customer", "tax_id"), customer_of),
    ],
)  # fmt: skip
def test_sales_by_who_are_those_of_the_documents(sqlite, shop, period, query, columns, key):
    found = rows(sqlite, query, period)
    for column, span in spans(period).items():
        sums = shop.sold_by(span, lambda sale: (shop.branches[sale["branch_id"]], *key(shop, sale)))
        assert by(found, *columns, value=column) == without_nothing(sums)
    assert sum(row["tickets"] for row in found) == len(shop.within(period))
    margin = sum(shop.net(sale) - sale["cost"] for sale in shop.within(period))
    assert sum(exact(row["margin"]) for row in found) == margin


def test_the_figures_of_sales_are_those_of_the_documents(sqlite, shop, period):
    found = figures(sqlite, "sales", period)
    for code in shop.branches.values():
        own = [sale for sale in shop.within(period) if shop.branches[sale["branch_id"]] == code]
        net, margin = sum(map(shop.net, own)), sum(shop.net(sale) - sale["cost"] for sale in own)
        credit = sum(shop.net(sale) for sale in own if sale["payment_method"] == "credit")
        assert {name: parts[code] for name, parts in found.items()} == {
            "sales": (net, None), "margin": (margin, None), "tickets": (len(own), None), "margin_pct": (margin, net),
            "average_ticket": (net, len(own)), "on_credit_pct": (credit, net),
        }  # fmt: skip


def test_the_course_of_sales_is_that_of_its_days(sqlite, shop, period):
    found = rows(sqlite, "sales.trend", period)
    sums = {name: Counter() for name in ("sales", "margin", "tickets")}
    for sale in shop.sales:
        if period.end - timedelta(days=30) <= sale["sold_on"] < period.end:
            place = sale["sold_on"].isoformat(), shop.branches[sale["branch_id"]]
            sums["sales"][place] += shop.net(sale)
            sums["margin"][place] += shop.net(sale) - sale["cost"]
            sums["tickets"][place] += 1
    for name, expected in sums.items():
        some = [row for row in found if row["figure"] == name]
        assert by(some, "at", "branch_code", value="value") == without_nothing(expected)


# Stock


def idle_products(shop, period):
    since = period.end - timedelta(days=90)
    moving = {x["product_id"] for sale in shop.sales if sale["sold_on"] >= since for x in shop.lines[sale["id"]]}
    return {product["id"] for product in shop.rows["products"]} - moving


def test_the_value_of_each_group_is_that_of_its_shelves(sqlite, shop, period):
    idle, sums = idle_products(shop, period), defaultdict(Counter)
    for row, product, code, value in shop.shelf():
        place = code, shop.by_id("product_groups", product["group_id"])["name"]
        sums["positions"][place] += 1
        sums["value"][place] += value
        sums["idle"][place] += value if product["id"] in idle else 0
        sums["below"][place] += row["quantity"] < row["reorder_at"]
        sums["sold_out"][place] += row["quantity"] <= 0
    found = rows(sqlite, "stock", period)
    for column, expected in sums.items():
        assert by(found, "branch_code", "product_group", value=column) == without_nothing(expected), column


def test_the_sections_of_stock_come_to_its_value(sqlite, shop, period):
    value = sum(value for *_, value in shop.shelf())
    for query in ("stock", "stock.branches", "stock.products"):
        assert sum(exact(row["value"]) for row in rows(sqlite, query, period)) == value
    goods = {(code, product["code"]): value for _, product, code, value in shop.shelf() if value}
    assert by(rows(sqlite, "stock.products", period), "branch_code", "product_code", value="value") == goods


def test_stock_at_average_cost_is_the_inventory_account(sqlite, shop, period):
    """But for half a guaraní a unit that the average cost is rounded by, and what the test has taken from shelves."""
    found = figures(sqlite, "stock", period)
    [(booked, _)], [(gap, _)] = found["booked"].values(), found["gap"].values()
    value = sum(value for value, _ in found["value"].values())
    assert booked == shop.booked("1.1.03.", date.min, date.max)
    assert gap == value - booked
    rounded = sum(abs(Decimal(row["quantity"])) / 2 + 1 for row, *_ in shop.shelf())
    assert abs(gap + taken_from_shelves(shop)) <= rounded


def taken_from_shelves(shop):
    """What the stock of untouched history was worth more than that of the company of these tests."""
    untouched = Shop(generate.build(7, UNTIL, 0.05, days=450))
    return sum(value for *_, value in untouched.shelf()) - sum(value for *_, value in shop.shelf())


def test_the_figures_of_stock_are_those_of_its_shelves(sqlite, shop, period):
    idle, sums = idle_products(shop, period), defaultdict(Counter)
    for row, product, code, value in shop.shelf():
        sums["value"][code] += value
        sums["idle"][code] += value if product["id"] in idle else 0
        sums["below"][code] += row["quantity"] < row["reorder_at"]
        sums["sold_out"][code] += row["quantity"] <= 0
    found = figures(sqlite, "stock", period)
    for name, expected in sums.items():
        assert {code: value for code, (value, _) in found[name].items() if value} == without_nothing(expected), name


def test_what_was_sold_ninety_days_ago_is_not_idle_yet(sqlite, shop):
    """On the day after, it is."""
    last = {}
    for sale in shop.sales:
        for line in shop.lines[sale["id"]]:
            last[line["product_id"]] = max(sale["sold_on"], last.get(line["product_id"], date.min))
    there = {row["product_id"] for row, _, _, value in shop.shelf() if value}
    day = next(day for number, day in sorted(last.items()) if number in there and day < UNTIL - timedelta(days=100))

    def idle(on):
        asked = containing(Cadence.DAILY, on - timedelta(days=1))
        return sum(exact(row["idle"]) for row in rows(sqlite, "stock", asked))

    assert idle(day + timedelta(days=90)) < idle(day + timedelta(days=91))


def test_the_books_are_compared_with_what_they_were(sqlite, shop, period):
    [row] = [row for row in rows(sqlite, "stock.figures", period) if row["figure"] == "booked"]
    for column, span in (("previous", period.before()), ("year_ago", period.year_ago())):
        assert exact(row[column]) == shop.booked("1.1.03.", date.min, span.end)


def test_the_course_of_inventory_is_that_of_the_books(sqlite, shop, period):
    for row in rows(sqlite, "stock.trend", period)[::7]:
        day = date.fromisoformat(row["at"])
        assert exact(row["value"]) == shop.booked("1.1.03.", date.min, day + timedelta(days=1))


def test_only_what_is_below_its_reorder_point_is_alerted(sqlite, shop):
    found = {(row["branch_code"], row["product_code"]): row for row in rows(sqlite, "stock_minimum", PERIODS["day"])}
    below = {
        (code, product["code"]): (row, product)
        for row, product, code, _ in shop.shelf()
        if row["quantity"] < row["reorder_at"] and product["active"]
    }
    assert found.keys() == below.keys()
    assert found
    for place, (shelf, product) in below.items():
        missing = Decimal(shelf["reorder_at"]) - Decimal(shelf["quantity"])
        row = found[place]
        assert exact(row["quantity"]) == Decimal(shelf["quantity"])
        assert exact(row["missing"]) == missing
        assert exact(row["missing_value"]) == whole(missing * product["average_cost"])
        assert exact(row["on_order"]) == coming(shop)[product["id"]]
        others = [each for each in shop.rows["stock"] if each["product_id"] == product["id"]]
        spare = sum(max(0, Decimal(each["quantity"]) - Decimal(each["reorder_at"])) for each in others)
        assert exact(row["elsewhere"]) == spare


def coming(shop):
    open_orders = {order["id"] for order in shop.rows["purchase_orders"] if order["status"] == "confirmed"}
    sums = Counter()
    for line in shop.rows["purchase_order_lines"]:
        if line["purchase_order_id"] in open_orders:
            sums[line["product_id"]] += Decimal(line["quantity"])
    return sums


def test_the_figures_of_the_alert_are_those_of_its_rows(sqlite):
    found, listed = figures(sqlite, "stock_minimum", PERIODS["day"]), rows(sqlite, "stock_minimum", PERIODS["day"])
    sums = {name: sum(value for value, _ in parts.values()) for name, parts in found.items()}
    assert sums == {
        "below": len(listed),
        "missing_value": sum(exact(row["missing_value"]) for row in listed),
        "sold_out": sum(exact(row["quantity"]) <= 0 for row in listed),
        "not_ordered": sum(not row["on_order"] for row in listed),
    }


# Fuel


def fuelled(shop, period, key):
    sums = defaultdict(Counter)
    for each in shop.fuellings(period.end):
        if each["day"] >= period.start:
            place = key(each)
            for name, value in (("fuellings", 1), ("litres", each["litres"]), ("km", each["km"] or 0),
                                ("litres_burnt", each["burnt"] or 0), ("amount", each["amount"])):  # fmt: skip
                sums[name][place] += value
    return sums


def test_fuel_by_customer_is_that_of_the_fuellings(sqlite, shop, period):
    found = rows(sqlite, "fuel", period)
    sums = fuelled(shop, period, lambda each: (each["owner"]["tax_id"], each["owner"]["name"]))
    for column, expected in sums.items():
        assert by(found, "customer_tax_id", "customer", value=column) == without_nothing(expected), column
    for column, span in (("previous", period.before()), ("year_ago", period.year_ago())):
        before = fuelled(shop, span, lambda each: (each["owner"]["tax_id"], each["owner"]["name"]))["amount"]
        assert by(found, "customer_tax_id", "customer", value=column) == without_nothing(before)
    driven = {
        (each["owner"]["tax_id"], each["vehicle"]) for each in shop.fuellings(period.end) if each["day"] >= period.start
    }
    vehicles = Counter((tax_id,) for tax_id, _ in driven)
    assert by(found, "customer_tax_id", value="vehicles") == vehicles


def test_fuel_by_vehicle_is_that_of_the_fuellings(sqlite, shop, period):
    found = rows(sqlite, "fuel.vehicles", period)

    def plate(each):
        return (shop.by_id("vehicles", each["vehicle"])["plate"],)

    sums = fuelled(shop, period, plate)
    for column, expected in sums.items():
        assert by(found, "plate", value=column) == without_nothing(expected), column
    usual = defaultdict(Counter)
    for each in shop.fuellings(period.start):
        if each["day"] >= period.start - timedelta(days=365) and plate(each) in sums["fuellings"]:
            usual["usual_km"][plate(each)] += each["km"] or 0
            usual["usual_litres"][plate(each)] += each["burnt"] or 0
    for column, expected in usual.items():
        assert by(found, "plate", value=column) == without_nothing(expected), column


def test_what_is_usual_is_of_365_days(sqlite, shop):
    before = PERIODS["day"].start - timedelta(days=365)
    [row] = [
        row
        for row in rows(sqlite, "fuel.vehicles", PERIODS["day"])
        if row["plate"] == shop.rows["vehicles"][-1]["plate"]
    ]
    assert (row["usual_km"], exact(row["usual_litres"])) == (200, 20)
    assert before in {each["day"] for each in shop.fuellings(before + timedelta(days=1))}


def test_an_odometer_that_went_back_measures_nothing(sqlite, shop):
    found = {row["number"]: row for row in rows(sqlite, "fuel.fuellings", PERIODS["day"])}
    wrong, again = [row for number, row in sorted(found.items()) if number.startswith("900")][:2]
    assert (wrong["km"], wrong["litres_burnt"]) == (None, None)
    assert (again["km"], exact(again["litres_burnt"])) == (400, Decimal("30.5"))


def test_every_fuelling_is_listed(sqlite, shop, period):
    found = rows(sqlite, "fuel.fuellings", period)
    own = [each for each in shop.fuellings(period.end) if each["day"] >= period.start]
    assert sorted((row["number"], exact(row["litres"]), exact(row["amount"]), row["km"]) for row in found) == sorted(
        (each["number"], each["litres"], each["amount"], each["km"]) for each in own
    )


def test_the_figures_of_fuel_are_those_of_the_fuellings(sqlite, shop, period):
    found = figures(sqlite, "fuel", period)
    sums = fuelled(shop, period, lambda each: each["owner"]["tax_id"])
    for name in ("amount", "litres", "km"):
        assert {tax_id: value for tax_id, (value, _) in found[name].items() if value} == without_nothing(sums[name])
    for tax_id, (value, per) in found["consumption"].items():
        assert (value or 0, per or 0) == (100 * sums["litres_burnt"][tax_id], sums["km"][tax_id])


def test_the_course_of_fuel_is_that_of_its_days(sqlite, shop, period):
    found = rows(sqlite, "fuel.trend", period)
    for name in ("litres", "amount"):
        sums = Counter()
        for each in shop.fuellings(period.end):
            if each["day"] >= period.end - timedelta(days=30):
                sums[each["day"].isoformat(), each["owner"]["tax_id"]] += each[name]
        some = [row for row in found if row["figure"] == name]
        assert by(some, "at", "customer_tax_id", value="value") == without_nothing(sums)
