"""The demonstration's errands in a real ERP, and how they are followed to the mailbox without Airflow."""

import json
from datetime import date, datetime, time

import pytest
import sqlalchemy as sa

from demo import database, schema
from demo.catcher import is_refused
from demo.clockwork import READERS, Run, prepare
from demo.errands import BRANCH, errands, lose_mailbox, morning
from demo.generate import generate
from demo.program import Program, Taken
from demo.simulate import NothingOpen, Simulator, has_mail
from emailketing.outbox import Outbox
from tests.phone_gateways import phone_gateway


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """A company that is large enough for every errand."""
    engine = database.open_engine(f"sqlite:///{tmp_path_factory.mktemp('erp') / 'erp.db'}")
    database.create(engine)
    generate(engine, seed=5, until=database.local(database.utc_now()).date(), scale=0.1)
    morning(Simulator(engine, 3))
    lose_mailbox(Simulator(engine, 3))
    yield engine
    engine.dispose()


def one(engine, query):
    with engine.connect() as connection:
        return connection.execute(query).mappings().one()


def errand(mailing, place=0):
    return [one for one in errands(1) if one.mailing == mailing][place]


def head(engine, table, saved):
    return one(engine, sa.select(table).filter_by(number=saved.document))


def party(engine, number):
    return one(engine, sa.select(schema.parties).filter_by(id=number))


def count(engine, query):
    with engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()


def takes_mail(who):
    return has_mail(who) and not is_refused(who["email"])


@pytest.mark.parametrize("seed", range(5))
def test_who_is_to_be_told_by_mail_and_phone_can_be(engine, seed):
    operator = Simulator(engine, seed)
    receipt = head(engine, schema.receipts, errand("receipt").act(operator))
    sale = head(engine, schema.sales, errand("vehicle_fuelling").act(operator))
    for customer in (party(engine, receipt["customer_id"]), party(engine, sale["customer_id"])):
        assert has_mail(customer)
        assert customer["phone"].startswith("+595 9")


def test_the_fuelled_vehicle_was_fuelled_before(engine):
    sale = head(engine, schema.sales, errand("vehicle_fuelling").act(Simulator(engine, 1)))
    line = one(engine, sa.select(schema.sale_lines).filter_by(sale_id=sale["id"]))
    earlier = sa.select(schema.sale_lines).filter_by(vehicle_id=line["vehicle_id"])
    assert count(engine, earlier.where(schema.sale_lines.c.odometer < line["odometer"])) >= 1


def test_the_payment_order_withholds_and_goes_to_a_supplier_with_an_address(engine):
    order = head(engine, schema.payment_orders, errand("payment_order").act(Simulator(engine, 1)))
    assert order["withheld"] > 0
    assert takes_mail(party(engine, order["supplier_id"]))


def test_one_supplier_has_no_mailbox_and_is_paid_all_the_same(engine):
    operator = Simulator(engine, 1)
    (lost,) = [each for each in operator.parties if is_refused(each["email"] or "")]
    assert lost["phone"].startswith("+595 9")
    order = head(engine, schema.payment_orders, errand("payment_order", 1).act(operator))
    assert order["supplier_id"] == lost["id"]
    with pytest.raises(NothingOpen, match="no-such-user"):  # an order waits for his signature
        errand("payment_order", 1).act(operator)


@pytest.mark.parametrize("seed", range(9))
def test_nothing_is_bought_of_whom_no_mail_reaches(engine, seed):
    order = head(engine, schema.purchase_orders, errand("purchase_order").act(Simulator(engine, seed)))
    assert takes_mail(party(engine, order["supplier_id"]))


def test_the_closings_have_something_to_sum_up(engine):
    operator = Simulator(engine, 1)
    till = head(engine, schema.cash_closings, errand("cash_closing").act(operator))
    assert till["branch_id"] == BRANCH
    assert till["income"] > 100_000
    assert till["difference"] < 0
    closing = head(engine, schema.sales_closings, errand("sales_closing").act(operator))
    assert closing["tickets"] >= 60
    groups = sa.select(schema.sales_closing_lines).filter_by(sales_closing_id=closing["id"])
    assert count(engine, groups) >= 3
    sellers = sa.select(schema.sales.c.cashier_id).distinct().filter_by(branch_id=BRANCH, sold_on=closing["closed_on"])
    assert count(engine, sellers) >= 2


@pytest.mark.parametrize("moment", [time(0, 0, 5), time(6, 30), time(17)])
def test_a_morning_lies_between_midnight_and_now(tmp_path, moment):
    engine = database.open_engine(f"sqlite:///{tmp_path / 'erp.db'}")
    database.create(engine)
    today = database.local(database.utc_now()).date()
    generate(engine, seed=5, until=today, scale=0.02)
    now = datetime.combine(today, moment, database.ZONE)
    morning(Simulator(engine, 3, clock=lambda: now), sales=5)
    with engine.connect() as connection:
        times = connection.execute(sa.select(schema.sales.c.changed_at).filter_by(sold_on=today)).scalars().all()
    engine.dispose()
    assert len(times) == 5
    assert datetime.combine(today, time()) <= min(times) <= max(times) <= database.local(now)


def test_records_are_changed_and_deleted(engine):
    log = schema.audit_log
    for place, operation in ((0, "UPDATE"), (1, "DELETE")):
        saved = errand("record_change", place).act(Simulator(engine, 1))
        assert one(engine, sa.select(log).filter_by(id=int(saved.document)))["operation"] == operation


@pytest.fixture
def program(desk):
    """An operator whose messages go out by the command line, and what he is told."""
    outbox = Outbox.open(f"sqlite:///{desk.folder / 'outbox.db'}")
    said = []

    def wait(what, until):
        said.append(what)
        desk.run("sweep")
        desk.run("deliver")
        said.append(until())

    program = Program(
        desk.operator, outbox, Taken(desk.log, desk.folder / "none.jsonl"), desk.folder / "shown", wait, said.append
    )
    yield program, said
    outbox.close()
    desk.operator.engine.dispose()


def test_an_errand_is_followed_until_its_mail_and_document_lie_in_the_folder(desk, program):
    program, said = program
    desk.run("sweep")
    with desk.mail_server():
        first, second = (program.run(errand("purchase_order")) for _ in range(2))
    for (arrival,) in (first, second):
        assert arrival.complete
        assert arrival.recipient
        assert 0 < arrival.seconds < 60
        pdf, eml = arrival.files
        assert pdf.read_bytes().startswith(b"%PDF")
        assert arrival.document in eml.name
        assert arrival.recipient in eml.read_text()
    assert first[0].document != second[0].document
    assert said[-3:] == [
        f"an operator saved a purchase order: {second[0].document}",
        f"the messages of purchase_order {second[0].document}",
        True,
    ]


def test_a_refused_mail_is_followed_to_the_phone_and_counts_when_the_text_has_arrived(desk, program):
    program, _ = program
    lose_mailbox(desk.operator)
    desk.run("sweep")
    program.operator = Simulator(desk.operator.engine, 5)  # who has seen the address that is there now
    told = program.begin(errand("payment_order", 1))
    program.wait = lambda what, until: [desk.run(step) for step in ("sweep", "deliver", "sweep")]
    with desk.mail_server():
        mail, text = told()
    assert (mail.channel, mail.state, mail.replaced) == ("email", "refused", False)
    assert (text.channel, text.state, text.well) == ("phone", "queued", False)
    with phone_gateway() as gateway:
        desk.env["AIRFLOW_CONN_PHONE"] = json.dumps({"conn_type": "apprise", "extra": {"url": gateway.url}})
        program.taken = Taken(desk.log, gateway.log)
        program.wait = lambda what, until: desk.run("deliver", "--now")
        mail, text = told()
    assert (mail.state, mail.seconds, mail.well, mail.complete) == ("refused", None, True, False)
    assert mail.reason.startswith("told by phone instead: ")
    assert "550 5.1.1 No such user here" in mail.reason
    assert (text.channel, text.complete, text.document) == ("phone", True, mail.document)
    assert mail.document in text.files[0].read_text()


def test_a_mail_that_does_not_arrive_in_time_is_told(desk, program):
    program, _ = program
    desk.run("sweep")
    program.wait = lambda what, until: desk.run("sweep")
    (arrival,) = program.run(errand("purchase_order"))
    assert (arrival.state, arrival.seconds, arrival.files) == ("queued", None, ())
    assert "still queued" in arrival.reason
    assert not arrival.complete


def test_a_message_that_nobody_knows_of_is_missing(program):
    program, _ = program
    program.wait = lambda what, until: None
    (arrival,) = program.run(errand("purchase_order"))
    assert (arrival.state, arrival.reason) == ("missing", "the outbox has no such message")
    assert arrival.document


def test_an_errand_that_finds_nothing_to_do_is_told(program):
    program, _ = program
    with program.operator.engine.begin() as connection:
        connection.execute(sa.update(schema.sales).values(balance=0))
    arrivals = program.run(errand("receipt"))
    assert [(arrival.channel, arrival.state) for arrival in arrivals] == [("email", "missing"), ("phone", "missing")]
    assert "owes" in arrivals[0].reason


@pytest.fixture
def prepared(desk):
    """The company as the demonstration begins, and whom it will greet."""
    return prepare(desk.operator)


def test_few_customers_have_consented_and_one_of_them_celebrates(desk, prepared):
    consenting = sa.select(schema.parties).filter_by(consent=True)
    with desk.operator.engine.connect() as connection:
        people = connection.execute(consenting).mappings().all()
    assert {person["price_list_id"] for person in people} >= {1, 3}
    assert len(people) <= 3 * READERS
    assert all(has_mail(person) for person in people)
    (child,) = [person for person in people if person["id"] == prepared.party]
    assert child["birthday"] == date(1984, prepared.day.month, prepared.day.day)


def test_a_run_is_followed_to_the_mails_of_those_who_consented(desk, program, prepared):
    program, _ = program
    sent = Run("price_list", (".pdf", ".xlsx", "picture", "way to leave"), since=database.utc_now())
    program.wait = lambda what, until: desk.run("deliver")
    with desk.mail_server():
        desk.run("campaign", "price_list")
        arrivals = program.follow(sent)
        lacking = program.follow(Run("price_list", (".csv",), since=sent.since))
    assert {arrival.document.partition(":")[2] for arrival in arrivals} >= {str(prepared.party)}
    for arrival in arrivals:
        assert arrival.complete
        assert {file.suffix for file in arrival.files} == {".pdf", ".xlsx", ".eml"}
    assert [arrival.complete for arrival in lacking] == [False] * len(arrivals)
    assert {arrival.reason for arrival in lacking} == {"it carries no .csv"}


def test_a_run_that_put_nothing_is_told_and_so_is_a_test_that_did_not_come(program):
    program, _ = program
    program.wait = lambda what, until: None
    silent = program.follow(Run("birthday", (), "greetings", channels=("email", "phone")))
    assert [(arrival.channel, arrival.state) for arrival in silent] == [("email", "missing"), ("phone", "missing")]
    assert "greetings" in silent[0].reason
    assert program.trial("christmas", "marketing@x.example", database.utc_now(), ()).state == "missing"


def test_a_greeting_that_was_tried_out_is_shown(desk, program):
    program, _ = program
    program.wait = lambda what, until: None
    since = database.utc_now()
    with desk.mail_server():
        desk.run("send-test", "christmas", "--to", "marketing@petroleradeleste.example")
    shown = program.trial("christmas", "marketing@petroleradeleste.example", since, ("picture", "way to leave"))
    assert shown.complete
    assert shown.files[0].name == "christmas test.eml"
