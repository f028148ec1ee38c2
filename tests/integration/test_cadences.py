"""Cadences: each person gets the editions of his own, one mail a day at most, compared with what he was sent last."""

import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from emailketing import road
from emailketing.errors import AuthoringError
from emailketing.model import State
from emailketing.road.editions import edition_of
from tests.desk import PROJECT
from tests.market import PRICE_LIST

CHOSEN = replace(PRICE_LIST, edition=("weekly", "daily", "monthly"), attach=())
CADENCES = {"daily": "daily", "weekly": "weekly", "monthly": "monthly", "none": None}


@pytest.fixture
def people(market):
    """Four readers of one list, by the cadence that each has chosen."""
    found = [choice.person for choice in market.plan(CHOSEN) if choice.gets_it and choice.group == "1"]
    named = dict(zip(CADENCES, found, strict=False))
    market.change("UPDATE parties SET consent = FALSE")
    for name, number in named.items():
        market.change("UPDATE parties SET consent = TRUE, language = 'es' WHERE id = :id", id=number)
        choose(market, number, CADENCES[name])
    return named


def choose(market, person, cadence):
    market.change("UPDATE parties SET price_list_cadence = :cadence WHERE id = :id", cadence=cadence, id=person)


def days(market, count):
    """A run on each of so many days; whose messages each of them made, by the day's number."""
    made = []
    for _ in range(count):
        before = {row.key for row in market.rows()}
        assert market.advertise(CHOSEN).problems == []
        made.append({row.document for row in market.rows(states=(State.QUEUED,)) if row.key not in before})
        market.wait(days=1)
    return made


def editions(made, person):
    return [[doc.partition(":")[0] for doc in day if doc.endswith(f":{person}")] for day in made]


def test_each_gets_the_editions_of_his_cadence_and_no_other(market, people):
    start = market.now.date()
    made = days(market, 36)  # from Monday, 2 March, to Monday, 6 April
    for name, person in people.items():
        cadence = CADENCES[name] or "weekly"
        expected, had = [], set()
        for number in range(36):
            edition = edition_of(cadence, start + timedelta(number))
            expected.append([] if edition in had else [edition])
            had.add(edition)
        assert editions(made, person) == expected, name
    assert Counter(map(len, editions(made, people["monthly"]))) == {1: 2, 0: 34}
    assert Counter(map(len, editions(made, people["none"]))) == {1: 6, 0: 30}


def bases(market):
    return {choice.person: choice.base for choice in market.plan(CHOSEN) if choice.gets_it}


def test_whoever_changes_his_cadence_gets_one_mail_a_day_and_is_compared_with_his_last(market, people):
    daily, weekly, monthly = people["daily"], people["weekly"], people["monthly"]
    days(market, 2)  # Monday and Tuesday
    market.advertise(CHOSEN)  # Wednesday's list for the daily one, before he changes his mind
    choose(market, daily, "weekly")
    choose(market, weekly, "daily")
    choose(market, monthly, "daily")
    again = market.advertise(CHOSEN)
    documents = {row.document for row in market.rows(states=(State.QUEUED,))}
    assert {each for each in documents if "-04:" in each} == {f"2026-03-04:{each}" for each in (daily, weekly, monthly)}
    assert again.skipped["was sent 2026-03-04 in that week"] == 1
    market.deliver()
    market.wait(days=1)
    assert bases(market) == {weekly: "2026-03-04", monthly: "2026-03-04"}
    made = days(market, 4)
    assert editions(made, daily) == [[]] * 4, "he was sent three lists in this week"
    assert bases(market) == {
        daily: "2026-03-04",
        weekly: "2026-03-08",
        monthly: "2026-03-08",
        people["none"]: "2026-03-02",
    }
    choose(market, weekly, "monthly")
    assert editions(days(market, 10), weekly) == [[]] * 10
    market.wait(days=30)
    assert bases(market)[weekly] == "2026-03-08"


def test_on_the_day_of_a_change_nobody_gets_two(market, people):
    market.advertise(CHOSEN)
    for name, cadence in {"daily": "monthly", "weekly": "daily", "monthly": "weekly", "none": "daily"}.items():
        choose(market, people[name], cadence)
    again = market.advertise(CHOSEN)
    assert again.states == {}
    assert sum(count for why, count in again.skipped.items() if why.startswith("was sent ")) == 4
    market.outbox.cancel(next(iter(market.rows(states=(State.QUEUED,)))).key, "ana", "a test", market.now)
    assert market.advertise(CHOSEN).states == {State.QUEUED: 1}, "what was never sent is no mail of that day"


def test_latecomers_of_a_week_are_compared_with_what_they_themselves_were_told(market, people):
    late = people["weekly"]
    market.change("UPDATE parties SET consent = FALSE, active = FALSE WHERE id = :id", id=late)
    days(market, 1)
    market.change("UPDATE prices SET price = price + 1000 WHERE product_id = 1 AND price_list_id = 1")
    market.change("UPDATE parties SET consent = TRUE, active = TRUE WHERE id = :id", id=late)
    assert editions(days(market, 6), late) == [["2026-W10"], [], [], [], [], []]
    marked = {}
    with road.choosing.Edition(market.campaigner, CHOSEN, market.now) as edition:
        for rows in edition.rows():
            for choice in edition.choices(rows):
                if choice.gets_it:
                    marked[choice.person] = len(edition.stock.compared(choice.group, choice.base).changed)
    assert (marked[late], marked[people["none"]]) == (0, 1)


def test_an_unknown_cadence_leaves_out_its_row_alone_and_is_told(market, people):
    choose(market, people["daily"], "dialy\nx")
    choose(market, people["monthly"], " MONTHLY ")
    done = market.advertise(CHOSEN)
    (problem,) = done.problems
    assert "sql/price_list.sql: a row is left out" in problem
    assert problem.endswith(
        f"document '{people['daily']}' has the cadence 'dialy x', which this campaign has not. Did you mean 'daily'?"
    )
    queued = {row.document for row in market.rows(states=(State.QUEUED,))}
    assert queued == {f"2026-03:{people['monthly']}", *(f"2026-W10:{people[name]}" for name in ("weekly", "none"))}
    with pytest.raises(AuthoringError, match="dialy x"):
        market.plan(CHOSEN)


def test_one_rendering_for_all_who_are_told_the_same_in_the_same_edition(market, people):
    done = market.advertise(CHOSEN, seeds=("ventas@petroleradeleste.example",))
    assert (done.edition, done.renderings, done.seeds) == ("2026-W10, 2026-03-02, 2026-03", 3, 3)
    expiry = {row.document.partition(":")[0]: row.expires_at for row in market.rows(states=(State.QUEUED,))}
    assert {name: (at - market.now).days for name, at in expiry.items()} == {
        "2026-W10": 7,
        "2026-03-02": 1,
        "2026-03": 31,
    }


def test_a_late_run_leaves_alone_those_whose_edition_is_over(market, people):
    done = road.advertise(market.campaigner, CHOSEN, market.now, over=("daily",))
    assert done.skipped["the edition 2026-03-02 is over"] >= 1
    assert {row.document.partition(":")[0] for row in market.rows(states=(State.QUEUED,))} == {"2026-W10", "2026-03"}


KILLED = """
import sys
sys.path[:0] = [{project!r} + "/plugins", {project!r}]
from pathlib import Path
from tests.integration.test_cadences import CHOSEN
from tests.market import Half
Half({erp!r}, {outbox!r}, Path({include!r}), {puts}).advertise(CHOSEN)
"""


@pytest.mark.parametrize("puts", [0, 2])
def test_killed_in_the_midst_a_second_run_goes_on_for_each_cadence(market, puts):
    expected = {choice.envelope.key: choice.envelope.state for choice in market.plan(CHOSEN)}
    assert len({key.split(":")[1] for key in expected}) > 3
    code = KILLED.format(
        project=str(PROJECT),
        erp=str(market.campaigner.erp.engine.url),
        outbox=str(market.outbox._database.engine.url),
        include=str(market.include),
        puts=puts,
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(market.rows()) == 10 * puts
    market.advertise(CHOSEN)
    assert {row.key: row.state for row in market.rows()} == expected
