"""What follows where a message reached nobody: the outbox's part, over SQLite, PostgreSQL and MariaDB alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest

from emailketing.model import Recipient, State
from emailketing.outbox import Escalation
from tests.letters import LEASE_S, NOW, at, begin, letter, refused, states

REASON = "email is empty in the ERP"


def put_refused(outbox, *documents, **changes):
    """Messages that the server refused."""
    for document in documents:
        outbox.put([letter(document, **changes)], {}, NOW)
        taken = begin(outbox)
        outbox.step("worker", refused(taken), None, at(1), LEASE_S)


def unreached(outbox, after=0, but="phone", since=NOW, mailing="purchase_order"):
    return outbox.unreached(mailing, after, but, since)


def text_to(document, number="+595981123456"):
    return letter(document, channel="phone", recipient=Recipient(number, "Ana", "es"), wire=b"Hola")


def causes(outbox, key):
    return [(entry.cause, entry.detail) for entry in outbox.history(key)]


def test_who_was_refused_or_has_no_address_is_unreached_and_nobody_else(outbox):
    outbox.put([letter("open"), letter("nobody", state=State.UNADDRESSED, reason=REASON)], {}, NOW)
    outbox.put([letter("old", state=State.EXPIRED), letter("wished", state=State.SUPPRESSED)], {}, NOW)
    outbox.put([letter("taken back")], {}, NOW)
    outbox.cancel(letter("taken back").envelope.key, "Ana", "wrong", NOW)
    outbox.cancel(letter("open").envelope.key, "Ana", "wrong", NOW)
    put_refused(outbox, "refused")
    found = {each.envelope.document: each.envelope.state for each in unreached(outbox)}
    assert found == {"nobody": State.UNADDRESSED, "refused": State.REFUSED}


def test_an_unreached_message_is_the_envelope_that_it_was(outbox):
    put_refused(outbox, "1")
    (each,) = unreached(outbox)
    given = letter("1").envelope
    assert each.envelope == replace(given, state=State.REFUSED, reason=each.envelope.reason)
    assert each.id == outbox.message(given.key).id


def test_copies_the_other_channel_other_mailings_and_what_is_old_are_left_out(outbox):
    nobody = {"state": State.UNADDRESSED, "reason": REASON}
    outbox.put([letter("copy", because="copy by include/subscriptions.yaml:12", **nobody)], {}, NOW)
    outbox.put([letter("text", channel="phone", **nobody), letter("other", mailing="receipt", **nobody)], {}, NOW)
    outbox.put([letter("past", created_at=at(-10), **nobody)], {}, at(-10))
    outbox.put([letter("it", **nobody)], {}, NOW)
    assert [each.envelope.document for each in unreached(outbox)] == ["it"]
    assert [each.envelope.document for each in unreached(outbox, but="email")] == ["text"]
    assert [each.envelope.document for each in unreached(outbox, mailing="receipt")] == ["other"]
    assert {each.envelope.document for each in unreached(outbox, since=at(-10))} == {"past", "it"}


def test_one_that_waited_for_days_before_it_was_refused_is_not_left_out(outbox):
    put_refused(outbox, "1", created_at=NOW - timedelta(days=5))
    assert [each.envelope.document for each in unreached(outbox)] == ["1"]


def test_they_come_in_order_of_their_ids_and_after_one(outbox):
    outbox.put([letter(f"{n:04}", state=State.UNADDRESSED, reason=REASON) for n in range(1203)], {}, NOW)
    found, after = [], 0
    while some := unreached(outbox, after):
        assert len(some) <= 500
        after = some[-1].id
        found += [each.id for each in some]
    assert len(found) == 1203
    assert found == sorted(set(found))


def test_what_follows_is_put_and_its_decision_noted_once(outbox):
    put_refused(outbox, "1", "2")
    first, second = unreached(outbox)
    follows = [Escalation(first.id, "told by phone instead: …456", (text_to("1"),)), Escalation(second.id, "nobody")]
    assert outbox.escalate(follows, at(5)).inserted == 1
    assert unreached(outbox) == []
    row = outbox.message(text_to("1").envelope.key)
    assert (row.state, row.channel) == (State.QUEUED, "phone")
    assert outbox.frozen(row.key).wire == b"Hola"
    (*_, told) = outbox.history(letter("1").envelope.key)
    assert (told.from_state, told.to_state) == (State.REFUSED, State.REFUSED)
    assert (told.at, told.cause, told.detail) == (at(5), "escalated", "told by phone instead: …456")
    assert outbox.message(letter("1").envelope.key).state is State.REFUSED
    assert outbox.escalate(follows, at(6)).inserted == 0
    for document, decision in (("1", "told by phone instead: …456"), ("2", "nobody")):
        told = [detail for cause, detail in causes(outbox, letter(document).envelope.key) if cause == "escalated"]
        assert told == [decision]


def test_two_that_were_missed_may_lead_to_one_message_and_a_known_one_is_left_alone(outbox):
    put_refused(outbox, "1")
    put_refused(outbox, "1", recipient=Recipient("office@example.com"))
    outbox.put([text_to("2")], {}, NOW)
    put_refused(outbox, "2")
    one, other, third = unreached(outbox)
    follows = [Escalation(each.id, "told", (text_to("1"),)) for each in (one, other)]
    done = outbox.escalate([*follows, Escalation(third.id, "already", (text_to("2"),))], at(5))
    assert (done.inserted, done.known) == (1, 2)
    assert unreached(outbox) == []


def test_what_a_person_has_sent_again_meanwhile_has_no_other_consequence(outbox):
    put_refused(outbox, "1")
    (missed,) = unreached(outbox)
    key = letter("1").envelope.key
    outbox.resend(key, "Ana", "the mailbox is there again", at(2))
    assert outbox.escalate([Escalation(missed.id, "told", (text_to("1"),))], at(5)).inserted == 0
    assert outbox.message(text_to("1").envelope.key) is None
    assert "escalated" not in dict(causes(outbox, key))


def test_what_cannot_be_put_is_not_decided(outbox):
    put_refused(outbox, "1")
    (missed,) = unreached(outbox)
    with pytest.raises(ValueError, match="no bytes"):
        outbox.escalate([Escalation(missed.id, "told", (replace(text_to("1"), frozen=None),))], at(5))
    assert unreached(outbox) == [missed]


def test_two_sweeps_at_once_decide_once(outbox):
    put_refused(outbox, *map(str, range(40)))
    missed, together = unreached(outbox), Barrier(4)

    def decide(number):
        together.wait()
        order = missed if number % 2 else missed[::-1]
        return outbox.escalate(
            [Escalation(each.id, f"{number}", (text_to(each.envelope.document),)) for each in order], at(number)
        ).inserted

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(decide, range(4))) == 40
    for each in missed:
        assert [cause for cause, _ in causes(outbox, each.envelope.key)].count("escalated") == 1


def test_what_waits_is_what_is_still_to_be_sent(outbox):
    outbox.put([letter("1"), letter("2"), letter("3"), letter("x", mailing="receipt")], {}, NOW)
    outbox.put([letter("held", state=State.HELD)], {}, NOW)
    begin(outbox)
    sending = next(document for document, state in states(outbox).items() if state == "sending")
    left = sorted({"1", "2", "3", "x"} - {sending} - {"x"})
    found = outbox.waiting("purchase_order")
    assert sorted(each.envelope.document for each in found) == left
    assert [each.envelope.document for each in outbox.waiting("purchase_order", after=found[0].id)] == [
        found[1].envelope.document
    ]
