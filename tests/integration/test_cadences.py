"""Cadences: each person gets the editions of his own, one mail a day at most, compared with what he was sent last."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from emailketing import road
from emailketing.errors import AuthoringError
from emailketing.model import State
from emailketing.road.editions import edition_of
from tests.market import CHOSEN, ZONE

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


@pytest.mark.parametrize(("cadence", "name"), [("monthly", "2026-03"), ("weekly", "2026-W10"), ("once", "once")])
def test_what_a_former_version_kept_by_the_name_of_the_edition_stops_nobody(market, people, cadence, name):
    former = replace(CHOSEN, edition=cadence)
    market.advertise(former)
    with market.outbox._database.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE outbox_edition SET edition = '{name}'")
    market.wait(days=31)
    assert market.advertise(replace(CHOSEN, edition="monthly")).states[State.QUEUED] == 4


@pytest.mark.parametrize("only_changed", [True, False])
def test_whoever_is_moved_to_a_list_that_nobody_had_is_told_all_of_it(market, people, only_changed):
    weekly = replace(CHOSEN, edition="weekly", only_changed=only_changed)
    moved = people["weekly"]
    market.change("UPDATE parties SET price_list_id = 1 WHERE price_list_id = 2")
    market.advertise(weekly)
    market.change("UPDATE parties SET price_list_id = 2 WHERE id = :id", id=moved)
    market.wait(days=7)
    market.change("UPDATE prices SET price = price + 1000 WHERE product_id = 1")
    choices = {choice.person: choice for choice in market.plan(weekly) if choice.gets_it}
    assert {person: choice.base for person, choice in choices.items()} == {
        person: "" if person == moved else "2026-03-02" for person in people.values()
    }
    assert market.advertise(weekly).states[State.QUEUED] == 4
    market.wait(days=7)
    market.change("UPDATE prices SET price = price + 1000 WHERE product_id = 1")
    assert {choice.base for choice in market.plan(weekly) if choice.gets_it} == {"2026-03-09"}


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


def expiries(market):
    rows = market.rows(states=(State.QUEUED,))
    return {row.document.partition(":")[0]: f"{row.expires_at.astimezone(ZONE):%Y-%m-%d %H:%M}" for row in rows}


def test_an_edition_expires_when_the_next_one_begins_on_the_companys_clock(market, people):
    market.advertise(CHOSEN)
    assert expiries(market) == {
        "2026-W10": "2026-03-09 00:00",
        "2026-03-02": "2026-03-03 00:00",
        "2026-03": "2026-04-01 00:00",
    }


def test_what_is_due_shortly_before_midnight_is_not_too_late_at_midnight(market, people):
    market.wait(days=6, hours=14)  # Sunday, 8 March, 23:00
    market.advertise(CHOSEN)
    assert expiries(market) == {
        "2026-W10": "2026-03-09 05:00",
        "2026-03-08": "2026-03-09 05:00",
        "2026-03": "2026-04-01 00:00",
    }


def test_an_edition_that_is_over_and_asked_for_lives_six_hours_from_now(market, people):
    road.advertise(market.campaigner, CHOSEN, market.now - timedelta(days=8))  # Sunday, 22 February
    assert set(expiries(market)) == {"2026-W08", "2026-02-22", "2026-02"}
    assert set(expiries(market).values()) == {f"{(market.now + timedelta(hours=6)).astimezone(ZONE):%Y-%m-%d %H:%M}"}


def test_whoever_joins_late_is_not_sent_two_editions_when_the_server_comes_back(market, people):
    late = people["weekly"]
    market.change("UPDATE parties SET consent = FALSE, active = FALSE WHERE id = :id", id=late)
    days(market, 5)
    market.change("UPDATE parties SET consent = TRUE, active = TRUE WHERE id = :id", id=late)
    assert editions(days(market, 2), late) == [["2026-W10"], []]  # Saturday and Sunday, and nothing is delivered
    market.advertise(CHOSEN)
    market.deliver()
    accepted = {row.document for row in market.rows(states=(State.ACCEPTED,)) if row.document.endswith(f":{late}")}
    assert accepted == {f"2026-W11:{late}"}


def test_a_late_run_leaves_alone_those_whose_edition_is_over(market, people):
    done = road.advertise(market.campaigner, CHOSEN, market.now, over=("daily",))
    assert done.skipped["the edition 2026-03-02 is over"] >= 1
    assert {row.document.partition(":")[0] for row in market.rows(states=(State.QUEUED,))} == {"2026-W10", "2026-03"}


def test_samples_show_every_group_and_language_and_say_how_many_are_left(market):
    everybody = market.query("SELECT id, price_list_id FROM parties WHERE is_customer AND active ORDER BY id")
    met = Counter()
    for row in everybody:
        number = met[row["price_list_id"]]
        met[row["price_list_id"]] += 1
        language, cadence = ("es", "en")[number % 2], ("daily", "weekly", "monthly")[number % 3]
        market.change("UPDATE parties SET consent = TRUE, language = :l WHERE id = :id", l=language, id=row["id"])
        choose(market, row["id"], cadence)
    groups = {str(number) for number, count in met.items() if count}
    shown = road.samples(market.campaigner, CHOSEN, market.now)
    assert {each.choice.group for each in shown} == groups
    looks = {(each.choice.group, each.choice.envelope.recipient.language) for each in shown}
    assert (len(shown), shown.left) == (len(looks), 0)
    fewer = road.samples(market.campaigner, CHOSEN, market.now, most=len(groups) + 1)
    assert {each.choice.group for each in fewer} == groups
    assert fewer.left == len(shown) - len(groups) - 1 > 0


def share_an_address(market, people, *names):
    for name in names:
        market.change("UPDATE parties SET email = 'both@shared.example.com' WHERE id = :id", id=people[name])


def test_of_two_who_share_an_address_the_daily_one_gets_his_list_whenever_nothing_else_goes_there(market, people):
    share_an_address(market, people, "daily", "weekly")
    made = days(market, 8)  # from Monday to Monday
    both = [editions(made, people[name]) for name in ("daily", "weekly")]
    assert [len(one) + len(other) for one, other in zip(*both, strict=True)] == [1] * 8
    assert all(both[0][1:7])


def test_whoever_is_left_alone_because_his_edition_is_over_takes_no_mail_from_another(market, people):
    share_an_address(market, people, "daily", "weekly", "none")
    road.advertise(market.campaigner, CHOSEN, market.now, over=("weekly",))
    shared = [row for row in market.rows() if row.address == "both@shared.example.com"]
    assert [(row.document, row.state) for row in shared] == [(f"2026-03-02:{people['daily']}", State.QUEUED)]


def test_an_address_gets_one_copy_of_an_edition_whoever_joins_with_it_later(market, people):
    late = people["none"]
    market.change("UPDATE parties SET consent = FALSE, active = FALSE WHERE id = :id", id=late)
    share_an_address(market, people, "weekly", "none")
    days(market, 2)
    market.change("UPDATE parties SET consent = TRUE, active = TRUE WHERE id = :id", id=late)
    assert editions(days(market, 2), late) == [[], []]
    choose(market, late, "daily")
    assert editions(days(market, 1), late) == [["2026-03-06"]]


@pytest.mark.parametrize("cadence", ["weekly", "daily"])
def test_whoever_was_told_at_another_address_takes_no_mail_from_this_one(market, people, cadence):
    late = people["none"]
    share_an_address(market, people, "weekly", "none")
    market.change("UPDATE parties SET email = 'own@x.example.com; ' || email WHERE id = :id", id=people["weekly"])
    market.change("UPDATE parties SET consent = FALSE, active = FALSE WHERE id = :id", id=late)
    market.advertise(CHOSEN)
    (shared,) = [row for row in market.rows() if row.address == "both@shared.example.com"]
    market.outbox.cancel(shared.key, "ana", "a test", market.now)
    market.change("UPDATE parties SET consent = TRUE, active = TRUE WHERE id = :id", id=late)
    choose(market, late, cadence)
    assert market.advertise(CHOSEN).states == {State.QUEUED: 1}


def test_whoever_says_no_takes_no_mail_from_another_who_agrees(market, people):
    share_an_address(market, people, "weekly", "none")
    market.change("UPDATE parties SET consent = FALSE WHERE id = :id", id=people["weekly"])
    assert editions(days(market, 1), people["none"]) == [["2026-W10"]]


@pytest.mark.parametrize("puts", [0, 2])
def test_killed_in_the_midst_a_second_run_goes_on_for_each_cadence(market, puts, kill_after):
    expected = {choice.envelope.key: choice.envelope.state for choice in market.plan(CHOSEN)}
    assert len({key.split(":")[1] for key in expected}) > 3
    kill_after(market, puts, "CHOSEN")
    assert len(market.rows()) == 10 * puts
    market.advertise(CHOSEN)
    assert {row.key: row.state for row in market.rows()} == expected
