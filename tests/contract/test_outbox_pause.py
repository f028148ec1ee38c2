"""The pause of a lane, held over SQLite, PostgreSQL and MariaDB alike."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from emailketing.model import Kind, Lane, Recipient, State
from emailketing.outbox import Failure, Filter, Outbox, Pause, Pausing, Wish, connect_outbox
from emailketing.outbox.migrate import VERSION_TABLE, newest, upgrade
from emailketing.outbox.put import _attachments, _birth, _content, _put_blobs, _row
from emailketing.outbox.schema import attachment, content, cursor, history, message
from tests.letters import NOW, at, claim, letter, states


def after_two(failures: int) -> float | None:
    return 10.0 * failures if failures >= 2 else None


def fail(outbox, seconds=0.0, reason="nothing listens", *, lane=Lane.INSTANT, **about):
    return outbox.fail("email", lane, Failure(at(seconds), reason, **about), after_two)


def test_a_lane_without_failures_is_open(outbox):
    assert outbox.pause("email", Lane.INSTANT) is None
    assert outbox.pauses() == []
    assert not outbox.resume("email", Lane.INSTANT)


def test_failures_in_a_row_pause_a_lane_and_only_that_one(outbox):
    first = fail(outbox)
    assert first == Pause("email", Lane.INSTANT, 1, NOW, None, "nothing listens")
    assert not first.holds(NOW)
    second = fail(outbox, 1, "timed\nout")
    assert second == Pause("email", Lane.INSTANT, 2, NOW, at(21), "timed out")
    assert outbox.pause("email", Lane.INSTANT) == second
    assert second.holds(at(20.9))
    assert not second.holds(at(21))
    assert outbox.pause("email", Lane.BULK) is None
    assert outbox.pause("phone", Lane.INSTANT) is None
    fail(outbox, 2, lane=Lane.BULK)
    assert [(pause.lane, pause.failures) for pause in outbox.pauses()] == [(Lane.BULK, 1), (Lane.INSTANT, 2)]


def test_a_paused_lane_counts_no_failures_but_the_trials(outbox):
    fail(outbox)
    paused = fail(outbox, 1)
    assert fail(outbox, 2, "another connection") == paused
    assert fail(outbox, 22, "the trial", trial=True) == Pause("email", Lane.INSTANT, 3, NOW, at(52), "the trial")


def test_the_same_message_failing_again_says_nothing_new_of_the_server(outbox):
    for seconds in range(5):
        assert fail(outbox, seconds, message=7).failures == 1
    assert fail(outbox, 6, message=8).failures == 2
    assert fail(outbox, 30, message=8, trial=True).failures == 3


def test_what_works_clears_the_count(outbox):
    fail(outbox)
    assert outbox.resume("email", Lane.INSTANT)
    assert fail(outbox, 5) == Pause("email", Lane.INSTANT, 1, at(5), None, "nothing listens")


def test_one_process_alone_may_try_when_the_pause_is_over(outbox):
    assert not outbox.take_trial("email", Lane.INSTANT, NOW, at(300))
    fail(outbox)
    assert not outbox.take_trial("email", Lane.INSTANT, at(1), at(300)), "counted, but not paused"
    fail(outbox, 1)
    assert not outbox.take_trial("email", Lane.INSTANT, at(20), at(300)), "not over yet"
    with ThreadPoolExecutor(4) as pool:
        tried = list(pool.map(lambda _: outbox.take_trial("email", Lane.INSTANT, at(21), at(300)), range(4)))
    assert sorted(tried) == [False, False, False, True]
    assert outbox.pause("email", Lane.INSTANT).holds(at(299)), "for the others it goes on"
    assert outbox.take_trial("email", Lane.INSTANT, at(300), at(600)), "the first one died"


def test_failures_of_several_processes_at_once_are_all_counted(outbox):
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(lambda number: outbox.fail("email", "bulk", Failure(NOW, "x", number), lambda _: None), range(12))
        )
    assert outbox.pause("email", "bulk").failures == 12


def test_any_reason_is_kept_as_far_as_it_fits(outbox):
    assert fail(outbox, reason="\0ñ😀 " * 1000).reason.startswith("\ufffdñ😀 ")
    assert len(outbox.pauses()[0].reason) == 1000


def test_what_waits_is_counted_by_lane(outbox):
    sent = letter("4", state=State.UNADDRESSED, reason="no address")
    outbox.put([letter("1"), letter("2"), letter("3", lane=Lane.BULK), sent], {}, NOW)
    assert outbox.queued() == {("email", Lane.INSTANT): 2, ("email", Lane.BULK): 1}


def test_an_outbox_of_the_first_version_keeps_its_messages(database_url):
    engine = connect_outbox(database_url)
    outbox = Outbox(engine)
    with engine.execution_options(writes=True).begin() as connection:
        upgrade(connection, "0001")
    assert "outbox_pause" not in sa.inspect(engine).get_table_names()
    kept = letter("1", files=[b"%PDF-1.7", b"\x00\xff" * 5000])
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(sa.insert(cursor), {"mailing": "purchase_order", "position": NOW, "updated_at": NOW})
        _put_as_the_first_version(connection, kept)
        for state in State:
            _put_as_the_first_version(connection, letter(state.value), state)
        for lane in Lane:
            _put_as_the_first_version(connection, letter(f"by {lane}", lane=lane, recipient=Recipient("eva@b.example")))
    outbox.migrate()
    with engine.connect() as connection:
        assert connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar() == newest()
    by_lane = {f"by {lane}": "queued" for lane in Lane}
    assert states(outbox) == {"1": "queued", **{state.value: state.value for state in State}, **by_lane}
    assert {row.document: row.kind for row in outbox.messages(Filter(address="eva@b.example"))} == {
        "by instant": Kind.NOTIFICATION,
        "by report": Kind.REPORT,
        "by bulk": Kind.CAMPAIGN,
    }
    assert outbox.suppress(Wish("Eva@b.example", "campaign", NOW, "the link")) == 1
    assert outbox.cursors() == {"purchase_order": NOW}
    assert outbox.known([kept.envelope.key]) == {kept.envelope.key}
    assert outbox.frozen(kept.envelope.key) == kept.frozen
    assert [entry.to_state for entry in outbox.history(kept.envelope.key)] == [State.QUEUED]
    assert len(claim(outbox)) == 3
    assert fail(outbox).failures == 1
    outbox.close()


def _put_as_the_first_version(connection, given, state=State.QUEUED):
    row = _row(given.envelope.key, given, NOW)
    row = {name: value for name, value in row.items() if name not in {"segments", "kind"}}  # of later versions
    (number,) = connection.execute(sa.insert(message).values(row | {"state": state.value})).inserted_primary_key
    _put_blobs(connection, [given], NOW)
    connection.execute(sa.insert(content), _content(number, given.frozen))
    for attached in _attachments(number, given.frozen):
        connection.execute(sa.insert(attachment), attached)
    connection.execute(sa.insert(history), _birth(number, given.envelope, NOW))


@pytest.mark.parametrize(
    ("failures", "least", "most"),
    [(1, None, None), (2, None, None), (3, 5, 10), (4, 10, 20), (8, 150, 300), (99, 150, 300)],
)
def test_a_pause_grows_with_each_failure_and_half_of_it_is_random(failures, least, most):
    waits = [Pausing().wait_s(failures, random.Random(seed)) for seed in range(200)]
    if least is None:
        assert set(waits) == {None}
    else:
        assert least <= min(waits) < max(waits) <= most
        assert max(waits) - min(waits) > (most - least) * 0.8


def test_a_pause_is_told_in_a_sentence(outbox):
    assert str(fail(outbox)) == (
        "The instant lane (email) is open after 1 failure since 2026-03-02 12:00:00 UTC, the last: nothing listens"
    )
    assert str(fail(outbox, 1)) == (
        "The instant lane (email) is paused until 2026-03-02 12:00:21 UTC after 2 failures in a row "
        "since 2026-03-02 12:00:00 UTC, the last: nothing listens"
    )
