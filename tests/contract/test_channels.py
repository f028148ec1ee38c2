"""What every channel does, whichever way its messages leave: one suite for all of them."""

import smtplib
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest

from demo.phone_catcher import Answer
from emailketing.channels import Channel, wire
from emailketing.channels.memory import Memory
from emailketing.channels.phone import Phone
from emailketing.channels.smtp import Smtp
from emailketing.channels.text_by_mail import TextByMail
from emailketing.errors import ChannelDown
from emailketing.model import (
    Attachment,
    Claim,
    Content,
    Envelope,
    Frozen,
    Lane,
    OnUnknown,
    Outcome,
    Recipient,
    Sender,
    message_id,
)
from tests.phone_gateways import phone_gateway
from tests.smtp_servers import Accepted, Mailbox, free_port

SEEN = datetime(2025, 3, 7, 14, 5, tzinfo=UTC)
SENDER = Sender("avisos@petroleradeleste.example", "Petrolera del Este", "ventas@petroleradeleste.example")
CONTENT = Content("Orden 4512", "Hola,\n.\n..dos\nFrom aquí\n", "<p>Señor</p>", "Hola,\n.\n..dos\nFrom aqui")

REFUSED, LATER = "+595981000400", "+595981000503"


@dataclass(frozen=True)
class House:
    """A channel, what arrived by it, and the addresses of its people: two who get all, one refused, one for later."""

    channel: Channel
    arrived: Callable[[], list[Accepted]]
    people: tuple[str, str] = ("compras@b.example", "ventas@d.example")
    refused: str = "refused@b.example"
    later: str = "later@b.example"
    codes: tuple[int | None, int, int] = (250, 550, 451)
    reached: Callable[[str], str] = str  # the recipient's address, as the message arrives there


@contextmanager
def memory():
    channel = Memory({"refused@b.example": Outcome.REFUSED, "later@b.example": Outcome.LATER})

    def arrived():
        return [Accepted(sender, (address,), data) for sender, address, _, data in channel.delivered]

    yield House(channel, arrived)


@contextmanager
def smtp():
    with Mailbox() as server:
        channel = Smtp(lambda: smtplib.SMTP("127.0.0.1", server.port, "localhost", timeout=10), timeout_s=10)
        try:
            yield House(channel, lambda: server.accepted)
        finally:
            channel.close()


@contextmanager
def phone():
    with phone_gateway({REFUSED: Answer(400), LATER: Answer(503)}) as gateway:

        def arrived():
            return [Accepted("", (to,), text.encode()) for to, text in gateway.texts()]

        channel = Phone(lambda: gateway.url, timeout_s=10)
        yield House(channel, arrived, ("+595981123456", "+5491122334455"), REFUSED, LATER, (None, 400, 503))


@contextmanager
def text_by_mail():
    def reached(number):
        return f"{number.removeprefix('+')}@sms.example"

    mail = Memory({reached(REFUSED): Outcome.REFUSED, reached(LATER): Outcome.LATER})

    def arrived():
        return [Accepted(sender, (address,), data) for sender, address, _, data in mail.delivered]

    channel = TextByMail(mail, "{number}@sms.example")
    yield House(channel, arrived, ("+595981123456", "+5491122334455"), REFUSED, LATER, reached=reached)


HOUSES = {"memory": memory, "smtp": smtp, "phone": phone, "text_by_mail": text_by_mail}


@pytest.fixture(params=HOUSES)
def house(request):
    with HOUSES[request.param]() as house:
        yield house


@pytest.fixture(params=["memory", "smtp"])
def mail_house(request):
    with HOUSES[request.param]() as house:
        yield house


@pytest.fixture(params=HOUSES)
def unreachable(request):
    port = free_port()
    return {
        "memory": Memory(down="nobody listens"),
        "smtp": Smtp(lambda: smtplib.SMTP("127.0.0.1", port, timeout=5), timeout_s=5, server=f"127.0.0.1:{port}"),
        "phone": Phone(lambda: f"json://127.0.0.1:{port}/?:to={{to}}", timeout_s=5),
        "text_by_mail": TextByMail(Memory(down="nobody listens"), "{number}@sms.example"),
    }[request.param]


def someone(channel):
    return "+595981123456" if channel.name == "phone" else "compras@b.example"


def envelope(channel, address="", document="4512"):
    recipient = Recipient(address or someone(channel), "José", "es")
    return Envelope(
        "purchase_order", document, "1", channel.name, recipient, Lane.INSTANT, OnUnknown.AGAIN, SEEN, created_at=SEEN
    )


def claim(channel, address=None, content=CONTENT, document="4512"):
    about = envelope(channel, document=document)
    about = about if address is None else replace(about, recipient=Recipient(address, "José", "es"))
    identity = message_id(about.key, SENDER.domain)
    frozen = channel.freeze(about, content, SENDER)
    return Claim(1, about.key, channel.name, SENDER.address, about.recipient.address, identity, 0, frozen)


def send(channel, *args, **changed):
    channel.open()
    return channel.deliver(claim(channel, *args, **changed))


def test_it_has_the_whole_interface(house):
    channel: Channel = house.channel
    assert channel.name in ("email", "phone")


def test_freezing_is_pure_and_needs_no_connection(unreachable):
    content = replace(CONTENT, attachments=(Attachment("a.pdf", "application/pdf", b"%PDF"),))
    about = envelope(unreachable)
    assert unreachable.freeze(about, content, SENDER) == unreachable.freeze(about, content, SENDER)


def test_what_arrives_is_what_was_frozen(house):
    sent = claim(house.channel)
    house.channel.open()
    receipt = house.channel.deliver(sent)
    assert (receipt.outcome, receipt.code) == (Outcome.ACCEPTED, house.codes[0])
    assert receipt.at.tzinfo is not None
    assert [message.data for message in house.arrived()] == [wire.assemble(sent.frozen)]


def test_a_message_has_exactly_one_recipient(house):
    for address in house.people:
        assert send(house.channel, address).outcome is Outcome.ACCEPTED
    assert [message.recipients for message in house.arrived()] == [(house.reached(one),) for one in house.people]


def test_an_e_mail_names_its_sender_in_its_envelope(mail_house):
    assert send(mail_house.channel).outcome is Outcome.ACCEPTED
    assert mail_house.arrived()[0].sender == SENDER.address


def test_frozen_bytes_read_back_from_elsewhere_are_sent_as_they_are(mail_house):
    frozen = Frozen(b"Subject: x\r\n\r\n.a\r\n..b\r\n.\r\n")
    mail_house.channel.open()
    assert mail_house.channel.deliver(replace(claim(mail_house.channel), frozen=frozen)).outcome is Outcome.ACCEPTED
    assert mail_house.arrived()[0].data == frozen.wire


def test_a_refused_message_says_why_and_the_next_one_goes_out(house):
    receipt = send(house.channel, house.refused)
    assert (receipt.outcome, receipt.code) == (Outcome.REFUSED, house.codes[1])
    assert receipt.reason
    assert send(house.channel).outcome is Outcome.ACCEPTED
    assert len(house.arrived()) == 1


def test_a_message_for_later_says_why_and_the_next_one_goes_out(house):
    receipt = send(house.channel, house.later)
    assert (receipt.outcome, receipt.code) == (Outcome.LATER, house.codes[2])
    assert receipt.reason
    assert send(house.channel).outcome is Outcome.ACCEPTED
    assert len(house.arrived()) == 1


def test_closing_twice_is_harmless_and_so_is_closing_what_was_never_open(house):
    channel = house.channel
    channel.close()
    channel.open()
    channel.close()
    channel.close()


def test_a_closed_channel_keeps_the_message_for_later(house):
    channel, arrived = house.channel, house.arrived
    assert channel.deliver(claim(channel)).outcome is Outcome.LATER
    channel.open()
    channel.close()
    assert channel.deliver(claim(channel)).outcome is Outcome.LATER
    assert arrived() == []


def test_it_can_be_opened_again(house):
    channel, arrived = house.channel, house.arrived
    assert send(channel).outcome is Outcome.ACCEPTED
    channel.close()
    assert send(channel).outcome is Outcome.ACCEPTED
    assert len(arrived()) == 2


def test_when_nobody_listens_the_channel_is_down_or_says_so_and_the_message_waits(unreachable):
    """A gateway has no line that could be tried beforehand; the message that goes first finds it away."""
    with suppress(ChannelDown):
        unreachable.open()
        assert unreachable.name == "phone"
        assert unreachable.deliver(claim(unreachable)).server_failed
    assert unreachable.deliver(claim(unreachable)).outcome is Outcome.LATER
    unreachable.close()


@pytest.mark.parametrize(
    "text", ["x\r\nBcc: y@z.example\r\n\r\nhi", "\r\n.\r\nMAIL FROM:<a@b>\r\n", "x\x00\u202e", "ñ" * 3000]
)
def test_hostile_text_arrives_as_text(house, text):
    picture = Attachment(text, text, b"data", text)
    assert send(house.channel, content=Content(text, text, text, text, (picture,))).outcome is Outcome.ACCEPTED
    [message] = house.arrived()
    assert message.recipients == (house.reached(someone(house.channel)),)
    assert "Bcc" not in message_from_bytes(message.data.partition(b"\n\n")[0] + b"\n\n", policy=default)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b.example>\r\nRCPT TO:<x@y.example",
        "a@b.example\nDATA",
        "a@b> SIZE=1",
        "a b@",
        "a@b\x00.example",
        "+595981123456\n",
        "+595981123456&:to=+595981000000",
        "+595981123456/+595981000000",
        "+595981123456%2F+595981000000",
        "0981123456",
        "+５９５９８１１２３４５６",
    ],
)
def test_an_address_that_cannot_be_written_is_refused_before_a_word_is_said(house, address):
    receipt = send(house.channel, address)
    assert (receipt.outcome, receipt.code) == (Outcome.REFUSED, None)
    assert receipt.reason
    assert house.arrived() == []


def test_an_international_address_arrives(mail_house):
    channel, arrived = mail_house.channel, mail_house.arrived
    for address in ("info@españa.example", "josé@b.example"):
        assert send(channel, address).outcome is Outcome.ACCEPTED
    assert all("info@" in str(message.recipients) or "josé@" in str(message.recipients) for message in arrived())
    assert len(arrived()) == 2


def test_an_attachment_of_five_megabytes_arrives_whole(mail_house):
    channel, arrived = mail_house.channel, mail_house.arrived
    file = Attachment("big.bin", "application/octet-stream", bytes(range(256)) * 20_480)
    assert send(channel, content=replace(CONTENT, attachments=(file,))).outcome is Outcome.ACCEPTED
    parts = list(message_from_bytes(arrived()[0].data, policy=default).iter_attachments())
    assert [part.get_content() for part in parts] == [file.data]


@pytest.mark.parametrize("blobs", [{}, {"other": b""}])
def test_a_message_whose_attachment_was_lost_is_refused_and_not_sent_without_it(mail_house, blobs):
    channel, arrived = mail_house.channel, mail_house.arrived
    file = Attachment("a.bin", "application/octet-stream", b"an attachment that nobody has seen yet")
    sent = claim(channel, content=replace(CONTENT, attachments=(file,)))
    channel.open()
    receipt = channel.deliver(replace(sent, frozen=replace(sent.frozen, blobs=blobs)))
    assert receipt.outcome is Outcome.REFUSED
    assert "no longer stored" in receipt.reason
    assert arrived() == []


def test_a_text_is_counted_and_an_e_mail_is_not(house):
    counted = claim(house.channel, content=replace(CONTENT, phone="a" * 161)).frozen.segments
    assert counted == (2 if house.channel.name == "phone" else None)


@pytest.mark.parametrize("make", [phone, text_by_mail])
@pytest.mark.parametrize("text", ["", " \r\n", "\u202e\x00"])
def test_a_mailing_that_says_nothing_to_the_phone_is_refused_with_the_reason(make, text):
    with make() as house:
        receipt = send(house.channel, content=replace(CONTENT, phone=text))
        assert (receipt.outcome, receipt.code) == (Outcome.REFUSED, None)
        assert "phone.txt.j2" in receipt.reason
        assert house.arrived() == []


def test_what_was_frozen_for_one_way_is_not_sent_by_the_other():
    with phone() as texts, text_by_mail() as mails:
        for one, other in ((texts, mails), (mails, texts)):
            one.channel.open()
            receipt = one.channel.deliver(claim(other.channel))
            assert receipt.outcome is Outcome.REFUSED
            assert "EMAIL_TO_SMS" in receipt.reason
            assert one.arrived() == []


@pytest.mark.parametrize(
    ("pattern", "address"),
    [("{number}@sms.example", "595981123456@sms.example"), ("{national}@sms.example", "0981123456@sms.example")],
)
def test_a_text_by_mail_is_a_plain_mail_to_an_address_made_of_the_number(pattern, address):
    mail = Memory()
    channel = TextByMail(mail, pattern)
    sent = claim(channel, content=replace(CONTENT, phone="Recibimos ₲ 45.000, ñandú"))
    channel.open()
    assert channel.deliver(sent).outcome is Outcome.ACCEPTED
    [message] = mail.delivered
    read = message_from_bytes(message.data, policy=default)
    assert message.address == read["To"].addresses[0].addr_spec == address
    assert read["Message-ID"] == sent.message_id == message.message_id
    assert not read.is_multipart()
    assert read.get_content().strip() == "Recibimos Gs. 45.000, ñandu"
    assert not read["Subject"]
