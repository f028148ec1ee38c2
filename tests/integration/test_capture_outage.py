"""Databases that go away in mid-work: the outbox's restarted under a delivery and a sweep, the ERP's under a sweep."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest
import sqlalchemy as sa

from emailketing.errors import ErpError
from emailketing.model import State
from emailketing.outbox import Filter
from tests import servers
from tests.chaos.recorder import Record
from tests.chaos.town import Town, decisions, notes
from tests.integration.test_capture import Office, note, now
from tests.processes import Recorder, Warm


class Restartable:
    """A PostgreSQL server that can be stopped and started again where it was; commits are durable."""

    def __init__(self, server: servers.Server) -> None:
        self.server, self.process = server, server.process
        server._run("ALTER ROLE test SET synchronous_commit = on")  # stronger than the server's arguments

    def stop(self, how: signal.Signals) -> None:
        """SIGINT rolls back what is under way; SIGQUIT breaks everything off, as a crash does."""
        self.process.send_signal(how)
        self.process.wait(30)

    def start(self) -> None:
        account = servers._unprivileged(("postgres", "nobody"))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
        self.process = subprocess.Popen(self.server.process.args, **quiet, **servers._as(account))
        servers._wait_ready(replace(self.server, process=self.process))


@pytest.fixture
def restartable():
    with servers.postgres() as server:
        restartable = Restartable(server)
        yield restartable
        servers._stop(restartable.process, signal.SIGINT)


@contextmanager
def warm_town(folder, url):
    record = Record(folder / "record")
    with Recorder(record.path, 0.03, 1) as recorder, Warm("tests.chaos.command:run") as warm:
        town = Town(folder, url, record, recorder.port)
        yield town, warm
        town.close()


def test_an_outbox_restarted_in_mid_transaction_loses_nothing_and_doubles_nothing(restartable, tmp_path):
    rng = Random(4)
    with restartable.server.database() as url, warm_town(tmp_path, url) as (town, warm):
        for how in (signal.SIGQUIT, signal.SIGINT, signal.SIGQUIT):
            town.save(60)
            town.done(town.sweep(warm))
            size = town.record.size()
            deliver = town.start(warm, ["--verbose", "deliver", "--connections", "2"])
            while town.record.size() == size and not deliver.ended(0.01):
                pass
            town.save(30)
            sweep = town.sweep(warm)
            time.sleep(rng.uniform(0, 0.3))
            restartable.stop(how)
            time.sleep(0.1)
            restartable.start()
            assert sweep.status() in (0, 1)
            assert deliver.status() in (0, 1)
        town.done(town.sweep(warm))
        outbox = town.outbox()
        town.let_leases_run_out(outbox)
        outbox.close()
        town.done(town.start(warm, ["deliver", "--until-empty", "--connections", "5"]))
        check(town)
    said = town.output.read_text()
    print(said)
    assert "Traceback" not in said, said[-3000:]
    assert "is kept and written again" in said, "no restart hit a delivery: the test proves nothing"


def check(town: Town) -> None:
    outbox = town.outbox()
    rows, copies = outbox.messages(limit=None), town.record.copies()
    again = decisions(outbox, [row.key for row in rows if copies[row.address] > 1])
    assert not outbox.messages(Filter(states=tuple(set(State) - {State.ACCEPTED})))
    outbox.close()
    assert sorted(row.address for row in rows) == sorted(f"r{number}@example.com" for number in range(town.saved))
    assert all(copies[row.address] >= 1 for row in rows)
    assert [row.key for row in rows if copies[row.address] > 1 + again.get(row.key, 0)] == []


def test_a_sweep_goes_on_when_the_erp_is_back(restartable, postgres_url):
    with restartable.server.database() as erp_url:
        office = Office(erp_url, postgres_url, overlap_s=60)
        office.outbox.start("note", datetime.now(UTC), [], datetime.now(UTC))
        over, failures, saved = threading.Event(), [], []
        with ThreadPoolExecutor() as pool:
            sweeping = pool.submit(office.sweep_until, over, failures)
            for number in range(4):
                saved += [f"A{number}-{count}" for count in range(20)]
                with office.erp.begin() as connection:
                    connection.execute(sa.insert(notes), [note(document, now()) for document in saved[-20:]])
                office.erp.dispose()
                time.sleep(0.05)
                restartable.stop(signal.SIGINT)
                time.sleep(0.2)
                restartable.start()
            over.set()
            sweeping.result(60)
        assert office.told().keys() == set(saved)
        assert failures
        assert all(isinstance(failure, ErpError) for failure in failures)
        office.close()
