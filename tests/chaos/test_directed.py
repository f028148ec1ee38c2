"""A sweep, a look or a delivery dies at each statement, commit and word to the mail server; the next ones make good.

Here it dies at a few points of some scenarios. With CHAOS=long in the environment it dies at every point of every
scenario on each database, which takes an hour.
"""

from __future__ import annotations

import os

import pytest

from tests.chaos import directed

SHORT = [
    ("sqlite", directed.FIRST_SWEEP, 53),
    ("mariadb", directed.FIRST_SWEEP, 83),
    ("postgres", directed.DELIVER, 47),
    ("sqlite", directed.DELIVER_3, 83),
    ("sqlite", directed.RESCUE, 83),
    ("sqlite", directed.LOOK, 11),
]
LONG = [(database, scenario, 1) for scenario in directed.SCENARIOS for database in ("sqlite", "postgres", "mariadb")]


@pytest.fixture
def databases(request):
    """From a database's name to what makes new ones for a folder."""

    def chosen(name):
        if name == "sqlite":
            return directed.sqlite_databases
        server = request.getfixturevalue(f"{name}_server")
        return lambda _folder: server.database()

    return chosen


@pytest.mark.timeout(3600 if os.environ.get("CHAOS") == "long" else 300)
@pytest.mark.parametrize(
    ("database", "scenario", "step"),
    LONG if os.environ.get("CHAOS") == "long" else SHORT,
    ids=lambda value: getattr(value, "name", None),
)
def test_whoever_dies_anywhere_leaves_what_the_next_one_makes_good(tmp_path, warm, databases, database, scenario, step):
    outcome = directed.die_everywhere(scenario, tmp_path, databases(database), warm, step)
    print(f"{database}, {scenario.name}: {outcome.killed} kills at {outcome.points} points, {outcome.twice} sent twice")
    assert outcome.problems == []
    assert outcome.killed > 1
