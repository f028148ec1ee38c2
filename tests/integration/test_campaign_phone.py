"""A campaign by phone: each customer's text reaches a real gateway, once, and only with his consent."""

from dataclasses import replace

import pytest

from demo.phone_catcher import Answer
from emailketing import road
from emailketing.channels.phone import Phone
from emailketing.model import Lane, State
from emailketing.outbox import Wish
from tests.market import PROMOTION
from tests.phone_gateways import phone_gateway

BY_PHONE = replace(PROMOTION, channels=("phone",), variants=())
OFFER = "{{ company.name }}: {{ items[0].price | money('PYG') }} con su codigo {{ recipient.coupon }}. "
LEAVE = "Para no recibir mas: {{ recipient.leave }}"


@pytest.fixture
def texting(market):
    """The market with a phone channel, and a promotion that tells one offer."""
    market.mend(
        "sql/promotion.sql",
        "    c.language                         AS language,",
        "    c.language AS language, c.phone AS phone,",
    )
    market.mend("sql/promotion.sql", "p.id, p.name, p.email,", "p.id, p.name, p.email, p.phone,")
    market.mend("sql/promotion.sql", "GROUP BY p.id, p.name, p.email,", "GROUP BY p.id, p.name, p.email, p.phone,")
    (market.include / "templates/promotion/phone.txt.j2").write_text(OFFER + LEAVE)
    with phone_gateway() as gateway:
        phone = Phone(lambda: gateway.url, timeout_s=5, clock=market.clock)
        market.campaigner = replace(market.campaigner, channels={"email": market.channel, "phone": phone})
        market.carrier = replace(
            market.carrier, channels={"phone": lambda: Phone(lambda: gateway.url, timeout_s=5, clock=market.clock)}
        )
        yield market, gateway


def test_everybody_who_consents_and_has_a_number_gets_one_text_with_his_own_code(texting):
    market, gateway = texting
    done = market.advertise(BY_PHONE)
    assert not done.problems
    market.deliver()
    assert market.advertise(BY_PHONE).states == {}
    market.deliver()
    sent = [row for row in market.rows(mailing="promotion") if row.state is State.ACCEPTED]
    people = {f"2026-03:{row['id']}": row for row in market.query("SELECT id, name, consent, phone FROM parties")}
    assert len(sent) > 10
    assert all(people[row.document]["consent"] for row in sent)
    texts = gateway.texts()
    assert sorted(to for to, _ in texts) == sorted(row.address for row in sent)
    codes = {text.split("codigo ")[1].split(".")[0] for _, text in texts}
    assert len(codes) == len(sent)
    assert all("Para no recibir mas: https://petroleradeleste.example" in text for _, text in texts)
    assert all(row.segments for row in sent)


def test_who_leaves_after_his_text_was_queued_gets_none(texting):
    market, gateway = texting
    market.advertise(BY_PHONE)
    leaver = next(row for row in market.rows(mailing="promotion") if row.state is State.QUEUED)
    market.outbox.suppress(Wish(leaver.address, "campaign", market.now, "ana", "asked by phone"))
    market.deliver()
    assert leaver.address not in [to for to, _ in gateway.texts()]
    (row,) = market.rows(document=leaver.document)
    assert (row.state, "asked by phone" in row.reason) == (State.SUPPRESSED, True)


def test_a_number_that_the_gateway_does_not_know_stops_nobody_else(texting):
    market, gateway = texting
    market.advertise(BY_PHONE)
    queued = [row for row in market.rows(mailing="promotion") if row.state is State.QUEUED]
    gateway.answers[queued[0].address] = Answer(400)
    road.deliver(market.carrier, Lane.BULK)
    by_number = {row.address: row.state for row in market.rows(mailing="promotion") if row.address}
    assert by_number.pop(queued[0].address) is State.REFUSED
    assert {by_number[row.address] for row in queued[1:]} == {State.ACCEPTED}
