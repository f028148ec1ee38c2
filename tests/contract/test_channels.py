"""What every channel does, whichever way its messages leave: one suite for all of them."""

import smtplib
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest

from emailketing.channels import Channel, wire
from emailketing.channels.memory import Memory
from emailketing.channels.smtp import Smtp
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
from tests.smtp_servers import Accepted, Mailbox, free_port

SEEN = datetime(2025, 3, 7, 14, 5, tzinfo=UTC)
SENDER = Sender("avisos@petroleradeleste.example", "Petrolera del Este", "ventas@petroleradeleste.example")
CONTENT = Content("Orden 4512", "Hola,\n.\n..dos\nFrom aquí\n", "<p>Señor</p>")


@contextmanager
def memory():
    channel = Memory({"refused@b.example": Outcome.REFUSED, "later@b.example": Outcome.LATER})

    def arrived():
        return [Accepted(sender, (address,), data) for sender, address, _, data in channel.delivered]

    yield channel, arrived


@contextmanager
def smtp():
    with Mailbox() as server:
        channel = Smtp(lambda: smtplib.SMTP("127.0.0.1", server.port, "localhost", timeout=10), timeout_s=10)
        try:
            yield channel, lambda: server.accepted
        finally:
            channel.close()


@pytest.fixture(params=[memory, smtp], ids=["memory", "smtp"])
def house(request):
    with request.param() as (channel, arrived):
        yield channel, arrived


@pytest.fixture(params=["memory", "smtp"])
def unreachable(request):
    if request.param == "memory":
        return Memory(down="nobody listens")
    port = free_port()
    return Smtp(lambda: smtplib.SMTP("127.0.0.1", port, timeout=5), timeout_s=5, server=f"127.0.0.1:{port}")


def envelope(address="compras@b.example", document="4512"):
    recipient = Recipient(address, "José", "es")
    return Envelope(
        "purchase_order", document, "1", "email", recipient, Lane.INSTANT, OnUnknown.AGAIN, SEEN, created_at=SEEN
    )


def claim(channel, address="compras@b.example", content=CONTENT, document="4512"):
    about = envelope(address, document)
    identity = message_id(about.key, SENDER.domain)
    frozen = channel.freeze(about, content, SENDER)
    return Claim(1, about.key, "email", SENDER.address, address, identity, 0, frozen)


def send(channel, *args, **changed):
    channel.open()
    return channel.deliver(claim(channel, *args, **changed))


def test_it_has_the_whole_interface(house):
    channel: Channel = house[0]
    assert channel.name == "email"


def test_freezing_is_pure_and_needs_no_connection(unreachable):
    content = replace(CONTENT, attachments=(Attachment("a.pdf", "application/pdf", b"%PDF"),))
    assert unreachable.freeze(envelope(), content, SENDER) == unreachable.freeze(envelope(), content, SENDER)


def test_what_arrives_is_what_was_frozen(house):
    channel, arrived = house
    sent = claim(channel)
    channel.open()
    receipt = channel.deliver(sent)
    assert (receipt.outcome, receipt.code) == (Outcome.ACCEPTED, 250)
    assert receipt.at.tzinfo is not None
    assert [message.data for message in arrived()] == [wire.assemble(sent.frozen)]


def test_a_message_has_exactly_one_recipient(house):
    channel, arrived = house
    for address in ("a@b.example", "c@d.example"):
        assert send(channel, address).outcome is Outcome.ACCEPTED
    assert [message.recipients for message in arrived()] == [("a@b.example",), ("c@d.example",)]
    assert {message.sender for message in arrived()} == {SENDER.address}


def test_frozen_bytes_read_back_from_elsewhere_are_sent_as_they_are(house):
    channel, arrived = house
    frozen = Frozen(b"Subject: x\r\n\r\n.a\r\n..b\r\n.\r\n")
    channel.open()
    assert channel.deliver(replace(claim(channel), frozen=frozen)).outcome is Outcome.ACCEPTED
    assert arrived()[0].data == frozen.wire


def test_a_refused_message_says_why_and_the_next_one_goes_out(house):
    channel, arrived = house
    receipt = send(channel, "refused@b.example")
    assert (receipt.outcome, receipt.code) == (Outcome.REFUSED, 550)
    assert receipt.reason
    assert send(channel).outcome is Outcome.ACCEPTED
    assert len(arrived()) == 1


def test_a_message_for_later_says_why_and_the_next_one_goes_out(house):
    channel, arrived = house
    receipt = send(channel, "later@b.example")
    assert (receipt.outcome, receipt.code) == (Outcome.LATER, 451)
    assert receipt.reason
    assert send(channel).outcome is Outcome.ACCEPTED
    assert len(arrived()) == 1


def test_closing_twice_is_harmless_and_so_is_closing_what_was_never_open(house):
    channel, _ = house
    channel.close()
    channel.open()
    channel.close()
    channel.close()


def test_a_closed_channel_keeps_the_message_for_later(house):
    channel, arrived = house
    assert channel.deliver(claim(channel)).outcome is Outcome.LATER
    channel.open()
    channel.close()
    assert channel.deliver(claim(channel)).outcome is Outcome.LATER
    assert arrived() == []


def test_it_can_be_opened_again(house):
    channel, arrived = house
    assert send(channel).outcome is Outcome.ACCEPTED
    channel.close()
    assert send(channel).outcome is Outcome.ACCEPTED
    assert len(arrived()) == 2


def test_when_nobody_listens_the_channel_is_down_and_the_message_waits(unreachable):
    with pytest.raises(ChannelDown):
        unreachable.open()
    assert unreachable.deliver(claim(unreachable)).outcome is Outcome.LATER
    unreachable.close()


@pytest.mark.parametrize(
    "text", ["x\r\nBcc: y@z.example\r\n\r\nhi", "\r\n.\r\nMAIL FROM:<a@b>\r\n", "\x00\u202e", "ñ" * 3000]
)
def test_hostile_text_arrives_as_text(house, text):
    channel, arrived = house
    picture = Attachment(text, text, b"data", text)
    assert send(channel, content=Content(text, text, text, "", (picture,))).outcome is Outcome.ACCEPTED
    [message] = arrived()
    assert message.recipients == ("compras@b.example",)
    assert "Bcc" not in message_from_bytes(message.data, policy=default)


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
    ],
)
def test_an_address_that_cannot_be_written_is_refused_before_a_word_is_said(house, address):
    channel, arrived = house
    receipt = send(channel, address)
    assert (receipt.outcome, receipt.code) == (Outcome.REFUSED, None)
    assert receipt.reason
    assert arrived() == []


def test_an_international_address_arrives(house):
    channel, arrived = house
    for address in ("info@españa.example", "josé@b.example"):
        assert send(channel, address).outcome is Outcome.ACCEPTED
    assert all("info@" in str(message.recipients) or "josé@" in str(message.recipients) for message in arrived())
    assert len(arrived()) == 2


def test_an_attachment_of_five_megabytes_arrives_whole(house):
    channel, arrived = house
    file = Attachment("big.bin", "application/octet-stream", bytes(range(256)) * 20_480)
    assert send(channel, content=replace(CONTENT, attachments=(file,))).outcome is Outcome.ACCEPTED
    parts = list(message_from_bytes(arrived()[0].data, policy=default).iter_attachments())
    assert [part.get_content() for part in parts] == [file.data]


@pytest.mark.parametrize("blobs", [{}, {"other": b""}])
def test_a_message_whose_attachment_was_lost_is_refused_and_not_sent_without_it(house, blobs):
    channel, arrived = house
    file = Attachment("a.bin", "application/octet-stream", b"an attachment that nobody has seen yet")
    sent = claim(channel, content=replace(CONTENT, attachments=(file,)))
    channel.open()
    receipt = channel.deliver(replace(sent, frozen=replace(sent.frozen, blobs=blobs)))
    assert receipt.outcome is Outcome.REFUSED
    assert "no longer stored" in receipt.reason
    assert arrived() == []
