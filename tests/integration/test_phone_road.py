"""The road with two channels: a document becomes a mail and a text, and neither waits for the other's server."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest
import sqlalchemy as sa

from demo import schema
from demo.phone_catcher import Answer
from emailketing import road
from emailketing.audience import Audience
from emailketing.channels.memory import Memory
from emailketing.channels.phone import Phone
from emailketing.model import Lane, OnUnknown, Outcome, State
from tests.desk import lend_outbox_dags
from tests.letters import letter
from tests.phone_gateways import phone_gateway
from tests.post_office import PostOffice
from tests.smtp_servers import free_port
from tests.town import ORDER

BOTH = replace(ORDER, channels=("email", "phone"))
NUMBER = "+595981123456"


class PhoneTown:
    """A town whose suppliers have a phone, and whose orders are told to it as well."""

    def __init__(self, town, timeout_s=5.0):
        self.town, self.port = town, free_port()
        (town.include / "templates/purchase_order/phone.txt.j2").write_text(
            "Orden de compra {{ number }}: {{ total | money(currency) }}. ¡Gracias! ₲ “José Ñandú”"
        )
        with town.engine.begin() as connection:
            connection.execute(sa.update(schema.parties).values(phone="0981 123-456"))
        channels = {"email": town.channel, "phone": self.phone(timeout_s)}
        self.sweeper = replace(town.sweeper, channels=channels, audience=Audience(region="PY"))
        self.carrier = replace(
            town.carrier, channels={"email": lambda: town.channel, "phone": lambda: self.phone(timeout_s)}
        )

    def phone(self, timeout_s):
        url = f"json://127.0.0.1:{self.port}/?:to={{to}}"
        return Phone(lambda: url, timeout_s=timeout_s, clock=self.town.clock)

    def save(self):
        saved = self.town.operator.save_purchase_order()
        swept = road.sweep(self.sweeper, BOTH)
        assert swept.new == 2, swept
        return saved

    def deliver(self):
        return road.deliver(self.carrier, Lane.INSTANT)

    def states(self, channel):
        return [row.state for row in self.town.rows(channel=channel)]


@pytest.fixture
def phones(town):
    return PhoneTown(town)


def test_one_document_is_a_mail_and_a_text_each_with_its_own_key_and_state(phones):
    saved = phones.save()
    with phone_gateway(port=phones.port) as gateway:
        assert phones.deliver().outcomes == {Outcome.ACCEPTED: 2}
        assert phones.deliver().outcomes == {}
        [(to, text)] = gateway.texts()
    mail, phone = (phones.town.rows(channel=channel)[0] for channel in ("email", "phone"))
    assert mail.key == f"purchase_order:{saved.document}:1:email:{saved.address}"
    assert phone.key == f"purchase_order:{saved.document}:1:phone:{NUMBER}"
    assert {mail.state, phone.state} == {State.ACCEPTED}
    assert (mail.segments, phone.segments) == (None, 1)
    assert to == NUMBER
    assert text.startswith(f"Orden de compra {saved.document}: ")
    assert text.endswith('¡Gracias! Gs. "José Ñandu"')
    frozen = phones.town.outbox.frozen(phone.key)
    assert (frozen.wire.decode(), frozen.inserts) == (text, ())
    assert len(phones.town.channel.delivered) == 1


def test_a_gateway_that_is_down_pauses_the_phone_alone_and_goes_on_by_itself(phones):
    outbox, clock = phones.town.outbox, phones.town.clock
    for count in range(1, 6):
        phones.save()
        done = phones.deliver()
        assert done.outcomes[Outcome.ACCEPTED] == 1, "the mail"
        assert phones.states("email") == [State.ACCEPTED] * count
    assert "instant lane (phone) is paused" in done.down
    assert outbox.pause("email", Lane.INSTANT) is None
    assert outbox.pause("phone", Lane.INSTANT).until is not None
    assert set(phones.states("phone")) == {State.QUEUED}
    assert max(row.attempts for row in phones.town.rows(channel="phone")) <= 2
    with phone_gateway(port=phones.port) as gateway:
        for _ in range(20):
            clock.sleep(600)
            phones.deliver()
        assert phones.states("phone") == [State.ACCEPTED] * 5
        assert len(gateway.texts()) == len(set(gateway.texts())) == 5
    assert outbox.pause("phone", Lane.INSTANT) is None


def test_a_slow_gateway_keeps_no_mail_waiting(phones):
    phones.save()
    mailed = threading.Event()
    deliver = phones.town.channel.deliver

    def told(claim):
        receipt = deliver(claim)
        mailed.set()
        return receipt

    phones.town.channel.deliver = told
    with phone_gateway({NUMBER: Answer(201, wait_s=3, keep=True)}, port=phones.port) as gateway:
        began = time.monotonic()
        working = threading.Thread(target=phones.deliver)
        working.start()
        assert mailed.wait(2.5), "while the gateway thinks"
        working.join()
        assert time.monotonic() - began >= 3
        assert len(gateway.texts()) == 1
    assert phones.states("phone") == phones.states("email") == [State.ACCEPTED]


@pytest.mark.parametrize("policy", OnUnknown)
def test_a_text_whose_answer_was_lost_is_settled_by_the_mailings_policy_and_told(town, policy):
    phones = PhoneTown(town, timeout_s=0.5)
    town.operator.save_purchase_order()
    road.sweep(phones.sweeper, replace(BOTH, on_unknown=policy))
    with phone_gateway({NUMBER: [Answer(201, wait_s=5, keep=True)]}, port=phones.port) as gateway:
        assert phones.deliver().outcomes == {Outcome.ACCEPTED: 1, Outcome.UNKNOWN: 1}
        (row,) = town.rows(channel="phone")
        assert row.state is State.UNKNOWN
        for _ in range(5):
            road.keep_house(town.outbox, phones.carrier.backoff, town.clock())
            town.clock.sleep(600)
            phones.deliver()
        again = policy is OnUnknown.AGAIN
        assert phones.states("phone") == [State.ACCEPTED if again else State.UNKNOWN]
        assert len(gateway.texts()) == (2 if again else 1)
    causes = [entry.cause for entry in town.outbox.history(row.key)]
    assert "policy" in causes
    assert causes.count("attempt") == (2 if again else 1)


def test_a_text_that_cannot_be_rendered_is_held_and_the_mail_goes(phones):
    phones.town.write("templates/purchase_order/phone.txt.j2", "{{ totl }}")
    phones.town.operator.save_purchase_order()
    swept = road.sweep(phones.sweeper, BOTH)
    assert swept.states == {State.QUEUED: 1, State.HELD: 1}
    assert "phone.txt.j2:1" in swept.problems[0]
    assert phones.deliver().outcomes == {Outcome.ACCEPTED: 1}
    phones.town.write("templates/purchase_order/phone.txt.j2", "{{ total | money(currency) }} " + "x" * 200)
    assert road.mend(phones.sweeper, BOTH).states == {State.QUEUED: 1}
    (row,) = phones.town.rows(channel="phone")
    assert row.segments == 2


def test_a_landline_is_a_message_with_its_reason_and_the_mail_goes(phones):
    with phones.town.engine.begin() as connection:
        connection.execute(sa.update(schema.parties).values(phone="021 555 123"))
    phones.save()
    (row,) = phones.town.rows(channel="phone")
    assert (row.state, row.segments) == (State.UNADDRESSED, None)
    assert "landline" in row.reason
    assert phones.deliver().outcomes == {Outcome.ACCEPTED: 1}


def test_a_text_needs_no_pdf(phones, monkeypatch):
    printed = []
    phones.save()
    renderer = phones.sweeper.renderer
    monkeypatch.setattr(type(renderer), "_sheet", lambda *_: printed.append(1) or ())
    town = phones.town
    town.operator.save_purchase_order()
    road.sweep(phones.sweeper, replace(BOTH, channels=("phone",)))
    assert len(town.rows(channel="phone")) == 2
    assert printed == []


def test_what_ends_one_channels_delivery_ends_the_others_after_their_message(sqlite_url):
    class Ended(Memory):
        def deliver(self, claim):
            raise KeyboardInterrupt

    class Slow(Memory):
        name = "phone"

        def deliver(self, claim):
            time.sleep(0.05)
            return super().deliver(claim)

    with PostOffice(sqlite_url, 0) as post:
        post.outbox.put([letter("mail"), *[letter(str(n), channel="phone") for n in range(60)]], {}, post.now)
        texts = Slow(clock=post.carrier.clock)
        carrier = replace(
            post.carrier, channels={"email": lambda: Ended(clock=post.carrier.clock), "phone": lambda: texts}
        )
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            road.deliver(carrier, Lane.INSTANT)
        assert len(texts.delivered) < 20
        assert time.monotonic() - began < 3
        sending = [row for row in post.rows().values() if row.state is State.SENDING]
        assert [row.channel for row in sending] == ["email"], "the one that was in hand"


def test_from_the_command_line(desk):
    dags = desk.folder / "dags"
    dags.mkdir()
    lend_outbox_dags(dags)
    (dags / "texts.py").write_text(
        '"""Texts."""\nfrom airflow.sdk import DAG\nfrom emailketing.tasks import notification, notify\n'
        'with DAG("texts", schedule=None):\n'
        '    notify(notification("purchase_order", channels=["email", "phone"]))\n'
    )
    with desk.operator.engine.begin() as connection:
        connection.execute(sa.update(schema.parties).values(phone="0981 123-456"))
    desk.operator.save_purchase_order()
    with phone_gateway() as gateway, desk.mail_server():
        phone = {"EMAILKETING_DAGS": str(dags), "AIRFLOW_CONN_PHONE": ""}
        told = desk.run("check", fails=True, **phone)
        assert "has no text for the phone" in told
        assert "There is no Airflow Connection 'phone'" in told
        (desk.include / "templates/purchase_order/phone.txt.j2").write_text("Orden {{ number }} ₲ “{{ name }}” á")
        phone["AIRFLOW_CONN_PHONE"] = json.dumps({"conn_type": "apprise", "extra": {"url": gateway.url}})
        assert "✓ connection phone" in desk.run("check", **phone)
        assert "GSM-7, segments: 1" in desk.run("preview", "purchase_order", "--out", str(desk.folder / "p"), **phone)
        assert (desk.folder / "p" / "phone.txt").read_text().startswith("Orden ")
        test = ("send-test", "purchase_order", "--channel", "phone", "--to")
        assert "accepted" in desk.run(*test, "0981 000 111", **phone)
        assert "landline" in desk.run(*test, "021 555 123", fails=True, **phone)
        [(to, text)] = gateway.texts()
        assert to == "+595981000111"
        assert text.startswith("[test] Orden ")
        desk.run("sweep", **phone)
        desk.operator.save_purchase_order()
        assert "2 queued" in desk.run("sweep", **phone)
        assert "2 accepted" in desk.run("deliver", **phone)
        assert len(gateway.texts()) == 2
    rows = {row["channel"]: row for row in desk.rows()}
    assert (rows["email"]["segments"], rows["phone"]["segments"]) == (None, 1)
    assert "segments  1" in desk.run("outbox", "show", rows["phone"]["key"])
    assert "phone" in desk.run("outbox", "lanes")
