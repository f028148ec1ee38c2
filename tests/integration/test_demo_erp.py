"""The demo ERP on each of its three databases."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from demo import database, schema, words
from demo.build import build
from demo.generate import generate
from demo.masters import EXPORT
from demo.simulate import Abandoned, NothingOpen, Saved, Simulator

PROJECT = Path(__file__).resolve().parents[2]
UNTIL = date(2026, 11, 22)
ORDER_COLUMNS = re.findall(
    r"\w+",
    """document version changed_at silent name email phone language supplier_tax_id supplier_address supplier_city
    number ordered_on deliver_on deliver_to payment_terms buyer_name buyer_email buyer_phone
    currency subtotal tax_10 tax_5 exempt total notes""",
)
LINE_COLUMNS = re.findall(r"\w+", "document line code description quantity unit unit_price tax_rate amount")


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mariadb"])
def company(request, tmp_path_factory) -> Iterator[Engine]:
    """One ERP of each kind for all tests of this file: they save documents side by side, as in life."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('erp') / 'erp.db'}"
        else:
            url = stack.enter_context(request.getfixturevalue(f"{request.param}_server").database())
        engine = small_erp(url)
        stack.callback(engine.dispose)
        yield engine


@pytest.fixture
def erp(company) -> Engine:
    with company.begin() as connection:
        connection.execute(sa.delete(schema.audit_log))
    return company


@pytest.fixture
def sqlite_erp(sqlite_url) -> Iterator[Engine]:
    engine = small_erp(sqlite_url)
    yield engine
    engine.dispose()


def small_erp(url: str) -> Engine:
    engine = database.open_engine(url)
    database.create(engine)
    generate(engine, seed=5, until=UNTIL, scale=0.02)
    return engine


def rows(engine, query, **parameters):
    with engine.connect() as connection:
        return list(connection.execute(query, parameters).mappings())


def numbers(engine, table):
    return {row["number"] for row in rows(engine, sa.select(table.c.number))}


def query(name: str) -> str:
    return (PROJECT / "include" / "sql" / name).read_text()


def orders(engine, since=datetime(2000, 1, 1)):  # noqa: DTZ001 the ERP's times carry no zone
    text = f"SELECT * FROM (\n{query('purchase_order.sql')}\n) AS n WHERE n.changed_at >= :since ORDER BY n.changed_at"
    wrapped = sa.text(text).bindparams(sa.bindparam("since", since, schema.Moment))
    return rows(engine, wrapped.columns(changed_at=schema.Moment))


def lines(engine, documents):
    # Without a type PostgreSQL takes an empty list for one of integers.
    expanding = sa.bindparam("documents", documents, sa.String, expanding=True)
    return rows(engine, sa.text(query("purchase_order.lines.sql")).bindparams(expanding))


def test_the_books_balance_in_the_database_too(erp):
    line = schema.journal_lines.c
    off = sa.select(line.entry_id).group_by(line.entry_id).having(sa.func.sum(line.debit) != sa.func.sum(line.credit))
    assert rows(erp, off) == []
    assert len(rows(erp, sa.select(line.entry_id).distinct())) > 300


def test_ids_go_on_behind_the_generated_ones(erp):
    with erp.begin() as connection:
        last = connection.execute(sa.select(sa.func.max(schema.branches.c.id))).scalar_one()
        values = {"code": "099", "name": "Nueva", "kind": "shop", "address": "a", "city": "c", "phone": "1"}
        result = connection.execute(sa.insert(schema.branches).values(values))
    assert result.inserted_primary_key[0] == last + 1


def test_amounts_come_back_exactly(erp):
    total = Decimal("12345678901234.56")
    with erp.connect() as connection:  # rolled back at the end: nobody should have to pay this
        price = connection.execute(sa.select(schema.prices).limit(1)).one()
        connection.execute(sa.update(schema.prices).filter_by(id=price.id).values(price=total))
        stored = connection.execute(sa.select(schema.prices.c.price).filter_by(id=price.id)).scalar_one()
    assert stored == total
    assert isinstance(stored, Decimal)
    assert isinstance(price.price, Decimal)


def test_times_keep_their_microseconds(erp):
    times = [row["changed_at"] for row in rows(erp, sa.select(schema.sales.c.changed_at))]
    assert sum(moment.microsecond != 0 for moment in times) > len(times) * 0.9


def test_the_documents_are_indexed_by_their_time(erp):
    for table in (*schema.DOCUMENTS, schema.audit_log):
        first_columns = {index["column_names"][0] for index in sa.inspect(erp).get_indexes(table.name)}
        assert "changed_at" in first_columns, table.name


def test_a_change_is_logged_with_both_images_and_its_author(erp):
    began = datetime(2026, 11, 22, 8, 15, 30, 123456)  # noqa: DTZ001
    with database.transaction(erp, "Ñuria Peña", "caja 3", began) as connection:
        party = connection.execute(sa.select(schema.parties).filter_by(id=9)).one()
        connection.execute(
            sa.update(schema.parties).filter_by(id=9).values(name="D'Ecclesiis “Ñandú” & Cía", email=None)
        )
    (entry,) = rows(erp, sa.select(schema.audit_log))
    before, after = json.loads(entry["before_image"]), json.loads(entry["after_image"])
    assert (entry["table_name"], entry["record_id"], entry["record"]) == ("parties", 9, party.name)
    assert (entry["operation"], entry["changed_by"], entry["origin"]) == ("UPDATE", "Ñuria Peña", "caja 3")
    assert entry["changed_at"] == began
    assert {name for name in before if before[name] != after[name]} == {"name", "email"}
    assert (before["email"], after["name"], after["email"]) == (party.email, "D'Ecclesiis “Ñandú” & Cía", None)
    assert after["is_company"] is party.is_company
    assert after["changed_at"] == party.changed_at.isoformat(" ", "microseconds")
    assert set(before) == set(schema.parties.c.keys())


def test_a_deletion_is_logged_with_what_was_there(erp):
    with database.transaction(erp, "ana", "compras", database.local(database.utc_now())) as connection:
        order = connection.execute(sa.select(schema.quotations).limit(1)).one()
        connection.execute(sa.delete(schema.quotations).filter_by(id=order.id))
    (entry,) = rows(erp, sa.select(schema.audit_log))
    assert (entry["operation"], entry["record"], entry["after_image"]) == ("DELETE", order.number, None)
    assert Decimal(str(json.loads(entry["before_image"])["total"])) == order.total
    assert rows(erp, sa.select(schema.quotation_lines).filter_by(quotation_id=order.id)) == []


def test_a_change_past_the_erp_is_logged_with_the_database_login(erp):
    with database.transaction(erp, "ana", "compras", database.local(database.utc_now())) as connection:
        connection.execute(sa.update(schema.employees).filter_by(id=1).values(phone="1"))
    with erp.begin() as connection:
        connection.execute(sa.update(schema.employees).filter_by(id=2).values(phone="2"))
    signed, unsigned = rows(erp, sa.select(schema.audit_log).order_by(schema.audit_log.c.id))
    assert (signed["changed_by"], signed["origin"]) == ("ana", "compras")
    assert unsigned["changed_by"] == ("sqlite" if erp.dialect.name == "sqlite" else "test")
    assert unsigned["origin"] == "sql"
    assert abs(unsigned["changed_at"] - database.local(database.utc_now())) < timedelta(seconds=30)


def test_a_change_of_nothing_leaves_no_line_but_a_change_of_case_does(erp):
    with erp.begin() as connection:
        party = connection.execute(sa.select(schema.parties).filter_by(id=9)).one()
        vehicle = connection.execute(sa.select(schema.vehicles).limit(1)).one()
        connection.execute(sa.update(schema.parties).filter_by(id=9).values(name=party.name))
        driven = {"last_odometer": vehicle.last_odometer + 5}
        connection.execute(sa.update(schema.vehicles).filter_by(id=vehicle.id).values(driven))
    assert rows(erp, sa.select(schema.audit_log)) == []
    with erp.begin() as connection:
        connection.execute(sa.update(schema.parties).filter_by(id=9).values(name=party.name.upper()))
    assert len(rows(erp, sa.select(schema.audit_log))) == 1


def test_a_saved_order_is_found_with_all_that_its_supplier_needs(erp):
    before = datetime.now(UTC)
    saved = Simulator(erp, 1).save_purchase_order(lines=4)
    assert before < saved.committed_at <= datetime.now(UTC)
    since = database.local(before)
    (order,) = orders(erp, since)
    assert (order["document"], order["number"], order["version"]) == (saved.document, saved.document, 1)
    assert order["email"] == saved.address
    assert since <= order["changed_at"] <= database.local(saved.committed_at)
    assert not order["silent"]
    found = lines(erp, [saved.document])
    assert [line["line"] for line in found] == [1, 2, 3, 4]
    assert sum(Decimal(str(line["amount"])) for line in found) == Decimal(str(order["total"]))
    taxes = Decimal(str(order["tax_10"])) + Decimal(str(order["tax_5"]))
    assert Decimal(str(order["subtotal"])) + taxes == Decimal(str(order["total"]))


def test_the_queries_give_the_columns_of_their_contract(erp):
    order = orders(erp)[0]
    assert list(order) == ORDER_COLUMNS
    assert isinstance(order["document"], str)
    assert isinstance(order["version"], int)
    line = lines(erp, [order["document"]])[0]
    assert list(line) == LINE_COLUMNS


def test_one_query_gives_the_lines_of_many_orders_and_none_for_no_order(erp):
    for seed in (1, 2):
        Simulator(erp, seed).save_purchase_order()
    documents = [order["document"] for order in orders(erp)]
    assert len(documents) > 1
    found = lines(erp, documents)
    assert {line["document"] for line in found} == set(documents)
    assert [(line["document"], line["line"]) for line in found] == sorted(
        (line["document"], line["line"]) for line in found
    )
    assert lines(erp, []) == []


def test_only_confirmed_orders_are_told(erp):
    saved = Simulator(erp, 1).save_purchase_order()
    for status, told in (("draft", False), ("cancelled", False), ("received", False), ("confirmed", True)):
        with erp.begin() as connection:
            one = sa.update(schema.purchase_orders).filter_by(number=saved.document)
            connection.execute(one.values(status=status))
        assert (saved.document in {order["document"] for order in orders(erp)}) is told, status


def test_a_late_commit_is_unseen_until_then_and_carries_its_beginning(erp):
    seen = []

    def meanwhile(seconds: float) -> None:
        seen.append((seconds, {order["document"] for order in orders(erp)}))

    clock = iter([datetime(2026, 11, 22, 12, 0, tzinfo=UTC), datetime(2026, 11, 22, 12, 5, tzinfo=UTC)])
    saved = Simulator(erp, 1, clock=lambda: next(clock), wait=meanwhile).save_purchase_order(late_s=300)
    assert len(seen) == 1
    assert seen[0][0] == 300
    assert saved.document not in seen[0][1]
    (order,) = [order for order in orders(erp) if order["document"] == saved.document]
    assert order["changed_at"] == datetime(2026, 11, 22, 9, 0)  # noqa: DTZ001 the company's time
    assert saved.committed_at == datetime(2026, 11, 22, 12, 5, tzinfo=UTC)


@pytest.mark.parametrize("backend", ["postgres", "mariadb"])
def test_others_save_while_a_late_transaction_is_open(request, backend):
    engine = small_erp(request.getfixturevalue(f"{backend}_url"))
    other, quick = Simulator(engine, 2), []
    slow = Simulator(engine, 1, wait=lambda _: quick.append(other.save_purchase_order()))
    late = slow.save_purchase_order(late_s=1)
    times = {order["document"]: order["changed_at"] for order in orders(engine)}
    assert times[late.document] < times[quick[0].document]
    assert late.committed_at > quick[0].committed_at
    engine.dispose()


@pytest.mark.parametrize("save", ["save_purchase_order", "save_receipt", "save_fuelling", "save_cash_closing"])
def test_a_transaction_that_is_rolled_back_leaves_nothing(sqlite_erp, save):
    def image():
        return {
            t.name: rows(sqlite_erp, sa.select(t)) for t in schema.metadata.sorted_tables if t is not schema.numbers
        }

    before = image()
    with pytest.raises(Abandoned):
        getattr(Simulator(sqlite_erp, 1), save)(roll_back=True)
    assert image() == before


def test_a_rolled_back_order_is_not_found_and_its_number_not_used_again(erp):
    simulator, before = Simulator(erp, 1), numbers(erp, schema.purchase_orders)
    with pytest.raises(Abandoned):
        simulator.save_purchase_order(roll_back=True)
    assert numbers(erp, schema.purchase_orders) == before
    saved = simulator.save_purchase_order()
    assert int(saved.document) == max(map(int, before)) + 2


def test_a_correction_raises_the_revision_and_is_logged(erp):
    simulator = Simulator(erp, 1)
    saved = simulator.save_purchase_order()
    corrected = simulator.correct("purchase_orders", saved.document)
    (order,) = [order for order in orders(erp) if order["document"] == saved.document]
    assert (order["version"], corrected.version) == (2, "2")
    amounts = [Decimal(str(line["amount"])) for line in lines(erp, [saved.document])]
    assert sum(amounts) == Decimal(str(order["total"]))
    (entry,) = rows(erp, sa.select(schema.audit_log))
    before, after = json.loads(entry["before_image"]), json.loads(entry["after_image"])
    assert (before["revision"], after["revision"]) == (1, 2)
    assert before["total"] < after["total"]


def test_a_deleted_order_is_gone_and_logged(erp):
    simulator = Simulator(erp, 1)
    saved = simulator.save_purchase_order()
    simulator.delete_record("purchase_orders", saved.document)
    assert saved.document not in numbers(erp, schema.purchase_orders)
    assert lines(erp, [saved.document]) == []
    assert [entry["record"] for entry in rows(erp, sa.select(schema.audit_log))] == [saved.document]


def test_a_document_that_may_not_be_deleted_any_more_is_not(sqlite_erp):
    received = rows(sqlite_erp, sa.select(schema.purchase_orders).filter_by(status="received"))[0]
    with pytest.raises(NothingOpen, match=received["number"]):
        Simulator(sqlite_erp, 1).delete_record("purchase_orders", received["number"])
    assert received["number"] in numbers(sqlite_erp, schema.purchase_orders)


def test_a_receipt_pays_what_was_open(erp):
    saved = Simulator(erp, 3).save_receipt()
    (receipt,) = rows(erp, sa.select(schema.receipts).filter_by(number=saved.document))
    paid = rows(erp, sa.select(schema.receipt_lines).filter_by(receipt_id=receipt["id"]))
    assert sum(line["amount"] for line in paid) == receipt["total"] > 0
    for line in paid:
        (sale,) = rows(erp, sa.select(schema.sales).filter_by(id=line["sale_id"]))
        assert sale["balance"] == line["still_open"]
    mine = sa.select(sa.func.sum(schema.sales.c.balance)).filter_by(customer_id=receipt["customer_id"])
    with erp.connect() as connection:
        assert connection.execute(mine).scalar_one() == receipt["still_open"]


def test_a_payment_order_takes_each_invoice_once(erp):
    simulator = Simulator(erp, 3)
    first, second = simulator.save_payment_order(), simulator.save_payment_order()
    order, line = schema.payment_orders, schema.payment_order_lines
    joined = sa.select(line.c.supplier_invoice_id, line.c.amount, order.c.number).join_from(line, order)
    found = rows(erp, joined.where(order.c.number.in_([first.document, second.document])))
    invoices = [row["supplier_invoice_id"] for row in found]
    assert len(invoices) == len(set(invoices)) >= 2
    (head,) = rows(erp, sa.select(order).filter_by(number=first.document))
    assert head["total"] == sum(row["amount"] for row in found if row["number"] == first.document)
    assert head["net"] == head["total"] - head["withheld"]


def test_closings_sum_up_what_was_sold_since_the_last_one(erp):
    simulator = Simulator(erp, 3)
    for branch in range(1, 7):
        simulator.save_sales_closing(branch)
        simulator.save_cash_closing(branch)
    for _ in range(6):
        simulator.save_fuelling()
    sold = rows(erp, sa.select(schema.sales).order_by(schema.sales.c.id.desc()).limit(6))
    branch = sold[0]["branch_id"]
    mine = [sale for sale in sold if sale["branch_id"] == branch]
    first, second = simulator.save_sales_closing(branch), simulator.save_sales_closing(branch)
    closings = [rows(erp, sa.select(schema.sales_closings).filter_by(number=s.document))[0] for s in (first, second)]
    assert [(c["tickets"], c["total"]) for c in closings] == [(len(mine), sum(s["total"] for s in mine)), (0, 0)]
    till = simulator.save_cash_closing(branch)
    (closed,) = rows(erp, sa.select(schema.cash_closings).filter_by(number=till.document))
    assert closed["income"] == sum(s["total"] for s in mine if s["payment_method"] != "credit")


def test_a_fuelling_names_plate_litres_and_odometer_and_takes_from_stock(erp):
    vehicle = rows(erp, sa.select(schema.vehicles).limit(1))[0]
    fuel = sa.select(sa.func.sum(schema.stock.c.quantity)).filter_by(product_id=vehicle["fuel_id"])
    with erp.connect() as connection:
        before = connection.execute(fuel).scalar_one()
    saved = Simulator(erp, 1).save_fuelling(vehicle["id"])
    joined = sa.select(schema.sale_lines).join(schema.sales).where(schema.sales.c.number == saved.document)
    (line,) = rows(erp, joined)
    assert line["vehicle_id"] == vehicle["id"]
    assert 0 < line["litres"] == line["quantity"] <= vehicle["tank"]
    assert line["odometer"] > vehicle["last_odometer"]
    with erp.connect() as connection:
        assert connection.execute(fuel).scalar_one() == before - line["litres"]


def test_a_fuelled_vehicle_has_driven_what_such_a_vehicle_drives_with_its_fuel(erp):
    simulator, distances = Simulator(erp, 4), {(make, model): km for make, model, _, km, _ in words.VEHICLES}
    for vehicle in rows(erp, sa.select(schema.vehicles).limit(12)):
        saved = simulator.save_fuelling(vehicle["id"])
        joined = sa.select(schema.sale_lines).join(schema.sales).where(schema.sales.c.number == saved.document)
        (line,) = rows(erp, joined)
        driven = (line["odometer"] - vehicle["last_odometer"]) / float(line["litres"])
        assert driven == pytest.approx(distances[vehicle["make"], vehicle["model"]], rel=0.2)


def test_a_sale_over_the_counter_has_lines_from_stock_and_no_customer(erp):
    simulator = Simulator(erp, 4)
    for _ in range(12):
        saved = simulator.save_sale(2)
        (sale,) = rows(erp, sa.select(schema.sales).filter_by(number=saved.document))
        sold = rows(erp, sa.select(schema.sale_lines).filter_by(sale_id=sale["id"]))
        assert sum(line["amount"] for line in sold) == sale["total"] > 0
        assert (sale["customer_id"], sale["branch_id"], sale["balance"]) == (None, 2, 0)
    test_the_books_balance_in_the_database_too(erp)


def test_a_document_may_carry_another_time_than_the_present(erp):
    saved = Simulator(erp, 4).save_sale(1, at=datetime(2026, 11, 22, 11, 15, tzinfo=UTC))
    (sale,) = rows(erp, sa.select(schema.sales).filter_by(number=saved.document))
    assert sale["changed_at"] == datetime(2026, 11, 22, 8, 15)  # noqa: DTZ001 the company's time
    assert sale["sold_on"] == date(2026, 11, 22)


def test_a_till_may_be_counted_short(erp):
    simulator = Simulator(erp, 4)
    simulator.save_sale(1)
    closed = simulator.save_cash_closing(1, difference=-20_000)
    (till,) = rows(erp, sa.select(schema.cash_closings).filter_by(number=closed.document))
    assert till["counted"] - till["expected"] == till["difference"] == -20_000
    test_the_books_balance_in_the_database_too(erp)


def test_a_changed_price_moves_by_a_few_per_cent_in_steps_of_its_currency(erp):
    simulator = Simulator(erp, 4)
    for price in rows(erp, sa.select(schema.prices).order_by(schema.prices.c.id.desc()).limit(8)):
        simulator.change_record("prices", price["id"])
        (changed,) = rows(erp, sa.select(schema.prices).filter_by(id=price["id"]))
        assert price["price"] < changed["price"] < price["price"] * 2
        assert changed["price"] - price["price"] >= (Decimal("0.05") if price["price_list_id"] == EXPORT else 50)


def test_a_price_is_known_by_its_product(erp):
    (price,) = rows(erp, sa.select(schema.prices).limit(1))
    saved = Simulator(erp, 4).change_record("prices", price["id"])
    (product,) = rows(erp, sa.select(schema.products).filter_by(id=price["product_id"]))
    assert [entry["record"] for entry in rows(erp, sa.select(schema.audit_log))] == [product["description"]]
    assert saved.document == product["description"]


def test_a_silent_order_says_so_to_the_sweep(erp):
    saved = Simulator(erp, 1).save_purchase_order(silent=True)
    (order,) = [order for order in orders(erp) if order["document"] == saved.document]
    assert order["silent"]


def test_a_hundred_and_fifty_steps_of_everything_leave_balanced_books(erp):
    simulator = Simulator(erp, 11, wait=lambda _: None)
    happened = [simulator.step() for _ in range(150)]
    assert None in happened
    assert {one.action for one in happened if one} == {"saved", "corrected", "changed", "deleted"}
    assert len({one.table for one in happened if one}) >= 6
    test_the_books_balance_in_the_database_too(erp)
    balances = sa.select(sa.func.sum(schema.sales.c.balance))
    receivables = (
        sa.select(sa.func.sum(schema.journal_lines.c.debit - schema.journal_lines.c.credit))
        .join(schema.accounts)
        .where(schema.accounts.c.code == "1.1.02.01")
    )
    with erp.connect() as connection:
        assert connection.execute(balances).scalar_one() == connection.execute(receivables).scalar_one()


def test_an_order_to_a_supplier_of_choice_may_have_no_usable_address(sqlite_erp):
    broken = rows(sqlite_erp, sa.select(schema.parties).filter_by(is_supplier=True, email="ventas.proveedor.example"))
    saved = Simulator(sqlite_erp, 1).save_purchase_order(supplier=broken[0]["id"])
    assert saved.address == "ventas.proveedor.example"


def test_by_default_orders_go_to_usable_addresses(sqlite_erp):
    simulator = Simulator(sqlite_erp, 1)
    addresses = {simulator.save_purchase_order().address for _ in range(15)}
    assert len(addresses) > 2
    assert all(address.count("@") == 1 and " " not in address for address in addresses)


def test_sqlite_is_in_wal_and_refuses_orphans(sqlite_erp):
    with sqlite_erp.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(sa.update(schema.vehicles).values(owner_id=999_999))


def test_a_template_is_built_once_and_copied_as_long_as_it_would_be_the_same(tmp_path):
    template, url = tmp_path / "template.db", f"sqlite:///{tmp_path / 'erp.db'}"
    assert build(url, until=UNTIL, scale=0.02, template=template)["branches"] == 8
    engine = database.open_engine(url)
    Simulator(engine, 1).save_purchase_order()
    engine.dispose()
    assert build(url, until=UNTIL, scale=0.02, template=template) == {}
    engine = database.open_engine(url)
    assert max(order["changed_at"] for order in orders(engine)).date() < UNTIL
    engine.dispose()
    assert build(url, until=UNTIL + timedelta(days=1), scale=0.02, template=template)["branches"] == 8


def test_the_command_lines_build_and_simulate(sqlite_url):
    def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    built = run("demo.build", sqlite_url, "--scale", "0.02", "--until", "2026-11-22")
    assert built.returncode == 0, built.stderr
    assert "8 branches" in built.stdout
    again = run("demo.build", sqlite_url)
    assert again.returncode == 1
    assert "there already" in again.stderr
    simulated = run("demo.simulate", sqlite_url, "--every", "0", "--count", "3")
    assert simulated.returncode == 0, simulated.stderr
    assert len(simulated.stdout.splitlines()) == 3
    assert "Usage" in run("demo.simulate", "--help").stdout


def test_the_same_seed_makes_the_same_choices(tmp_path):
    def told(name: str) -> list[tuple[str, str, str]]:
        engine = small_erp(f"sqlite:///{tmp_path / name}")
        simulator = Simulator(engine, 4, wait=lambda _: None)
        happened: list[Saved | None] = [simulator.step() for _ in range(25)]
        engine.dispose()
        return [(one.table, one.document, one.address) if one else ("", "", "") for one in happened]

    assert told("a.db") == told("b.db")
