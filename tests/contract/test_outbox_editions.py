"""What editions told, who was sent one, and which coupons were used: alike on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from emailketing.model import State, version_key
from emailketing.outbox import Outbox
from emailketing.outbox.editions import Used
from tests.letters import NOW, at, letter

PRICES = {"LUB-1": "180000", "Ñ-2": "7.5"}


@pytest.fixture
def outbox(database_url):
    outbox = Outbox.open(database_url)
    yield outbox
    outbox.close()


def test_what_an_edition_told_first_stands(outbox):
    outbox.keep_edition("price_list", "2026-W10", {"1": PRICES, "2": {}}, NOW)
    outbox.keep_edition("price_list", "2026-W10", {"1": {"LUB-1": "1"}, "3": PRICES}, at(60))
    assert outbox.edition("price_list", "2026-W10", "1") == PRICES
    assert outbox.edition("price_list", "2026-W10", "3") == PRICES
    assert outbox.edition("price_list", "2026-W10", "4") is None
    assert outbox.edition("other", "2026-W10", "1") is None


def test_editions_are_named_the_newest_first_and_old_ones_forgotten(outbox):
    for number in range(70):
        outbox.keep_edition("price_list", f"day {number}", {"1": PRICES}, at(number))
    names = outbox.editions("price_list")
    assert names == [f"day {number}" for number in range(69, 9, -1)]
    assert outbox.edition("price_list", "day 0", "1") is None
    assert outbox.editions("other") == []


def test_who_was_sent_an_edition_is_whose_message_went_or_will_go(outbox):
    states = (State.QUEUED, State.SUPPRESSED, State.UNADDRESSED)
    outbox.put([letter(f"W10:{state}", state=state) for state in states], {}, NOW)
    keys = {state: version_key("purchase_order", f"W10:{state}", "1") for state in states}
    assert outbox.sent(keys.values()) == {keys[State.QUEUED]}
    assert outbox.sent([]) == set()
    many = [version_key("purchase_order", f"W10:{number}", "1") for number in range(250)]
    assert outbox.sent([*many, keys[State.QUEUED]]) == {keys[State.QUEUED]}


def test_a_coupon_is_taken_once_however_many_try(outbox):
    assert outbox.used_coupon("AAAAA-00000") is None

    def take(number):
        return outbox.use_coupon("AAAAA-00000", "promotion", "2026-03:1", f"till {number}", at(number))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(take, range(4)))
    assert answers.count(None) == 1
    winner = answers.index(None)
    assert {answer for answer in answers if answer} == {Used(at(winner), f"till {winner}")}
    assert outbox.used_coupon("AAAAA-00000") == Used(at(winner), f"till {winner}")
