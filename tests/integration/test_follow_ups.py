"""What follows when something has not happened by a time: payment orders that nobody signs, by a moved clock."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from demo import schema
from emailketing import road, settings, tasks
from emailketing.audience import Audience
from emailketing.model import Lane, Mailing, Outcome, State, Subscribed, Switch
from emailketing.outbox import Outbox
from tests.desk import Desk as CommandLine
from tests.town import ORDER, Town

DAY = 86400.0
REMINDER = Mailing("payment_order_reminder", waits_s=5 * DAY)
OVERDUE = Mailing("payment_order_overdue", waits_s=10 * DAY)


class Desk:
    """Where payment orders wait for their signature; `days` pass."""

    def __init__(self, town):
        self.town = town
        with town.engine.begin() as connection:  # what the generated company left open is paid, but for its invoices
            connection.execute(sa.update(schema.payment_orders).values(status="paid"))
            connection.execute(sa.update(schema.supplier_invoices).values(balance=schema.supplier_invoices.c.total))

    def issue(self, **how):
        return self.town.operator.save_payment_order(**how)

    def change(self, saved, **values):
        orders = schema.payment_orders.c
        with self.town.engine.connect() as connection:
            record = connection.execute(sa.select(orders.id).where(orders.number == saved.document)).scalar_one()
        return self.town.operator.change_record("payment_orders", record, **values)

    def sign(self, saved):
        return self.change(saved, status="signed")

    def sleep(self, days):
        self.town.clock.sleep(days * DAY)

    def sweep(self, mailing=REMINDER, **changes):
        (swept,) = road.sweep_all(replace(self.town.sweeper, **changes), [mailing])
        assert not swept.problems, swept.problems
        assert not swept.alarms, swept.alarms
        return swept

    def told(self, mailing=REMINDER):
        """What was put: each document and version, as often as it was."""
        return sorted((row.document, row.version) for row in self.town.rows(mailing=mailing.name))


@pytest.fixture
def desk(town):
    desk = Desk(town)
    assert desk.sweep().first_look
    return desk


def test_before_its_time_nothing_is_told_at_its_time_it_is_and_once(desk):
    saved = desk.issue()
    changed_at = desk.town.clock.now
    for days in (0, 1, 3.9):
        desk.sleep(days)
        assert desk.sweep().new == 0
    desk.town.clock.now = changed_at + timedelta(days=5, seconds=-1)
    assert desk.sweep().new == 0
    desk.town.clock.now = changed_at + timedelta(days=5, seconds=1)
    assert desk.sweep().states == {State.QUEUED: 1}
    for _ in range(4):
        desk.sleep(1.5)
        assert desk.sweep().new == 0
    assert desk.told() == [(saved.document, "1")]


def test_it_runs_on_servers_as_well(request, tmp_path, include):
    for name in ("postgres", "mariadb"):
        with (
            request.getfixturevalue(f"{name}_server").database() as erp,
            request.getfixturevalue("postgres_server").database() as outbox,
        ):
            town = Town(erp, outbox, include)
            desk = Desk(town)
            _past(desk)
            desk.sweep()
            first, second = desk.issue(), desk.issue()
            changed_at = town.clock.now
            town.clock.now = changed_at + timedelta(days=4.9)
            assert desk.sweep().new == 0
            desk.sign(first)
            town.clock.now = changed_at + timedelta(days=5, seconds=1)
            assert desk.sweep().states == {State.QUEUED: 1}
            assert desk.sweep().new == 0
            assert desk.told() == [(second.document, "1")]
            town.close()


def _past(desk):
    """A server's own clock is beyond the test's: nothing of what its rows say may be later than both."""
    assert desk.town.clock.now < datetime.now(UTC)


def test_what_was_overdue_when_it_was_declared_is_history_and_what_waits_then_is_not(town):
    desk = Desk(town)
    old = desk.issue()
    desk.sleep(4)
    young = desk.issue()
    desk.sleep(2)
    assert desk.sweep().first_look
    assert desk.sweep().new == 0
    desk.sleep(3.1)
    assert desk.sweep().new == 1
    desk.sleep(30)
    assert desk.sweep().new == 0
    assert desk.told() == [(young.document, "1")] != [(old.document, "1")]


def test_what_has_happened_meanwhile_is_told_to_nobody(desk):
    first, second = desk.issue(), desk.issue()
    desk.sleep(4.9)
    desk.sign(first)
    desk.sleep(0.2)
    assert desk.sweep().new == 1
    desk.sign(second)
    desk.sleep(30)
    assert desk.sweep().new == 0
    assert desk.told() == [(second.document, "1")]


def test_a_corrected_document_waits_anew(desk):
    saved = desk.issue()
    desk.sleep(4.9)
    desk.change(saved, notes="otra cuenta")
    desk.sleep(4.9)
    assert desk.sweep().new == 0
    desk.sleep(0.2)
    assert desk.sweep().new == 1
    assert desk.told() == [(saved.document, "2")]
    desk.change(saved, notes="otra vez")
    desk.sleep(5.1)
    assert desk.sweep().new == 1
    assert desk.told() == [(saved.document, "2"), (saved.document, "3")]


def test_a_reminder_that_is_not_sent_yet_is_taken_back_when_it_has_happened(desk):
    signed, corrected, still = desk.issue(), desk.issue(), desk.issue()
    desk.sleep(5.1)
    assert desk.sweep().new == 3
    desk.sign(signed)
    desk.change(corrected, notes="otra cuenta")
    swept = desk.sweep()
    assert (swept.new, swept.mended) == (0, {State.CANCELLED: 2})
    states = {row.document: row.state for row in desk.town.rows()}
    assert states == {
        signed.document: State.CANCELLED,
        corrected.document: State.CANCELLED,
        still.document: State.QUEUED,
    }
    (row,) = (row for row in desk.town.rows() if row.document == signed.document)
    last = desk.town.outbox.history(row.key)[-1]
    assert last.detail == "it has happened, or the document was changed, before this was sent"
    assert road.deliver(desk.town.carrier).outcomes == {Outcome.ACCEPTED: 1}
    assert desk.sweep().mended == {}


def test_after_a_downtime_what_is_still_open_is_told_late(desk):
    saved, signed = desk.issue(), desk.issue()
    desk.sleep(8)
    desk.sign(signed)
    assert desk.sweep().states == {State.QUEUED: 1}
    assert desk.told() == [(saved.document, "1")]


def test_too_late_it_expires_visibly_counted_from_when_it_was_due(desk):
    limited = replace(REMINDER, expires_after_s=2 * DAY)
    desk.issue()
    desk.sleep(6.9)
    desk.issue()
    assert desk.sweep(limited).states == {State.QUEUED: 1}
    desk.sleep(7.1)
    assert desk.sweep(limited).states == {State.EXPIRED: 1}


def test_each_follow_up_has_a_time_of_its_own(desk):
    assert desk.sweep(OVERDUE).first_look
    saved = desk.issue()
    desk.sleep(5.1)
    assert (desk.sweep().new, desk.sweep(OVERDUE).new) == (1, 0)
    desk.sleep(5)
    assert (desk.sweep().new, desk.sweep(OVERDUE).new) == (0, 1)
    assert desk.told(OVERDUE) == [(saved.document, "1")]
    (row,) = desk.town.rows(mailing=OVERDUE.name)
    assert (row.state, "nobody subscribes" in row.reason) == (State.UNADDRESSED, True)


def test_many_that_are_done_are_no_restored_erp(desk):
    saved = [desk.issue() for _ in range(6)]
    desk.sleep(5.1)
    assert desk.sweep().new == 6
    for each in saved:
        desk.sign(each)
    for _ in range(3):
        assert desk.sweep().new == 0
        desk.sleep(1)
    assert desk.town.outbox.epochs(REMINDER.name)[1:] == []


def test_while_it_is_off_what_comes_due_is_history(desk):
    off = Audience(subscribed=Subscribed(switches=(Switch(REMINDER.name, False, "Ana"),)))
    desk.issue()
    desk.sleep(3)
    later = desk.issue()
    desk.sleep(2.1)
    swept = desk.sweep(audience=off)
    assert (swept.new, swept.documents) == (0, 1)
    assert desk.sweep().new == 0
    desk.sleep(3)
    assert desk.sweep().new == 1
    assert desk.told() == [(later.document, "1")]


def test_imported_documents_remind_nobody(desk):
    desk.issue(silent=True)
    desk.sleep(5.1)
    assert desk.sweep().new == 0


def test_a_document_committed_late_is_reminded_of(desk):
    saved = desk.issue(late_s=600)
    desk.sleep(5.1)
    assert desk.sweep().new == 1
    assert desk.told() == [(saved.document, "1")]


def test_a_shorter_time_tells_at_once_and_a_longer_one_nobody_twice(desk):
    first = desk.issue()
    desk.sleep(3)
    assert desk.sweep().new == 0
    shorter, longer = replace(REMINDER, waits_s=2 * DAY), replace(REMINDER, waits_s=7 * DAY)
    assert desk.sweep(shorter).new == 1
    second = desk.issue()
    for _ in range(6):
        assert desk.sweep(longer).new == 0
        desk.sleep(1)
    desk.sleep(1.1)
    assert desk.sweep(longer).new == 1
    assert desk.told() == sorted([(first.document, "1"), (second.document, "1")])


def test_a_sweep_that_looks_in_passing_leaves_follow_ups_to_the_next_whole_one(desk):
    desk.issue()
    desk.sleep(5.1)
    sweeper = desk.town.sweeper
    assert [swept.mailing for swept in road.sweep_all(sweeper, [ORDER, REMINDER], mending=False)] == [ORDER.name]
    assert [swept.new for swept in road.sweep_all(sweeper, [ORDER, REMINDER])] == [0, 1]


def test_killed_before_it_was_put_it_is_told_by_the_next(desk, monkeypatch):
    desk.issue()
    desk.sleep(5.1)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Outbox, "put", die)
        with pytest.raises(KeyboardInterrupt):
            desk.sweep()
    assert desk.sweep().new == 1
    assert desk.sweep().new == 0


def test_the_number_of_queries_does_not_grow_with_what_waits(desk):
    with _counted(desk.town.sweeper.erp.engine) as none:
        desk.sweep()
    orders = schema.payment_orders
    sample = desk.issue()
    with desk.town.engine.begin() as connection:
        row = dict(connection.execute(sa.select(orders).filter_by(number=sample.document)).mappings().one())
        del row["id"]
        for number in range(9):
            connection.execute(sa.insert(orders), {**row, "number": f"900-{number}"})
    with _counted(desk.town.sweeper.erp.engine) as waiting:
        assert desk.sweep().new == 0
    desk.sleep(5.1)
    with _counted(desk.town.sweeper.erp.engine) as due:
        assert desk.sweep().new == 10
    with _counted(desk.town.sweeper.erp.engine) as queued:
        assert desk.sweep().new == 0
    assert len(none) == len(waiting)
    assert len(due) == len(none) + 1, "the lines"
    assert len(queued) == 2 * len(none), "another snapshot: whether what is queued is still open"


@contextmanager
def _counted(engine):
    statements = []

    def note(*given):
        statements.append(given[2])

    sa.event.listen(engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(engine, "before_cursor_execute", note)


def test_nobody_waits_for_a_reminder_so_it_delays_no_instant_message(desk):
    assert REMINDER.lane is Lane.REPORT
    desk.issue()
    desk.sleep(5.1)
    desk.sweep()
    assert road.deliver(desk.town.carrier, Lane.INSTANT).outcomes == {}
    assert road.deliver(desk.town.carrier, Lane.REPORT).outcomes == {Outcome.ACCEPTED: 1}


def test_the_shipped_follow_ups_are_declared_swept_and_not_watched():
    declared = tasks.declared(settings.load().dags)
    assert declared["payment_order"].if_refused == "phone"
    follow_ups = declared["payment_order"].follow_ups
    assert [(each.name, each.waits.days) for each in follow_ups] == [
        ("payment_order_reminder", 5),
        ("payment_order_overdue", 10),
    ]
    assert [declared[each.name] for each in follow_ups] == list(follow_ups)


def test_check_tells_when_a_follow_up_is_due_and_what_a_channel_in_reserve_lacks(company, tmp_path, shell):
    desk = CommandLine(tmp_path, company, shell)
    told = desk.run("check", "payment_order", "payment_order_reminder", fails=True)  # no mail server is there
    assert "✓ mailing payment_order: query" in told
    assert "✓ mailing payment_order_reminder: query" in told
    assert "it follows 5 days after changed_at, where the query still gives the row" in told
    assert "connection phone" in told
    desk.mend("sql/payment_order.sql", "AS phone,", "AS telephone,")
    told = desk.run("check", "payment_order", fails=True)
    assert "the query gives no column 'phone'" in told
    assert "payment_order tries it where another channel reaches nobody (if_refused)." in told
    desk.mend("sql/payment_order.sql", "AS telephone,", "AS phone,")
    (desk.include / "templates/payment_order/phone.txt.j2").unlink()
    assert "no text for the phone" in desk.run("check", "payment_order", fails=True)
