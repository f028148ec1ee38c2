"""Who gets what, as the outbox keeps it, held over SQLite, PostgreSQL and MariaDB alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import sqlalchemy as sa

from emailketing.model import Recipient, State, Subscribed, Subscription, Switch, document_of, version_of
from emailketing.outbox import Addressed
from tests.letters import NOW, at, letter

ANA = Subscription("cash_closing", "email", "ana@x.example", "Ana Ñandú 🛢️", "es", {"branch": "001"}, {"hour": 7})


def put(outbox, *messages):
    outbox.put(list(messages), {}, NOW)


def copied(message, address="copy@x.example", **changes):
    recipient = Recipient(address)
    envelope = replace(message.envelope, recipient=recipient, because="copy by include/subscriptions.yaml:2", **changes)
    return replace(message, envelope=envelope)


def test_a_subscription_comes_out_as_it_went_in_and_the_last_one_stands(outbox):
    assert outbox.subscribed() == Subscribed()
    outbox.subscribe(ANA, "eva", NOW)
    assert outbox.subscribed().subscriptions == (replace(ANA, by="eva", at=NOW),)
    changed = replace(ANA, where=None, on=False, options={"formats": ["pdf", None, 1.5]}, name="")
    outbox.subscribe(changed, "rosa", at(5))
    assert outbox.subscribed().subscriptions == (replace(changed, by="rosa", at=at(5)),)


def test_each_mailing_channel_and_address_has_its_own(outbox):
    others = [
        replace(ANA, mailing="sales_closing"),
        replace(ANA, channel="phone"),
        replace(ANA, address="Ana@x.example"),
    ]
    for each in (ANA, *others):
        outbox.subscribe(each, "eva", NOW)
    assert len(outbox.subscribed().subscriptions) == 4
    assert outbox.unsubscribe("cash_closing", "email", "ana@x.example")
    assert not outbox.unsubscribe("cash_closing", "email", "ana@x.example")
    assert {each.address for each in outbox.subscribed().subscriptions} == {"ana@x.example", "Ana@x.example"}
    assert len(outbox.subscribed().subscriptions) == 3


def test_a_mailing_is_switched(outbox):
    outbox.switch("cash_closing", False, "eva", NOW)
    outbox.switch("cash_closing", True, "rosa", at(1))
    outbox.switch("sales_closing", False, "eva", NOW)
    assert outbox.subscribed().switches == (
        Switch("cash_closing", True, "rosa", at(1)),
        Switch("sales_closing", False, "eva", NOW),
    )


def test_two_who_set_the_same_at_once_both_succeed_and_one_stands(outbox):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: outbox.subscribe(replace(ANA, name=f"A{number}"), "eva", NOW), range(8)))
    (one,) = outbox.subscribed().subscriptions
    assert one.name in {f"A{number}" for number in range(8)}


def test_all_of_it_is_read_by_two_queries_however_much_it_is(outbox):
    for number in range(5):
        outbox.subscribe(replace(ANA, address=f"a{number}@x.example"), "eva", NOW)
    queries = []
    sa.event.listen(outbox._database.engine, "before_cursor_execute", lambda *args: queries.append(args[2]))
    assert len(outbox.subscribed().subscriptions) == 5
    assert len([query for query in queries if query.startswith("SELECT")]) == 2


def test_the_files_last_good_text_is_kept(outbox):
    assert outbox.provision() is None
    outbox.provide("mailings: {}\n", NOW)
    outbox.provide("# ñ 🛢️\n" + "x" * 200_000, at(1))
    assert outbox.provision() == "# ñ 🛢️\n" + "x" * 200_000


def test_why_somebody_gets_a_message_is_in_its_history_and_goes_with_it(outbox):
    message = copied(letter("1"))
    put(outbox, message, letter("1"))
    assert outbox.history(message.envelope.key)[0].detail == "copy by include/subscriptions.yaml:2"
    assert outbox.history(letter("1").envelope.key)[0].detail == ""
    assert because(outbox) == ["copy by include/subscriptions.yaml:2"]
    for key in (message.envelope.key, letter("1").envelope.key):
        outbox.cancel(key, "ana", "enough", at(1))
    assert outbox.prune(at(100), at(100)).messages == 2
    assert because(outbox) == []


def because(outbox):
    with outbox._database.engine.connect() as connection:
        return connection.execute(sa.text("SELECT because FROM outbox_meant")).scalars().all()


def test_whom_a_document_was_told_is_known_by_row_and_at_all(outbox):
    told, only_copied, nobody = letter("1"), copied(letter("2")), letter("3", state=State.UNADDRESSED, reason="none")
    put(outbox, told, copied(letter("1")), only_copied, letter("2", state=State.UNADDRESSED), nobody)
    put(outbox, copied(letter("4"), channel="phone"))
    keys = [letter(number).envelope.key for number in "12345"]
    assert outbox.addressed({version_of(key) for key in keys}) == Addressed(
        by_row=frozenset({document_of(keys[0])}), at_all=frozenset(version_of(keys[place]) for place in (0, 1, 3))
    )
    assert outbox.addressed([]) == Addressed()


def test_whom_more_than_a_hundred_documents_were_told(outbox):
    put(outbox, *[letter(str(number)) if number % 2 else copied(letter(str(number))) for number in range(250)])
    found = outbox.addressed({version_of(letter(str(number)).envelope.key) for number in range(300)})
    assert (len(found.by_row), len(found.at_all)) == (125, 250)


def test_what_is_passed_over_is_history_however_often(outbox):
    outbox.start("cash_closing", NOW, [("1", "1")], NOW)
    assert outbox.pass_over("cash_closing", [("1", "1"), ("2", "1"), ("2", "2")], NOW) == 2
    assert outbox.pass_over("cash_closing", [("2", "2"), ("3", "1")], NOW) == 1
    assert outbox.pass_over("cash_closing", [], NOW) == 0
    candidates = [("1", "1"), ("2", "1"), ("2", "2"), ("3", "1"), ("3", "2")]
    assert outbox.baseline("cash_closing", candidates) == set(candidates[:4])
    assert outbox.baseline("sales_closing", candidates) == set()


def test_two_sweeps_that_pass_over_the_same_at_once_both_succeed(outbox):
    seen = [(str(number), "1") for number in range(1200)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: outbox.pass_over("cash_closing", seen, NOW), range(3)))
    assert outbox.baseline("cash_closing", seen) == set(seen)
