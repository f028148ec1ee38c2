"""What editions told, who was sent one, and which coupons were used: alike on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from emailketing.model import Campaign, Kind, Recipient, State
from emailketing.outbox import Last, Sought
from emailketing.outbox.editions import Used
from emailketing.road.earlier import Earlier
from tests.letters import NOW, at, letter

PRICES = {"LUB-1": "180000", "Ñ-2": "7.5"}


def test_what_an_edition_told_first_stands(outbox):
    outbox.keep_edition("price_list", "2026-W10", {"1": PRICES, "2": {}}, NOW)
    outbox.keep_edition("price_list", "2026-W10", {"1": {"LUB-1": "1"}, "3": PRICES}, at(60))
    assert outbox.edition("price_list", "2026-W10", "1") == PRICES
    assert outbox.edition("price_list", "2026-W10", "3") == PRICES
    assert outbox.edition("price_list", "2026-W10", "4") is None
    assert outbox.edition("other", "2026-W10", "1") is None
    assert outbox.kept("price_list", {"2026-W10", "2026-W11"}, {"1", "4"}) == {("2026-W10", "1")}
    assert outbox.kept("other", {"2026-W10"}, {"1"}) == set()


def test_the_last_sixty_editions_are_kept_and_of_old_ones_the_first_of_each_month(outbox):
    days = [NOW + timedelta(number) for number in range(0, 560, 4)]
    for day in days:
        outbox.keep_edition("price_list", f"{day:%Y-%m-%d}", {"1": PRICES}, day)
    names = {f"{day:%Y-%m-%d}" for day in days}
    kept = {name for name, _ in outbox.kept("price_list", names, {"1"})}
    older = [f"{day:%Y-%m-%d}" for day in days[:-60]]
    firsts = sorted({min(day for day in older if day[:7] == month) for month in {day[:7] for day in older}})
    assert kept == {*(f"{day:%Y-%m-%d}" for day in days[-60:]), *firsts[::-1][:12]}
    assert outbox.edition("price_list", older[1], "1") is None
    assert outbox.edition("price_list", firsts[-1], "1") == PRICES


def sent(day, person, **changes):
    """The message to a person of the daily edition of a day of March."""
    when = datetime(2026, 3, day, 12, tzinfo=UTC)
    return letter(f"2026-03-{day:02d}:{person}", kind=Kind.CAMPAIGN, mailing="prices", event_at=when, **changes)


def last(outbox, people=("1", "2"), **sought):
    return {person: each.edition for person, each in outbox.last_sent("prices", people, Sought(**sought)).items()}


def test_the_last_message_of_a_person_is_the_last_that_went_or_will_go(outbox):
    states = (State.QUEUED, State.SUPPRESSED, State.UNADDRESSED, State.QUEUED, State.EXPIRED)
    outbox.put([sent(day, "1", state=state) for day, state in enumerate(states, 1)], {}, NOW)
    outbox.put([letter("2026-03-09:2", mailing="offer", kind=Kind.CAMPAIGN), sent(3, "22")], {}, NOW)
    fourth = datetime(2026, 3, 4, 12, tzinfo=UTC)
    assert outbox.last_sent("prices", {"1", "2"}, Sought()) == {"1": Last("2026-03-04", fourth)}
    assert last(outbox, before=fourth) == {"1": "2026-03-01"}
    assert last(outbox, since=fourth) == {"1": "2026-03-04"}
    assert last(outbox, since=fourth + timedelta(seconds=1)) == {}
    assert last(outbox, besides="2026-03-04") == {"1": "2026-03-01"}
    assert last(outbox, edition="2026-03-01") == {"1": "2026-03-01"}
    assert last(outbox, edition="2026-03-02") == last(outbox, people=()) == {}
    outbox.cancel(sent(4, "1").envelope.key, "ana", "a test", at(60))
    assert last(outbox) == {"1": "2026-03-01"}


def test_a_message_went_by_its_own_channel_to_its_own_address_alone(outbox):
    mailed = sent(1, "1", recipient=Recipient("a@x.example"))
    barred = sent(1, "1", recipient=Recipient("b@x.example"), state=State.SUPPRESSED)
    texted = sent(2, "1", channel="phone", recipient=Recipient("+595981000001"))
    outbox.put([mailed, barred, texted, sent(1, "3")], {}, NOW)
    ways = {("1", "email", "a@x.example"), ("1", "phone", "+595981000001")}
    assert outbox.reached("prices", {"1", "2"}, Sought()) == ways
    assert outbox.reached("prices", {"1"}, Sought(edition="2026-03-02")) == {("1", "phone", "+595981000001")}
    assert outbox.reached("other", {"1"}, Sought()) == outbox.reached("prices", set(), Sought()) == set()


def test_a_batch_costs_the_same_queries_however_much_is_kept(outbox):
    campaign = Campaign("prices", edition=("weekly", "daily", "monthly"), marks=("code", "price"))
    people = [str(number) for number in range(500)]
    statements, found = [], []
    sa.event.listen(outbox._database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    for days in (range(1, 3), range(3, 31)):
        outbox.put([sent(day, person) for day in days for person in people[::100]], {}, NOW)
        for day in days:
            outbox.keep_edition("prices", f"2026-03-{day:02d}", {"1": PRICES}, NOW)
        statements.clear()
        earlier = Earlier(outbox, campaign, date(2026, 3, 31), ZoneInfo("America/Asuncion"))
        for cadence in campaign.cadences:
            earlier.within(people, cadence)
        told = earlier.last(dict.fromkeys(people[:250], "2026-03") | dict.fromkeys(people[250:], "2026-W14"))
        outbox.kept("prices", {day.isoformat() for day in told.values()}, {"1"})
        found.append((set(told.values()), sum("SELECT" in each for each in statements)))
    assert found == [({date(2026, 3, 2)}, 11), ({date(2026, 3, 30)}, 11)]


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
