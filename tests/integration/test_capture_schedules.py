"""Any order of saves, late commits, rollbacks and sweeps; and many documents at once from eight writers."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emailketing import road
from emailketing.model import Mailing
from tests.era import Era, papers

LONG = os.environ.get("CAPTURE") == "long"
QUIET_S = 1.0
SESSIONS = range(3)


@dataclass
class Reign:
    """The time in which a version was what the ERP had committed, and the sweeps in it."""

    document: str
    version: int
    sweeps: list[float] = field(default_factory=list)

    @property
    def stood_still(self) -> bool:
        return bool(self.sweeps) and self.sweeps[-1] - self.sweeps[0] >= QUIET_S


class World:
    """Sessions that write to the ERP, each its own two documents, and what must be told of them."""

    def __init__(self, era: Era) -> None:
        era.begin_anew()
        self.era, self.sweeper = era, replace(era.sweeper, quiet_s=QUIET_S)
        era.sweep()
        self.open: dict[int, tuple[sa.Connection, datetime, dict[str, int | None]]] = {}
        self.current: dict[str, Reign] = {}
        self.reigns: list[Reign] = []
        self.versions = 0

    def _session(self, number: int) -> tuple[sa.Connection, datetime, dict[str, int | None]]:
        if number not in self.open:
            self.open[number] = self.era.engine.connect(), self.era.dated(), {}
        return self.open[number]

    def save(self, number: int, which: int) -> None:
        connection, began, written = self._session(number)
        document = f"S{number}-{which}"
        self.versions += 1
        values = {"version": self.versions, "changed_at": began, "email": f"{document.lower()}@example.com"}
        mine = papers.c.document == document
        if not connection.execute(sa.update(papers).where(mine).values(values)).rowcount:
            connection.execute(sa.insert(papers), {"document": document, "name": "Ana", "body": "x", **values})
        written[document] = self.versions

    def delete(self, number: int, which: int) -> None:
        connection, _, written = self._session(number)
        document = f"S{number}-{which}"
        connection.execute(sa.delete(papers).where(papers.c.document == document))
        written[document] = None

    def end(self, number: int, *, commit: bool) -> None:
        if number not in self.open:
            return
        connection, _, written = self.open.pop(number)
        if commit:
            connection.commit()
            for document, version in written.items():
                self.current.pop(document, None)
                if version is not None:
                    self.current[document] = Reign(document, version)
                    self.reigns.append(self.current[document])
        connection.close()  # and what was not committed is rolled back

    def sweep(self) -> None:
        for reign in self.current.values():
            reign.sweeps.append(self.era.ticks())
        road.sweep(self.sweeper, Mailing("paper"))

    def kill(self) -> None:
        """The sweeping process dies, and another one begins without its memory."""
        self.sweeper = replace(self.sweeper, stillness=road.Stillness(self.era.ticks))

    def check(self) -> None:
        for number in SESSIONS:
            self.end(number, commit=False)
        self.sweep()
        self.era.wait(QUIET_S)
        self.sweep()
        told = Counter((row.document, int(row.version)) for row in self.era.outbox.messages(limit=None))
        assert set(told.values()) <= {1}
        assert told.keys() <= {(r.document, r.version) for r in self.reigns if r.sweeps}, "told what no sweep could see"
        assert told.keys() >= {(document, reign.version) for document, reign in self.current.items()}


_session = st.sampled_from(list(SESSIONS))
_act = st.one_of(
    st.tuples(st.just("save"), _session, st.integers(0, 1)),
    st.tuples(st.just("save"), _session, st.integers(0, 1)),
    st.tuples(st.just("delete"), _session, st.integers(0, 1)),
    st.tuples(st.just("commit"), _session),
    st.tuples(st.just("commit"), _session),
    st.tuples(st.just("roll back"), _session),
    st.tuples(st.just("wait"), st.sampled_from([0.2, 0.6, 1.0, 3.0, 20.0])),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("kill")),
)


@pytest.mark.timeout(3600 if LONG else 300)
@pytest.mark.parametrize("eternal_era", ["postgres"], indirect=True)
@settings(
    max_examples=400 if LONG else 20,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(schedule=st.lists(_act, min_size=5, max_size=40))
def test_every_version_that_stood_still_is_told_once_in_any_schedule(eternal_era, schedule):
    world, remembers = World(eternal_era), True
    for act, *arguments in schedule:
        match act:
            case "commit":
                world.end(*arguments, commit=True)
            case "roll back":
                world.end(*arguments, commit=False)
            case "wait":
                eternal_era.wait(*arguments)
            case "kill":
                remembers = False
                world.kill()
            case _:
                getattr(world, act)(*arguments)
    world.check()
    if remembers:
        told = {(row.document, int(row.version)) for row in eternal_era.outbox.messages(limit=None)}
        assert told >= {(reign.document, reign.version) for reign in world.reigns if reign.stood_still}


KINDS = ("order", "receipt", "closing")
WRITERS = 8
EACH, DELAYS_S = (625, (0,) * 20 + (5, 60)) if LONG else (150, (0,) * 12 + (0.3, 1.5))


@pytest.fixture
def busy(postgres_server, tmp_path):
    """An ERP by the real clock, with three mailings on its documents."""
    with postgres_server.database() as erp_url, postgres_server.database() as outbox_url:
        era = Era(erp_url, outbox_url, tmp_path, moved=False)
        era.lay_out()
        for kind in KINDS:
            text = (era.include / "sql" / "paper.sql").read_text()
            (era.include / "sql" / f"{kind}.sql").write_text(f"{text} WHERE p.document LIKE '{kind}-%'")
            (era.include / "templates" / kind).symlink_to(era.include / "templates" / "paper")
        yield era
        era.close()


def write(era: Era, number: int) -> set[str]:
    """One writer's documents, some to a transaction; what he committed."""
    rng, committed = Random(number), set()
    for first in range(0, EACH, 5):
        documents = [f"{rng.choice(KINDS)}-{number}-{first + count}" for count in range(5)]
        began = datetime.now(UTC).replace(tzinfo=None)
        rows = [
            {"document": each, "version": 1, "changed_at": began, "name": "Ana", "email": f"{each}@example.com"}
            for each in documents
        ]
        with era.engine.connect() as connection:
            connection.execute(sa.insert(papers), [row | {"body": "x"} for row in rows])
            time.sleep(rng.choice(DELAYS_S))
            if rng.random() < 0.9:
                connection.commit()
                committed.update(documents)
    return committed


@pytest.mark.timeout(1800 if LONG else 300)  # its writers sleep for eight minutes in the long form
def test_thousands_of_documents_from_eight_writers_are_told_once_each_by_as_many_queries_as_one(busy):
    over, counts = threading.Event(), Counter()
    sweeper = replace(busy.another_sweeper(), clock=road.utc_now, stillness=road.Stillness(), quiet_s=0.2)
    mailings = [Mailing(kind) for kind in KINDS]
    for mailing in mailings:
        busy.outbox.start(mailing.name, datetime.now(UTC), [], datetime.now(UTC))
    statements = []
    sa.event.listen(sweeper.erp.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    def sweep_on():
        left = 1
        while left or not over.is_set():
            last, left = over.is_set(), 0
            for swept in road.sweep_all(sweeper, mailings, mending=False):
                counts[len(statements), bool(swept.new)] += 1
                statements.clear()
                left += swept.left + swept.new
            left = left or not last

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        sweeping = pool.submit(sweep_on)
        try:
            work = [pool.submit(write, busy, number) for number in range(WRITERS)]
            committed = set().union(*(each.result() for each in work))
        finally:
            over.set()  # or a sweep that nobody ends would hang the pool
        sweeping.result()
    told = Counter(row.document for row in busy.outbox.messages(limit=None))
    assert len(committed) > WRITERS * EACH * 0.8
    assert told == dict.fromkeys(committed, 1)
    assert len({number for number, _ in counts}) == 1, counts
    assert {new for _, new in counts} == {True, False}
