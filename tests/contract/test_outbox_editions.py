"""What editions told, who was sent one, and which coupons were used: alike on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

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


def test_editions_are_named_the_newest_first_and_of_old_ones_the_first_of_each_month_is_kept(outbox):
    days = [NOW + timedelta(number) for number in range(0, 560, 4)]
    for day in days:
        outbox.keep_edition("price_list", f"{day:%Y-%m-%d}", {"1": PRICES}, day)
    names = outbox.editions("price_list")
    older = [f"{day:%Y-%m-%d}" for day in days[:-60]]
    firsts = sorted({min(day for day in older if day[:7] == month) for month in {day[:7] for day in older}})
    assert names == [f"{day:%Y-%m-%d}" for day in reversed(days[-60:])] + firsts[::-1][:12]
    assert outbox.edition("price_list", older[1], "1") is None
    assert outbox.edition("price_list", firsts[-1], "1") == PRICES
    assert outbox.editions("other") == []


def test_who_was_sent_an_edition_is_whose_message_went_or_will_go(outbox):
    states = (State.QUEUED, State.SUPPRESSED, State.UNADDRESSED)
    outbox.put([letter(f"W10:{state}", state=state) for state in states], {}, NOW)
    keys = {state: version_key("purchase_order", f"W10:{state}", "1") for state in states}
    assert outbox.sent(keys.values()) == {keys[State.QUEUED]: NOW}
    assert outbox.sent([]) == {}
    many = [version_key("purchase_order", f"W10:{number}", "1") for number in range(250)]
    assert outbox.sent([*many, keys[State.QUEUED]]) == {keys[State.QUEUED]: NOW}


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
