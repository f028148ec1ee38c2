"""What was done with messages, and the facts of an edition: alike on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256

import pytest
import sqlalchemy as sa

from emailketing.model import Kind, Lane, Measuring, Recipient, Response, State, What, Who, Wish
from emailketing.outbox import Outbox
from emailketing.outbox.responses import MOST_OF_EACH, MOST_OF_MACHINES
from tests.letters import LEASE_S, NOW, accepted, at, claim, letter

BOTH = Measuring(opens=True, clicks=True)
MAILING = "promotion"  # another in each test


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mariadb"])
def database(request, tmp_path_factory):
    """One for all tests of this file: each has a mailing of its own."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path_factory.mktemp('outbox') / 'test.db'}"
        if request.param != "sqlite":
            url = stack.enter_context(request.getfixturevalue(f"{request.param}_server").database())
        outbox = Outbox.open(url)
        stack.callback(outbox.close)
        yield outbox


@pytest.fixture
def outbox(database, request, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "MAILING", f"m{abs(hash(request.node.name))}")
    return database


def offer(person, edition="2026-12", measuring=BOTH, **more):
    given = {"mailing": MAILING, "lane": Lane.BULK, "kind": Kind.CAMPAIGN, **more}
    given.setdefault("recipient", Recipient(f"p{person}@{MAILING}.example"))
    made = letter(f"{edition}:{person}", **given)
    return replace(made, measuring=measuring, reference=sha256(made.envelope.key.encode()).hexdigest()[:32])


def number_of(message):
    return message.reference


def seen(seconds=100.0, who=Who.PERSON):
    return Response(What.SEEN, at(seconds), who, "a browser")


def went(link="https://shop.example/ñ?a=1", seconds=100.0, who=Who.PERSON):
    return Response(What.WENT, at(seconds), who, "a browser", link)


def claimed(outbox):
    """Those of this test, in the order in which they were put."""
    mine = [each for each in claim(outbox, limit=500, lane="bulk") if each.key.startswith(f"{MAILING}:")]
    return sorted(mine, key=lambda each: each.id)


def deliver(outbox):
    for taken in claim(outbox, lane="bulk"):
        assert outbox.step("worker", None, taken.id, NOW, LEASE_S)
        outbox.step("worker", accepted(taken), None, NOW, LEASE_S)


def facts(outbox, edition="2026-12"):
    return outbox.edition_facts(MAILING, edition, f"left by the link in {MAILING}")


def kept(outbox):
    return [each for responses in facts(outbox).responses.values() for each in responses]


def test_what_was_done_is_kept_as_it_was(outbox):
    mine, other = offer(1), offer(2)
    outbox.put([mine, other], {}, NOW)
    assert outbox.respond(number_of(mine), seen())
    assert outbox.respond(number_of(mine), went())
    (only,) = facts(outbox).responses.values()
    assert only == [seen(), went()]


def test_only_what_is_measured_of_a_message_is_kept(outbox):
    nothing, opens = offer(1, measuring=Measuring()), offer(2, measuring=Measuring(opens=True))
    outbox.put([nothing, opens], {}, NOW)
    assert not outbox.respond(number_of(nothing), seen())
    assert not outbox.respond(number_of(opens), went())
    assert not outbox.respond("0" * 32, seen())
    assert outbox.respond(number_of(opens), seen())
    assert [each.measuring for each in facts(outbox).sent] == [Measuring(), Measuring(opens=True)]


def test_who_is_not_sent_it_is_not_measured(outbox):
    outbox.suppress(Wish(f"p1@{MAILING}.example", "campaign", NOW, "a link"))
    forbidden = offer(1)
    outbox.put([forbidden], {}, NOW)
    assert not outbox.respond(number_of(forbidden), seen())


def tries(outbox, message, *responses):
    """How many of these are kept."""
    return sum(outbox.respond(number_of(message), each) for each in responses)


def test_rows_of_one_message_are_limited_and_machines_leave_room_for_persons(outbox):
    mine = offer(1)
    outbox.put([mine], {}, NOW)
    assert tries(outbox, mine, *[seen(who=Who.MACHINE) for _ in range(60)]) == MOST_OF_MACHINES
    assert tries(outbox, mine, *[seen(number) for number in range(100, 160)]) == MOST_OF_EACH
    assert tries(outbox, mine, *[went("https://a.example", number) for number in range(100, 160)]) == MOST_OF_EACH
    assert tries(outbox, mine, went("https://b.example", 200)) == 1
    assert tries(outbox, mine, seen(300), went("https://a.example", 300), seen(300, Who.MACHINE)) == 0


def test_a_filter_that_looks_like_a_browser_crowds_nobody_out(outbox):
    mine = offer(1)
    outbox.put([mine], {}, NOW)
    (taken,) = claimed(outbox)
    assert outbox.step("worker", None, taken.id, NOW, LEASE_S)
    links = [f"https://shop.example/{number}" for number in range(20)]
    filters = [each for second in (1, 2, 3) for link in links for each in (seen(second), went(link, second))]
    before = tries(outbox, mine, *filters[:40])
    outbox.step("worker", accepted(taken), None, at(2), LEASE_S)
    assert before + tries(outbox, mine, *filters[40:]) == MOST_OF_MACHINES
    persons = [seen(3600), *[went(link, 3600) for link in links]]
    assert tries(outbox, mine, *persons) == len(persons)


def test_the_time_at_which_a_message_in_doubt_was_begun_is_told(outbox):
    outbox.put([offer(1), offer(2), offer(3)], {}, NOW)
    first, second, _ = claimed(outbox)
    outbox.step("worker", None, first.id, at(7), LEASE_S)
    outbox.step("worker", accepted(first), second.id, at(9), LEASE_S)
    outbox.rescue(at(9 + 2 * LEASE_S), at(9 + 2 * LEASE_S), 1)
    told = {each.document: (each.accepted_at is None, each.begun_at) for each in facts(outbox).sent}
    assert told == {"2026-12:1": (False, None), "2026-12:2": (True, at(9)), "2026-12:3": (True, None)}


def test_many_at_once_keep_to_the_limit(outbox):
    mine = offer(1)
    outbox.put([mine], {}, NOW)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: outbox.respond(number_of(mine), went(seconds=number)), range(100, 160)))
    assert sum(answers) == len(kept(outbox)) == MOST_OF_EACH


def test_a_pruned_message_takes_its_responses_with_it_and_no_more_are_kept(outbox):
    mine = offer(1)
    outbox.put([mine], {}, NOW)
    deliver(outbox)
    outbox.respond(number_of(mine), went())
    outbox.prune(at(10_000), at(10_000))
    with outbox._database.engine.connect() as connection:
        of_it = sa.text("SELECT COUNT(*) FROM outbox_measured WHERE reference = :number")
        assert connection.execute(of_it, {"number": number_of(mine)}).scalar() == 0
        orphans = "SELECT COUNT(*) FROM outbox_response WHERE message NOT IN (SELECT id FROM outbox_message)"
        assert connection.execute(sa.text(orphans)).scalar() == 0
    assert not outbox.respond(number_of(mine), went())


def test_putting_again_changes_nothing(outbox):
    mine = offer(1)
    outbox.put([mine], {}, NOW)
    outbox.put([mine], {}, at(5))
    assert outbox.respond(number_of(mine), seen())
    assert len(facts(outbox).sent) == 1


def test_the_facts_are_of_one_edition_and_of_no_seed(outbox):
    seed = offer("seed:x", kind=Kind.REPORT)
    outbox.put([offer(1), offer(2, because="in the audience; subject price"), seed], {}, NOW)
    outbox.put([offer(1, "2026-1"), offer(1, "2026-121"), offer(1, mailing=f"{MAILING}_2")], {}, NOW)
    found = facts(outbox)
    assert [(each.document, each.because) for each in found.sent] == [
        ("2026-12:1", ""),
        ("2026-12:2", "in the audience; subject price"),
    ]
    assert {each.state for each in found.sent} == {State.QUEUED}
    assert facts(outbox, "2020-01").sent == []


def test_the_latest_edition_is_the_one_put_last(outbox):
    assert outbox.latest_editions(MAILING) == []
    outbox.put([offer(1, "2026-11", created_at=at(10))], {}, NOW)
    outbox.put([offer(1, "2026-12", created_at=at(20))], {}, NOW)
    outbox.put([offer(1, "2026-13", created_at=at(30), mailing=f"{MAILING}_2")], {}, NOW)
    assert outbox.latest_editions(MAILING) == ["2026-12"]
    for late, edition in enumerate(("2026-11-30", "2026-12-01", "2026-W49")):
        outbox.put([offer(2, edition, created_at=at(40 + late))], {}, NOW)
    assert outbox.latest_editions(MAILING) == ["2026-12-01", "2026-W49", "2026-12"]


def test_whoever_left_is_of_his_edition_until_the_next_of_its_cadence(outbox):
    outbox.put([offer(1, "2026-W49")], {}, NOW)
    outbox.put([offer(2, "2026-12-01", created_at=at(10))], {}, NOW)
    outbox.suppress(Wish(f"p1@{MAILING}.example", "campaign", at(50), "a page", f"left by the link in {MAILING}"))
    assert facts(outbox, "2026-W49").left == {f"p1@{MAILING}.example": at(50)}
    outbox.put([offer(3, "2026-W50", created_at=at(70))], {}, NOW)
    outbox.suppress(Wish(f"p2@{MAILING}.example", "campaign", at(80), "a page", f"left by the link in {MAILING}"))
    assert set(facts(outbox, "2026-W49").left) == {f"p1@{MAILING}.example"}


def test_who_left_and_which_coupons_were_used_belong_to_the_edition(outbox):
    outbox.put([offer(1), offer(2)], {}, NOW)
    outbox.put([offer(1, "2027-01", created_at=at(1000))], {}, at(1000))
    outbox.suppress(Wish(f"P1@{MAILING}.example", "campaign", at(50), "a page", f"left by the link in {MAILING}"))
    outbox.suppress(Wish(f"p2@{MAILING}.example", "campaign", at(60), "by phone", "asked"))
    outbox.suppress(Wish(f"p3@{MAILING}.example", "campaign", at(2000), "a page", f"left by the link in {MAILING}"))
    outbox.use_coupon("AAAAA-00000", MAILING, "2026-12:2", "till", at(70))
    outbox.use_coupon("BBBBB-00000", MAILING, "2027-01:1", "till", at(70))
    found = facts(outbox)
    assert found.left == {f"p1@{MAILING}.example": at(50)}
    assert found.coupons == {"2026-12:2"}
