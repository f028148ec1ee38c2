"""The whole road without Airflow: orders saved in the demo ERP, on each database, reach the channel once."""

from __future__ import annotations

from datetime import timedelta
from email import policy
from email.parser import BytesParser
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from demo import schema
from demo.simulate import Abandoned, Simulator
from emailketing import road
from emailketing.channels.memory import Memory
from emailketing.channels.wire import assemble
from emailketing.erp import Erp
from emailketing.errors import ErpError, OutboxError, SqlError
from emailketing.model import Lane, Outcome, State
from tests.town import BACKOFF, ORDER, Clock, Town


@pytest.fixture(params=["postgres", "mariadb"])
def served_town(request, tmp_path, include):
    """The ERP on a server; the outbox on PostgreSQL in both cases."""
    erp_url = request.getfixturevalue(f"{request.param}_url")
    with request.getfixturevalue("postgres_server").database() as outbox_url:
        town = Town(erp_url, outbox_url, include)
        town.sweep()
        yield town
        town.close()


def test_the_first_look_sends_nothing_of_the_companys_history(town):
    assert town.outbox.cursor("purchase_order") is not None
    assert town.sweep().new == 0
    assert town.rows() == []


def test_a_saved_order_is_delivered_once_however_often_it_is_swept(town):
    saved = town.operator.save_purchase_order()
    assert town.sweep().states == {State.QUEUED: 1}
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 1}
    for _ in range(3):
        assert town.sweep().new == 0
        assert town.deliver().outcomes == {}
    (row,) = town.rows()
    assert (row.document, row.address, row.state) == (saved.document, saved.address, State.ACCEPTED)
    assert len(town.channel.delivered) == 1


def test_it_runs_on_servers_as_well(served_town):
    saved = [served_town.operator.save_purchase_order(), served_town.operator.save_purchase_order(late_s=120)]
    assert served_town.sweep().states == {State.QUEUED: 2}
    assert served_town.deliver().outcomes == {Outcome.ACCEPTED: 2}
    assert served_town.sweep().new == 0
    assert {row.document for row in served_town.rows(states=(State.ACCEPTED,))} == {one.document for one in saved}


def test_the_mail_is_what_the_supplier_needs(printing_town):
    town = printing_town
    saved = town.operator.save_purchase_order()
    town.sweep()
    (row,) = town.rows()
    mail = BytesParser(policy=policy.default).parsebytes(assemble(town.outbox.frozen(row.key)))
    assert mail["To"].addresses[0].addr_spec == saved.address
    assert mail["Message-ID"] == row.message_id
    assert mail["Auto-Submitted"] == "auto-generated"
    assert saved.document in mail["Subject"]
    assert saved.document in mail.get_body(("plain",)).get_content()
    assert "<table" in mail.get_body(("html",)).get_content()
    (pdf,) = mail.iter_attachments()
    assert pdf.get_content_type() == "application/pdf"
    assert saved.document in pdf.get_filename()


def test_a_late_commit_with_an_older_time_is_found(town):
    waited = []

    def meanwhile(seconds: float) -> None:
        waited.append(seconds)
        town.clock.sleep(seconds)
        assert town.sweep().new == 0  # not committed yet

    Simulator(town.engine, 9, clock=town.clock, wait=meanwhile).save_purchase_order(late_s=60)
    assert waited == [60]
    assert town.sweep().new == 1


def test_a_corrected_order_is_told_again_and_a_deleted_one_only_once(town):
    saved = town.operator.save_purchase_order()
    town.sweep()
    town.operator.correct("purchase_orders", saved.document)
    assert town.sweep().new == 1
    assert sorted(row.version for row in town.rows()) == ["1", "2"]
    town.operator.delete_record("purchase_orders", saved.document)
    assert town.sweep().new == 0


def test_imported_and_rolled_back_orders_are_told_to_nobody(town):
    town.operator.save_purchase_order(silent=True)
    with pytest.raises(Abandoned):
        town.operator.save_purchase_order(roll_back=True)
    swept = town.sweep()
    assert (swept.new, swept.silent) == (0, 1)


def test_a_supplier_without_an_address_is_a_message_with_its_reason(town):
    with town.engine.begin() as connection:
        connection.execute(sa.update(schema.parties).values(email="ventas.proveedor.example"))
    town.operator.save_purchase_order(supplier=_supplier(town))
    with town.engine.begin() as connection:
        connection.execute(sa.update(schema.parties).values(email=None))
    town.operator.save_purchase_order(supplier=_supplier(town))
    town.sweep()
    assert {row.state for row in town.rows()} == {State.UNADDRESSED}
    assert {row.reason for row in town.rows()} == {"email is empty in the ERP"}


def test_an_address_without_at_is_told(town):
    with town.engine.begin() as connection:
        connection.execute(sa.update(schema.parties).values(email="ventas.proveedor.example"))
    town.operator.save_purchase_order(supplier=_supplier(town))
    town.sweep()
    (row,) = town.rows()
    assert (row.state, row.address) == (State.UNADDRESSED, "ventas.proveedor.example")
    assert "is no e-mail address" in row.reason
    assert town.deliver().outcomes == {}


def _supplier(town) -> int:
    with town.engine.connect() as connection:
        return connection.execute(sa.select(schema.parties.c.id).where(schema.parties.c.is_supplier)).scalars().first()


def test_an_event_too_old_to_help_is_expired_and_seen(town):
    town.operator.save_purchase_order()
    town.clock.sleep(8 * 86400)
    assert town.sweep().states == {State.EXPIRED: 1}
    assert town.deliver().outcomes == {}


def test_a_broken_template_holds_its_messages_until_it_is_mended(town):
    good = town.read("templates/purchase_order/body.html.j2")
    town.write("templates/purchase_order/body.html.j2", good + "{% if %}")
    town.operator.save_purchase_order()
    swept = town.sweep()
    assert swept.states == {State.HELD: 1}
    assert "body.html.j2:" in swept.problems[0]
    assert road.mend(town.sweeper, ORDER).new == 0
    town.write("templates/purchase_order/body.html.j2", good)
    assert road.mend(town.sweeper, ORDER).states == {State.QUEUED: 1}
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 1}
    assert [entry.to_state for entry in town.outbox.history(town.rows()[0].key)][:2] == [State.HELD, State.QUEUED]


def test_a_held_message_whose_document_is_gone_is_cancelled(town):
    town.write("templates/purchase_order/text.txt.j2", "{{ totl }}")
    saved = town.operator.save_purchase_order()
    assert "Did you mean 'total'?" in town.sweep().problems[0]
    town.operator.delete_record("purchase_orders", saved.document)
    road.mend(town.sweeper, ORDER)
    (row,) = town.rows()
    assert (row.state, "deleted" in row.reason) == (State.CANCELLED, True)


def test_a_poison_row_never_blocks_the_rest(town):
    """One order's number makes its template fail; its neighbours are sent."""
    saved = [town.operator.save_purchase_order() for _ in range(3)]
    poison = saved[1].document
    subject = town.read("templates/purchase_order/subject.txt.j2")
    town.write("templates/purchase_order/subject.txt.j2", f"{{{{ 1 // (document | int - {poison}) }}}}" + subject)
    assert town.sweep().states == {State.QUEUED: 2, State.HELD: 1}
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 2}


def test_a_misspelt_column_stops_its_mailing_and_moves_no_cursor(town):
    town.operator.save_purchase_order()
    before = town.outbox.cursor("purchase_order")
    good = town.read("sql/purchase_order.sql")
    town.write("sql/purchase_order.sql", good.replace("s.email ", "s.emial "))
    with pytest.raises(SqlError, match="no column 'emial'"):
        town.sweep()
    assert town.outbox.cursor("purchase_order") == before
    town.write("sql/purchase_order.sql", good)
    assert town.sweep().new == 1


def test_an_erp_that_is_away_costs_nothing(town, tmp_path):
    town.operator.save_purchase_order()
    away = road.Sweeper(**{**vars(town.sweeper), "erp": _nowhere(town)})
    with pytest.raises(ErpError, match="does not answer"):
        road.sweep(away, ORDER)
    assert town.sweep().new == 1


def _nowhere(town) -> Erp:
    gone = sa.create_engine("sqlite:////nonexistent/erp.db")
    return Erp(gone, town.include / "sql", ZoneInfo("America/Asuncion"))


def test_a_server_that_is_down_costs_no_attempt_and_the_lane_resumes(town):
    town.operator.save_purchase_order()
    town.sweep()
    town.channel.down = "nothing listens"
    delivered = town.deliver()
    assert "nothing listens" in delivered.down
    (row,) = town.rows()
    assert (row.state, row.attempts) == (State.QUEUED, 0)
    town.channel.down = ""
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 1}


def test_a_message_is_tried_again_later_and_given_up_in_the_end(town):
    saved = town.operator.save_purchase_order()
    town.sweep()
    town.channel = Memory({saved.address: Outcome.LATER}, clock=town.clock)
    for attempt in range(1, 4):
        assert town.deliver().outcomes == {Outcome.LATER: 1}, attempt
        assert town.deliver().outcomes == {}, "not before its time"
        town.clock.sleep(3600)
    (row,) = town.rows()
    assert (row.state, row.attempts) == (State.REFUSED, 3)


def test_a_dead_delivery_is_settled_by_policy(town):
    town.operator.save_purchase_order()
    town.sweep()
    (claim,) = town.outbox.claim("email", Lane.INSTANT, 1, "dead", 60, town.clock())
    assert town.outbox.step("dead", None, claim.id, town.clock(), 60)
    assert town.deliver().outcomes == {}
    town.clock.sleep(61)
    assert road.keep_house(town.outbox, BACKOFF, town.clock())["rescued"] == 1
    town.clock.sleep(31)
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 1}
    told = [(entry.from_state, entry.to_state) for entry in town.outbox.history(claim.key)]
    assert (State.SENDING, State.UNKNOWN) in told
    assert (State.UNKNOWN, State.QUEUED) in told


def test_many_orders_take_as_many_queries_as_one(town):
    queries = []
    sa.event.listen(town.sweeper.erp.engine, "before_cursor_execute", lambda *args: queries.append(args[2]))
    town.operator.save_purchase_order()
    town.sweep()
    one = len(queries)
    for _ in range(20):
        town.operator.save_purchase_order()
    queries.clear()
    assert town.sweep().new == 20
    assert len(queries) == one


def test_a_clock_that_runs_ahead_hides_nothing(town):
    ahead = Clock()
    ahead.now = town.clock.now + timedelta(days=400)
    Simulator(town.engine, 11, clock=ahead, wait=ahead.sleep).save_purchase_order()
    assert town.sweep().new == 1
    town.operator.save_purchase_order()
    assert town.sweep().new == 1


def test_several_connections_send_everything_once(town):
    for _ in range(12):
        town.operator.save_purchase_order()
    town.sweep()
    channels = [Memory(), Memory(), Memory()]
    spare = list(channels)
    carrier = road.Carrier(town.outbox, {"email": spare.pop}, BACKOFF, 2, 60, clock=town.clock)
    assert road.deliver(carrier, Lane.INSTANT, connections=3).outcomes == {Outcome.ACCEPTED: 12}
    sent = [one.message_id for channel in channels for one in channel.delivered]
    assert len(sent) == len(set(sent)) == 12


def test_a_changed_address_is_no_news_of_old_documents(town):
    saved = town.operator.save_purchase_order()
    town.sweep()
    with town.engine.begin() as connection:
        connection.execute(sa.update(schema.parties).values(email="nueva@proveedor.example"))
    assert town.sweep().new == 0
    assert [row.address for row in town.rows()] == [saved.address]


def test_who_could_not_be_reached_is_tried_at_his_new_address(town):
    with town.engine.begin() as connection:
        connection.execute(sa.update(schema.parties).values(email=None))
    town.operator.save_purchase_order(supplier=_supplier(town))
    assert town.sweep().states == {State.UNADDRESSED: 1}
    with town.engine.begin() as connection:
        connection.execute(sa.update(schema.parties).values(email="por-fin@proveedor.example; y@otro.example"))
    assert town.sweep().states == {State.QUEUED: 2}
    assert town.sweep().new == 0


def test_whatever_a_row_brings_about_in_rendering_holds_its_own_message(town):
    class Broken:
        """A library that fails in its own way on one document."""

        def __init__(self, poison: str) -> None:
            self.poison = poison

        def render(self, mailing, variables, recipient, channel):
            if variables["document"] == self.poison:
                raise RecursionError("too deep")
            return town.sweeper.renderer.render(mailing, variables, recipient, channel)

    saved = [town.operator.save_purchase_order() for _ in range(2)]
    sweeper = road.Sweeper(**{**vars(town.sweeper), "renderer": Broken(saved[0].document)})
    swept = road.sweep(sweeper, ORDER)
    assert swept.states == {State.HELD: 1, State.QUEUED: 1}
    assert "RecursionError: too deep" in swept.problems[0]


def test_a_receipt_that_can_no_longer_be_recorded_stops_nothing(town):
    """The message was settled by a person while it was being sent."""
    for _ in range(2):
        town.operator.save_purchase_order()
    town.sweep()
    outbox, clock = town.outbox, town.clock

    class Slow(type(town.channel)):
        """A server that takes longer than the lease for its first message."""

        def deliver(self, claim):
            if not self.delivered:
                clock.sleep(600)
                road.keep_house(outbox, BACKOFF, clock())
                outbox.cancel(claim.key, "ana", "took too long", clock())
            return super().deliver(claim)

    town.channel = Slow(clock=clock)
    assert town.deliver().outcomes.total() >= 1
    clock.sleep(3600)
    town.deliver()
    assert sorted(row.state for row in town.rows()) == [State.ACCEPTED, State.CANCELLED]


def test_a_step_whose_answer_was_lost_is_sent_all_the_same(town):
    """The database committed, and the connection broke before it could say so."""
    for _ in range(3):
        town.operator.save_purchase_order()
    town.sweep()
    step, calls = town.outbox.step, []

    def deaf(*arguments):
        done = step(*arguments)
        calls.append(arguments)
        if len(calls) == 2:
            raise OutboxError("the connection broke while the commit was answered")
        return done

    town.outbox.step = deaf
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 3}
    assert {row.state for row in town.rows()} == {State.ACCEPTED}
    assert {row.attempts for row in town.rows()} == {1}


def test_what_may_have_arrived_never_ends_as_never_sent(town):
    town.operator.save_purchase_order()
    town.sweep()
    (claim,) = town.outbox.claim("email", Lane.INSTANT, 1, "dead", 60, town.clock())
    town.outbox.step("dead", None, claim.id, town.clock(), 60)
    town.clock.sleep(8 * 86400)
    road.keep_house(town.outbox, BACKOFF, town.clock())
    (row,) = town.rows()
    assert (row.state, "may have arrived" in row.reason) == (State.UNKNOWN, True)


def test_held_messages_beyond_the_first_hundreds_are_mended_too(town):
    good = town.read("templates/purchase_order/subject.txt.j2")
    town.write("templates/purchase_order/subject.txt.j2", "{{ missing }}")
    for _ in range(3):
        town.operator.save_purchase_order()
    town.sweep()
    still = town.rows()[-1].document
    town.write("templates/purchase_order/subject.txt.j2", f"{{{{ 1 // (document | int - {still}) }}}}" + good)
    assert road.mend(town.sweeper, ORDER).states == {State.QUEUED: 2}
