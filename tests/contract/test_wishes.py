"""Suppressions and consents, held over SQLite, PostgreSQL and MariaDB alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from emailketing.errors import IllegalTransition
from emailketing.model import Consent, Kind, Lane, OnUnknown, Recipient, State
from emailketing.outbox import ALL, Act, Outbox, Wish, put
from tests.letters import LEASE_S, NOW, accepted, at, claim, later, letter, tale, unknown

ANA, EVA = "ana@example.com", "eva@example.com"


def offer(document, address=ANA, kind=Kind.CAMPAIGN, **more):
    given = {"lane": Lane.BULK, "on_unknown": OnUnknown.NEVER, **more}
    return letter(document, recipient=Recipient(address), kind=kind, **given)


def key_of(message):
    return message.envelope.key


def sending(outbox, lane=Lane.BULK, seconds=0.0):
    (taken,) = claim(outbox, lane=lane, seconds=seconds)
    assert outbox.step("worker", None, taken.id, at(seconds), LEASE_S)
    return taken


def wish(address=ANA, kind="campaign", seconds=0.0, why="too many"):
    return Wish(address, kind, at(seconds), "the link", why)


def row_of(outbox, message):
    return outbox.message(key_of(message))


def test_a_suppression_ends_what_waits_and_only_that(outbox):
    mine, other, order = offer("1"), offer("2", EVA), letter("3")
    outbox.put([mine, other, order], {}, NOW)
    assert outbox.suppress(wish()) == 1
    row = row_of(outbox, mine)
    assert (row.state, row.next_attempt_at) == (State.SUPPRESSED, None)
    assert row.reason == "no campaign may go there since 2026-03-02 12:00 UTC (the link): too many"
    assert tale(outbox, key_of(mine)) == [(None, "queued"), ("queued", "suppressed")]
    assert row_of(outbox, other).state is State.QUEUED
    assert row_of(outbox, order).state is State.QUEUED


def test_a_message_keeps_the_kind_of_its_mailing(outbox):
    outbox.put([letter("1"), offer("2"), offer("3", kind=Kind.GREETING)], {}, NOW)
    assert {row.document: row.kind for row in outbox.messages()} == {
        "1": Kind.NOTIFICATION,
        "2": Kind.CAMPAIGN,
        "3": Kind.GREETING,
    }


def test_a_held_message_is_suppressed_and_one_that_was_accepted_stays_so(outbox):
    held, sent = offer("1", state=State.HELD), offer("2")
    outbox.put([held, sent], {}, NOW)
    taken = sending(outbox)
    outbox.step("worker", accepted(taken), None, NOW, LEASE_S)
    assert outbox.suppress(wish()) == 1
    assert row_of(outbox, held).state is State.SUPPRESSED
    assert row_of(outbox, sent).state is State.ACCEPTED


def test_all_means_every_kind(outbox):
    outbox.put([offer("1"), letter("2", recipient=Recipient(ANA)), offer("3", kind=Kind.GREETING)], {}, NOW)
    assert outbox.suppress(wish(kind=ALL)) == 3
    assert outbox.suppressed([(ANA, "notification"), (EVA, "campaign")]).keys() == {(ANA, "notification")}


def test_a_message_that_is_put_afterwards_is_suppressed_from_its_birth_and_has_no_bytes(outbox):
    outbox.suppress(wish())
    outbox.put([offer("1"), offer("2", kind=Kind.GREETING), offer("3", state=State.HELD)], {}, NOW)
    assert row_of(outbox, offer("1")).state is State.SUPPRESSED
    assert row_of(outbox, offer("3")).state is State.SUPPRESSED
    assert outbox.frozen(key_of(offer("1"))) is None
    assert [taken.key for taken in claim(outbox, lane=Lane.BULK)] == [key_of(offer("2"))]


@pytest.mark.parametrize(
    ("written", "left"), [("Ana@Example.com", " ANA@example.COM "), ("ñandú@x.example", "ÑANDÚ@x.example")]
)
def test_letters_of_any_size_are_the_same_address(outbox, written, left):
    outbox.put([offer("1", written)], {}, NOW)
    assert outbox.suppress(wish(left)) == 1
    outbox.put([offer("2", written)], {}, NOW)
    assert row_of(outbox, offer("2", written)).state is State.SUPPRESSED


def test_one_that_is_leased_already_is_not_begun_any_more(outbox):
    outbox.put([offer("1")], {}, NOW)
    (taken,) = claim(outbox, lane=Lane.BULK)
    outbox.suppress(wish())
    assert outbox.step("worker", None, taken.id, NOW, LEASE_S) is False
    assert row_of(outbox, offer("1")).state is State.SUPPRESSED


@pytest.mark.parametrize("address", [ANA, "Ana@Example.com", "ÑANDÚ@x.example"])
@pytest.mark.parametrize("forbid", [Outbox.suppress, Outbox.withdraw])
def test_a_put_that_a_wish_overtook_is_set_aside_when_it_would_be_claimed(outbox, monkeypatch, address, forbid):
    """The put asks before the wish is committed, and commits after it."""
    monkeypatch.setattr(put, "forbidden", lambda _, rows: [""] * len(rows))
    forbid(outbox, wish(address, seconds=1))
    outbox.put([offer(str(number), address) for number in range(3)] + [offer("9", EVA)], {}, NOW)
    assert [taken.address for taken in claim(outbox, lane=Lane.BULK, limit=2, seconds=2)] == [EVA]
    assert {row.state for row in outbox.messages() if row.address == address} == {State.SUPPRESSED}


def test_one_that_was_being_sent_meanwhile_is_not_tried_again(outbox):
    """Documents, too: an address that is dead is dead for all of them."""
    outbox.put([letter("1", recipient=Recipient(ANA))], {}, NOW)
    taken = sending(outbox, lane=Lane.INSTANT)
    assert outbox.suppress(wish(kind=ALL, seconds=1)) == 0
    outbox.step("worker", later(taken, 2), None, at(2), LEASE_S)
    assert claim(outbox, seconds=1000) == []
    assert outbox.message(taken.key).state is State.SUPPRESSED


def test_what_is_in_doubt_or_ended_is_not_sent_again_to_a_suppressed_address(outbox):
    outbox.put([offer("1")], {}, NOW)
    taken = sending(outbox)
    outbox.step("worker", unknown(taken, 1), None, at(1), LEASE_S)
    outbox.suppress(wish(seconds=2))
    with pytest.raises(IllegalTransition, match=r"no campaign may go there(.|\n)*unsuppress"):
        outbox.resend(taken.key, "eva", "she called", at(3))
    outbox.unsuppress(wish(seconds=4))
    outbox.resend(taken.key, "eva", "she called", at(5))
    assert outbox.message(taken.key).state is State.QUEUED


def test_unsuppressed_an_address_is_written_to_again_and_what_was_ended_stays_so(outbox):
    outbox.put([offer("1")], {}, NOW)
    outbox.suppress(wish())
    assert outbox.unsuppress(wish(seconds=60, why="asked for it by phone")) is True
    assert outbox.unsuppress(wish()) is False
    outbox.put([offer("2")], {}, NOW)
    assert row_of(outbox, offer("1")).state is State.SUPPRESSED
    assert row_of(outbox, offer("2")).state is State.QUEUED


def test_a_wish_that_comes_twice_is_one_and_the_newer_counts(outbox):
    outbox.suppress(wish())
    outbox.suppress(wish(seconds=60, why="again"))
    (kept,) = outbox.suppressions("ANA@example.com")
    assert (kept.at, kept.reason) == (NOW + timedelta(seconds=60), "again")
    assert outbox.suppressions(EVA) == []


def test_consents_are_kept_by_kind_with_their_source(outbox):
    outbox.allow(wish(why="form at the counter"))
    said = outbox.own_consents([("Ana@example.com", "campaign"), (ANA, "greeting"), (EVA, "campaign")])
    assert said == {("Ana@example.com", "campaign"): Consent(True, NOW, "the link", "form at the counter")}


def test_a_withdrawal_ends_what_waits_and_is_remembered_though_nobody_had_consented_here(outbox):
    outbox.put([offer("1"), offer("2", kind=Kind.GREETING), letter("3", recipient=Recipient(ANA))], {}, NOW)
    assert outbox.withdraw(wish(seconds=1)) == 1
    assert row_of(outbox, offer("1")).reason.startswith(
        "the consent to any campaign was withdrawn 2026-03-02 12:00 UTC"
    )
    assert outbox.own_consents([(ANA, "campaign")])[ANA, "campaign"] == Consent(False, at(1), "the link", "too many")
    assert outbox.withdraw(wish(kind=ALL, seconds=2)) == 1, "of all kinds that ask for a consent, so not of the order"
    assert row_of(outbox, letter("3", recipient=Recipient(ANA))).state is State.QUEUED


def test_what_is_put_after_a_withdrawal_was_judged_with_it_in_view(outbox):
    """The ERP may have a consent that is newer still: that is for the one who puts to judge."""
    outbox.withdraw(wish(seconds=1))
    outbox.put([offer("1"), offer("2", created_at=at(5), event_at=at(5))], {}, at(5))
    assert row_of(outbox, offer("1")).state is State.SUPPRESSED
    assert row_of(outbox, offer("2")).state is State.QUEUED
    assert [taken.key for taken in claim(outbox, lane=Lane.BULK, seconds=10)] == [key_of(offer("2"))]


def test_the_last_word_of_a_kind_or_of_all_kinds_counts(outbox):
    outbox.withdraw(wish(kind=ALL, seconds=1))
    outbox.allow(wish(seconds=2))
    assert given(outbox) == {"campaign": True, "greeting": False}
    outbox.withdraw(wish(kind=ALL, seconds=3))
    assert given(outbox) == {"campaign": False, "greeting": False}


def given(outbox):
    said = outbox.own_consents([(ANA, "campaign"), (ANA, "greeting")])
    return {kind: word.given for (_, kind), word in said.items()}


def test_every_change_is_kept_in_the_log(outbox):
    outbox.suppress(wish())
    outbox.unsuppress(wish(seconds=1))
    outbox.allow(wish(seconds=2))
    outbox.withdraw(wish(seconds=3))
    outbox.suppress(wish(EVA, seconds=4))
    acts = [Act.WITHDRAWN, Act.CONSENTED, Act.UNSUPPRESSED, Act.SUPPRESSED]
    assert [each.act for each in outbox.choices(ANA)] == acts
    assert next(each.wish.address for each in outbox.choices()) == EVA
    assert [each.act for each in outbox.consents(ANA)] == [Act.WITHDRAWN]
    assert outbox.suppressions(ANA) == []


def test_messages_are_forbidden_by_their_number_where_they_still_wait(outbox):
    outbox.put([offer("1"), offer("2"), offer("3")], {}, NOW)
    rows = {row.document: row for row in outbox.messages()}
    outbox.cancel(rows["3"].key, "eva", "wrong", NOW)
    assert outbox.forbid({rows["1"].id: "the ERP says no", rows["3"].id: "the ERP says no"}, at(1)) == 1
    assert (row_of(outbox, offer("1")).state, row_of(outbox, offer("1")).reason) == (
        State.SUPPRESSED,
        "the ERP says no",
    )
    assert row_of(outbox, offer("3")).state is State.CANCELLED


def test_hostile_words_are_kept_as_they_are_and_no_longer_than_there_is_room(outbox):
    outbox.suppress(replace(wish(), source="s" * 500, reason="'; DROP TABLE outbox_choice; --\0\U0001f600" * 100))
    (kept,) = outbox.suppressions()
    assert (len(kept.source), len(kept.reason)) == (100, 1000)
    assert kept.reason.startswith("'; DROP TABLE outbox_choice; --\ufffd\U0001f600")


def test_a_claim_costs_as_many_queries_as_before_there_were_wishes(outbox):
    outbox.put([offer(str(number), f"p{number}@x.example") for number in range(50)], {}, NOW)
    outbox.suppress(wish())
    asked = []
    sa.event.listen(outbox._database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert len(claim(outbox, lane=Lane.BULK)) == 50
    about_wishes = [statement for statement in asked if "outbox_suppression" in statement]
    assert len(about_wishes) == 1, "within the query that brings the bytes"
    assert "wire" in about_wishes[0]
