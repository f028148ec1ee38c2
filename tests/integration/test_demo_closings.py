"""Closings, fuellings and changes of the demo ERP as their mailings see them, against the tables themselves."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from demo import database, schema
from demo.generate import generate
from demo.simulate import Simulator
from emailketing.erp import Erp
from emailketing.model import Recipient
from emailketing.render import Renderer
from emailketing.settings import PROJECT, load

UNTIL = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 15, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
MAILINGS = ("cash_closing", "sales_closing", "vehicle_fuelling", "record_change")
AMOUNTS = ("opening", "income", "outgoings", "expected", "counted", "difference")


class Clock:
    """The present of the operators; each look at it is a second later."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mariadb"])
def company(request, tmp_path_factory) -> Iterator[Engine]:
    """One ERP of each kind for all tests of this file, the clock going on from test to test."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('erp') / 'erp.db'}"
        else:
            url = stack.enter_context(request.getfixturevalue(f"{request.param}_server").database())
        engine = database.open_engine(url)
        stack.callback(engine.dispose)
        database.create(engine)
        generate(engine, seed=5, until=UNTIL, scale=0.02)
        yield engine


@pytest.fixture(scope="module")
def clock(company):
    return Clock()


@pytest.fixture
def operator(company, clock):
    return Simulator(company, 7, clock=clock, wait=lambda _: None)


@pytest.fixture(scope="module")
def erp(company) -> Iterator[Erp]:
    engine = sa.create_engine(company.url)  # of its own: on SQLite a connection that has read stays read-only
    yield Erp(engine, PROJECT / "include" / "sql", ZoneInfo("America/Asuncion"))
    engine.dispose()


def found(erp, mailing, *documents, since=LONG_AGO):
    """The rows of these documents (of all without any), each with its lines."""
    with erp.reading() as reader:
        rows = [row for row in reader.changes(mailing, since) if not documents or str(row["document"]) in documents]
        lines = reader.lines(mailing, [row["document"] for row in rows])
    return [{**row, "lines": lines.get(str(row["document"]), [])} for row in rows]


def one(erp, mailing, document):
    (row,) = found(erp, mailing, document)
    return row


def table_rows(engine, query):
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def number(value):
    return Decimal(str(value))


def by_section(lines):
    sections = defaultdict(list)
    for line in lines:
        sections[line["section"]].append(line)
    return sections


@pytest.mark.parametrize("mailing", MAILINGS)
def test_the_queries_keep_their_contract(erp, mailing):
    with erp.reading() as reader:
        assert {"document", "changed_at"} <= set(reader.check(mailing))


@pytest.mark.parametrize("mailing", ["cash_closing", "sales_closing", "record_change"])
def test_what_is_for_subscribers_addresses_nobody(erp, mailing):
    with erp.reading() as reader:
        assert not {"name", "email", "phone"} & set(reader.check(mailing))


def test_a_cash_closing_gives_the_till_s_own_figures(company, erp, operator):
    for branch in (1, 7):
        operator.save_fuelling()
        saved = operator.save_cash_closing(branch)
        row = one(erp, "cash_closing", saved.document)
        table, lines = schema.cash_closings, schema.cash_closing_lines
        (kept,) = table_rows(company, sa.select(table).filter_by(number=saved.document))
        (place,) = table_rows(company, sa.select(schema.branches).filter_by(id=branch))
        parts = table_rows(company, sa.select(lines).filter_by(cash_closing_id=kept["id"]).order_by(lines.c.line))
        assert [number(row[name]) for name in AMOUNTS] == [kept[name] for name in AMOUNTS]
        assert number(row["total"]) == kept["counted"]
        assert (row["branch_code"], row["branch_name"]) == (place["code"], place["name"])
        assert [line["payment_method"] for line in row["lines"]] == [part["payment_method"] for part in parts]
        for name in AMOUNTS:
            assert [number(line[name]) for line in row["lines"]] == [part[name] for part in parts]
            assert sum(number(line[name]) for line in row["lines"]) == kept[name]


def test_every_cash_closing_of_the_past_adds_up(erp):
    rows = found(erp, "cash_closing")
    assert len(rows) > 30
    assert any(number(row["difference"]) for row in rows)
    for row in rows:
        assert number(row["counted"]) - number(row["expected"]) == number(row["difference"])
        for name in AMOUNTS:
            assert sum(number(line[name]) for line in row["lines"]) == number(row[name])


def test_every_section_of_every_sales_closing_of_the_past_sums_up_to_its_total(erp):
    rows = found(erp, "sales_closing")
    assert len(rows) > 30
    for row in rows:
        sections = by_section(row["lines"])
        assert set(sections) == {"group", "seller", "hour", "method"}
        for name, parts in sections.items():
            assert sum(number(part["amount"]) for part in parts) == number(row["total"]), name
        for name in ("seller", "hour"):
            assert sum(number(part["tickets"]) for part in sections[name]) == row["tickets"]
        assert [int(part["hour"]) for part in sections["hour"]] == sorted({int(p["hour"]) for p in sections["hour"]})
        for name in ("group", "seller", "method"):
            sizes = [number(part["amount"]) for part in sections[name]]
            assert sizes == sorted(sizes, reverse=True)


def test_two_closings_of_a_day_share_its_sales_between_them(company, erp, operator, clock):
    operator.save_sales_closing(2)  # what came before is another closing's
    closings = []
    for hours in (0, 2, 3):
        clock.pass_by(hours=hours)
        sold = {operator.save_fuelling().document for _ in range(9)}
        while not any(sale.startswith("002-") for sale in sold):  # a sale's number begins with its branch's
            sold.add(operator.save_fuelling().document)
        closings.append((sold, operator.save_sales_closing(2)))
    for sold, saved in closings:
        row = one(erp, "sales_closing", saved.document)
        mine = table_rows(
            company, sa.select(schema.sales).filter_by(branch_id=2).where(schema.sales.c.number.in_(sold))
        )
        sections = by_section(row["lines"])
        sellers, hours, groups = defaultdict(Decimal), defaultdict(Decimal), defaultdict(Decimal)
        people = {e["id"]: e["name"] for e in table_rows(company, sa.select(schema.employees))}
        for sale in mine:
            sellers[people[sale["cashier_id"]]] += sale["total"]
            hours[sale["changed_at"].hour] += sale["total"]
        joined = sa.select(schema.product_groups.c.name, schema.sale_lines.c.amount).select_from(
            schema.sale_lines.join(schema.products).join(schema.product_groups)
        )
        ids = [sale["id"] for sale in mine]
        for line in table_rows(company, joined.where(schema.sale_lines.c.sale_id.in_(ids))):
            groups[line["name"]] += line["amount"]
        assert {part["label"]: number(part["amount"]) for part in sections["seller"]} == sellers
        assert {int(part["hour"]): number(part["amount"]) for part in sections["hour"]} == hours
        assert {part["label"]: number(part["amount"]) for part in sections["group"]} == groups
        assert number(row["total"]) == sum(sale["total"] for sale in mine)
    totals = [number(one(erp, "sales_closing", saved.document)["total"]) for _, saved in closings]
    assert all(totals), "no closing is tested without sales"


def test_a_closing_without_sales_has_no_parts(erp, operator):
    operator.save_sales_closing(5)
    row = one(erp, "sales_closing", operator.save_sales_closing(5).document)
    assert (row["tickets"], number(row["total"]), row["lines"]) == (0, 0, [])


def test_a_reopened_closing_is_not_told_until_it_is_closed_again(company, erp, operator):
    for mailing, save in (("cash_closing", operator.save_cash_closing), ("sales_closing", operator.save_sales_closing)):
        saved, table = save(3), schema.metadata.tables[f"{mailing}s"]
        for status, revision, told in (("reopened", 2, []), ("closed", 3, [3])):
            with company.begin() as connection:
                changed = sa.update(table).filter_by(number=saved.document)
                connection.execute(changed.values(status=status, revision=revision))
            assert [row["version"] for row in found(erp, mailing, saved.document)] == told


def fuelled(company, operator, vehicle, **changes):
    """A fuelling of this vehicle; `changes` are then made to its line, past the audit."""
    saved = operator.save_fuelling(vehicle)
    (sale,) = table_rows(company, sa.select(schema.sales).filter_by(number=saved.document))
    if changes:
        with company.begin() as connection:
            connection.execute(sa.update(schema.sale_lines).filter_by(sale_id=sale["id"]).values(changes))
    (line,) = table_rows(company, sa.select(schema.sale_lines).filter_by(sale_id=sale["id"]))
    return saved, sale, line


def test_a_fuelling_goes_to_the_vehicle_s_owner_with_what_the_sale_says(company, erp, operator):
    saved, sale, line = fuelled(company, operator, 5)
    (vehicle,) = table_rows(company, sa.select(schema.vehicles).filter_by(id=5))
    (owner,) = table_rows(company, sa.select(schema.parties).filter_by(id=vehicle["owner_id"]))
    row = one(erp, "vehicle_fuelling", saved.document)
    assert [row[name] for name in ("name", "email", "phone", "language")] == [
        owner[name] for name in ("name", "email", "phone", "language")
    ]
    assert [row[name] for name in ("plate", "make", "model")] == [vehicle[name] for name in ("plate", "make", "model")]
    assert (number(row["litres"]), number(row["amount"]), row["odometer"]) == (
        line["litres"],
        line["amount"],
        line["odometer"],
    )
    assert (row["driver"], row["fuel"], row["currency"]) == (sale["driver"], line["description"], "PYG")


def test_consumption_is_that_of_the_way_since_the_fuelling_before(company, erp, operator):
    seen = {}
    joined = sa.select(schema.sale_lines, schema.sales.c.number).join(schema.sales)
    named = joined.where(schema.sale_lines.c.vehicle_id.is_not(None)).order_by(schema.sale_lines.c.id)
    for _ in range(3):
        operator.save_fuelling(9)
    rows, known = {row["document"]: row for row in found(erp, "vehicle_fuelling")}, 0
    for line in table_rows(company, named):
        row, before = rows[line["number"]], seen.get(line["vehicle_id"])
        way = line["odometer"] - before if before is not None and line["odometer"] else 0
        if way > 0:
            known += 1
            assert row["distance"] == way
            assert abs(number(row["consumption"]) - line["litres"] * 100 / way) <= Decimal("0.0051")
        else:
            assert (row["distance"], row["consumption"]) == (None, None)
        seen[line["vehicle_id"]] = line["odometer"] or before
    assert known > 10


def test_consumption_is_unknown_where_the_odometer_tells_nothing(company, erp, operator):
    def told(vehicle, **changes):
        saved, _, line = fuelled(company, operator, vehicle, **changes)
        row = one(erp, "vehicle_fuelling", saved.document)
        return row["consumption"], row["distance"], line

    fuelled(company, operator, 11, odometer=100_000)
    assert told(11, odometer=None)[:2] == (None, None)
    assert told(11, odometer=100_000)[:2] == (None, None)  # it did not go up
    assert told(11, odometer=99_000)[:2] == (None, None)  # it went down
    consumption, distance, line = told(11, odometer=99_400, litres=40, quantity=40)
    assert (number(consumption), distance, line["litres"]) == (10, 400, 40)
    void, sale, _ = fuelled(company, operator, 11, odometer=150_000)
    with company.begin() as connection:
        connection.execute(sa.update(schema.sales).filter_by(id=sale["id"]).values(status="void"))
    assert found(erp, "vehicle_fuelling", void.document) == []
    consumption, distance, _ = told(11, odometer=99_650, litres=50, quantity=50)  # the void one does not count
    assert (number(consumption), distance) == (20, 250)


def test_a_first_fuelling_has_no_consumption(company, erp, operator):
    with company.begin() as connection:
        values = {"plate": "ÑAN 001", "make": "Isuzu", "model": "D-Max", "owner_id": 40, "fuel_id": 3, "tank": 76}
        vehicle = connection.execute(
            sa.insert(schema.vehicles).values(**values, last_odometer=10, changed_at=datetime(2026, 11, 22))  # noqa: DTZ001
        ).inserted_primary_key[0]
    saved, _, line = fuelled(company, operator, vehicle)
    row = one(erp, "vehicle_fuelling", saved.document)
    assert (row["plate"], row["odometer"], row["consumption"]) == ("ÑAN 001", line["odometer"], None)


def test_a_sale_that_fuels_two_vehicles_is_two_documents(company, erp, operator):
    saved, _, line = fuelled(company, operator, 5)
    with company.begin() as connection:
        second = {**line, "id": None, "line": 2, "vehicle_id": 6}
        connection.execute(sa.insert(schema.sale_lines).values({k: v for k, v in second.items() if k != "id"}))
    names = [f"{saved.document}-{place}" for place in (1, 2)]
    assert found(erp, "vehicle_fuelling", saved.document) == []
    assert sorted(row["document"] for row in found(erp, "vehicle_fuelling", *names)) == names
    assert len({row["plate"] for row in found(erp, "vehicle_fuelling", *names)}) == 2


def test_documents_are_unique(erp):
    for mailing in MAILINGS:
        documents = [str(row["document"]) for row in found(erp, mailing)]
        assert len(documents) == len(set(documents)), mailing


def test_a_change_is_told_with_who_when_and_from_where(company, erp, operator, clock):
    began = clock.now
    operator.change_record("parties", 40, phone="+595 981 000 111", city="Itá")
    (row,) = [each for each in found(erp, "record_change", since=began) if each["table_name"] == "parties"]
    (log,) = table_rows(company, sa.select(schema.audit_log).filter_by(id=row["document"]))
    assert (row["operation"], row["record_id"], row["origin"]) == ("update", 40, "pantalla clientes y proveedores")
    assert (row["changed_by"], row["record"]) == (log["changed_by"], log["record"])
    assert json.loads(row["after_image"])["city"] == "Itá"
    content = rendered("record_change", row)
    for said in ("Teléfono", "+595 981 000 111", "Ciudad", "Itá", log["changed_by"], "pantalla clientes y proveedores"):
        assert said in content.text
    assert "Correo" not in content.text


def test_a_deletion_is_told_with_what_it_was(company, erp, operator, clock):
    saved = operator.save_quotation()
    (kept,) = table_rows(company, sa.select(schema.quotations).filter_by(number=saved.document))
    began = clock.now
    operator.delete_record("quotations", saved.document)
    (row,) = [each for each in found(erp, "record_change", since=began) if each["operation"] == "delete"]
    assert (row["table_name"], row["record"], row["after_image"]) == ("quotations", saved.document, None)
    content = rendered("record_change", row)
    assert content.subject == f"Eliminación en Presupuestos · {saved.document}"
    (customer,) = table_rows(company, sa.select(schema.parties).filter_by(id=kept["customer_id"]))
    (branch,) = table_rows(company, sa.select(schema.branches).filter_by(id=kept["branch_id"]))
    assert re.sub(r"\s+", " ", f"Cliente: {customer['name']} ({customer['id']})")[:80] in content.text
    assert f"Sucursal: {branch['name']} ({branch['id']})" in content.text
    assert "Estado: Abierto" in content.text
    assert f"{kept['total']:,.0f}".replace(",", ".") in content.text


def test_a_changed_price_says_of_which_list_and_a_changed_owner_by_name(company, erp, operator, clock):
    (price,) = table_rows(company, sa.select(schema.prices).filter_by(price_list_id=2).limit(1))
    (name,) = table_rows(company, sa.select(schema.price_lists.c.name).filter_by(id=2))
    people = table_rows(company, sa.select(schema.parties).filter_by(is_customer=True))
    customers = [row["id"] for row in people if len(row["name"]) < 60]
    (vehicle,) = table_rows(company, sa.select(schema.vehicles).filter_by(id=5))
    began = clock.now
    operator.change_record("prices", price["id"], price=price["price"] + 50)
    operator.change_record("vehicles", 5, owner_id=next(each for each in customers if each != vehicle["owner_id"]))
    told = {row["table_name"]: row for row in found(erp, "record_change", since=began)}
    assert f"Lista de precios: {name['name']}\n" in rendered("record_change", told["prices"]).text
    after, before = (json.loads(told["vehicles"][f"{side}_image"])["owner_id"] for side in ("after", "before"))
    names = {row["id"]: row["name"] for row in table_rows(company, sa.select(schema.parties))}
    owners = f"Dueño: {names[before]} ({before}) → {names[after]} ({after})"
    assert owners in rendered("record_change", told["vehicles"]).text


@pytest.mark.parametrize("mailing", MAILINGS)
def test_real_rows_make_mails_in_both_languages(erp, operator, mailing):
    operator.change_record()
    for row in found(erp, mailing)[-12:]:
        for language in ("es", "en"):
            content = rendered(mailing, row, language)
            assert len(content.subject) <= 80
            assert "None" not in content.text
            assert bool(content.phone) == (mailing == "vehicle_fuelling")


def rendered(mailing, row, language="es"):
    return renderer().render(mailing, row, Recipient("audit@company.example", "Auditoría", language))


@cache
def renderer():
    return Renderer(PROJECT / "include", company=load().company.model_dump())


def test_the_sql_names_no_dialect_s_own_function():
    for path in (PROJECT / "include" / "sql").glob("*.sql"):
        text = re.sub(r"--[^\n]*", "", path.read_text())
        assert not re.search(r"\|\||::|\b(CONCAT|STRFTIME|TO_CHAR|DATE_FORMAT|EXTRACT|IFNULL|NVL)\b", text, re.I), path
