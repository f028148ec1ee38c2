"""The outbox between processes: what each sees when several put, claim, deliver and prune at once, or are killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from emailketing.errors import OutboxError
from emailketing.model import State
from emailketing.outbox import Outbox, connect_outbox, upkeep
from emailketing.outbox.put import put
from tests.letters import ERP_TIME, LEASE_S, NOW, accepted, at, claim, letter, tale
from tests.processes import FRESH


@pytest.fixture
def outbox(database_url):
    outbox = Outbox.open(database_url)
    yield outbox
    outbox.close()


def run_all(work, arguments):
    """`work` in one process per argument, all let go at once."""
    with FRESH.Manager() as manager, FRESH.Pool(len(arguments)) as pool:
        gate = manager.Barrier(len(arguments))
        return pool.starmap(work, [(gate, *each) for each in arguments], chunksize=1)


def test_no_message_is_claimed_or_sent_by_two_processes(outbox, database_url):
    outbox.put([letter(str(number)) for number in range(150)], {}, NOW)
    sent = run_all(_deliver, [(database_url, f"worker {number}") for number in range(3)])
    counted = Counter(document for each in sent for document in each)
    assert len(counted) == 150
    assert set(counted.values()) == {1}
    assert outbox.counts() == {"purchase_order": {State.ACCEPTED: 150}}
    rows = [entry for row in outbox.messages(limit=150) for entry in tale(outbox, row.key)]
    assert Counter(rows) == {(None, "queued"): 150, ("queued", "sending"): 150, ("sending", "accepted"): 150}


def _deliver(gate, url, owner):
    outbox = Outbox.open(url)
    gate.wait()
    sent, settled = [], None
    while taken := claim(outbox, owner, limit=7):
        for each in taken:
            if outbox.step(owner, settled, each.id, NOW, LEASE_S):
                sent.append(each.key)
                settled = accepted(each)
            else:
                settled = None
    if settled:
        outbox.step(owner, settled, None, NOW, LEASE_S)
    outbox.close()
    return sent


def test_the_same_messages_put_by_several_processes_are_there_once(outbox, database_url):
    put = run_all(_put, [(database_url, step) for step in (1, -1, 1)])
    assert sum(inserted for inserted, _ in put) == 700
    assert {inserted + known for inserted, known in put} == {700}
    with outbox._database.engine.connect() as connection:
        for table, count in {"message": 700, "content": 700, "history": 700, "attachment": 1400, "blob": 21}.items():
            assert connection.execute(sa.text(f"SELECT count(*) FROM outbox_{table}")).scalar_one() == count
    assert outbox.cursor("purchase_order") == ERP_TIME


def _put(gate, url, step):
    outbox = Outbox.open(url)
    messages = [letter(str(number), files=[b"shared", b"%d" % (number % 20)]) for number in range(700)][::step]
    gate.wait()
    put = outbox.put(messages, {"purchase_order": ERP_TIME}, NOW)
    outbox.close()
    return put.inserted, put.known


def test_a_blob_that_a_put_is_bringing_is_not_pruned_from_under_it(outbox):
    leave_an_orphan(outbox)
    given = letter("new", files=[b"shared"])
    bringing = Held(outbox, lambda connection: put(connection, [given], {}, at(1000)))
    with ThreadPoolExecutor() as pool:
        pruning = pool.submit(outbox.prune, NOW, at(500))
        bringing.finish()
        assert pruning.result().blobs == 0
    assert outbox.frozen(given.envelope.key) == given.frozen


def test_a_put_waits_for_the_prune_that_takes_its_blob_and_brings_it_again(outbox):
    leave_an_orphan(outbox)
    given = letter("new", files=[b"shared"])
    pruning = Held(outbox, lambda connection: upkeep.prune_blobs(connection, at(500)))
    with ThreadPoolExecutor() as pool:
        bringing = pool.submit(outbox.put, [given], {}, at(1000))
        assert pruning.finish() == 1
        assert bringing.result().inserted == 1
    assert outbox.frozen(given.envelope.key) == given.frozen


def leave_an_orphan(outbox):
    """A blob that no message carries any more."""
    given = letter("old", files=[b"shared"])
    outbox.put([given], {}, NOW)
    outbox.cancel(given.envelope.key, "test", "", NOW)
    assert outbox.prune(at(1), NOW).messages == 1


class Held:
    """A transaction that has done its work and commits a moment after `finish` was called."""

    def __init__(self, outbox, work):
        self._done, self._go, self._pool = threading.Event(), threading.Event(), ThreadPoolExecutor()

        def held(connection):
            result = work(connection)
            self._done.set()
            assert self._go.wait(30)
            return result

        self._result = self._pool.submit(outbox._database.write, held)
        assert self._done.wait(30)

    def finish(self):
        time.sleep(0.3)  # until the other one waits for our lock
        self._go.set()
        self._pool.shutdown()
        return self._result.result()


def test_a_killed_delivery_leaves_one_message_in_doubt_however_many_it_had_claimed(outbox, database_url):
    outbox.put([letter(str(number)) for number in range(200)], {}, NOW)
    ours, theirs = FRESH.Pipe()
    process = FRESH.Process(target=_deliver_until_killed, args=(theirs, database_url))
    process.start()
    begun = [ours.recv() for _ in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    while ours.poll():
        begun.append(ours.recv())
    counted = outbox.counts()["purchase_order"]
    assert counted[State.SENDING] == 1
    assert len(begun) - 1 <= counted[State.ACCEPTED] + 1 <= len(begun) + 1
    assert counted[State.QUEUED] + counted[State.ACCEPTED] == 199

    assert len(outbox.rescue(at(LEASE_S), at(LEASE_S), 12)) == 1
    assert len(claim(outbox, limit=300, seconds=LEASE_S)) == counted[State.QUEUED] + 1


def _deliver_until_killed(pipe, url):
    outbox, settled = Outbox.open(url), None
    for each in claim(outbox, "victim", limit=200):
        outbox.step("victim", settled, each.id, NOW, LEASE_S)
        pipe.send(each.key)
        settled = accepted(each)
        time.sleep(0.005)


def test_a_database_that_is_down_is_an_error_for_operations(tmp_path):
    from tests.servers import free_port

    for url in (f"postgresql://u:secret@127.0.0.1:{free_port()}/x", f"mysql://u:secret@127.0.0.1:{free_port()}/x"):
        with pytest.raises(OutboxError, match="Is the server running") as caught:
            Outbox.open(url)
        assert "secret" not in str(caught.value)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutboxError):
        Outbox.open(f"sqlite:///{tmp_path / 'folder'}")


@pytest.mark.parametrize("url", ["nonsense", "oracle://x/y", ""])
def test_a_url_that_is_none_is_said_to_be_none(url):
    with pytest.raises(OutboxError, match="URL cannot be used"):
        connect_outbox(url)


def test_a_connection_that_broke_while_it_rested_is_replaced(postgres_url, monkeypatch):
    from emailketing.outbox import database

    monkeypatch.setattr(database, "IDLE_S", 0.0)
    outbox = Outbox.open(postgres_url)
    with sa.create_engine(postgres_url, poolclass=sa.NullPool).connect() as other:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        assert other.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")).all()
    assert outbox.counts() == {}
    outbox.close()


def test_sqlite_commits_are_durable_and_readers_do_not_wait_for_writers(sqlite_url):
    outbox = Outbox.open(sqlite_url)
    engine = outbox._database.engine
    with engine.connect() as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
        assert settings == ["wal", 2, 1]
    with engine.execution_options(writes=True).begin():
        assert outbox.counts() == {}
    outbox.close()
