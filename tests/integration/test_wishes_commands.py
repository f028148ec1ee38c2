"""Suppressions and consents as a person settles them: real processes, a real mail server, and a delivery under way."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from demo.catcher import read_log
from emailketing import audience, road
from emailketing.channels import wire
from emailketing.model import Content, Kind, Lane, OnUnknown, Recipient, Sender
from emailketing.outbox import Outbox
from emailketing.road import utc_now
from tests.letters import letter
from tests.processes import until
from tests.smtp_servers import ScriptedServer, Stall

SECRET = "a secret of the tests alone"
DOOR = audience.Door([SECRET], "leave@company.example")
SENDER = Sender("offers@company.example", "Company")
QUERY = "SELECT id AS document, email, consent, consent_at FROM parties WHERE email IS NOT NULL"


@pytest.fixture
def shop(desk):
    """A desk whose outbox holds an offer for each of three customers, and an order for the first."""
    (desk.include / "sql" / "promotion.sql").write_text(QUERY)
    engine = sa.create_engine(desk.env["AIRFLOW_CONN_ERP"])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE parties SET consent = 1, email = 'p' || id || '@x.example'")
        desk.people = connection.exec_driver_sql("SELECT id FROM parties ORDER BY id LIMIT 3").scalars().all()
    engine.dispose()
    now = utc_now()
    with opened(desk) as outbox:
        offers = [offer(f"p{number}@x.example", f"once:{number}", now) for number in desk.people]
        order = letter("4512", recipient=offers[0].envelope.recipient, created_at=now, event_at=now)
        outbox.put([*offers, order], {}, now)
    desk.first, desk.second, desk.third = (each.envelope.recipient.address for each in offers)
    return desk


def offer(address, document, now):
    given = letter(
        document,
        recipient=Recipient(address),
        **{"kind": Kind.CAMPAIGN, "lane": Lane.BULK, "on_unknown": OnUnknown.NEVER, "mailing": "promotion"},
        **{"created_at": now, "event_at": now},
    )
    content = Content("Ofertas", "Hola", way_out=DOOR.way_out(address, "campaign", "promotion"))
    frozen = wire.compose(given.envelope, content, SENDER)
    return type(given)(given.envelope, SENDER.address, content.subject, given.message_id, frozen)


@contextmanager
def opened(desk):
    outbox = Outbox.open(desk.env["AIRFLOW_CONN_EMAILKETING"])
    try:
        yield outbox
    finally:
        outbox.close()


def states(desk, mailing="promotion"):
    return {row["address"]: row["state"] for row in desk.rows("--mailing", mailing)}


def lines(told):
    return [json.loads(line) for line in told.splitlines() if line.startswith("{")]


def test_an_address_is_suppressed_listed_and_allowed_again(shop):
    told = shop.run("suppress", shop.first.upper(), "--why", "asked by phone", "--by", "eva")
    assert f"{shop.first} gets no more mailings of kind campaign; 1 waiting message ended" in told.replace("P", "p")
    assert "mailings of kind greeting; none was waiting" in told
    assert states(shop) == {shop.first: "suppressed", shop.second: "queued", shop.third: "queued"}
    assert states(shop, "purchase_order") == {shop.first: "queued"}, "documents are no advertising"
    kept = lines(shop.run("suppressed", "--json"))
    assert {(each["address"], each["kind"], each["source"], each["reason"]) for each in kept} == {
        (shop.first, "campaign", "eva", "asked by phone"),
        (shop.first, "greeting", "eva", "asked by phone"),
    }
    assert shop.first in shop.run("suppressed", shop.first)
    assert "nothing there" in shop.run("suppressed", shop.second)
    told = shop.run("unsuppress", shop.first, "--kind", "campaign", "--why", "changed her mind")
    assert "may get mailings of kind campaign again, with a consent" in told
    assert states(shop)[shop.first] == "suppressed", "what was ended stays ended"
    assert [each["kind"] for each in lines(shop.run("suppressed", "--json"))] == ["greeting"]
    shop.run("unsuppress", shop.first, "--why", "all of it")
    acts = [each["act"] for each in lines(shop.run("suppressed", shop.first, "--history", "--json"))]
    assert acts == ["unsuppressed", "unsuppressed", "suppressed", "suppressed"]


def test_all_ends_documents_too(shop):
    assert "mailings of any kind; 2 waiting messages ended" in shop.run(
        "suppress", shop.first, "--kind", "all", "--why", "the mailbox is gone"
    )
    assert states(shop, "purchase_order") == {shop.first: "suppressed"}
    hint = shop.run("unsuppress", shop.first, "--kind", "campaign", "--why", "x", fails=True)
    assert "is not suppressed for campaign" in hint
    assert "It is suppressed for: all." in hint


def test_the_token_of_a_mail_says_who_leaves_what(shop):
    token = DOOR.token(shop.second, "campaign", "promotion")
    told = shop.run("suppress", token, "--why", "wrote to the shop")
    assert f"{shop.second} gets no more mailings of kind campaign; 1 waiting message ended" in told
    assert states(shop)[shop.second] == "suppressed"
    assert lines(shop.run("suppressed", token, "--json"))[0]["address"] == shop.second


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("suppress", "ana@", "--why", "x"), "is no e-mail address"),
        (("suppress", "nobody", "--why", "x"), "Give an e-mail address, a phone number, or the token"),
        (("suppress", "0981", "--why", "x"), "is no phone number"),
        (("suppress", "a" * 40 + ".abcdef", "--why", "x"), "not signed here, or is incomplete"),
        (("suppress", "ana@x.example", "--kind", "advertising", "--why", "x"), "'campaign'"),
        (("suppress", "ana@x.example"), "Missing option '--why'"),
        (("unsuppress", "ana@x.example", "--why", "x"), "It is not suppressed at all."),
        (("consent", "give", "ana@x.example", "--kind", "report", "--source", "x"), "'greeting'"),
        (("consent", "give", "ana@x.example"), "Missing option '--source'"),
    ],
)
def test_what_cannot_be_meant_is_told_and_changes_nothing(shop, arguments, told):
    assert told in shop.run(*arguments, fails=True)
    assert shop.run("suppressed", "--history", "--json") == ""


def test_without_the_connection_a_token_cannot_be_read_and_an_address_can(shop):
    shop.env.pop("AIRFLOW_CONN_UNSUBSCRIBE")
    told = shop.run("suppress", DOOR.token(shop.first, "campaign"), "--why", "x", fails=True)
    assert "The token cannot be read: There is no Airflow Connection 'unsubscribe'" in told
    assert "AIRFLOW_CONN_UNSUBSCRIBE" in told
    assert "gets no more" in shop.run("suppress", shop.first, "--why", "x")


def test_a_phone_number_is_suppressed_as_people_write_it(shop):
    shop.run("suppress", "0981 123 456", "--why", "asked by text")
    assert {each["address"] for each in lines(shop.run("suppressed", "--json"))} == {"+595981123456"}


def test_consents_are_given_withdrawn_and_listed(shop):
    told = shop.run("consent", "give", shop.third, "--source", "form at the counter", "--by", "eva")
    assert "consents to mailings of kind campaign" in told
    told = shop.run(
        "consent", "withdraw", shop.third, "--kind", "campaign", "--source", "by phone", "--why", "too many"
    )
    assert "no longer consents to mailings of kind campaign; 1 waiting message ended" in told
    assert states(shop)[shop.third] == "suppressed"
    kept = {each["kind"]: each for each in lines(shop.run("consent", "list", "--json"))}
    assert kept["campaign"]["act"] == "withdrawn"
    assert kept["campaign"]["reason"].startswith("too many; noted by ")
    assert (kept["greeting"]["act"], kept["greeting"]["source"]) == ("consented", "form at the counter")
    assert "by phone" in shop.run("consent", "list", shop.third)
    assert "nothing there" in shop.run("consent", "list", shop.first)


def test_a_consent_does_not_lift_a_suppression_and_says_so(shop):
    shop.run("suppress", shop.first, "--kind", "all", "--why", "bounced")
    told = shop.run("consent", "give", shop.first, "--source", "form")
    assert f"bin/emailketing unsuppress {shop.first} --kind all" in told
    with opened(shop) as outbox:
        (judgement,) = road.judge(outbox, Kind.CAMPAIGN, [(shop.first, None)])
    assert not judgement.allowed


def test_whoever_leaves_while_a_delivery_is_under_way_gets_nothing_more(shop):
    """The first message hangs at the server; meanwhile the other two people leave, one of them by a consent."""
    with ScriptedServer({"dot": [Stall(8)]}) as server:
        url = f"smtp://127.0.0.1:{server.port}/?disable_ssl=true&disable_tls=true"
        delivered = shop.begin("deliver", "--lane", "bulk", AIRFLOW_CONN_SMTP=url)
        until(lambda: "sending" in states(shop).values())
        sent = next(address for address, state in states(shop).items() if state == "sending")
        left = [address for address in (shop.first, shop.second, shop.third) if address != sent]
        assert "1 waiting message ended" in shop.run("suppress", left[0], "--why", "clicked")
        assert "1 waiting message ended" in shop.run("consent", "withdraw", left[1], "--source", "by phone")
        delivered()
        assert [message.recipients for message in server.accepted] == [(sent,)]
    assert states(shop) == {sent: "accepted", left[0]: "suppressed", left[1]: "suppressed"}


def test_who_withdrew_in_the_erp_is_not_written_to(shop):
    engine = sa.create_engine(shop.env["AIRFLOW_CONN_ERP"])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE parties SET consent = 0 WHERE id = ?", (shop.people[1],))
    engine.dispose()
    with shop.mail_server():
        assert "2 accepted" in shop.run("deliver", "--lane", "bulk")
    assert {mail.recipients[0] for mail in read_log(shop.log)[0]} == {shop.first, shop.third}
    assert states(shop)[shop.second] == "suppressed"
    assert "the ERP says no" in shop.rows("--state", "suppressed")[0]["reason"]


def test_leaving_twice_is_leaving_once(shop):
    token = DOOR.token(shop.first, "campaign", "promotion")
    with opened(shop) as outbox:
        left = road.leave(outbox, DOOR, token, "the page", utc_now())
        assert (left.address, left.kind, left.mailing, left.ended, left.already) == (
            *(shop.first, "campaign", "promotion"),
            *(1, False),
        )
        again = road.leave(outbox, DOOR, f" {token}\r\n", "a mail", utc_now())
        assert (again.ended, again.already) == (0, True)
        (kept,) = outbox.suppressions(shop.first)
        assert (kept.source, kept.reason) == ("the page", "left by the link in promotion")
        assert len(outbox.choices()) == 1
        with pytest.raises(ValueError, match="not signed here"):
            road.leave(outbox, audience.Door(["b" * 20], "l@x.example"), token, "the page", utc_now())


def test_logs_tell_of_leaving_without_the_address(shop, caplog):
    caplog.set_level("INFO")
    with opened(shop) as outbox:
        road.leave(outbox, DOOR, DOOR.token("rosalinda@x.example", "campaign"), "the page", utc_now())
    assert "ro…@x.example leaves campaign" in caplog.text
    assert "rosalinda" not in caplog.text
