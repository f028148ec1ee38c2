"""The fault table: for each way in which a mail server fails, what becomes of the message in the outbox, and when next.

Two messages wait. The server fails once, over the first of them or before it; after that it works.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from emailketing.model import OnUnknown, Recipient, State
from tests.letters import NOW
from tests.post_office import FIRST_S, LEASE_S, PLENTY_S, PostOffice
from tests.smtp_servers import (
    DROP,
    LOSE_ANSWER,
    RESET,
    TAKE_AND_STALL,
    ScriptedServer,
    Stall,
    free_port,
    make_certificate,
)

PATIENCE_S = 1.0
BIG = b"Subject: big\r\n\r\n" + b"x" * 76 * 150_000 + b"\r\n"  # more than the kernel's buffers hold

# What becomes of the first message. Each line: state, attempts, when next.
LATER = (State.QUEUED, 1, "after a wait")  # certainly not accepted
REFUSED = (State.REFUSED, 1, "never")
UNKNOWN = (State.UNKNOWN, 1, "the policy decides")
WAITS = (State.QUEUED, 0, "at once")  # the server as a whole is down; the message was not given to it
ACCEPTED = (State.ACCEPTED, 1, "never")

#        stage      what the server does            first message   the server is blamed
TABLE = [
    ("connect", "421 4.3.2 busy", WAITS, True),
    ("connect", "554 5.3.2 go away", WAITS, True),
    ("connect", DROP, WAITS, True),
    ("connect", RESET, WAITS, True),
    ("connect", "hello?", WAITS, True),
    ("connect", Stall(30), WAITS, True),
    ("ehlo", "421 4.3.2 busy", WAITS, True),
    ("ehlo", DROP, WAITS, True),
    ("ehlo", Stall(30), WAITS, True),
    ("mail", "421 4.3.2 shutting down", LATER, True),
    ("mail", "451 4.7.1 slow down", LATER, False),
    ("mail", "452 4.3.1 disk full", LATER, True),
    ("mail", "550 5.7.1 sender unwelcome", REFUSED, False),
    ("mail", "530 5.7.0 who are you?", LATER, True),
    ("mail", DROP, LATER, True),
    ("mail", RESET, LATER, True),
    ("mail", Stall(30), LATER, True),
    ("mail", "hello?", LATER, True),
    ("rcpt", "421 4.7.0 too many", LATER, True),
    ("rcpt", "450 4.2.1 mailbox busy", LATER, False),
    ("rcpt", "550 5.1.1 no such user", REFUSED, False),
    ("rcpt", DROP, LATER, True),
    ("rcpt", Stall(30), LATER, True),
    ("data", "421 4.3.2 shutting down", LATER, True),
    ("data", "451 4.3.0 not now", LATER, False),
    ("data", "554 5.5.1 no valid recipients", REFUSED, False),
    ("data", DROP, LATER, True),
    ("data", Stall(30), LATER, True),
    ("body", DROP, LATER, True),
    ("body", Stall(30), LATER, True),
    ("dot", "421 4.3.2 shutting down", LATER, True),
    ("dot", "451 4.3.0 queue failed", LATER, False),
    ("dot", "452 4.3.1 disk full", LATER, True),
    ("dot", "552 5.3.4 too big", REFUSED, False),
    ("dot", "554 5.6.0 bad content", REFUSED, False),
    ("dot", DROP, UNKNOWN, True),
    ("dot", RESET, UNKNOWN, True),
    ("dot", LOSE_ANSWER, UNKNOWN, True),
    ("dot", TAKE_AND_STALL, UNKNOWN, True),
    ("dot", "hello?", UNKNOWN, True),
    ("idle", DROP, ACCEPTED, False),
    ("idle", "421 4.4.2 idle for too long", ACCEPTED, False),
    ("quit", DROP, ACCEPTED, False),
]


@pytest.mark.parametrize(("stage", "action", "expected", "blamed"), TABLE, ids=str)
def test_each_fault_has_its_state_and_its_next_attempt(sqlite_url, stage, action, expected, blamed):
    patience_s = PATIENCE_S if isinstance(action, Stall) or action == TAKE_AND_STALL else PLENTY_S
    blames = []

    def told(_claim, receipt):
        blames.append(receipt.server_failed)
        if stage == "idle":
            time.sleep(0.1)  # the server's farewell needs a moment to arrive

    with ScriptedServer({stage: [action]}) as server, PostOffice(sqlite_url, server.port, timeout_s=patience_s) as post:
        post.carrier = replace(post.carrier, told=told)
        post.put("1", wire=BIG if stage == "body" else b"Subject: one\r\n\r\n1\r\n")
        post.put("2", wire=b"Subject: two\r\n\r\n2\r\n")
        delivered = post.deliver()
        stands_as(post, expected)
        assert ("down" if delivered.down else blames[0]) == ("down" if expected is WAITS else blamed)
        assert post.row("2").state is (State.QUEUED if expected is WAITS else State.ACCEPTED)
        assert (post.pause() is not None) == (expected is WAITS), "the next message that went cleared the count"
        comes_right(post, server)


def stands_as(post, expected, document="1"):
    row = post.row(document)
    state, attempts, following = expected
    assert (row.state, row.attempts) == (state, attempts), row.reason
    earliest, latest = {
        "after a wait": (FIRST_S / 2, FIRST_S),
        "at once": (0, 0),
        "the policy decides": (0, 0),
        "never": (None, None),
    }[following]
    if earliest is None:
        assert row.next_attempt_at is None
    else:
        assert timedelta(seconds=earliest) <= row.next_attempt_at - NOW <= timedelta(seconds=latest)
    assert bool(row.reason) == (attempts > 0), "each attempt is told"


def comes_right(post, server):
    """By itself, everything that was not refused is accepted in the end; nothing twice but what was in doubt."""
    doubtful = {row.message_id for row in post.rows().values() if row.state is State.UNKNOWN}
    for _ in range(3):
        post.keep_house()
        post.sleep(61)
        post.deliver()
    states = {row.document: row.state for row in post.rows().values()}
    assert states["2"] is State.ACCEPTED
    assert states["1"] in (State.ACCEPTED, State.REFUSED)
    assert post.pause() is None
    subjects = [message.data.split(b"\r\n", 1)[0] for message in server.accepted]
    assert subjects.count(b"Subject: two") == 1
    assert subjects.count(b"Subject: one") <= 1 + len(doubtful)


@pytest.mark.parametrize("action", [DROP, RESET, LOSE_ANSWER, TAKE_AND_STALL])
@pytest.mark.parametrize("policy", OnUnknown)
def test_a_lost_answer_is_settled_by_the_mailings_policy(sqlite_url, policy, action):
    patience_s = PATIENCE_S if action == TAKE_AND_STALL else PLENTY_S
    with ScriptedServer({"dot": [action]}) as server, PostOffice(sqlite_url, server.port, timeout_s=patience_s) as post:
        post.put("1", on_unknown=policy)
        post.deliver()
        stands_as(post, UNKNOWN)
        assert post.keep_house()["rescued"] == 1
        assert post.keep_house()["rescued"] == 0
        post.sleep(31)
        post.deliver()
        taken = 1 if action in (LOSE_ANSWER, TAKE_AND_STALL) else 0
        if policy is OnUnknown.AGAIN:
            assert post.tale() == ["queued", "sending", "unknown", "queued", "sending", "accepted"]
            assert len(server.accepted) == taken + 1
        else:
            assert post.tale() == ["queued", "sending", "unknown"]
            assert "never sent again in doubt" in post.row().reason
            assert post.row().next_attempt_at is None
            assert len(server.accepted) == taken


def test_a_port_where_nobody_listens(sqlite_url):
    with PostOffice(sqlite_url, free_port()) as post:
        post.put("1")
        assert "nothing listens there (Connection refused)" in post.deliver().down
        stands_as(post, WAITS)
        with ScriptedServer() as server:
            post.port = server.port
            assert post.deliver().down == ""
            stands_as(post, ACCEPTED)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    make = {"good": {}, "expired": {"ended": True}, "of another host": {"hosts": ("mail.other.example",)}}
    return {name: make_certificate(tmp_path_factory.mktemp("tls"), **how) for name, how in make.items()}


#       certificate         script                              what operations read
TLS_TABLE = [
    ("expired", {}, "its certificate is not trusted (certificate has expired)"),
    ("of another host", {}, "its certificate is not trusted (IP address mismatch"),
    ("good", {"starttls": ["454 4.7.0 TLS not available"]}, "454 4.7.0 TLS not available"),
    ("good", {"starttls": ["421 4.3.2 shutting down"]}, "421 4.3.2 shutting down"),
    ("good", {"starttls": [DROP]}, "it closed the line"),
    ("good", {"starttls": [RESET]}, "Connection reset"),
    ("good", {"starttls": [Stall(30)]}, "timed out"),
]


@pytest.mark.parametrize(("certificate", "script", "expected"), TLS_TABLE, ids=str)
def test_without_tls_as_agreed_no_message_is_given_to_the_server(
    sqlite_url, certificates, certificate, script, expected
):
    presented = certificates[certificate]

    def secure(client):
        client.starttls(context=ssl.create_default_context(cafile=str(presented.path)))

    with ScriptedServer(script, tls=presented.server_context()) as server:
        patience_s = PATIENCE_S if script.get("starttls") == [Stall(30)] else PLENTY_S
        with PostOffice(sqlite_url, server.port, timeout_s=patience_s, secure=secure) as post:
            post.put("1")
            down = post.deliver().down
            assert expected in " ".join(down.split())
            stands_as(post, WAITS)
            assert (post.pause().failures, post.pause().until) == (1, None)
            assert server.accepted == []
            if certificate == "good":
                post.deliver()
                stands_as(post, ACCEPTED)


@pytest.mark.parametrize(
    ("login", "script", "expected"),
    [
        (("user", "right"), {}, "it refused the login (535 5.7.8 authentication failed)"),
        (("user", "wr0ng-secret"), {"auth": ["454 4.7.0 try later"] * 3}, "it refused the login (454 4.7.0 try later)"),
        (("user", "wr0ng-secret"), {"auth": ["421 4.3.2 shutting down"]}, "it closed the line"),
        (("user", "wr0ng-secret"), {"auth": [DROP]}, "it closed the line"),
    ],
    ids=str,
)
def test_a_login_that_fails_costs_no_message_an_attempt_and_shows_no_password(
    sqlite_url, login, script, expected, caplog
):
    def secure(client):
        client.login("user", "wr0ng-secret")

    with ScriptedServer(script, login=login) as server, PostOffice(sqlite_url, server.port, secure=secure) as post:
        post.put("1", "2")
        down = post.deliver().down
        assert expected in down
        stands_as(post, WAITS)
        told = [down, caplog.text, str(post.pause()), *(str(row) for row in post.rows().values())]
        assert "wr0ng" not in " ".join(told)
        assert server.accepted == []


#       extensions                      message                                          what becomes of it, and why
CAPABILITY_TABLE = [
    (("SIZE 100",), {"wire": b"Subject: one\r\n\r\n" + b"x" * 200}, REFUSED, "the server takes at most 100"),
    (("8BITMIME",), {"recipient": Recipient("josé@b.example")}, REFUSED, "SMTPUTF8"),
    (("SMTPUTF8",), {"recipient": Recipient("josé@b.example")}, ACCEPTED, ""),
    ((), {"recipient": Recipient("jose@españa.example")}, ACCEPTED, ""),
    ((), {"wire": b"Subject: one\r\nContent-Transfer-Encoding: base64\r\n\r\nw7E=\r\n"}, ACCEPTED, ""),
]


@pytest.mark.parametrize(("extensions", "message", "expected", "reason"), CAPABILITY_TABLE, ids=str)
def test_what_a_server_cannot_carry_is_refused_with_the_reason_and_the_rest_goes_out(
    sqlite_url, extensions, message, expected, reason
):
    with ScriptedServer(extensions=extensions) as server, PostOffice(sqlite_url, server.port) as post:
        post.put("1", **message)
        post.put("2")
        post.deliver()
        stands_as(post, expected)
        assert reason in post.row().reason
        assert post.row("2").state is State.ACCEPTED
        assert len(server.accepted) == (2 if expected is ACCEPTED else 1)


def test_a_server_that_is_slow_at_every_step_gets_its_time(sqlite_url):
    slow = {stage: [Stall(0.4)] for stage in ("connect", "ehlo", "mail", "rcpt", "data", "body", "dot")}
    with ScriptedServer(slow) as server, PostOffice(sqlite_url, server.port, timeout_s=2.0) as post:
        post.put("1", "2")
        post.deliver()
        assert {row.state for row in post.rows().values()} == {State.ACCEPTED}


def test_a_big_message_is_leased_for_as_long_as_a_slow_line_may_take(sqlite_url):
    """Or it would be taken for a dead process's while it is still being sent, and be sent again."""
    leases = {}
    with ScriptedServer() as server, PostOffice(sqlite_url, server.port) as post:
        post.carrier = replace(post.carrier, told=lambda claim, _: leases.update({claim.key: post.rows()}))
        post.put("1", wire=b"Subject: small\r\n\r\n")
        post.put("2", files=[b"x" * 27 * 16384])
        post.deliver()
        small, big = (
            (rows[document].lease_until - NOW).total_seconds()
            for rows, document in zip(leases.values(), "12", strict=True)
        )
        assert small == pytest.approx(LEASE_S, abs=0.1)
        assert big == pytest.approx(LEASE_S + 37, abs=0.1)


def test_a_message_waits_longer_each_time_and_is_given_up_with_the_servers_words(sqlite_url):
    busy = ScriptedServer({"rcpt": ["450 4.2.1 mailbox busy"] * 9})
    with busy as server, PostOffice(sqlite_url, server.port, attempts=5) as post:
        post.put("1")
        for made in range(1, 5):
            post.deliver()
            span = FIRST_S * 2 ** (made - 1)
            wait = (post.row().next_attempt_at - post.now).total_seconds()
            assert span / 2 <= wait <= span, made
            assert (post.row().state, post.row().attempts) == (State.QUEUED, made)
            post.sleep(wait - 1)
            assert post.deliver().outcomes == {}, "not before its time"
            post.sleep(2)
        post.deliver()
        row = post.row()
        assert (row.state, row.attempts, row.next_attempt_at) == (State.REFUSED, 5, None)
        assert "450 4.2.1 mailbox busy" in row.reason
        assert post.outbox.history(row.key)[-1].cause == "attempts used up"
        assert post.pause() is None, "a busy mailbox is no reason to stop the others"


def test_messages_turned_away_together_do_not_come_back_together(sqlite_url):
    with ScriptedServer({"mail": ["451 4.7.1 slow down"] * 40}) as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*map(str, range(40)))
        post.deliver()
        waits = sorted((row.next_attempt_at - NOW).total_seconds() for row in post.rows().values())
        assert len(set(waits)) == 40
        assert waits[0] < 0.6 * FIRST_S
        assert waits[-1] > 0.9 * FIRST_S
