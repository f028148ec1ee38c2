"""Who gets what, on the whole road: closings that name nobody, orders that name their supplier, and what is configured.

The closings of these tests are a mailing of the test's own folder, whose query gives no address.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
import sqlalchemy as sa

from demo import database, schema
from demo.catcher import read_log
from emailketing import road
from emailketing.audience import Source
from emailketing.errors import AuthoringError
from emailketing.model import Mailing, State, Subscription
from tests.desk import lend_outbox_dags
from tests.town import ORDER

CLOSING = Mailing("closing")
QUERY = """
SELECT c.id AS document, c.version AS version, c.changed_at AS changed_at, c.branch AS branch,
       c.difference AS difference
FROM closing c
"""
DAG = '''"""Closings."""
from datetime import UTC, datetime
from airflow.sdk import DAG
from emailketing.tasks import notification, notify

with DAG("closings", schedule="@continuous", start_date=datetime(2024, 1, 1, tzinfo=UTC), max_active_runs=1):
    notify(notification("closing"))
'''
FILE = """\
mailings:
  closing: {copies: [gerencia@x.example]}
subscriptions:
  - mailing: closing
    to: {name: Ana, email: ana@x.example, language: en}
    where: {branch: "001", difference: {not: 0}}
"""


def set_up(include, engine):
    """A table of closings in the ERP, and the mailing's query and templates."""
    (include / "sql" / "closing.sql").write_text(QUERY)
    folder = include / "templates" / "closing"
    folder.mkdir()
    (folder / "subject.es.txt.j2").write_text("Cierre {{ document }}")
    (folder / "subject.en.txt.j2").write_text("Closing {{ document }}")
    (folder / "text.txt.j2").write_text("{{ branch }}: {{ difference }}, {{ recipient.name }}\n")
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE TABLE closing (id INTEGER, version INTEGER, changed_at TIMESTAMP, branch VARCHAR(5),"
                " difference NUMERIC(18, 2))"
            )
        )


class Closings:
    """Tills that are closed in the town's ERP, by its clock, and what is told of them."""

    def __init__(self, town):
        self.town, self.count = town, 0
        set_up(town.include, town.engine)
        self.path, self.edits = town.include / "subscriptions.yaml", 0
        self.configure(FILE)
        self.source = Source(self.path, town.outbox.subscribed, self)
        self.kept = None
        self.sweeper = replace(town.sweeper, audience=self.source.audience)
        self.sweep()

    def recall(self):
        return self.kept

    def keep(self, text):
        self.kept = text

    def configure(self, text):
        self.edits += 1
        self.path.write_text(text)
        os.utime(self.path, (self.edits, self.edits))

    def close(self, branch="001", difference=-5000, *, now=None):
        self.count += 1
        at = (now or self.town.clock()).astimezone(self.sweeper.erp.zone).replace(tzinfo=None)
        with self.town.engine.begin() as connection:
            insert = "INSERT INTO closing VALUES (:id, 1, :at, :branch, :difference)"
            row = {"id": self.count, "at": at.isoformat(" "), "branch": branch, "difference": difference}
            connection.execute(sa.text(insert), row)
        return str(self.count)

    def change(self, document, **columns):
        with self.town.engine.begin() as connection:
            for column, value in columns.items():
                update = f"UPDATE closing SET {column} = :value WHERE id = :id"
                connection.execute(sa.text(update), {"value": value, "id": int(document)})

    def sweep(self, mailing=CLOSING):
        return road.sweep(self.sweeper, mailing)

    def told(self, document):
        rows = self.town.rows(mailing="closing", document=document)
        return {row.address or row.reason: row.state.value for row in rows}


@pytest.fixture
def closings(town):
    return Closings(town)


QUEUED = {"gerencia@x.example": "queued", "ana@x.example": "queued"}


def test_a_closing_goes_to_copies_and_to_whom_its_filter_lets_through_in_their_language(closings):
    loss, even = closings.close(), closings.close(difference=0)
    elsewhere = closings.close(branch="002")
    assert closings.sweep().states == {State.QUEUED: 4}
    assert closings.told(loss) == QUEUED
    assert closings.told(even) == closings.told(elsewhere) == {"gerencia@x.example": "queued"}
    subjects = {row.address: row.subject for row in closings.town.rows(document=loss)}
    assert subjects == {"gerencia@x.example": "Cierre 1", "ana@x.example": "Closing 1"}
    assert closings.sweep().new == 0


def test_where_nobody_subscribes_one_visible_message_says_so(closings):
    closings.configure("")
    document = closings.close()
    assert closings.sweep().states == {State.UNADDRESSED: 1}
    reason = "nobody subscribes to closing by email: include/subscriptions.yaml"
    assert closings.told(document) == {reason: "unaddressed"}
    closings.configure(FILE)
    assert closings.sweep().states == {State.QUEUED: 2}, "nobody had been told yet"
    assert closings.sweep().new == 0


def test_what_the_filters_leave_to_nobody_is_counted_and_the_cursor_goes_on(closings):
    closings.configure("subscriptions: [{mailing: closing, to: a@x.example, where: {branch: '9'}}]\n")
    before = closings.town.outbox.cursor("closing")
    closings.close()
    swept = closings.sweep()
    assert (swept.new, swept.nobodys, swept.problems) == (0, 1, [])
    assert closings.town.outbox.cursor("closing") > before


def test_who_subscribes_later_gets_what_comes_then_and_not_what_others_were_told(closings):
    document = closings.close()
    closings.sweep()
    closings.configure(FILE + "  - {mailing: closing, to: nuevo@x.example}\n")
    assert closings.sweep().new == 0
    assert closings.told(document) == QUEUED
    next_one = closings.close()
    closings.sweep()
    assert closings.told(next_one) == {**QUEUED, "nuevo@x.example": "queued"}


def test_a_document_that_changes_within_its_version_finds_no_new_readers(closings):
    document = closings.close(branch="002")
    closings.sweep()
    closings.change(document, branch="001")
    assert closings.sweep().new == 0
    closings.change(document, version=2)
    assert closings.sweep().states == {State.QUEUED: 2}


def test_a_filter_on_a_column_that_is_not_there_costs_its_own_reader_only(closings):
    closings.configure(FILE + "  - {mailing: closing, to: b@x.example, where: {brnch: '001'}}\n")
    document = closings.close()
    swept = closings.sweep()
    assert closings.told(document) == QUEUED
    (problem,) = swept.problems
    assert "subscriptions.yaml:7: a filter on closing can never hold: the query gives no column 'brnch'" in problem
    assert "Did you mean 'branch'?" in problem


def test_a_wrong_entry_is_told_with_its_line_and_stops_nobody_else(closings):
    closings.configure(FILE + "  - {mailing: closing, to: b@}\n  - {mailing: purchase_order, to: c@}\n")
    document = closings.close()
    closings.town.operator.save_purchase_order()
    closing, order = road.sweep_all(closings.sweeper, [CLOSING, ORDER])
    assert closings.told(document) == QUEUED
    assert (len(closing.problems), ":7: 'b@' is no e-mail" in closing.problems[0]) == (1, True)
    assert (len(order.problems), ":8: 'c@' is no e-mail" in order.problems[0]) == (1, True)
    assert order.states == {State.QUEUED: 1}


def test_while_the_file_is_no_yaml_what_it_said_last_holds(closings):
    closings.configure("mailings: {")
    closings.town.operator.save_purchase_order()
    document = closings.close()
    for swept in road.sweep_all(closings.sweeper, [CLOSING, ORDER]):
        assert "subscriptions.yaml:1: this is no YAML" in swept.problems[0]
    assert closings.told(document) == QUEUED
    assert len(closings.town.rows(mailing="purchase_order")) == 1


def test_where_nothing_is_known_of_a_file_that_is_no_yaml_all_wait_and_lose_nothing(closings):
    closings.configure("mailings: {")
    closings.kept = None
    document = closings.close()
    fresh = replace(closings.sweeper, audience=Source(closings.path, memory=closings).audience)
    before = closings.town.outbox.cursor("closing")
    with pytest.raises(AuthoringError, match="this is no YAML"):
        road.sweep(fresh, CLOSING)
    assert (closings.told(document), closings.town.outbox.cursor("closing")) == ({}, before)
    closings.configure(FILE)
    assert road.sweep(fresh, CLOSING).states == {State.QUEUED: 2}


def test_what_is_saved_while_a_mailing_is_off_is_history(closings):
    told = closings.close()
    closings.sweep()
    closings.configure(FILE.replace("{copies", "{on: false, copies"))
    unheard = closings.close()
    swept = closings.sweep()
    assert (swept.new, swept.off) == (0, "off in include/subscriptions.yaml:2")
    late = closings.close(now=closings.town.clock())
    closings.sweep()
    closings.configure(FILE)
    heard = closings.close()
    assert closings.sweep().states == {State.QUEUED: 2}
    assert (closings.told(told), closings.told(heard)) == (QUEUED, QUEUED)
    assert closings.told(unheard) == closings.told(late) == {}


def test_a_switched_off_mailing_mends_nothing_and_many_documents_pass_by_in_a_few_queries(closings):
    closings.town.write("templates/closing/text.txt.j2", "{{ nothing }}")
    closings.close()
    assert closings.sweep().states == {State.HELD: 2}
    closings.town.write("templates/closing/text.txt.j2", "{{ branch }}")
    closings.town.outbox.switch("closing", False, "eva", closings.town.clock())
    queries = []
    sa.event.listen(closings.town.outbox._database.engine, "before_cursor_execute", lambda *a: queries.append(a[2]))
    counts = []
    for _ in range(2):
        for _ in range(20):
            closings.close()
        queries.clear()
        (swept,) = road.sweep_all(closings.sweeper, [CLOSING])
        counts.append(len(queries))
        assert swept.off.startswith("switched off by eva on ")
    assert counts[0] == counts[1]
    assert set(closings.told("1").values()) == {"held"}
    closings.town.outbox.switch("closing", True, "eva", closings.town.clock())
    (swept,) = road.sweep_all(closings.sweeper, [CLOSING])
    assert (swept.new, swept.mended) == (0, {State.QUEUED: 2})


def test_many_documents_and_many_readers_take_as_many_queries_as_one(closings):
    queries = []
    for engine in (closings.sweeper.erp.engine, closings.town.outbox._database.engine):
        sa.event.listen(engine, "before_cursor_execute", lambda *arguments: queries.append(arguments[2]))
    closings.close()
    closings.sweep()
    one = len(queries)
    for number in range(20):
        place = Subscription("closing", "email", f"a{number}@x.example", where={})
        closings.town.outbox.subscribe(place, "eva", closings.town.clock())
    for _ in range(8):
        closings.close()
    queries.clear()
    assert closings.sweep().new == 8 * 22
    assert len(queries) == one


# Documents that name their recipient themselves, and copies beside him

COPIES = "mailings:\n  purchase_order: {copies: [compras@x.example]}\n"


def supplier_writes(closings, address):
    with closings.town.engine.begin() as connection:
        connection.execute(sa.update(schema.parties).values(email=address))


def order(closings):
    with closings.town.engine.connect() as connection:
        query = sa.select(schema.parties.c.id).where(schema.parties.c.is_supplier)
        supplier = connection.execute(query).scalars().first()
    return closings.town.operator.save_purchase_order(supplier=supplier).document


def told_of(closings, document):
    return {row.address: row.state.value for row in closings.town.rows(document=document)}


def test_a_copy_hides_no_mended_address_of_the_supplier(closings):
    closings.configure(COPIES)
    supplier_writes(closings, None)
    document = order(closings)
    assert closings.sweep(ORDER).states == {State.UNADDRESSED: 1, State.QUEUED: 1}
    assert told_of(closings, document) == {"": "unaddressed", "compras@x.example": "queued"}
    supplier_writes(closings, "por-fin@proveedor.example")
    assert closings.sweep(ORDER).states == {State.QUEUED: 1}
    supplier_writes(closings, "otra-vez@proveedor.example")
    assert closings.sweep(ORDER).new == 0, "now he was told"
    told = {"": "unaddressed", "compras@x.example": "queued", "por-fin@proveedor.example": "queued"}
    assert told_of(closings, document) == told


def test_a_copy_that_is_taken_back_hides_no_mended_address_either(closings):
    closings.configure(COPIES)
    supplier_writes(closings, None)
    document = order(closings)
    closings.sweep(ORDER)
    closings.configure("")
    supplier_writes(closings, "por-fin@proveedor.example")
    assert closings.sweep(ORDER).states == {State.QUEUED: 1}
    assert "por-fin@proveedor.example" in told_of(closings, document)


def test_a_copy_that_is_added_later_gets_no_order_that_was_told(closings):
    closings.configure("")
    supplier_writes(closings, "ventas@proveedor.example")
    order(closings)
    closings.sweep(ORDER)
    closings.configure(COPIES)
    assert closings.sweep(ORDER).new == 0
    supplier_writes(closings, "nueva@proveedor.example")
    assert closings.sweep(ORDER).new == 0


def test_a_copy_is_the_suppliers_own_where_the_addresses_are_one(closings):
    closings.configure(COPIES)
    supplier_writes(closings, "Compras@x.example")
    document = order(closings)
    assert closings.sweep(ORDER).states == {State.QUEUED: 1}
    assert told_of(closings, document) == {"Compras@x.example": "queued"}


# As a person does it, on the command line


@pytest.fixture
def clerk(desk):
    """A desk whose folders declare the closing and nothing else of their own."""
    set_up(desk.include, desk.operator.engine)
    (desk.include / "subscriptions.yaml").write_text(FILE)
    dags = desk.folder / "dags"
    dags.mkdir()
    lend_outbox_dags(dags)
    (dags / "closings.py").write_text(DAG)
    desk.env["EMAILKETING_DAGS"] = str(dags)
    return desk


def close_till(desk, number, branch="001", difference=-5000):
    at = database.local(desk.operator.clock()).isoformat(" ")
    with desk.operator.engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO closing VALUES (:id, 1, :at, :branch, :difference)"),
            {"id": number, "at": at, "branch": branch, "difference": difference},
        )


def listed(desk, *arguments):
    return [json.loads(line) for line in desk.run("subscriptions", "list", "--json", *arguments).splitlines()]


def test_from_check_to_mailbox_with_a_subscription_set_by_hand(clerk):
    clerk.run("sweep")
    told = clerk.run("subscriptions", "add", "closing", "--email", "eva@x.example", "--name", "Eva", "--language", "en")
    assert "eva@x.example gets closing by email" in told
    where = '{branch: "002", difference: {at_most: -1000}}'
    clerk.run("subscriptions", "add", "closing", "--email", "eva@x.example", "--where", where, "--by", "rosa")
    close_till(clerk, 1)
    close_till(clerk, 2, "002")
    assert "4 queued" in clerk.run("sweep")
    with clerk.mail_server():
        told = clerk.run("check")
        assert "✓ who gets what: 3 copies and subscriptions" in told
        assert "4 accepted" in clerk.run("deliver")
        out = clerk.folder / "out"
        assert "as gerencia@x.example would get it" in clerk.run("preview", "closing", "--out", str(out))
        assert "accepted" in clerk.run("send-test", "closing", "--to", "me@x.example")
    mails = read_log(clerk.log)[0]
    got = {(mail.recipients[0], mail.subject) for mail in mails[:4]}
    assert got == {
        ("gerencia@x.example", "Cierre 1"),
        ("gerencia@x.example", "Cierre 2"),
        ("ana@x.example", "Closing 1"),
        ("eva@x.example", "Cierre 2"),
    }
    (row,) = clerk.rows("--address", "eva@x.example")
    assert "subscription by the outbox's database, set by rosa" in clerk.run("outbox", "history", row["key"])


def test_who_gets_what_is_listed_switched_and_removed(clerk):
    gerencia, ana = listed(clerk)
    assert (gerencia["stands"], gerencia["because"]) == ("on", "copy by include/subscriptions.yaml:2")
    assert ana["where"] == {"branch": "001", "difference": {"not": 0}}
    off = ("subscriptions", "off", "closing", "--email", "Ana@x.example")
    assert "closing to Ana@x.example by email is off" in clerk.run(*off)
    assert [each["stands"] for each in listed(clerk)] == ["on", "off"]
    clerk.run("subscriptions", "on", "closing", "--email", "ana@x.example")
    assert [each["stands"] for each in listed(clerk)] == ["on", "on"]
    told = clerk.run("subscriptions", "add", "closing", "--email", "ana@x.example", "--options", "{hour: 7}")
    assert "in the place of subscription by include/subscriptions.yaml:4" in told
    stands = [(each["stands"], each["where"], each["options"]) for each in listed(clerk, "--mailing", "closing")]
    assert stands[1:] == [("on", {}, {"hour": 7}), ("replaced", ana["where"], {})]
    clerk.run(*off)
    assert [each["stands"] for each in listed(clerk)] == ["on", "off", "off"]
    told = clerk.run("subscriptions", "remove", "closing", "--email", "ana@x.example")
    assert "ana@x.example gets closing by subscription by include/subscriptions.yaml:4" in told
    assert [each["stands"] for each in listed(clerk)] == ["on", "on"]
    assert "ana@x.example" in clerk.run("subscriptions", "list")


def test_a_mailing_is_switched_off_and_on_by_hand(clerk):
    clerk.run("sweep")
    assert "closing is off" in clerk.run("subscriptions", "off", "closing", "--by", "eva")
    close_till(clerk, 1)
    told = clerk.run("sweep")
    assert "switched off by eva" in told
    assert "1 documents changed, nobody is told: what is saved meanwhile is history" in told
    assert {each["stands"] for each in listed(clerk)} == {"mailing off"}
    assert "switched off by eva" in clerk.run("subscriptions", "list")
    assert "nobody is told, and what is saved meanwhile is history" in clerk.run("check", "closing", fails=True)
    clerk.run("subscriptions", "on", "closing")
    close_till(clerk, 2, difference=0)
    assert "1 queued" in clerk.run("sweep")
    assert [row["document"] for row in clerk.rows()] == ["2"]


SLIPS = [
    (("add", "closng", "--email", "a@x.example"), "Did you mean 'closing'?"),
    (("add", "closing"), "--email or --phone must name the address"),
    (("add", "closing", "--email", "a@"), "is no e-mail address"),
    (("add", "closing", "--phone", "+595981123456"), "closing does not go by phone, only by email"),
    (("add", "closing", "--email", "a@x.example", "--where", "{brnch: '1'}"), "Did you mean 'branch'?"),
    (("add", "closing", "--email", "a@x.example", "--where", "{branch: {nto: 1}}"), "Did you mean 'not'?"),
    (("add", "closing", "--email", "a@x.example", "--language", "Spanish"), "is no language"),
    (("remove", "closing", "--email", "ana@x.example"), "bin/emailketing subscriptions off closing --email ana@"),
    (("remove", "closing", "--email", "anna@x.example"), "Did you mean 'ana@x.example'?"),
    (("off", "closing", "--email", "zoe@x.example"), "does not subscribe to closing by email"),
    (("off", "closng"), "Did you mean 'closing'?"),
]


def test_a_slip_on_the_command_line_is_told_and_sets_nothing(clerk):
    for arguments, told in SLIPS:
        assert told in clerk.run("subscriptions", *arguments, fails=True)
    assert [each["stands"] for each in listed(clerk)] == ["on", "on"]


def test_check_tells_every_slip_with_its_line(clerk):
    wrong = """\
  - {mailing: closng, to: a@x.example}
  - {mailing: closing, to: a@}
  - {mailing: closing, to: b@x.example, channels: [phone]}
  - {mailing: closing, to: b@x.example, where: {brnch: "1"}}
  - {mailing: birthday, to: b@x.example}
"""
    (clerk.include / "subscriptions.yaml").write_text(FILE + wrong)
    for command in (["check"], ["subscriptions", "check"]):
        told = clerk.run(*command, fails=True)
        assert "subscriptions.yaml:7: no DAG declares a mailing 'closng'.\n" in told
        assert "Did you mean 'closing'?" in told
        assert "subscriptions.yaml:8: 'a@' is no e-mail address" in told
        assert "subscriptions.yaml:9: b@x.example has no address for phone." in told
        assert "subscriptions.yaml:10: a filter on closing can never hold: the query gives no column 'brnch'" in told
        assert "· " in told
        assert "subscriptions.yaml:11: no DAG declares a mailing 'birthday'." in told
    assert "first look" in clerk.run("sweep", fails=True)
    close_till(clerk, 1)
    told = clerk.run("sweep", fails=True)
    assert "2 queued" in told
    assert "birthday" not in told


def test_a_mailing_of_which_nobody_would_be_told_fails_the_check(clerk):
    (clerk.include / "subscriptions.yaml").write_text("")
    told = clerk.run("check", "closing", fails=True)
    assert "closing.sql: the query gives no column 'email'." in told
    assert "as nobody subscribes to closing by email (include/subscriptions.yaml)" in told
    close_till(clerk, 1)
    assert "as nobody would get it" in clerk.run("preview", "closing", "--out", str(clerk.folder / "out"))
