"""Quotations, payment orders and receipts: their queries against the demo ERP's tables, and the road to the mailbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from email import policy
from email.parser import BytesParser

import pytest
import sqlalchemy as sa

from demo import schema
from demo.simulate import Saved
from emailketing import road
from emailketing.channels.wire import assemble
from emailketing.model import Mailing, State
from emailketing.settings import PROJECT
from tests import paper
from tests.town import Town

MAILINGS = {name: Mailing(name, expires_after_s=86400) for name in ("quotation", "payment_order", "receipt")}
EVER = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mariadb"])
def town(request, tmp_path_factory) -> Iterator[Town]:
    """The ERP on each database; every mailing has looked for the first time. The tests share it, as operators do."""
    folder = tmp_path_factory.mktemp("town")
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'erp.db'}"
        if request.param != "sqlite":
            url = stack.enter_context(request.getfixturevalue(f"{request.param}_server").database())
        town = Town(url, f"sqlite:///{folder / 'outbox.db'}", PROJECT / "include")
        stack.callback(town.close)
        for mailing in MAILINGS.values():
            road.sweep(town.sweeper, mailing)
        yield town


def rows(town, query):
    with town.engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def told(town, name):
    """What the mailing's queries give, by document: the row, and its lines."""
    with town.sweeper.erp.reading() as reader:
        found = {row["document"]: row for row in reader.changes(name, EVER)}
        lines = reader.lines(name, list(found))
    return {document: (row, lines.get(document, [])) for document, row in found.items()}


def exact(value, places=2):
    """An amount as the database gives it (Decimal, int, float), to the cent."""
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-places))


def half_up(value, currency):
    return Decimal(value).quantize(Decimal(1) if currency == "PYG" else Decimal("0.01"), ROUND_HALF_UP)


def test_exactly_the_open_quotations_are_told_with_their_taxes_by_rate(town):
    quotations = {row["number"]: row for row in rows(town, sa.select(schema.quotations).filter_by(status="open"))}
    found = told(town, "quotation")
    assert found.keys() == quotations.keys()
    assert {row["currency"] for row in quotations.values()} == {"PYG", "USD"}
    for number, (row, lines) in found.items():
        stored = rows(town, sa.select(schema.quotation_lines).filter_by(quotation_id=quotations[number]["id"]))
        gross = {rate: sum((x["amount"] for x in stored if x["tax_rate"] == rate), Decimal(0)) for rate in (10, 5, 0)}
        for rate in (10, 5):
            tax = half_up(gross[rate] * rate / (100 + rate), row["currency"])
            assert (exact(row[f"tax_{rate}"]), exact(row[f"base_{rate}"])) == (tax, gross[rate] - tax), number
        assert exact(row["exempt"]) == gross[0]
        assert exact(row["total"]) == sum(gross.values()) == sum(exact(line["amount"]) for line in lines)
        assert [(line["line"], exact(line["quantity"], 3), exact(line["unit_price"])) for line in lines] == [
            (x["line"], x["quantity"], x["unit_price"]) for x in sorted(stored, key=lambda x: x["line"])
        ]


def test_a_quotation_names_its_customer_its_seller_and_its_last_day(town):
    saved = town.operator.save_quotation()
    row, _ = told(town, "quotation")[saved.document]
    (stored,) = rows(town, sa.select(schema.quotations).filter_by(number=saved.document))
    (customer,) = rows(town, sa.select(schema.parties).filter_by(id=stored["customer_id"]))
    (seller,) = rows(town, sa.select(schema.employees).filter_by(id=stored["seller_id"]))
    assert (row["name"], row["email"], row["customer_tax_id"]) == (customer["name"], saved.address, customer["tax_id"])
    assert (row["seller_name"], row["seller_email"]) == (seller["name"], seller["email"])
    assert str(row["valid_until"]) == str(stored["valid_until"])


def test_exactly_the_issued_payment_orders_are_told_with_the_invoices_they_pay(town):
    for _ in range(3):
        town.operator.save_payment_order()
    orders = {row["number"]: row for row in rows(town, sa.select(schema.payment_orders).filter_by(status="issued"))}
    found = told(town, "payment_order")
    assert found.keys() == orders.keys()
    invoices = {row["id"]: row for row in rows(town, sa.select(schema.supplier_invoices))}
    for number, (row, lines) in found.items():
        stored = rows(town, sa.select(schema.payment_order_lines).filter_by(payment_order_id=orders[number]["id"]))
        paid = [(invoices[x["supplier_invoice_id"]], x) for x in sorted(stored, key=lambda x: x["line"])]
        assert [(x["number"], str(x["due_on"])) for x in lines] == [(i["number"], str(i["due_on"])) for i, _ in paid]
        assert [exact(line["net"]) for line in lines] == [x["amount"] - x["withheld"] for _, x in paid]
        assert exact(row["total"]) == sum(x["amount"] for _, x in paid)
        assert exact(row["withheld"]) == sum(x["withheld"] for _, x in paid)
        assert exact(row["net"]) == exact(row["total"]) - exact(row["withheld"]) == sum(exact(x["net"]) for x in lines)


def test_exactly_the_valid_receipts_are_told_with_the_sales_they_cover(town):
    receipts = {row["number"]: row for row in rows(town, sa.select(schema.receipts).filter_by(status="valid"))}
    found = told(town, "receipt")
    assert found.keys() == receipts.keys()
    sales = {row["id"]: row for row in rows(town, sa.select(schema.sales))}
    for number, (row, lines) in found.items():
        stored = rows(town, sa.select(schema.receipt_lines).filter_by(receipt_id=receipts[number]["id"]))
        assert [(x["number"], exact(x["amount"]), exact(x["still_open"])) for x in lines] == [
            (sales[x["sale_id"]]["number"], x["amount"], x["still_open"])
            for x in sorted(stored, key=lambda x: x["line"])
        ]
        assert exact(row["total"]) == sum(exact(line["amount"]) for line in lines) > 0
        assert exact(row["still_open"]) == receipts[number]["still_open"]


def test_a_receipt_tells_what_the_customer_owes_after_it(town):
    saved = town.operator.save_receipt()
    row, _ = told(town, "receipt")[saved.document]
    (receipt,) = rows(town, sa.select(schema.receipts).filter_by(number=saved.document))
    owed = rows(town, sa.select(schema.sales.c.balance).filter_by(customer_id=receipt["customer_id"]))
    assert exact(row["still_open"]) == sum(sale["balance"] for sale in owed)


@pytest.mark.parametrize(
    ("name", "table", "told_as", "others"),
    [
        ("quotation", schema.quotations, "open", ("draft", "accepted", "rejected")),
        ("payment_order", schema.payment_orders, "issued", ("signed", "paid", "void")),
        ("receipt", schema.receipts, "valid", ("void",)),
    ],
)
def test_a_document_in_another_state_is_told_to_nobody(town, name, table, told_as, others):
    saved = getattr(town.operator, f"save_{name}")()
    for status in (*others, told_as):
        with town.engine.begin() as connection:
            connection.execute(sa.update(table).filter_by(number=saved.document).values(status=status))
        assert (saved.document in told(town, name)) is (status == told_as), status


def test_one_query_gives_the_lines_of_many_documents(town):
    for name in MAILINGS:
        queries = []
        engine = town.sweeper.erp.engine
        listener = ("before_cursor_execute", lambda *args, kept=queries: kept.append(args[2]))
        sa.event.listen(engine, *listener)
        found = told(town, name)
        sa.event.remove(engine, *listener)
        assert len(found) > 1
        assert len([query for query in queries if "lines l" in query and ".number IN" in query]) == 1


def described(name):
    """The columns that the documentation names for a mailing: those of the row, and those of its lines."""
    page = (PROJECT / "docs" / "connect-your-erp.md").read_text(encoding="utf-8")
    common = re.search(r"All of them give (.*?) as well", page, re.DOTALL)[1]
    table = re.search(rf"^\*\*{name}\*\*.*?\n\n(.*?)\n\n", page, re.DOTALL | re.MULTILINE)[1]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    of_lines = [cell for cell in cells if cell.strip().startswith("lines:")]
    of_row = [common, *(cell for cell in cells if cell not in of_lines)]
    return [set(re.findall(r"`(\w+)`", " ".join(each))) for each in (of_row, of_lines)]


@pytest.mark.parametrize("name", ["purchase_order", *MAILINGS])
def test_the_documented_columns_are_those_of_the_queries(town, name):
    with town.sweeper.erp.reading() as reader:
        row = reader.latest(name)
        lines = reader.lines(name, [row["document"]])[row["document"]]
    of_row, of_lines = described(name)
    assert set(row) == of_row
    assert set(lines[0]) - {"document", "line"} == of_lines


# ------------------------------------------------------------------------------------ the road


def reachable(town, save) -> Saved:
    """A document that concerns somebody with a usable address."""
    for _ in range(20):
        saved = save()
        if re.fullmatch(r"[^@\s;,]+@[^@\s;,]+\.example", saved.address):
            return saved
    raise AssertionError("nobody can be reached")


def mailed(town, name, saved):
    """The frozen mail of a saved document, after one sweep."""
    swept = road.sweep(town.sweeper, MAILINGS[name])
    assert swept.problems == []
    (row,) = [row for row in town.rows(mailing=name) if row.document == saved.document]
    assert (row.address, row.state, row.channel) == (saved.address, State.QUEUED, "email")
    return BytesParser(policy=policy.default).parsebytes(assemble(town.outbox.frozen(row.key)))


def pages(mail):
    (pdf,) = [part for part in mail.iter_attachments() if part.get_content_type() == "application/pdf"]
    return pdf.get_filename(), [" ".join(page.split()) for page in paper.pages(pdf.get_content())]


def written(value, currency, language):
    """An amount as a reader in Paraguay expects it."""
    places = 0 if currency == "PYG" else 2
    text = f"{exact(value, places):,}"
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))


def test_a_saved_quotation_is_mailed_to_the_customer_with_its_pdf(town):
    saved = reachable(town, town.operator.save_quotation)
    mail = mailed(town, "quotation", saved)
    row, lines = told(town, "quotation")[saved.document]
    total = written(row["total"], row["currency"], row["language"])
    assert mail["To"].addresses[0].addr_spec == saved.address
    assert mail["Subject"].startswith(
        {"es": "Presupuesto", "en": "Quotation"}[row["language"]] + f" {saved.document} ·"
    )
    assert mail["Subject"].endswith(total)
    filename, (*_, last) = pages(mail)
    assert saved.document in filename
    assert total in last
    assert all(written(line["amount"], row["currency"], row["language"]) in " ".join(pages(mail)[1]) for line in lines)
    html = mail.get_body(("html",)).get_content()
    assert f"mailto:{row['seller_email']}?subject=" in html
    assert str(row["valid_until"])[:4] in html


def test_a_corrected_quotation_is_told_again_as_revised(town):
    saved = reachable(town, town.operator.save_quotation)
    road.sweep(town.sweeper, MAILINGS["quotation"])
    town.operator.correct("quotations", saved.document)
    assert road.sweep(town.sweeper, MAILINGS["quotation"]).new == 1
    revised = max(
        (row for row in town.rows(mailing="quotation") if row.document == saved.document), key=lambda row: row.version
    )
    mail = BytesParser(policy=policy.default).parsebytes(assemble(town.outbox.frozen(revised.key)))
    assert revised.version == "2"
    assert re.search(r"modificado|Revised", mail["Subject"])


def test_a_saved_payment_order_is_mailed_to_the_supplier_to_be_signed(town):
    with town.engine.begin() as connection:  # the invoices of the earlier ones wait for payment again
        connection.execute(sa.update(schema.payment_orders).filter_by(status="issued").values(status="void"))
    saved = reachable(town, town.operator.save_payment_order)
    mail = mailed(town, "payment_order", saved)
    row, lines = told(town, "payment_order")[saved.document]
    net = written(row["net"], row["currency"], row["language"])
    assert mail["Subject"].endswith(net)
    filename, sheet = pages(mail)
    assert filename.startswith({"es": "OP-", "en": "Payment order "}[row["language"]] + saved.document)
    original, copy = sheet[: len(sheet) // 2], sheet[len(sheet) // 2 :]
    for each in (original, copy):
        assert net in each[-1]
        assert re.search(r"C\.I\.|Identity document", each[-1])
        assert all(line["number"] in " ".join(each) for line in lines)
    assert re.search(r"Original – (traer|bring)", original[0])
    assert re.search(r"(Copia|Copy) – ", copy[0])


def test_a_saved_receipt_thanks_the_customer_and_tells_what_is_open(town):
    saved = reachable(town, town.operator.save_receipt)
    mail = mailed(town, "receipt", saved)
    row, lines = told(town, "receipt")[saved.document]
    text = mail.get_body(("plain",)).get_content().replace("\xa0", " ")
    assert mail["Subject"].endswith(written(row["total"], "PYG", row["language"]))
    assert written(row["still_open"], "PYG", row["language"]) in text
    assert all(line["number"] in text for line in lines)
    assert "application/pdf" not in [part.get_content_type() for part in mail.walk()]
