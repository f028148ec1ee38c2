"""Capture under concurrency: operators save and give up, commit late and with old times, while two sweeps go on."""

from __future__ import annotations

import gc
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from emailketing import road
from emailketing.channels.memory import Memory
from emailketing.erp import Erp
from emailketing.errors import ErpError, OutboxError
from emailketing.model import Mailing, Sender, State
from emailketing.outbox import Outbox
from emailketing.render import Renderer
from emailketing.road import sweeping
from emailketing.settings import load
from tests.chaos.town import STAGE, metadata, notes

NOTE = Mailing("note")
WRITERS, EACH = 8, 25


class Office:
    """An ERP and an outbox, and what is needed to sweep from one into the other."""

    def __init__(self, erp_url: str, outbox_url: str, overlap_s: float) -> None:
        self.erp_url, self.outbox_url, self.overlap_s = erp_url, outbox_url, overlap_s
        self.erp = sa.create_engine(erp_url, pool_size=WRITERS + 2)
        metadata.create_all(self.erp)
        self.outbox = Outbox.open(outbox_url)

    def close(self) -> None:
        self.erp.dispose()
        self.outbox.close()

    def sweeper(self, outbox: Outbox, include: Path = STAGE / "include") -> road.Sweeper:
        """With an engine of its own on the ERP, as another process would have."""
        return road.Sweeper(
            erp=Erp(sa.create_engine(self.erp_url, pool_pre_ping=True), include / "sql", ZoneInfo("UTC")),
            outbox=outbox,
            renderer=Renderer(include, company=load().company.model_dump()),
            channels={"email": Memory()},
            sender=Sender("notes@company.example", "Notes"),
            overlap_s=self.overlap_s,
        )

    def sweep_until(self, over: threading.Event, failures: list | None = None) -> int:
        """Sweep without a pause until `over`, and once more; how many messages were new. Errors of the ERP are kept."""
        outbox = Outbox.open(self.outbox_url)
        sweeper, new, last = self.sweeper(outbox), 0, False
        while not last:
            last = over.is_set()
            try:
                new += road.sweep(sweeper, NOTE).new
            except ErpError as error:
                if failures is None:
                    raise
                failures.append(error)
                last = False
                time.sleep(0.05)
        sweeper.erp.engine.dispose()
        outbox.close()
        return new

    def told(self) -> dict[str, State]:
        rows = self.outbox.messages(limit=None)
        told = {row.document: row.state for row in rows}
        assert len(told) == len(rows), "a document was told twice"
        return told


@pytest.fixture(params=["postgres", "mariadb"])
def office(request):
    """ERP and outbox, each a database of the same server."""
    server = request.getfixturevalue(f"{request.param}_server")
    with server.database() as erp_url, server.database() as outbox_url:
        office = Office(erp_url, outbox_url, overlap_s=10)
        yield office
        office.close()


def note(document: str, changed_at: datetime) -> dict:
    address = f"{document.lower()}@example.com"
    return {"document": document, "changed_at": changed_at, "name": "Ana", "email": address, "body": document}


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class GaveUp(Exception):
    """The operator rolled back."""


def write(office: Office, number: int, old_s: float) -> tuple[set[str], set[str], float]:
    """One operator's work: what he committed, what he rolled back, and the latest of his commits in seconds."""
    rng, committed, abandoned, latest = Random(number), set(), set(), 0.0
    for count in range(EACH):
        document, began = f"W{number}-{count:03d}", now()
        written = began - timedelta(seconds=old_s * rng.random())
        late_s, gives_up = rng.choice((0, 0, 0, 0.1, 0.4)), rng.random() < 0.2
        try:
            with office.erp.begin() as connection:
                connection.execute(sa.insert(notes), note(document, written))
                time.sleep(late_s)
                if gives_up:
                    raise GaveUp
        except GaveUp:
            abandoned.add(document)
        else:
            committed.add(document)
            latest = max(latest, (now() - written).total_seconds())
    return committed, abandoned, latest


LATE, BY_THEIR_TIMES = (10, 0), (900, 60)  # the overlap in seconds, and how old a document's time may be
ONE_PASS, MANY_PASSES = 5000, 13  # documents at once


@pytest.mark.parametrize(  # each pair of database, lateness and passes
    ("office", "late", "at_once"),
    [
        pytest.param("postgres", LATE, ONE_PASS, id="postgres, late commits"),
        pytest.param("postgres", BY_THEIR_TIMES, MANY_PASSES, id="postgres, a minute late by their times, many passes"),
        pytest.param("mariadb", LATE, MANY_PASSES, id="mariadb, late commits, many passes"),
        pytest.param("mariadb", BY_THEIR_TIMES, ONE_PASS, id="mariadb, a minute late by their times"),
    ],
    indirect=["office"],
)
def test_every_committed_document_is_told_once_and_no_abandoned_one(office, monkeypatch, late, at_once):
    overlap_s, old_s = late
    monkeypatch.setattr(sweeping, "_NEW_AT_ONCE", at_once)
    monkeypatch.setattr(sweeping, "_SIFT_AT_ONCE", min(at_once, 7))
    monkeypatch.setattr(sweeping, "_PUT_AT_ONCE", min(at_once, 5))
    office.overlap_s = overlap_s
    office.outbox.start("note", datetime.now(UTC), [], datetime.now(UTC))
    over = threading.Event()
    with ThreadPoolExecutor(WRITERS + 2) as pool:
        sweeps = [pool.submit(office.sweep_until, over) for _ in range(2)]
        work = [pool.submit(write, office, number, old_s) for number in range(WRITERS)]
        done = [each.result() for each in work]
        over.set()
        new = sum(each.result() for each in sweeps)
    committed, abandoned = (set().union(*(each[which] for each in done)) for which in (0, 1))
    assert max(each[2] for each in done) < overlap_s, "a commit came later than the overlap allows"
    assert abandoned
    told = office.told()
    assert told.keys() == committed
    assert set(told.values()) == {State.QUEUED}
    assert new >= len(committed)  # two sweeps may have rendered the same one; the outbox has it once


def test_the_commits_of_this_test_are_late_enough_to_be_missed_without_an_overlap(office):
    """The proof that the tests above can fail: without the overlap, a late commit is lost."""
    office.overlap_s = 0
    office.outbox.start("note", datetime.now(UTC) - timedelta(seconds=30), [], datetime.now(UTC))
    outbox = Outbox.open(office.outbox_url)
    sweeper = office.sweeper(outbox)
    with office.erp.begin() as late:
        late.execute(sa.insert(notes), note("LATE", now() - timedelta(seconds=5)))
        with office.erp.begin() as other:
            other.execute(sa.insert(notes), note("PROMPT", now()))
        assert road.sweep(sweeper, NOTE).new == 1
    assert road.sweep(sweeper, NOTE).new == 0
    sweeper.erp.engine.dispose()
    outbox.close()


@pytest.mark.filterwarnings(
    "ignore:<psycopg.ServerCursor:ResourceWarning"
)  # its connection is dead, so it cannot close
def test_an_erp_that_breaks_off_in_mid_sweep_costs_nothing(office):
    """Each of many sweeps loses its connection to the ERP, at another statement or while it reads."""
    office.outbox.start("note", datetime.now(UTC), [], datetime.now(UTC))
    outbox = Outbox.open(office.outbox_url)
    saved, failures = set(), []
    for fatal in range(1, 7):
        for count in range(3):
            document = f"D{fatal}-{count}"
            saved.add(document)
            with office.erp.begin() as connection:
                connection.execute(sa.insert(notes), note(document, now()))
        sweeper = office.sweeper(outbox)
        _break_off(office, sweeper.erp.engine, fatal, "before_cursor_execute", "after_cursor_execute")
        before = outbox.cursor("note")
        try:
            road.sweep(sweeper, NOTE)
        except ErpError as error:
            failures.append(str(error))
            assert outbox.cursor("note") == before
        sweeper.erp.engine.dispose()
    assert len(failures) >= 2
    assert all("does not answer" in failure for failure in failures)
    sweeper = office.sweeper(outbox)
    road.sweep(sweeper, NOTE)
    assert office.told().keys() == saved
    sweeper.erp.engine.dispose()
    outbox.close()
    gc.collect()  # the dead cursors, while their warning is ignored


def test_two_sweeps_that_mend_the_same_held_message_do_not_fail_one_another(office, tmp_path):
    include = Path(shutil.copytree(STAGE / "include", tmp_path / "include"))
    (include / "templates" / "note" / "text.txt.j2").write_text("{{ nobody }}")
    office.outbox.start("note", datetime.now(UTC), [], datetime.now(UTC))
    with office.erp.begin() as connection:
        connection.execute(sa.insert(notes), note("HELD", now()))
    one, two = office.sweeper(office.outbox, include), office.sweeper(office.outbox, include)
    assert road.sweep(one, NOTE).states == {State.HELD: 1}
    with office.erp.begin() as connection:
        connection.execute(sa.delete(notes))
    overtaken = []

    def overtake(*_):
        if not overtaken:
            overtaken.append(road.mend(two, NOTE).states)

    sa.event.listen(one.erp.engine, "after_cursor_execute", overtake)
    road.mend(one, NOTE)
    assert overtaken == [{State.CANCELLED: 1}]
    assert office.told() == {"HELD": State.CANCELLED}
    for sweeper in (one, two):
        sweeper.erp.engine.dispose()


@pytest.mark.parametrize("when", ["before_cursor_execute", "after_cursor_execute", "commit"])
def test_an_outbox_that_breaks_off_in_mid_sweep_is_whole(office, when):
    """The outbox's server ends the connection at each statement of a sweep; what was not committed is swept again."""
    office.outbox.start("note", datetime.now(UTC), [], datetime.now(UTC))
    saved, fatal, broken = set(), 0, 0
    while broken == fatal:  # until a sweep has fewer statements
        fatal += 1
        saved |= (documents := {f"D{fatal}-{count}" for count in range(2)})
        with office.erp.begin() as connection:
            connection.execute(sa.insert(notes), [note(document, now()) for document in documents])
        outbox = Outbox.open(office.outbox_url)
        sweeper = office.sweeper(outbox)
        _break_off(office, outbox._database.engine, fatal, when)
        try:
            road.sweep(sweeper, NOTE)
        except OutboxError:
            broken += 1
        sweeper.erp.engine.dispose()
        outbox.close()
        assert office.told().keys() <= saved
        assert all(office.outbox.frozen(row.key) for row in office.outbox.messages(limit=None))
    assert broken >= 2
    outbox = Outbox.open(office.outbox_url)
    sweeper = office.sweeper(outbox)
    road.sweep(sweeper, NOTE)
    assert office.told().keys() == saved
    sweeper.erp.engine.dispose()
    outbox.close()


def _break_off(office: Office, engine: sa.Engine, fatal: int, *when: str) -> None:
    """The server ends the connection of `engine` at the `fatal`-th of the events `when`."""
    passed = [0]

    def pass_by(connection, *_):
        passed[0] += 1
        if passed[0] == fatal:
            raw = connection.connection.dbapi_connection
            if engine.dialect.name == "postgresql":
                end = f"SELECT pg_terminate_backend({raw.info.backend_pid})"
            else:
                end = f"KILL CONNECTION {raw.thread_id()}"
            with office.erp.connect() as other:
                other.exec_driver_sql(end)
            time.sleep(0.03)

    for event in when:
        sa.event.listen(engine, event, pass_by)
