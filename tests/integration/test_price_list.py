"""The price list: each list the ERP's, line by line; what changed since a reader's last list, and nothing else."""

import io
from dataclasses import replace
from email import message_from_bytes, policy

import openpyxl
import pytest

from emailketing import road
from emailketing.model import State
from tests import paper
from tests.desk import PROJECT
from tests.market import PRICE_LIST, WORKBOOK

QUEUED = (State.QUEUED,)


def mail(market, row):
    return message_from_bytes(road.wire(market.outbox, row.key), policy=policy.default)


def html(market, row):
    return mail(market, row).get_body(("html",)).get_content()


def attached(market, row, suffix):
    files = {part.get_filename(): part.get_content() for part in mail(market, row).iter_attachments()}
    return io.BytesIO(next(data for name, data in files.items() if name.endswith(suffix)))


def sheet_lines(market, row):
    sheet = openpyxl.load_workbook(attached(market, row, "xlsx")).worksheets[0]
    return [[cell.value for cell in line] for line in sheet.iter_rows()]


def person(row):
    return row.document.partition(":")[2]


def prices_of(market, number):
    """What a list's readers pay, by code, computed here; and with how many decimals."""
    discounts = {
        row["product_group_id"]: row["percent"]
        for row in market.query("SELECT * FROM discounts WHERE price_list_id = :number", number=number)
    }
    rows = market.query(
        """SELECT x.code, p.price, l.currency, x.group_id FROM prices p JOIN price_lists l ON l.id = p.price_list_id
        JOIN products x ON x.id = p.product_id WHERE l.id = :number AND x.active""",
        number=number,
    )
    places = 0 if rows[0]["currency"] == "PYG" else 2
    return {
        row["code"]: round(float(row["price"]) * (100 - float(discounts.get(row["group_id"], 0))) / 100 + 1e-9, places)
        for row in rows
    }, places


@pytest.fixture(scope="module")
def sent(tmp_path_factory, new_market):
    """A market in which everybody has been sent his list, with all its files."""
    market = new_market(tmp_path_factory.mktemp("sent"), PROJECT / "include")
    assert market.advertise(PRICE_LIST).problems == []
    yield market
    market.close()


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_each_list_is_the_erps_line_by_line(sent, number):
    market = sent
    prices, places = prices_of(market, number)
    readers = {str(row["id"]) for row in market.query("SELECT id FROM parties WHERE price_list_id = :n", n=number)}
    rows = [row for row in market.rows(states=QUEUED) if person(row) in readers]
    assert rows
    for row in rows:
        lines = sheet_lines(market, row)
        head = next(line for line in lines if {"Código", "Code"}.intersection(line))
        code = next(place for place, name in enumerate(head) if name in {"Código", "Code"})
        price = next(place for place, name in enumerate(head) if str(name).startswith(("Su precio", "Your price")))
        assert {line[code]: round(float(line[price]), places) for line in lines if line[code] in prices} == prices
        words = " ".join(paper.pages(attached(market, row, "pdf").getvalue()))
        assert {each for each in prices if each in words} == prices.keys()


def test_what_changed_since_a_readers_last_list_is_marked(market):
    market.advertise(WORKBOOK)
    market.deliver()
    market.wait(days=7)
    market.change("UPDATE prices SET price = price + 1000 WHERE product_id = 1")
    late = next(row for row in market.rows(states=(State.SUPPRESSED,)))
    market.change("UPDATE parties SET consent = TRUE WHERE id = :id", id=person(late))
    assert market.advertise(WORKBOOK).edition == "2026-W11"
    fuel = market.query("SELECT description FROM products WHERE id = 1")[0]["description"]
    rows = [row for row in market.rows(states=QUEUED) if row.document.startswith("2026-W11:")]
    with_fuel = {str(row["id"]) for row in market.query("SELECT id FROM parties WHERE price_list_id IN (1, 3)")}
    assert person(late) in set(map(person, rows))
    for row in rows:
        shown = html(market, row)
        marked = "▲" in shown
        assert marked is (person(row) in with_fuel and person(row) != person(late)), row.subject
        assert not marked or fuel in shown


def test_who_could_not_be_sent_the_last_list_is_compared_with_the_one_before(market):
    market.advertise(WORKBOOK)
    market.deliver()
    market.wait(days=7)
    market.change("UPDATE prices SET price = price + 1000 WHERE product_id = 1")
    market.advertise(WORKBOOK)
    missed, *_ = [row for row in market.rows(states=QUEUED) if "▲" in html(market, row)]
    market.outbox.cancel(missed.key, "ana", "a test", market.now)
    market.deliver()
    market.wait(days=7)
    market.advertise(WORKBOOK)
    marked = {person(row) for row in market.rows(states=QUEUED) if "▲" in html(market, row)}
    assert marked == {person(missed)}


def test_only_what_changed_writes_to_nobody_when_nothing_did(market):
    only = replace(WORKBOOK, only_changed=True)
    first = market.advertise(only)
    market.deliver()
    market.wait(days=7)
    second = market.advertise(only)
    assert second.states[State.QUEUED] == 0
    assert second.skipped == {"nothing changed since 2026-03-02": first.states[State.QUEUED]}
    market.wait(days=7)
    product = market.query("SELECT MIN(product_id) AS id FROM prices WHERE price_list_id = 4")[0]["id"]
    market.change("UPDATE prices SET price = price * 2 WHERE price_list_id = 4 AND product_id = :id", id=product)
    market.advertise(only)
    readers = market.query("SELECT id FROM parties WHERE price_list_id = 4 AND consent AND active")
    rows = [row for row in market.rows(states=QUEUED) if row.document.startswith("2026-W12:")]
    assert rows
    assert set(map(person, rows)) <= {str(row["id"]) for row in readers}
    codes = {row["code"] for row in market.query("SELECT code FROM products")}
    assert len([line for line in sheet_lines(market, rows[0]) if codes.intersection(line)]) == 1


def test_four_lists_are_four_renderings_however_many_people_read_them(market):
    market.change("UPDATE parties SET language = 'es', consent = TRUE WHERE is_customer")
    market.change("UPDATE parties SET email = 'a' || id || '@x.example' WHERE is_customer")
    done = market.advertise(PRICE_LIST)
    assert done.renderings == 4
    assert done.states == {State.QUEUED: done.people}
    with market.outbox._database.engine.connect() as connection:
        files = connection.exec_driver_sql("SELECT COUNT(*) FROM outbox_blob WHERE size > 5000").scalar()
        uses = connection.exec_driver_sql("SELECT COUNT(*) FROM outbox_attachment").scalar()
    assert files <= 8 + 1  # a PDF and a workbook of each, and the logo
    assert uses >= 2 * done.people
