"""Directed kills: a sweep, a look at a report or a delivery dies at one chosen point, and the next ones make good.

`doom` has the points. The first run of a scenario counts them; then one run dies at each of them, on a fresh copy of
the scenario's beginning.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from emailketing.model import State
from emailketing.outbox import Filter
from tests.chaos.recorder import Record
from tests.chaos.town import Town, decisions
from tests.processes import Recorder, Warm

DOCUMENTS = 3


@dataclass(frozen=True)
class Scenario:
    """What has happened before (`prepare`), and the command that dies; `connections` may each leave one in doubt.

    In the end there is a message to each of `town.saved` recipients.
    """

    name: str
    prepare: Callable[[Town, Warm], None]
    argv: tuple[str, ...]
    connections: int = 0
    next_one: tuple[str, ...] = ("sweep", "--since", "2020-01-01")  # what makes good, before it is delivered


@dataclass
class Outcome:
    """What became of a scenario's kills, told by point."""

    points: int = 0
    killed: int = 0
    twice: int = 0
    problems: list[str] = field(default_factory=list)


def nothing(town: Town, _warm: Warm) -> None:
    """The outbox has no tables yet, the ERP its first documents."""
    town.save(DOCUMENTS)


def swept(town: Town, warm: Warm) -> None:
    """The documents' messages wait."""
    town.save(DOCUMENTS)
    town.done(town.sweep(warm))


def swept_and_more(town: Town, warm: Warm) -> None:
    """There was a sweep, and documents were saved since."""
    swept(town, warm)
    town.save(DOCUMENTS)


def stranded(town: Town, warm: Warm) -> None:
    """A delivery died with a message in its hands, and its lease has run out."""
    swept(town, warm)
    outbox = town.outbox()
    now = datetime.now(UTC)
    (claim, *_) = outbox.claim("email", "instant", 1, "dead", 0.01, now)
    assert outbox.step("dead", None, claim.id, now, 0.01)
    outbox.close()
    time.sleep(0.05)


def in_want(town: Town, _warm: Warm) -> None:
    """Stock is below its least, of which the buyers are to be told; nobody has looked yet."""
    town.saved = DOCUMENTS
    town.outbox().close()


FIRST_SWEEP = Scenario("migrations and first sweep", nothing, ("sweep", "--since", "2020-01-01"))
SWEEP = Scenario("sweep", swept_and_more, ("sweep",))
DELIVER = Scenario("deliver", swept, ("deliver",), connections=1)
DELIVER_3 = Scenario("deliver, 3 connections", swept, ("deliver", "--connections", "3"), connections=3)
RESCUE = Scenario("rescue and deliver", stranded, ("deliver",), connections=1)
LOOK = Scenario("look", in_want, ("look",), next_one=("look",))
SCENARIOS = (FIRST_SWEEP, SWEEP, DELIVER, DELIVER_3, RESCUE, LOOK)


@contextmanager
def sqlite_databases(folder: Path) -> Iterator[str]:
    """A SQLite outbox; as a server's `database`, for the others."""
    yield f"sqlite:///{folder / 'outbox.db'}"


def die_everywhere(
    scenario: Scenario, folder: Path, database: Callable[[Path], AbstractContextManager[str]], warm: Warm, step: int = 1
) -> Outcome:
    """Kill the scenario's command at each `step`-th of its points."""
    outcome, points, record = Outcome(), [0], Record(folder / "record")
    with Recorder(record.path, pause_s=0.0, seed=0) as recorder:
        while points:
            point = points.pop(0)
            place = folder / str(point)
            place.mkdir()
            with database(place) as url:
                town = Town(place, url, record, recorder.port)
                _die(scenario, town, warm, point, outcome)
                town.close()
            if point == 0:
                points = list(range(step, outcome.points + 1, step))
            shutil.rmtree(place)
            os.truncate(record.path, 0)
    return outcome


def _die(scenario: Scenario, town: Town, warm: Warm, point: int, outcome: Outcome) -> None:
    scenario.prepare(town, warm)
    count = town.folder / "points"
    status = town.start(warm, scenario.argv, CHAOS_POINT=str(point), CHAOS_COUNT=str(count)).status()
    if point == 0:
        assert status == 0, town.output.read_text()[-3000:]
        outcome.points = int(count.read_text())
    outcome.killed += status == -9
    found = [*_in_doubt(town, scenario, point), *_made_good(town, warm, scenario, outcome)]
    outcome.problems += [f"{scenario.name}, point {point}: {problem}" for problem in found]


def _in_doubt(town: Town, scenario: Scenario, point: int) -> Iterator[str]:
    if not scenario.connections or point == 0:
        return
    outbox = town.outbox()
    doubtful = town.in_doubt(outbox)
    outbox.close()
    if len(doubtful) > scenario.connections + (scenario.prepare is stranded):
        yield f"{len(doubtful)} messages in doubt"


def _made_good(town: Town, warm: Warm, scenario: Scenario, outcome: Outcome) -> Iterator[str]:
    """What is wrong after the next sweep or look, and as many deliveries as it takes."""
    if town.start(warm, scenario.next_one).status():
        yield f"the next {scenario.next_one[0]} fails: {town.output.read_text()[-1500:]}"
        return
    outbox = town.outbox()
    town.let_leases_run_out(outbox)
    deadline = time.monotonic() + 30
    while outbox.messages(Filter(states=(State.QUEUED, State.SENDING, State.UNKNOWN)), limit=1):
        if time.monotonic() > deadline:
            yield f"not delivered in the end: {outbox.counts()}"
            break
        town.done(town.start(warm, ["deliver"]))
        time.sleep(0.1)
    rows, copies = outbox.messages(limit=None), town.record.copies()
    again = decisions(outbox, [row.key for row in rows])
    outbox.close()
    if sorted(row.address for row in rows) != sorted(f"r{number}@example.com" for number in range(town.saved)):
        yield f"{town.saved} documents, but messages to {[row.address for row in rows]}"
    for row in rows:
        sent = copies[row.address]
        outcome.twice += sent > 1
        if not 1 <= sent <= 1 + again[row.key] or row.state is not State.ACCEPTED:
            yield f"{row.address} got {sent} copies, {again[row.key]} by decision, and is {row.state}"
