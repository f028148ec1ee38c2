"""The outbox's contract, held over SQLite, PostgreSQL and MariaDB alike."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import timedelta

import pytest
import sqlalchemy as sa

from emailketing.errors import IllegalTransition, OutboxError
from emailketing.model import Lane, OnUnknown, Recipient, State
from emailketing.outbox import Filter, Outbox, Put, Verdict, connect_outbox
from emailketing.outbox import claim as claiming
from emailketing.outbox.schema import MEANINGS
from tests.letters import (
    ERP_TIME,
    LEASE_S,
    NOW,
    accepted,
    at,
    begin,
    claim,
    later,
    letter,
    refused,
    states,
    tale,
    unknown,
)


def put(outbox, *messages, cursors=None, seconds=0.0) -> Put:
    return outbox.put(list(messages), cursors or {}, at(seconds))


def rows(outbox, table: str) -> int:
    with outbox._database.engine.connect() as connection:
        return connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()


def key_of(message) -> str:
    return message.envelope.key


# --- put


def test_a_put_message_comes_out_as_it_went_in(outbox):
    given = letter("4512", files=[b"%PDF-1", b"\x00\xff" * 5000], expires_at=at(3600), wire=b"\x00wire\xff" * 3000)
    assert put(outbox, given) == Put(inserted=1, known=0)
    row = outbox.message(key_of(given))
    assert (row.mailing, row.document, row.version, row.channel) == ("purchase_order", "4512", "1", "email")
    assert (row.recipient_name, row.address, row.language) == ("Ana", "ana@example.com", "es")
    assert (row.sender, row.subject, row.message_id) == (given.sender, given.subject, given.message_id)
    assert (row.lane, row.on_unknown, row.state, row.attempts) == (Lane.INSTANT, OnUnknown.AGAIN, State.QUEUED, 0)
    assert (row.event_at, row.created_at, row.expires_at) == (NOW, NOW, at(3600))
    assert row.event_at.utcoffset() == timedelta(0)
    assert outbox.frozen(row.key) == given.frozen
    assert tale(outbox, row.key) == [(None, "queued")]


def test_a_key_that_is_known_is_left_alone(outbox):
    put(outbox, letter("1", wire=b"first"))
    assert put(outbox, letter("1", wire=b"second"), letter("2")) == Put(inserted=1, known=1)
    assert outbox.frozen(key_of(letter("1"))).wire == b"first"
    assert tale(outbox, key_of(letter("1"))) == [(None, "queued")]


def test_a_key_twice_in_one_put_is_one_message(outbox):
    assert put(outbox, letter("1", wire=b"first"), letter("1", wire=b"second")) == Put(inserted=1, known=1)
    assert outbox.frozen(key_of(letter("1"))).wire == b"first"


def test_a_put_of_more_than_a_chunk_keeps_all(outbox):
    many = [letter(str(number), wire=b"%d" % number) for number in range(1234)]
    assert put(outbox, *many) == Put(inserted=1234, known=0)
    assert put(outbox, *many) == Put(inserted=0, known=1234)
    assert (rows(outbox, "outbox_message"), rows(outbox, "outbox_content")) == (1234, 1234)
    assert outbox.frozen(key_of(many[777])).wire == b"777"


def test_keys_differ_by_case_and_by_a_trailing_blank(outbox):
    different = [letter("a"), letter("A"), letter("á"), letter("a", recipient=Recipient("ana@example.com "))]
    assert put(outbox, *different).inserted == 4
    assert outbox.known([key_of(different[0]), key_of(letter("b"))]) == {key_of(different[0])}


def test_a_key_of_700_characters_is_kept_and_longer_ones_stay_different(outbox):
    bare = len(key_of(letter("")))
    exact, longer, other = letter("x" * (700 - bare)), letter("x" * 5000 + "1"), letter("x" * 5000 + "2")
    assert len(key_of(exact)) == 700
    assert put(outbox, exact, longer, other).inserted == 3
    assert put(outbox, exact, longer, other).known == 3
    keys = {key_of(each) for each in (exact, longer, other)}
    assert outbox.known([*keys, key_of(letter("x" * 5000 + "3"))]) == keys
    assert outbox.message(key_of(longer)).document != outbox.message(key_of(other)).document
    assert outbox.history(key_of(other))


def test_hostile_text_is_kept_as_far_as_a_database_can(outbox):
    hostile = letter(
        "O'Br\\ien; DROP TABLE outbox_message--\0\U0001f600%s %(x)s", recipient=Recipient("a@b", "N" * 2000)
    )
    put(outbox, hostile)
    row = outbox.message(key_of(hostile))
    assert row.document == "O'Br\\ien; DROP TABLE outbox_message--\ufffd\U0001f600%s %(x)s"
    assert len(row.recipient_name) == 300


def test_an_address_too_long_to_keep_becomes_unaddressed_and_holds_nothing_up(outbox):
    long = letter("1", recipient=Recipient("x" * 400 + "@example.com"))
    assert put(outbox, long, letter("2")).inserted == 2
    row = outbox.message(key_of(long))
    assert row.state is State.UNADDRESSED
    assert "longer than" in row.reason
    assert [taken.address for taken in claim(outbox)] == ["ana@example.com"]


def test_a_message_that_is_never_sent_keeps_its_reason_and_has_no_bytes(outbox):
    nobody = letter("1", state=State.UNADDRESSED, reason="no '@' in 'ana'")
    put(outbox, nobody)
    assert outbox.message(key_of(nobody)).reason == "no '@' in 'ana'"
    assert outbox.history(key_of(nobody))[0].detail == "no '@' in 'ana'"
    assert outbox.frozen(key_of(nobody)) is None
    assert claim(outbox) == []


def test_a_message_to_be_sent_without_bytes_is_refused(outbox):
    from dataclasses import replace

    with pytest.raises(ValueError, match="no bytes"):
        put(outbox, replace(letter(), frozen=None))


def test_an_attachment_is_stored_once_for_all_who_get_it(outbox):
    price_list = b"%PDF" * 1000
    put(outbox, *[letter(str(number), files=[price_list, b"own %d" % number]) for number in range(20)])
    put(outbox, letter("again", files=[price_list]))
    assert (rows(outbox, "outbox_blob"), rows(outbox, "outbox_attachment")) == (21, 41)
    taken = claim(outbox)
    assert len(taken) == 21
    assert all(price_list in each.frozen.blobs.values() for each in taken)


def test_an_attachment_twice_in_one_message_comes_out_twice(outbox):
    given = letter("1", files=[b"same", b"same"])
    put(outbox, given)
    assert outbox.frozen(key_of(given)) == given.frozen
    assert len(given.frozen.inserts) == 2


def test_a_put_that_fails_leaves_nothing_behind(outbox):
    from dataclasses import replace

    broken = letter("2", files=[b"lost"])
    broken = replace(broken, frozen=replace(broken.frozen, blobs={}))
    with pytest.raises(OutboxError):
        put(outbox, letter("1"), broken, cursors={"purchase_order": ERP_TIME})
    assert outbox.messages() == []
    assert outbox.cursors() == {}


# --- cursors and the first look


def test_cursors_move_forward_only_and_keep_microseconds(outbox):
    assert outbox.cursor("receipt") is None
    put(outbox, cursors={"receipt": ERP_TIME})
    put(outbox, cursors={"receipt": ERP_TIME - timedelta(seconds=1)})
    assert outbox.cursor("receipt") == ERP_TIME
    put(outbox, cursors={"receipt": ERP_TIME + timedelta(microseconds=1), "quotation": ERP_TIME})
    assert outbox.cursors() == {"receipt": ERP_TIME + timedelta(microseconds=1), "quotation": ERP_TIME}


def test_the_first_look_happens_once(outbox):
    assert outbox.start("receipt", ERP_TIME, [("1", "a"), ("1", "a"), ("2", "")], NOW)
    assert not outbox.start("receipt", ERP_TIME + timedelta(days=1), [("3", "")], NOW)
    assert outbox.cursor("receipt") == ERP_TIME
    asked = [("1", "a"), ("1", "b"), ("2", ""), ("3", ""), ("2 ", "")]
    assert outbox.baseline("receipt", asked) == {("1", "a"), ("2", "")}
    assert outbox.baseline("quotation", asked) == set()
    assert outbox.start("quotation", ERP_TIME, [], NOW)


def test_a_first_look_at_long_histories_remembers_all(outbox):
    seen = [(f"doc {number}", "v" * number) for number in range(1300)]
    outbox.start("receipt", ERP_TIME, iter(seen), NOW)
    assert outbox.baseline("receipt", [*seen, ("new", "v")]) == set(seen)


# --- claim


def test_a_claim_takes_the_oldest_due_messages_of_its_lane_and_channel(outbox):
    put(
        outbox,
        letter("a young one", event_at=at(-10)),
        letter("old", event_at=at(-20)),
        letter("not yet", event_at=at(10), created_at=at(10)),
        letter("bulk", lane=Lane.BULK),
        letter("phone", channel="phone"),
        letter("held", state=State.HELD),
        letter("too old", expires_at=at(-1)),
    )
    assert [outbox.message(taken.key).document for taken in claim(outbox)] == ["old", "a young one"]
    assert [taken.channel for taken in claim(outbox, channel="phone")] == ["phone"]
    assert len(claim(outbox, lane="bulk")) == 1


def test_what_one_process_has_claimed_another_leaves_until_the_lease_runs_out(outbox):
    put(outbox, *[letter(str(number)) for number in range(5)])
    mine = claim(outbox, "me", limit=3)
    theirs = claim(outbox, "they")
    assert len(mine) == 3
    assert len(theirs) == 2
    assert not {each.id for each in mine} & {each.id for each in theirs}
    assert set(states(outbox).values()) == {"queued"}
    assert claim(outbox, "third", seconds=LEASE_S - 1) == []
    assert len(claim(outbox, "third", seconds=LEASE_S)) == 5


def test_a_claim_is_bounded_by_bytes_and_brings_at_least_one(outbox, monkeypatch):
    monkeypatch.setattr(claiming, "BUDGET", 10_000)
    shared = b"s" * 4000
    put(outbox, letter("0", wire=b"x" * 50_000, event_at=at(-1)))
    put(outbox, *[letter(str(number), wire=b"x" * 2000, files=[shared]) for number in range(1, 6)])
    assert [len(taken.frozen.wire) for taken in claim(outbox)] == [50_000]
    assert len(claim(outbox)) == 3  # 3 × 2000 and the shared file once
    assert len(claim(outbox)) == 2


def test_a_released_claim_is_free_at_once_and_what_was_begun_stays(outbox):
    put(outbox, letter("1"), letter("2"), letter("3"))
    taken = claim(outbox, "me")
    outbox.step("me", None, taken[0].id, NOW, LEASE_S)
    assert outbox.release("me") == 2
    assert outbox.release("me") == 0
    assert [each.id for each in claim(outbox, "they")] == [taken[1].id, taken[2].id]


# --- step


def test_a_step_settles_one_message_and_begins_the_next(outbox):
    put(outbox, letter("1"), letter("2"))
    first, second = claim(outbox)
    assert outbox.step("worker", None, first.id, at(1), LEASE_S)
    assert states(outbox) == {"1": "sending", "2": "queued"}
    assert outbox.step("worker", accepted(first, 2), second.id, at(3), LEASE_S)
    assert states(outbox) == {"1": "accepted", "2": "sending"}
    assert not outbox.step("worker", accepted(second, 4), None, at(4), LEASE_S)
    row = outbox.message(first.key)
    assert (row.accepted_at, row.code, row.reason) == (at(2), 250, "2.0.0 queued as 1A2B")
    assert (row.attempts, row.next_attempt_at, row.lease_owner, row.lease_until) == (1, None, None, None)
    assert [(entry.at, entry.to_state, entry.cause) for entry in outbox.history(first.key)] == [
        (NOW, State.QUEUED, "put"),
        (at(1), State.SENDING, "attempt"),
        (at(2), State.ACCEPTED, "receipt"),
    ]
    assert outbox.history(first.key)[-1].detail == "250 2.0.0 queued as 1A2B"


@pytest.mark.parametrize(
    ("receipt", "state", "cause"),
    [
        (accepted, "accepted", "receipt"),
        (later, "queued", "receipt"),
        (lambda taken, seconds: later(taken, seconds, None), "refused", "attempts used up"),
        (refused, "refused", "receipt"),
        (unknown, "unknown", "receipt"),
    ],
)
def test_each_receipt_leads_to_its_state(outbox, receipt, state, cause):
    put(outbox, letter("1"))
    taken = begin(outbox)
    outbox.step("worker", receipt(taken, 5), None, at(5), LEASE_S)
    assert states(outbox) == {"1": state}
    assert tale(outbox, taken.key)[-1] == ("sending", state)
    assert outbox.history(taken.key)[-1].cause == cause


def test_a_message_wanted_later_comes_back_when_its_time_has_come(outbox):
    put(outbox, letter("1"))
    taken = begin(outbox)
    outbox.step("worker", later(taken, 1, wait_s=60), None, at(1), LEASE_S)
    assert claim(outbox, seconds=60) == []
    [again] = claim(outbox, seconds=61)
    assert (again.id, again.attempts, again.message_id) == (taken.id, 1, taken.message_id)


def test_a_step_does_not_begin_what_is_no_longer_ours(outbox):
    put(outbox, *[letter(name) for name in ("cancelled", "claimed", "never claimed")])
    put(outbox, letter("expired", expires_at=at(5)))
    taken = {outbox.message(each.key).document: each for each in claim(outbox, "me")}
    outbox.cancel(taken["cancelled"].key, "maria", "wrong supplier", at(1))
    claim(outbox, "they", seconds=LEASE_S + 1)
    for name in ("cancelled", "claimed"):
        assert not outbox.step("me", None, taken[name].id, at(LEASE_S + 2), LEASE_S)
    assert not outbox.step("they", None, taken["expired"].id, at(6), LEASE_S)
    assert not outbox.step("nobody", None, taken["never claimed"].id, at(6), LEASE_S)
    assert "sending" not in states(outbox).values()
    assert all(len(outbox.history(each.key)) <= 2 for each in taken.values())


def test_a_settlement_counts_although_the_next_message_is_gone(outbox):
    put(outbox, letter("1"), letter("2"))
    first, second = claim(outbox)
    outbox.step("worker", None, first.id, NOW, LEASE_S)
    outbox.cancel(second.key, "maria", "", NOW)
    assert not outbox.step("worker", accepted(first), second.id, NOW, LEASE_S)
    assert states(outbox) == {"1": "accepted", "2": "cancelled"}


def test_a_step_with_a_wrong_settlement_does_nothing_at_all(outbox):
    put(outbox, letter("1"), letter("2"))
    first, second = claim(outbox, "me")
    with pytest.raises(IllegalTransition, match="queued and cannot become accepted"):
        outbox.step("me", accepted(first), second.id, NOW, LEASE_S)
    outbox.step("me", None, first.id, NOW, LEASE_S)
    with pytest.raises(IllegalTransition, match="not they's attempt"):
        outbox.step("they", accepted(first), second.id, NOW, LEASE_S)
    with pytest.raises(IllegalTransition, match="does not exist"):
        outbox.step("me", accepted(type(first)(**{**_fields(first), "id": 999_999})), second.id, NOW, LEASE_S)
    assert states(outbox) == {"1": "sending", "2": "queued"}
    assert tale(outbox, second.key) == [(None, "queued")]


def _fields(claim):
    return {name: getattr(claim, name) for name in claim.__dataclass_fields__}


def test_a_receipt_recorded_twice_is_recorded_once(outbox):
    put(outbox, letter("1"))
    taken = begin(outbox)
    for _ in range(2):  # the answer to the first commit was lost on the way
        outbox.step("worker", accepted(taken, 1), None, at(1), LEASE_S)
    assert tale(outbox, taken.key)[-1] == ("sending", "accepted")
    assert len(outbox.history(taken.key)) == 3
    with pytest.raises(IllegalTransition):
        outbox.step("worker", refused(taken, 2), None, at(2), LEASE_S)


# --- rescue


def rescue(outbox, seconds, attempts=12):
    return outbox.rescue(at(seconds), at(seconds + 30), attempts)


def test_a_message_whose_sender_died_is_queued_again_where_the_mailing_says_so(outbox):
    put(outbox, letter("1"))
    taken = begin(outbox, "dead")
    assert rescue(outbox, LEASE_S - 1) == []
    [saved] = rescue(outbox, LEASE_S)
    assert (saved.key, saved.mailing, saved.state) == (taken.key, "purchase_order", State.QUEUED)
    assert tale(outbox, taken.key)[-2:] == [("sending", "unknown"), ("unknown", "queued")]
    assert "dead" in outbox.history(taken.key)[-2].detail
    assert claim(outbox, seconds=LEASE_S + 29) == []
    [again] = claim(outbox, seconds=LEASE_S + 30)
    assert again.message_id == taken.message_id
    assert rescue(outbox, LEASE_S + 31) == []


def test_a_greeting_in_doubt_is_never_sent_again_and_the_decision_is_told_once(outbox):
    put(outbox, letter("1", on_unknown=OnUnknown.NEVER))
    taken = begin(outbox)
    [left] = rescue(outbox, LEASE_S)
    assert left.state is State.UNKNOWN
    assert "never sent again" in left.reason
    assert rescue(outbox, LEASE_S + 1) == []
    assert tale(outbox, taken.key)[-2:] == [("sending", "unknown"), ("unknown", "unknown")]
    assert outbox.message(taken.key).reason == left.reason


def test_a_message_in_doubt_after_its_last_attempt_is_left_to_a_person(outbox):
    put(outbox, letter("1"))
    begin(outbox)
    [left] = rescue(outbox, LEASE_S, attempts=1)
    assert (left.state, "1 attempts are used up" in left.reason) == (State.UNKNOWN, True)


def test_a_lost_answer_is_settled_by_the_same_policy(outbox):
    put(outbox, letter("again"), letter("never", on_unknown=OnUnknown.NEVER))
    for _ in range(2):
        taken = begin(outbox)
        outbox.step("worker", unknown(taken, 1), None, at(1), LEASE_S)
    assert {saved.state for saved in rescue(outbox, 2)} == {State.QUEUED, State.UNKNOWN}
    assert states(outbox) == {"again": "queued", "never": "unknown"}


def test_what_a_person_must_decide_does_not_count_as_unfinished(outbox):
    put(outbox, letter("1", state=State.HELD), letter("2", state=State.UNADDRESSED, wire=None))
    assert not outbox.unfinished()
    put(outbox, letter("3", on_unknown=OnUnknown.NEVER))
    assert outbox.unfinished()
    assert outbox.unfinished(Lane.INSTANT)
    assert not outbox.unfinished(Lane.BULK)
    taken = begin(outbox)
    assert outbox.unfinished()
    outbox.step("worker", unknown(taken), None, NOW, LEASE_S)
    assert outbox.unfinished(), "the policy has yet to speak"
    rescue(outbox, 1)
    assert outbox.message(taken.key).state is State.UNKNOWN
    assert not outbox.unfinished()


def test_a_claim_whose_process_died_before_sending_costs_nothing(outbox):
    put(outbox, letter("1"))
    claim(outbox, "dead")
    assert rescue(outbox, LEASE_S) == []
    [again] = claim(outbox, seconds=LEASE_S)
    assert again.attempts == 0
    assert tale(outbox, again.key) == [(None, "queued")]


@pytest.mark.parametrize(("receipt", "state"), [(accepted, "accepted"), (refused, "refused")])
@pytest.mark.parametrize("policy", OnUnknown)
def test_a_late_receipt_prevents_a_second_sending(outbox, receipt, state, policy):
    put(outbox, letter("1", on_unknown=policy))
    taken = begin(outbox, "slow")
    rescue(outbox, LEASE_S)
    outbox.step("slow", receipt(taken, LEASE_S + 1), None, at(LEASE_S + 1), LEASE_S)
    assert states(outbox) == {"1": state}
    assert claim(outbox, seconds=LEASE_S + 100) == []
    assert outbox.history(taken.key)[-1].cause == "late receipt"
    assert_unbroken(outbox, taken.key)


def test_a_late_receipt_that_tells_nothing_new_changes_nothing(outbox):
    put(outbox, letter("1"), letter("2", on_unknown=OnUnknown.NEVER))
    one, two = begin(outbox, "slow"), begin(outbox, "slow too")
    rescue(outbox, LEASE_S)
    outbox.step("slow", later(one, LEASE_S), None, at(LEASE_S), LEASE_S)
    outbox.step("slow too", unknown(two, LEASE_S), None, at(LEASE_S), LEASE_S)
    assert states(outbox) == {"1": "queued", "2": "unknown"}


def test_a_receipt_comes_too_late_when_another_has_the_message_in_hand(outbox):
    put(outbox, letter("1"))
    taken = begin(outbox, "slow")
    rescue(outbox, LEASE_S)
    claim(outbox, "quick", seconds=LEASE_S + 30)
    with pytest.raises(IllegalTransition):
        outbox.step("slow", accepted(taken, LEASE_S + 31), None, at(LEASE_S + 31), LEASE_S)
    assert outbox.step("quick", None, taken.id, at(LEASE_S + 32), LEASE_S)


def test_its_own_rescued_message_is_not_begun_without_a_claim(outbox):
    put(outbox, letter("1"))
    taken = begin(outbox, "slow")
    rescue(outbox, LEASE_S)
    assert not outbox.step("slow", None, taken.id, at(LEASE_S + 60), LEASE_S)


# --- expiry and pruning


def test_waiting_messages_expire_and_leased_or_sent_ones_do_not(outbox):
    for name, given in {"queued": {}, "held": {"state": State.HELD}, "endless": {"expires_at": None}}.items():
        put(outbox, letter(name, lane=Lane.BULK, **{"expires_at": at(10), **given}))
    put(outbox, letter("leased", expires_at=at(10)), letter("sending", lane=Lane.REPORT, expires_at=at(10)))
    claim(outbox)
    [sending] = claim(outbox, lane="report")
    outbox.step("worker", None, sending.id, NOW, LEASE_S)
    assert outbox.expire(at(9)) == 0
    assert outbox.expire(at(10)) == 2
    expected = {"queued": "expired", "held": "expired", "endless": "queued", "leased": "queued", "sending": "sending"}
    assert states(outbox) == expected
    assert outbox.expire(at(LEASE_S)) == 1
    assert tale(outbox, key_of(letter("leased")))[-1] == ("queued", "expired")


def test_pruning_takes_old_ended_messages_and_nothing_else(outbox):
    put(outbox, letter("ended", files=[b"shared", b"alone"]), letter("waiting", files=[b"shared"]))
    taken = next(each for each in claim(outbox) if outbox.message(each.key).document == "ended")
    outbox.step("worker", None, taken.id, NOW, LEASE_S)
    outbox.step("worker", accepted(taken, 10), None, at(10), LEASE_S)
    assert outbox.prune(at(10), at(10)).messages == 0
    pruned = outbox.prune(NOW, at(11))
    assert (pruned.messages, pruned.contents, pruned.blobs) == (0, 1, 1)
    assert outbox.frozen(taken.key) is None
    assert outbox.message(taken.key).state is State.ACCEPTED
    pruned = outbox.prune(at(11), at(11))
    assert (pruned.messages, pruned.contents, pruned.blobs) == (1, 0, 0)
    assert outbox.message(taken.key) is None
    assert rows(outbox, "outbox_history") == 1
    assert outbox.frozen(key_of(letter("waiting", files=[b"shared"]))).blobs


def test_pruning_keeps_a_doubt_that_no_policy_has_settled(outbox):
    put(outbox, letter("1", on_unknown=OnUnknown.NEVER))
    taken = begin(outbox)
    outbox.step("worker", unknown(taken), None, NOW, LEASE_S)
    assert outbox.prune(at(999), at(999)).messages == 0
    rescue(outbox, 1)
    assert outbox.prune(at(999), at(999)).messages == 1


def test_a_blob_that_a_put_has_just_brought_is_not_pruned(outbox):
    put(outbox, letter("1", files=[b"shared"]), seconds=0)
    outbox.cancel(key_of(letter("1")), "maria", "", NOW)
    outbox.prune(at(1), NOW)
    assert rows(outbox, "outbox_blob") == 1
    put(outbox, letter("1", files=[b"shared"]), seconds=50)
    assert outbox.prune(at(40), at(40)).blobs == 0


# --- people


def test_a_person_cancels_what_waits_and_it_is_told_who_and_why(outbox):
    put(outbox, letter("1"), letter("2", state=State.HELD))
    for name in ("1", "2"):
        outbox.cancel(key_of(letter(name)), "maria", "wrong supplier", at(1))
    assert set(states(outbox).values()) == {"cancelled"}
    last = outbox.history(key_of(letter("1")))[-1]
    assert (last.cause, last.detail, last.at) == ("cancelled by maria", "wrong supplier", at(1))
    assert claim(outbox, seconds=10) == []


def test_a_person_sends_again_what_has_ended_with_the_same_bytes(outbox):
    put(outbox, letter("1", expires_at=at(10), wire=b"same"))
    taken = begin(outbox)
    outbox.step("worker", accepted(taken), None, NOW, LEASE_S)
    outbox.resend(taken.key, "maria", "supplier lost it", at(20))
    [again] = claim(outbox, seconds=20)
    assert (again.frozen.wire, again.attempts, again.message_id) == (b"same", 0, taken.message_id)
    assert outbox.message(taken.key).accepted_at == NOW


def test_nothing_is_sent_again_without_its_content(outbox):
    put(outbox, letter("1"))
    outbox.cancel(key_of(letter("1")), "maria", "", NOW)
    outbox.prune(NOW, at(1))
    with pytest.raises(OutboxError, match="content was pruned"):
        outbox.resend(key_of(letter("1")), "maria", "", at(2))


def test_a_held_message_goes_when_a_person_approves(outbox):
    put(outbox, letter("1", state=State.HELD, expires_at=at(100)))
    outbox.approve(key_of(letter("1")), "carlos", "checked", at(5))
    assert len(claim(outbox, seconds=5)) == 1
    assert outbox.message(key_of(letter("1"))).expires_at == at(100)
    with pytest.raises(IllegalTransition, match="nothing to approve"):
        outbox.approve(key_of(letter("1")), "carlos", "", at(6))


@pytest.mark.parametrize(
    ("verdict", "state"), [(Verdict.SENT, "accepted"), (Verdict.RESEND, "queued"), (Verdict.DROP, "cancelled")]
)
def test_a_person_settles_a_doubt(outbox, verdict, state):
    put(outbox, letter("1", on_unknown=OnUnknown.NEVER))
    taken = begin(outbox)
    with pytest.raises(IllegalTransition, match="not unknown"):
        outbox.settle_unknown(taken.key, verdict, "maria", "", NOW)
    rescue(outbox, LEASE_S)
    outbox.settle_unknown(taken.key, verdict, "maria", "she called", at(LEASE_S))
    assert states(outbox) == {"1": state}
    assert f"settled as {verdict} by maria" == outbox.history(taken.key)[-1].cause


def test_what_is_being_sent_cannot_be_taken_back_or_sent_again(outbox):
    put(outbox, letter("1"))
    taken = begin(outbox)
    for act in (outbox.cancel, outbox.resend):
        with pytest.raises(IllegalTransition, match="sending"):
            act(taken.key, "maria", "", NOW)
    assert states(outbox) == {"1": "sending"}


@pytest.mark.parametrize("state", [State.UNADDRESSED, State.SUPPRESSED])
def test_an_illegal_change_names_both_states_and_what_is_allowed(outbox, state):
    put(outbox, letter("1", state=state, reason="why"))
    with pytest.raises(IllegalTransition, match=f"is {state} and cannot become queued.*nothing: it is final"):
        outbox.resend(key_of(letter("1")), "maria", "", NOW)
    with pytest.raises(IllegalTransition, match="cannot become cancelled"):
        outbox.cancel(key_of(letter("1")), "maria", "", NOW)


def test_a_key_that_does_not_exist_is_said_to_be_missing(outbox):
    with pytest.raises(OutboxError, match="no message nonsense"):
        outbox.cancel("nonsense", "maria", "", NOW)
    assert (outbox.message("nonsense"), outbox.history("nonsense"), outbox.frozen("nonsense")) == (None, [], None)


# --- looking


def test_messages_are_found_by_what_is_known_of_them(outbox):
    put(
        outbox,
        letter("1", created_at=at(0)),
        letter("12", created_at=at(10), lane=Lane.REPORT),
        letter("1:2%", created_at=at(20), recipient=Recipient("bea@example.com")),
        letter("1", mailing="purchase", state=State.SUPPRESSED, created_at=at(30)),
        letter("1", channel="phone", created_at=at(40)),
    )

    def found(**wanted):
        return [row.document for row in outbox.messages(Filter(**wanted))]

    assert found() == ["1", "1", "1:2%", "12", "1"]
    assert found(mailing="purchase_order") == ["1", "1:2%", "12", "1"]
    assert found(mailing="purchase_order", document="1") == ["1", "1"]
    assert found(mailing="purchase_order", document="1:2%") == ["1:2%"]
    assert found(document="12") == ["12"]
    assert found(states=(State.SUPPRESSED,)) == ["1"]
    assert found(lane=Lane.REPORT) == ["12"]
    assert found(address="bea@example.com") == ["1:2%"]
    assert found(channel="phone") == ["1"]
    assert found(since=at(10), until=at(30)) == ["1:2%", "12"]
    assert len(outbox.messages(limit=2)) == 2


def test_counts_tell_each_mailing_by_state(outbox):
    put(outbox, letter("1"), letter("2"), letter("3", mailing="receipt", state=State.UNADDRESSED))
    assert outbox.counts() == {"purchase_order": {State.QUEUED: 2}, "receipt": {State.UNADDRESSED: 1}}


def test_the_states_are_explained_in_the_database(outbox):
    with outbox._database.engine.connect() as connection:
        told = dict(connection.execute(sa.text("SELECT name, meaning FROM outbox_state")).all())
    assert told == {state.value: meaning for state, meaning in MEANINGS.items()}
    assert set(MEANINGS) == set(State)


def test_a_naive_time_is_refused(outbox):
    with pytest.raises(OutboxError, match="no timezone"):
        put(outbox, letter("1", expires_at=NOW.replace(tzinfo=None)))


def test_missing_tables_are_said_to_be_missing(database_url):
    outbox = Outbox(connect_outbox(database_url))
    with pytest.raises(OutboxError, match="tables are missing"):
        outbox.counts()
    outbox.close()


def assert_unbroken(outbox, key):
    """Each line of a history begins where the one before has ended, and the last one is where the message stands."""
    entries = outbox.history(key)
    assert entries[0].from_state is None
    for before, after in itertools.pairwise(entries):
        assert after.from_state == before.to_state
    assert entries[-1].to_state == outbox.message(key).state


def test_a_message_held_without_bytes_is_filled_and_sent(outbox):
    held = letter("1", state=State.HELD, reason="body.html.j2:3: 'totl' is undefined")
    put(outbox, dataclasses.replace(held, frozen=None))
    (row,) = outbox.unrendered("purchase_order")
    assert row.envelope == held.envelope
    assert outbox.unrendered("purchase_order", after=row.id) == []
    assert outbox.unrendered("receipt") == []
    with pytest.raises(OutboxError, match="content"):
        outbox.approve(held.envelope.key, "ana", "why not", at(1))
    outbox.fill(held, at(2))
    outbox.fill(held, at(3))  # again, as after a crash
    assert outbox.unrendered("purchase_order") == []
    assert outbox.frozen(held.envelope.key).wire == held.frozen.wire
    (claim,) = outbox.claim("email", Lane.INSTANT, 10, "me", 60, at(4))
    assert claim.key == held.envelope.key
    states = [entry.to_state for entry in outbox.history(claim.key)]
    assert states == [State.HELD, State.QUEUED]
