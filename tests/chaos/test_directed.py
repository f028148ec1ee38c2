"""A sweep or a delivery dies at each statement, commit and word to the mail server; the next ones make good."""

from __future__ import annotations

import os

import pytest

from tests.chaos import directed
from tests.chaos.processes import Warm

EVERY = os.environ.get("CHAOS") == "long"  # `make chaos`: each point; else a few of them


@pytest.fixture(scope="module")
def warm():
    with Warm("tests.chaos.command:run") as warm:
        yield warm


@pytest.fixture
def databases(request):
    """From a database's name to what makes new ones for a folder."""

    def chosen(name):
        if name == "sqlite":
            return directed.sqlite_databases
        server = request.getfixturevalue(f"{name}_server")
        return lambda _folder: server.database()

    return chosen


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("database", "scenario", "step"),
    [
        ("sqlite", directed.FIRST_SWEEP, 29),
        ("postgres", directed.FIRST_SWEEP, 41),
        ("mariadb", directed.FIRST_SWEEP, 41),
        ("sqlite", directed.SWEEP, 13),
        ("sqlite", directed.DELIVER, 17),
        ("postgres", directed.DELIVER, 19),
        ("sqlite", directed.DELIVER_3, 37),
        ("sqlite", directed.RESCUE, 19),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_whoever_dies_anywhere_leaves_what_the_next_one_makes_good(tmp_path, warm, databases, database, scenario, step):
    outcome = directed.die_everywhere(scenario, tmp_path, databases(database), warm, 1 if EVERY else step)
    print(f"{database}, {scenario.name}: {outcome.killed} kills at {outcome.points} points, {outcome.twice} sent twice")
    assert outcome.problems == []
    assert outcome.killed > 1
