"""A server that knows PIPELINING hears MAIL, RCPT and DATA at once: every fault ends as it does without, and no other
message suffers. The message counts as being sent from before its final dot on, as ever."""

from __future__ import annotations

import smtplib
import time

import pytest

from emailketing.channels.smtp import Smtp
from emailketing.errors import OutboxError
from emailketing.model import Claim, Frozen, Lane, Outcome, State
from tests.integration.test_smtp_faults import (
    BIG,
    DROP,
    PATIENCE_S,
    TABLE,
    TAKE_AND_STALL,
    WAITS,
    comes_right,
    stands_as,
)
from tests.post_office import PLENTY_S, PostOffice
from tests.smtp_servers import ScriptedServer, Stall

EXTENSIONS = ("8BITMIME", "SMTPUTF8", "SIZE 52428800", "PIPELINING")


def pipelining(script=None):
    return ScriptedServer(script or {}, extensions=EXTENSIONS)


def claim(number, address="a@b.example"):
    wire = f"Subject: {number}\r\n\r\n{number}\r\n".encode()
    return Claim(number, f"k{number}", "email", "s@x.example", address, f"<{number}@x>", 0, Frozen(wire))


@pytest.fixture
def channel_to():
    channels = []

    def make(server):
        channels.append(
            Smtp(lambda: smtplib.SMTP("127.0.0.1", server.port, "localhost", timeout=PLENTY_S), timeout_s=PLENTY_S)
        )
        channels[-1].open()
        return channels[-1]

    yield make
    for channel in channels:
        channel.close()


@pytest.mark.parametrize(("stage", "action", "expected", "blamed"), TABLE, ids=str)
def test_each_fault_has_the_state_and_the_next_attempt_that_it_has_without(sqlite_url, stage, action, expected, blamed):
    patience_s = PATIENCE_S if isinstance(action, Stall) or action == TAKE_AND_STALL else PLENTY_S
    blames = []
    with pipelining({stage: [action]}) as server, PostOffice(sqlite_url, server.port, timeout_s=patience_s) as post:
        object.__setattr__(post.carrier, "told", lambda _claim, receipt: blames.append(receipt.server_failed))
        post.put("1", wire=BIG if stage == "body" else b"Subject: one\r\n\r\n1\r\n")
        post.put("2", wire=b"Subject: two\r\n\r\n2\r\n")
        delivered = post.deliver()
        stands_as(post, expected)
        assert ("down" if delivered.down else blames[0]) == ("down" if expected is WAITS else blamed)
        assert post.row("2").state is (State.QUEUED if expected is WAITS else State.ACCEPTED)
        comes_right(post, server)


def test_the_three_commands_go_out_before_any_answer_and_the_body_after_them(channel_to):
    with pipelining({"mail": [Stall(0.3)]}) as server:
        channel = channel_to(server)
        one = claim(1)
        channel.announce(one)
        assert server.accepted == []
        assert channel.deliver(one).outcome is Outcome.ACCEPTED
        assert server.verbs() == ["EHLO", "MAIL", "RCPT", "DATA"]
        assert [message.data for message in server.accepted] == [one.frozen.wire]


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
@pytest.mark.parametrize("farewell", [DROP, "421 4.4.2 idle for too long"])
def test_a_line_that_ends_in_the_moment_of_the_next_message_costs_it_no_attempt(channel_to, farewell, announced):
    with pipelining({"idle": [farewell]}) as server:
        channel = channel_to(server)
        assert channel.deliver(claim(1)).outcome is Outcome.ACCEPTED
        time.sleep(0.1)  # the end of the line arrives, and nobody looks
        two = claim(2)
        if announced:
            channel.announce(two)
        assert channel.deliver(two).outcome is Outcome.ACCEPTED
        assert len(server.accepted) == 2


def test_a_line_that_ends_in_the_moment_of_the_next_message_where_there_is_no_other(channel_to):
    with pipelining({"idle": [DROP]}) as server:
        channel = channel_to(server)
        assert channel.deliver(claim(1)).outcome is Outcome.ACCEPTED
    receipt = channel.deliver(claim(2))
    assert (receipt.outcome, receipt.server_failed) == (Outcome.LATER, True)


def test_without_the_extension_nothing_is_said_beforehand(channel_to):
    with ScriptedServer() as server:
        channel = channel_to(server)
        one = claim(1)
        channel.announce(one)
        assert channel.deliver(one).outcome is Outcome.ACCEPTED
        assert server.verbs() == ["EHLO", "MAIL", "RCPT", "DATA"]


def test_an_announced_message_that_is_not_to_be_sent_after_all_is_not_sent(channel_to):
    with pipelining() as server:
        channel = channel_to(server)
        channel.announce(claim(1))
        channel.open()
        assert channel.deliver(claim(2)).outcome is Outcome.ACCEPTED
        assert [message.data[9:10] for message in server.accepted] == [b"2"]


def test_leaving_after_an_announcement_sends_nothing(channel_to):
    with pipelining() as server:
        channel = channel_to(server)
        channel.announce(claim(1))
        channel.close()
        assert server.accepted == []
    assert "QUIT" not in server.verbs()


def test_another_message_than_the_announced_one_is_never_mistaken_for_it(channel_to):
    with pipelining() as server:
        channel = channel_to(server)
        channel.announce(claim(1))
        assert channel.deliver(claim(2)).outcome is Outcome.LATER
        channel.open()
        assert channel.deliver(claim(2)).outcome is Outcome.ACCEPTED
        assert [message.data[9:10] for message in server.accepted] == [b"2"]


@pytest.mark.parametrize(
    ("script", "outcome", "connections"),
    [
        ({"rcpt": ["550 5.1.1 nobody"]}, Outcome.REFUSED, 1),
        ({"mail": ["451 4.7.1 later"]}, Outcome.LATER, 2),
    ],
)
def test_a_server_that_takes_data_for_nobody_gets_an_empty_message_or_none(channel_to, script, outcome, connections):
    """RFC 2920, 3.1: a lone dot ends it. Where MAIL itself failed we do not know what the server thinks, and leave."""
    with ScriptedServer(script, extensions=EXTENSIONS, careless=True) as server:
        channel = channel_to(server)
        one = claim(1)
        channel.announce(one)
        assert channel.deliver(one).outcome is outcome
        channel.open()
        assert channel.deliver(claim(2)).outcome is Outcome.ACCEPTED
        assert server.connections == connections
        assert [message.data[9:10] for message in server.accepted] == [b"2"]


def test_a_message_that_can_never_be_carried_is_not_announced_and_says_why(channel_to):
    with pipelining() as server:
        channel = channel_to(server)
        odd = claim(1, "two\r\nlines@b.example")
        channel.announce(odd)
        assert channel.deliver(odd).outcome is Outcome.REFUSED
        assert channel.deliver(claim(2)).outcome is Outcome.ACCEPTED
        assert server.connections == 1


def test_a_message_that_was_cancelled_meanwhile_is_withdrawn_and_the_rest_goes_out(sqlite_url):
    with pipelining() as server, PostOffice(sqlite_url, server.port) as post:
        post.put("1", "2", "3", "4")
        keys = {row.document: row.key for row in post.rows().values()}

        def meanwhile(sent, _receipt):
            if sent.key == keys["1"]:  # 2 and 3 are claimed, and not yet begun
                for document in "23":
                    with post.outbox._database.engine.begin() as connection:
                        connection.exec_driver_sql(
                            "UPDATE outbox_message SET lease_owner = 'another' WHERE document = ?", (document,)
                        )

        object.__setattr__(post.carrier, "told", meanwhile)
        assert post.deliver().outcomes == {Outcome.ACCEPTED: 2}
        assert [message.recipients for message in server.accepted] == [("to1@b.example",), ("to4@b.example",)]
        assert server.connections == 2, "one announcement was taken back, the next message was not announced"


def test_the_outbox_failing_between_announcement_and_dot_sends_nothing(sqlite_url):
    with pipelining() as server, PostOffice(sqlite_url, server.port) as post:
        post.put("1")
        real = post.outbox.step

        def down(*_):
            raise OutboxError("away")

        post.outbox.step = down
        with pytest.raises(OutboxError):
            post.deliver()
        assert server.accepted == []
        post.outbox.step = real
        assert post.row().state is State.QUEUED
        assert post.deliver(Lane.INSTANT).outcomes == {Outcome.ACCEPTED: 1}
