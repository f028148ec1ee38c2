"""kill -9 at random instants: nothing is lost, nothing sent twice without a word. The long form: `make chaos`."""

from __future__ import annotations

import pytest

from tests.chaos.kills import batter, table
from tests.chaos.ours import Ours
from tests.chaos.recorder import Record
from tests.chaos.town import Town
from tests.processes import Recorder

SEED = 20260302


@pytest.mark.parametrize(("database", "beside"), [("sqlite", 1), ("postgres", 2)])
def test_kill_9_at_random_instants_loses_nothing_and_doubles_nothing_in_silence(
    request, tmp_path, warm, database, beside
):
    record, url = Record(tmp_path / "record"), request.getfixturevalue(f"{database}_url")
    with Recorder(record.path, pause_s=0.004, seed=SEED) as recorder:
        town = Town(tmp_path, url, record, recorder.port)
        system = Ours(town, warm, connections=3, beside=beside, sweep_kills=2)
        figures = batter(system, record, SEED, 10, count=200, each=8)
        system.outbox.close()
        town.close()
    print(table([figures]))
    assert figures.problems == []
    assert (figures.lost, figures.silent) == (0, 0)
    assert figures.worst_doubt <= figures.connections
    assert figures.kills + figures.sweep_kills >= 10
    assert sum(figures.doubts) > 0, "no kill hit a message on its way: the test proves nothing"
