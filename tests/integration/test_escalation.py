"""Who cannot be reached by mail is told by phone: a mail server that refuses him, and a gateway that takes the text."""

from __future__ import annotations

import shutil
import smtplib
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa

from demo import schema
from demo.simulate import Simulator
from emailketing import road
from emailketing.audience import Audience, read
from emailketing.channels.phone import Phone
from emailketing.channels.smtp import Smtp
from emailketing.model import Lane, Mailing, Outcome, State, Subscribed, Subscription, Switch, Wish
from emailketing.outbox import Filter, Outbox
from tests.desk import Desk
from tests.phone_gateways import phone_gateway
from tests.processes import Warm
from tests.smtp_servers import Mailbox, ScriptedServer
from tests.town import BACKOFF, plain_sheets

ORDER = Mailing("payment_order", expires_after_s=7 * 86400, if_refused="phone")
NUMBER = "+595981123456"


class Office:
    """A town whose suppliers have mailboxes that refuse, and mobile phones; mail and texts are really sent."""

    def __init__(self, town, server, gateway):
        self.town, self.server, self.gateway = town, server, gateway
        with town.engine.begin() as connection:
            own = sa.literal("refused-") + sa.cast(schema.parties.c.id, sa.String) + "@proveedor.example"
            connection.execute(sa.update(schema.parties).values(email=own, phone="0981 123-456"))
            connection.execute(sa.update(schema.payment_orders).values(status="paid"))
            connection.execute(sa.update(schema.supplier_invoices).values(balance=schema.supplier_invoices.c.total))
        town.operator = type(town.operator)(town.engine, 3, clock=town.clock, wait=town.clock.sleep)
        channels = {"email": self.mail, "phone": self.phone}
        self.sweeper = replace(
            town.sweeper, channels={name: make() for name, make in channels.items()}, audience=Audience(region="PY")
        )
        self.carrier = replace(town.carrier, channels=channels)
        self.sweep()

    def mail(self):
        def connect():
            return smtplib.SMTP("127.0.0.1", self.server.port, "localhost", timeout=10)

        return Smtp(connect, timeout_s=10, server="the mail server", clock=self.town.clock)

    def phone(self):
        return Phone(lambda: self.gateway.url, timeout_s=10, clock=self.town.clock)

    def save(self):
        return self.town.operator.save_payment_order()

    def sweep(self, mailing=ORDER, **changes):
        (swept,) = road.sweep_all(replace(self.sweeper, **changes), [mailing])
        assert not swept.problems, swept.problems
        return swept

    def deliver(self):
        return road.deliver(self.carrier, Lane.INSTANT).outcomes

    def refuse(self, orders=1):
        """Orders of which the mail was refused."""
        saved = [self.save() for _ in range(orders)]
        assert self.sweep().states == {State.QUEUED: orders}
        assert self.deliver() == {Outcome.REFUSED: orders}
        return saved

    def change_addresses(self, **values):
        with self.town.engine.begin() as connection:
            connection.execute(sa.update(schema.parties).values(**values))

    def rows(self, channel):
        return self.town.rows(channel=channel)

    def decisions(self):
        """What the histories of all mails say of what follows."""
        entries = [entry for row in self.rows("email") for entry in self.town.outbox.history(row.key)]
        return [entry.detail for entry in entries if entry.cause == "escalated"]

    def change(self, saved, **values):
        with self.town.engine.connect() as connection:
            wanted = sa.select(schema.payment_orders.c.id).filter_by(number=saved.document)
            record = connection.execute(wanted).scalar_one()
        self.town.operator.change_record("payment_orders", record, **values)


@pytest.fixture
def office(town):
    with Mailbox() as server, phone_gateway() as gateway:
        yield Office(town, server, gateway)


def test_who_is_refused_by_mail_gets_a_text_once(office):
    (saved,) = office.refuse()
    assert office.sweep().states == {State.QUEUED: 1}
    assert office.deliver() == {Outcome.ACCEPTED: 1}
    for _ in range(3):
        assert office.sweep().new == 0
        assert office.deliver() == {}
    [(to, text)] = office.gateway.texts()
    assert to == NUMBER
    assert saved.document in text
    assert "espera su firma" in text
    (mail,), (phone,) = office.rows("email"), office.rows("phone")
    assert (mail.state, phone.state) == (State.REFUSED, State.ACCEPTED)
    assert office.decisions() == ["told by phone instead: …456"]
    birth = office.town.outbox.history(phone.key)[0]
    assert birth.detail == "instead of email to re…@proveedor.example, which was refused"
    assert office.server.accepted == []


def test_a_mail_that_is_only_late_is_waited_for_until_it_is_given_up(office):
    with ScriptedServer({"rcpt": ["451 4.7.1 greylisted"] * 9}) as office.server:
        office.save()
        office.sweep()
        for attempt in range(BACKOFF.attempts):
            assert office.rows("phone") == [], attempt
            office.deliver()
            office.town.clock.sleep(7200)
            office.sweep()
    assert office.rows("email")[0].state is State.REFUSED
    assert len(office.rows("phone")) == 1


def test_who_has_no_mail_address_is_told_by_phone_at_once(office):
    office.save()
    office.change_addresses(email=None)
    assert office.sweep().states == {State.UNADDRESSED: 1, State.QUEUED: 1}
    assert office.deliver() == {Outcome.ACCEPTED: 1}
    assert office.decisions() == ["told by phone instead: …456"]
    birth = office.town.outbox.history(office.rows("phone")[0].key)[0]
    assert birth.detail == "instead of email, which was unaddressed"


def test_who_is_reached_by_mail_gets_no_text(office):
    office.change_addresses(email="ana@proveedor.example")
    office.save()
    office.sweep()
    assert office.deliver() == {Outcome.ACCEPTED: 1}
    assert office.sweep().new == 0
    assert len(office.server.accepted) == 1
    assert office.gateway.texts() == office.decisions() == []


@pytest.mark.parametrize(("phone", "why"), [(None, "phone is empty in the ERP"), ("021 555 123", "landline")])
def test_who_has_no_mobile_phone_either_is_told_in_the_history(office, phone, why):
    office.change_addresses(phone=phone)
    office.refuse()
    assert office.sweep().new == 0
    (decision,) = office.decisions()
    assert decision.startswith("nobody is told by phone instead: ")
    assert why in decision
    assert office.rows("phone") == []


def test_who_must_not_be_written_to_by_phone_either_is_told_in_the_history(office):
    office.town.outbox.suppress(Wish(NUMBER, "all", office.town.sweeper.clock(), "Ana", "asked by phone"))
    office.refuse()
    assert office.sweep().new == 0
    (decision,) = office.decisions()
    assert decision.startswith("nobody is told by phone instead: no message may go there since ")
    assert office.rows("phone") == []


def test_a_document_that_was_changed_or_is_gone_has_no_other_consequence(office):
    signed, corrected = office.refuse(2)
    office.change(signed, status="signed")
    office.change(corrected, notes="otra cuenta")
    swept = office.sweep()
    assert swept.states == {State.QUEUED: 1}, "the corrected one is told anew, by mail"
    gone = "nobody is told by phone instead: the document was changed or deleted in the ERP meanwhile"
    assert office.decisions() == [gone, gone]
    assert office.deliver() == {Outcome.REFUSED: 1}
    assert office.sweep().states == {State.QUEUED: 1}
    assert [row.version for row in office.rows("phone")] == ["2"]


def test_news_that_is_too_old_is_not_told_by_another_channel(office):
    office.refuse()
    office.town.clock.sleep(3 * 3600)
    assert office.sweep(replace(ORDER, expires_after_s=3600)).new == 0
    (decision,) = office.decisions()
    assert "too long ago" in decision
    assert office.rows("phone") == []


def test_what_was_refused_days_ago_is_left_as_it_is_when_the_rule_is_declared(office):
    saved = office.save()
    office.sweep(replace(ORDER, if_refused=""))
    office.deliver()
    office.town.clock.sleep(49 * 3600)
    assert office.sweep().new == 0
    assert office.decisions() == []
    assert office.rows("email")[0].document == saved.document


def test_a_mailing_that_is_off_tells_nobody_and_not_when_it_is_on_again(office):
    office.refuse()
    off = Audience(region="PY", subscribed=Subscribed(switches=(Switch("payment_order", False, "Ana"),)))
    assert office.sweep(audience=off).new == 0
    assert office.decisions() == ["nobody is told by phone instead: switched off by Ana"]
    assert office.sweep().new == 0
    assert office.rows("phone") == []


def test_channels_that_are_configured_are_all_by_which_it_goes(office):
    office.refuse()
    office.town.write("subscriptions.yaml", "mailings: {payment_order: {channels: [email]}}\n")
    _, provisioned = read(office.town.include / "subscriptions.yaml", "PY")
    assert office.sweep(audience=Audience(provisioned, region="PY")).new == 0
    assert office.rows("phone") == office.decisions() == []


def test_a_copy_that_is_refused_is_nobody_to_be_called(office):
    office.change_addresses(email="ana@proveedor.example")
    copy = Subscription("payment_order", "email", "refused@company.example", "Graciela", "es", where={})
    audience = Audience(region="PY", subscribed=Subscribed((copy,)))
    office.save()
    office.sweep(audience=audience)
    assert office.deliver() == {Outcome.ACCEPTED: 1, Outcome.REFUSED: 1}
    assert office.sweep(audience=audience).new == 0
    assert office.rows("phone") == office.decisions() == []


def test_a_supplier_with_two_mailboxes_and_one_phone_is_told_once(office):
    office.save()
    office.change_addresses(email="refused1@x.example; refused2@x.example")
    office.sweep()
    assert office.deliver() == {Outcome.REFUSED: 2}
    assert office.sweep().states == {State.QUEUED: 1}
    assert len(office.rows("phone")) == 1
    assert office.decisions() == ["told by phone instead: …456"] * 2


def test_who_is_told_by_phone_in_any_case_is_told_once(office):
    both = replace(ORDER, channels=("email", "phone"), if_refused="")
    office.save()
    office.sweep(both)
    office.deliver()
    assert office.sweep().new == 0
    assert office.decisions() == ["told by phone already: …456"]
    assert len(office.gateway.texts()) == 1


def test_a_text_that_cannot_be_rendered_is_held_and_goes_when_its_template_is_mended(office):
    office.refuse()
    template = office.town.read("templates/payment_order/phone.txt.j2")
    office.town.write("templates/payment_order/phone.txt.j2", "{{ totl }}")
    (swept,) = road.sweep_all(office.sweeper, [ORDER])
    assert swept.states == {State.HELD: 1}
    assert "phone.txt.j2:1" in swept.problems[0]
    office.town.write("templates/payment_order/phone.txt.j2", template)
    assert office.sweep().mended == {State.QUEUED: 1}
    assert office.deliver() == {Outcome.ACCEPTED: 1}
    assert len(office.gateway.texts()) == 1


def test_the_number_of_queries_does_not_grow_with_those_who_were_refused(office):
    counts = []
    for many in (1, 6):
        with office.town.engine.begin() as connection:
            connection.execute(sa.update(schema.supplier_invoices).values(balance=schema.supplier_invoices.c.total))
            connection.execute(sa.update(schema.payment_orders).values(status="paid"))
        sample = office.save()
        _multiply(office.town.engine, sample, many - 1)
        office.sweep()
        assert office.deliver() == {Outcome.REFUSED: many}
        with _counted(office.sweeper.erp.engine, office.town.outbox._database.engine) as statements:
            assert road.escalate(office.sweeper, ORDER).states == {State.QUEUED: many}
        counts.append(len(statements))
        office.deliver()
    assert counts[0] == counts[1], counts
    assert office.decisions() == ["told by phone instead: …456"] * 7


@contextmanager
def _counted(*engines):
    """The statements that are executed meanwhile."""
    statements = []

    def note(*given):
        statements.append(given[2])

    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    yield statements
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", note)


def _multiply(engine, saved, times):
    """More orders like this one."""
    orders = schema.payment_orders
    with engine.begin() as connection:
        row = dict(connection.execute(sa.select(orders).filter_by(number=saved.document)).mappings().one())
        del row["id"]
        for number in range(times):
            connection.execute(sa.insert(orders), {**row, "number": f"900-{number}"})


@pytest.fixture
def doomed():
    """Processes that kill themselves at a point of their work."""
    with Warm("tests.chaos.command:run") as warm:
        yield warm


def test_killed_at_any_point_the_next_sweep_makes_good_and_decides_once(tmp_path, company, doomed):
    """The command line's sweep, SIGKILLed within what follows a refusal."""
    desk = Desk(tmp_path, company, doomed)
    with desk.operator.engine.begin() as connection:
        own = sa.literal("refused-") + sa.cast(schema.parties.c.id, sa.String) + "@proveedor.example"
        connection.execute(sa.update(schema.parties).values(email=own, phone="0981 123-456"))
    operator = Simulator(desk.operator.engine, 5)
    plain_sheets(desk.include)
    desk.run("sweep", "payment_order")
    saved = [operator.save_payment_order().document for _ in range(2)]
    desk.run("sweep", "payment_order")
    with Mailbox() as server:
        smtp = f"smtp://127.0.0.1:{server.port}/?disable_ssl=true&disable_tls=true"
        assert "2 refused" in desk.run("deliver", AIRFLOW_CONN_SMTP=smtp)
    with sa.create_engine(f"sqlite:///{desk.folder / 'outbox.db'}").connect() as connection:
        connection.exec_driver_sql(f"VACUUM INTO '{desk.folder / 'before.db'}'")
    points, killed = _sweep(desk, doomed, 0), 0
    for point in range(points, 0, -max(1, points // 9)):
        killed += _sweep(desk, doomed, point) == -9
        desk.run("sweep", "payment_order")
        outbox = Outbox.open(f"sqlite:///{desk.folder / 'outbox.db'}")
        mails, texts = (outbox.messages(Filter(channel=channel)) for channel in ("email", "phone"))
        told = [[entry.cause for entry in outbox.history(row.key)].count("escalated") for row in mails]
        outbox.close()
        assert sorted(row.document for row in texts) == sorted(saved), point
        assert {row.state for row in texts} == {State.QUEUED}, point
        assert told == [1, 1], point
    assert killed > 5


def _sweep(desk, doomed, point):
    """A sweep from where nothing was decided that dies at a point of its work; its status. With 0, how many it has."""
    for stale in desk.folder.glob("outbox.db*"):
        stale.unlink()
    shutil.copy(desk.folder / "before.db", desk.folder / "outbox.db")
    count, output = desk.folder / "points", desk.folder / "output.txt"
    env = {**desk.env, "CHAOS_POINT": str(point), "CHAOS_COUNT": str(count)}
    status = doomed.start(["sweep", "payment_order"], env, output).status()
    if point:
        return status
    assert status == 0, output.read_text()
    return int(count.read_text())
