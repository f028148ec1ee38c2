"""A report by phone: from a due moment to the gateway that catches texts, in each reader's language."""

import random
from dataclasses import replace

import pytest

from demo.phone_catcher import Answer
from emailketing import road
from emailketing.channels.gsm7 import Wording
from emailketing.channels.memory import Memory
from emailketing.channels.phone import Phone
from emailketing.model import Lane, State
from emailketing.outbox import Backoff
from emailketing.report.declaration import Alert
from tests.bureau import opened
from tests.phone_gateways import phone_gateway

ANA, BOB = "+595981123456", "+595982654321"


@pytest.fixture
def gateway():
    with phone_gateway() as gateway:
        yield gateway


@pytest.fixture
def bureau(tmp_path, gateway):
    with opened(tmp_path) as bureau:
        bureau.declare(to="", channels=("phone",))
        bureau.subscribe(
            f'mailing: sales, to: {{name: Ana, phone: "{ANA}", language: es}}',
            f'mailing: sales, to: {{name: Bob, phone: "{BOB}", language: en}}, where: {{branch: "002"}}',
        )
        phone = Phone(lambda: gateway.url, Wording(), clock=bureau.clock)
        bureau.reporter = replace(bureau.reporter, channels={"email": Memory(), "phone": phone})
        bureau.sell("2026-11-24", 1_000_000)
        bureau.sell("2026-11-24", 500_000, branch="002", product="Diésel")
        yield bureau


def deliver(bureau):
    channels = {"phone": lambda: bureau.reporter.channels["phone"]}
    chance = random.Random(1)
    return road.deliver(
        road.Carrier(bureau.outbox, channels, Backoff(), 10, 60, clock=bureau.clock, chance=chance), Lane.REPORT
    )


def test_each_reader_gets_the_figures_of_his_rows_as_one_text_in_his_language(bureau, gateway):
    bureau.look()
    deliver(bureau)
    texts = {number: text.replace("\xa0", " ") for number, text in gateway.texts()}
    assert texts[ANA].startswith("Petrolera del Este S.A.: Sales, martes, 24 de noviembre de 2026.")
    assert "1,50 millones de Gs." in texts[ANA]
    assert "Tuesday, November 24, 2026. Amount" in texts[BOB]
    assert all(len(text) <= 160 for text in texts.values())
    assert {row.segments for row in bureau.rows()} == {1}
    assert {row.state for row in bureau.rows()} == {State.ACCEPTED}


def test_looked_at_and_delivered_again_it_is_one_text(bureau, gateway):
    for _ in range(3):
        bureau.look()
        deliver(bureau)
    assert sorted(number for number, _ in gateway.texts()) == [ANA, BOB]


def test_a_gateway_that_refuses_a_number_delays_no_other(bureau, gateway):
    gateway.answers[ANA] = Answer(400)
    bureau.look()
    deliver(bureau)
    assert [number for number, _ in gateway.texts()] == [BOB]
    assert {row.address: row.state for row in bureau.rows()} == {ANA: State.REFUSED, BOB: State.ACCEPTED}


def test_an_alert_and_its_end_are_texts(bureau, gateway):
    bureau.declare(alert=Alert("amount", above=100_000, watch=True, recovery=True))
    bureau.write("sql/sales.sql", "SELECT branch, product, amount FROM sold")
    bureau.look()
    bureau.forget(branch="002")
    bureau.clock.sleep(600)
    bureau.look()
    deliver(bureau)
    told = [text for number, text in gateway.texts() if number == BOB]
    assert len(told) == 2
    assert "back to normal" in told[1]
    assert "Nothing is beyond the limit any more." in told[1]
