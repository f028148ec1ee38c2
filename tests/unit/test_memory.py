"""The in-memory channel does what its script says."""

from datetime import UTC, datetime

from emailketing.channels.memory import Delivered, Memory
from emailketing.model import Claim, Frozen, Outcome

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


def claim(address):
    return Claim(1, "k", "email", "us@b.example", address, "<1@b.example>", 0, Frozen(b"Subject: x\r\n\r\nx\r\n"))


def test_a_list_of_outcomes_is_used_up_and_then_messages_are_accepted():
    channel = Memory({"a@b.example": [Outcome.LATER, Outcome.REFUSED]}, clock=lambda: NOON)
    channel.open()
    receipts = [channel.deliver(claim("a@b.example")) for _ in range(3)]
    assert [receipt.outcome for receipt in receipts] == [Outcome.LATER, Outcome.REFUSED, Outcome.ACCEPTED]
    assert {receipt.at for receipt in receipts} == {NOON}


def test_the_script_belongs_to_the_channel_and_not_to_who_wrote_it():
    script = {"a@b.example": [Outcome.LATER]}
    channel = Memory(script)
    channel.open()
    channel.deliver(claim("a@b.example"))
    assert script == {"a@b.example": [Outcome.LATER]}


def test_an_unknown_message_has_arrived_although_the_sender_cannot_know():
    channel = Memory({"a@b.example": Outcome.UNKNOWN})
    channel.open()
    assert channel.deliver(claim("a@b.example")).outcome is Outcome.UNKNOWN
    assert channel.delivered == [Delivered("us@b.example", "a@b.example", "<1@b.example>", b"Subject: x\r\n\r\nx\r\n")]


def test_a_channel_that_goes_down_keeps_messages_for_later_until_it_is_up_again():
    channel = Memory()
    channel.open()
    channel.down = "cable pulled"
    assert channel.deliver(claim("a@b.example")).reason == "cable pulled"
    channel.down = ""
    channel.open()
    assert channel.deliver(claim("a@b.example")).outcome is Outcome.ACCEPTED
