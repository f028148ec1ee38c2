"""What the SMTP channel makes of every way in which a server, or the line to it, can fail."""

import smtplib
import socket
import ssl
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from emailketing import channels
from emailketing.channels.smtp import Smtp
from emailketing.errors import ChannelDown
from emailketing.model import Claim, Frozen, Outcome
from tests.smtp_servers import (
    DROP,
    LOSE_ANSWER,
    RESET,
    TAKE_AND_STALL,
    Crawl,
    Drip,
    ScriptedServer,
    Stall,
    free_port,
    make_certificate,
)

A, L, R, U = Outcome.ACCEPTED, Outcome.LATER, Outcome.REFUSED, Outcome.UNKNOWN
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
PATIENCE_S = 1.0
PLENTY_S = 60.0  # for what is not meant to fail, however busy the machine is
BIG = Frozen(b"Subject: big\r\n\r\n" + b"x" * 76 * 200_000 + b"\r\n")  # more than the kernel's buffers hold


def claim(frozen=Frozen(b"Subject: x\r\n\r\nx\r\n"), **changed):  # noqa: B008 a frozen value
    base = Claim(1, "k", "email", "us@a.example", "you@b.example", "<1@a.example>", 0, frozen)
    return replace(base, **changed)


def channel_to(server, timeout_s=PLENTY_S, secure=None):
    """`timeout_s` is the patience on the first line; there is plenty on those that follow."""

    def connect():
        channel._timeout_s = PLENTY_S  # on the next line; this one has been promised its own
        client = smtplib.SMTP("127.0.0.1", server.port, "localhost", timeout=timeout_s)
        try:
            if secure is not None:
                secure(client)
        except BaseException:
            client.close()
            raise
        return client

    channel = Smtp(connect, timeout_s=timeout_s, server=f"127.0.0.1:{server.port}", clock=lambda: NOON)
    return channel


def deliver(channel, message=None):
    channel.open()
    return channel.deliver(message or claim())


#        stage    what the server does            outcome code  taken  connections after the next message
TABLE = [
    ("mail", "250 2.1.0 ok", A, 250, 1, 1),
    ("mail", "451 4.3.0 try later", L, 451, 0, 1),
    ("mail", "452 4.3.1 disk full", L, 452, 0, 1),
    ("mail", "550 5.7.1 sender unwelcome", R, 550, 0, 1),
    ("mail", "552 5.3.4 too big", R, 552, 0, 1),
    ("mail", "421 4.3.2 shutting down", L, 421, 0, 2),
    ("mail", "503 5.5.1 out of step", L, 503, 0, 2),
    ("mail", "554 5.7.8 who are you?", L, 554, 0, 2),
    ("mail", "hello?", L, None, 0, 2),
    ("mail", "354 go ahead", L, 354, 0, 2),
    ("mail", DROP, L, None, 0, 2),
    ("mail", RESET, L, None, 0, 2),
    ("mail", Stall(30), L, None, 0, 2),
    ("rcpt", "251 will forward", A, 250, 1, 1),
    ("rcpt", "450 4.2.1 mailbox busy", L, 450, 0, 1),
    ("rcpt", "452 4.2.2 mailbox full", L, 452, 0, 1),
    ("rcpt", "550 5.1.1 no such user", R, 550, 0, 1),
    ("rcpt", "552 5.2.2 mailbox full", R, 552, 0, 1),
    ("rcpt", "421 4.7.0 too many", L, 421, 0, 2),
    ("rcpt", DROP, L, None, 0, 2),
    ("rcpt", RESET, L, None, 0, 2),
    ("rcpt", Stall(30), L, None, 0, 2),
    ("data", "451 4.3.0 not now", L, 451, 0, 1),
    ("data", "554 5.5.1 no valid recipients", R, 554, 0, 1),
    ("data", "421 4.3.2 shutting down", L, 421, 0, 2),
    ("data", "250 what?", L, 250, 0, 2),
    ("data", DROP, L, None, 0, 2),
    ("data", Stall(30), L, None, 0, 2),
    ("dot", "200 fine", A, 200, 1, 1),
    ("dot", "451 4.3.0 queue failed", L, 451, 0, 1),
    ("dot", "452 4.3.1 disk full", L, 452, 0, 1),
    ("dot", "421 4.3.2 shutting down", L, 421, 0, 2),
    ("dot", "550 5.7.1 spam", R, 550, 0, 1),
    ("dot", "552 5.3.4 too big", R, 552, 0, 1),
    ("dot", "554 5.6.0 bad content", R, 554, 0, 1),
    ("dot", "hello?", U, None, 1, 2),
    ("dot", "354 more?", U, 354, 1, 2),
    ("dot", DROP, U, None, 0, 2),
    ("dot", RESET, U, None, 0, 2),
    ("dot", LOSE_ANSWER, U, None, 1, 2),
    ("dot", TAKE_AND_STALL, U, None, 1, 2),
]


@pytest.mark.parametrize(("stage", "action", "outcome", "code", "taken", "connections"), TABLE, ids=str)
def test_each_failure_has_one_outcome_and_the_next_message_goes_out(stage, action, outcome, code, taken, connections):
    patience_s = PATIENCE_S if isinstance(action, Stall) or action == TAKE_AND_STALL else PLENTY_S
    with ScriptedServer({stage: [action]}) as server:
        channel = channel_to(server, patience_s)
        receipt = deliver(channel)
        assert (receipt.outcome, receipt.code, receipt.at) == (outcome, code, NOON)
        assert receipt.reason
        assert len(server.accepted) == taken
        assert deliver(channel).outcome is A
        assert len(server.accepted) == taken + 1
        assert server.connections == connections
        channel.close()


@pytest.mark.parametrize("reset", ["250 2.0.0 ok", "451 no", "421 bye", DROP])
def test_a_line_that_cannot_be_cleared_is_given_up(reset):
    with ScriptedServer({"rcpt": ["550 5.1.1 no"], "rset": [reset]}) as server:
        channel = channel_to(server)
        assert deliver(channel).outcome is R
        assert deliver(channel).outcome is A
        assert server.connections == (1 if reset.startswith("250") else 2)
        channel.close()


def test_a_line_that_breaks_about_the_time_of_the_dot_is_never_taken_for_accepted():
    with ScriptedServer({"body": [DROP, RESET] * 5}) as server:
        channel = channel_to(server)
        # A small body and the dot may both be with the kernel before it learns of the break.
        assert {deliver(channel).outcome for _ in range(10)} <= {L, U}
        assert server.accepted == []
        assert deliver(channel).outcome is A
        channel.close()


@pytest.mark.parametrize("action", [DROP, RESET, Stall(30)])
def test_a_line_that_breaks_while_a_big_body_is_written_leaves_the_message_for_later(action):
    with ScriptedServer({"body": [action]}) as server:
        channel = channel_to(server, PATIENCE_S)
        assert deliver(channel, claim(BIG)).outcome is L
        assert server.accepted == []
        channel.close()


@pytest.mark.parametrize(("words", "outcome", "code"), [("552 5.3.4 too big", R, 552), ("421 4.3.2 bye", L, 421)])
def test_what_a_server_says_in_the_midst_of_the_body_is_heard_and_no_dot_is_sent(words, outcome, code):
    with ScriptedServer({"body": [words]}) as server:
        channel = channel_to(server)
        receipt = deliver(channel, claim(BIG))
        # The reset that follows may overtake the words; then it is only a broken line.
        assert (receipt.outcome, receipt.code) in [(outcome, code), (L, None)]
        assert server.accepted == []
        assert deliver(channel).outcome is A
        channel.close()


def test_a_big_body_may_take_longer_than_the_patience_for_one_answer():
    lines = Frozen(b"Subject: big\r\n\r\n" + (b"x" * 76 + b"\r\n") * 60_000)
    with ScriptedServer({"body": [Crawl(0.05)]}) as server:
        channel = channel_to(server, timeout_s=2.0)
        started = time.monotonic()
        assert deliver(channel, claim(lines)).outcome is A
        assert time.monotonic() - started > 2.5
        assert server.accepted[0].data == lines.wire
        channel.close()


def test_a_server_that_takes_a_big_body_too_slowly_is_given_up_before_the_dot(monkeypatch):
    monkeypatch.setattr(channels, "SLOWEST", 50_000_000)
    many_lines = claim(Frozen(b"Subject: big\r\n\r\n" + (b"x" * 76 + b"\r\n") * 200_000))
    with ScriptedServer({"body": [Crawl(0.1)]}) as server:
        channel = channel_to(server, timeout_s=0.4)
        started = time.monotonic()
        receipt = deliver(channel, many_lines)
        assert (receipt.outcome, receipt.server_failed) == (L, True)
        assert "too slow" in receipt.reason
        assert time.monotonic() - started < 15, "it would take twenty seconds"
        assert server.accepted == []
        channel.close()


def test_the_server_has_four_times_as_long_after_the_dot():
    with ScriptedServer({"dot": [Stall(1.2)]}) as server:
        channel = channel_to(server, timeout_s=0.8)
        assert deliver(channel).outcome is A
        channel.close()


@pytest.mark.parametrize("farewell", ["<drop>", "421 4.4.2 idle for too long"])
def test_an_idle_line_that_the_server_closed_costs_no_message(farewell):
    with ScriptedServer({"idle": [farewell]}) as server:
        channel = channel_to(server)
        assert deliver(channel).outcome is A
        time.sleep(0.1)
        assert deliver(channel).outcome is A
        assert server.connections == 2
        channel.close()


def test_one_line_serves_many_messages_and_nothing_more_is_said_than_needed():
    with ScriptedServer() as server:
        channel = channel_to(server)
        for _ in range(3):
            assert deliver(channel).outcome is A
        channel.close()
    assert server.verbs() == ["EHLO", *["MAIL", "RCPT", "DATA"] * 3, "QUIT"]


def test_the_receipt_of_an_accepted_message_keeps_the_servers_words_as_proof():
    with ScriptedServer({"dot": ["250 2.0.0 Ok: queued as 4F1A22\x07\x1b[31m" + "x" * 600]}) as server:
        channel = channel_to(server)
        receipt = deliver(channel)
        assert receipt.reason.startswith("2.0.0 Ok: queued as 4F1A22")
        assert receipt.reason.isprintable()
        assert len(receipt.reason) == 500
        channel.close()


def test_an_answer_of_several_lines_becomes_one():
    with ScriptedServer({"rcpt": ["550-5.7.1 first\r\n550 5.7.1 second"]}) as server:
        channel = channel_to(server)
        assert deliver(channel).reason == "The server answered to RCPT TO: 550 5.7.1 first 5.7.1 second"
        channel.close()


@pytest.mark.parametrize(
    "action", ["\r\n".join(["250-and more"] * 9000), "250 " + "x" * 99_000, Drip(0.3)], ids=["lines", "line", "drip"]
)
def test_an_answer_without_an_end_is_not_waited_for(action):
    with ScriptedServer({"rcpt": [action]}) as server:
        channel = channel_to(server, PATIENCE_S if isinstance(action, Drip) else PLENTY_S)
        receipt = deliver(channel)
        assert (receipt.outcome, receipt.server_failed) == (L, True)
        assert len(receipt.reason) < 200
        assert deliver(channel).outcome is A
        assert server.connections == 2
        channel.close()


def test_a_server_that_falls_silent_on_a_used_line_is_given_up_and_not_asked_again_at_once():
    with ScriptedServer({"mail": [None, Stall(30)]}) as server:
        channel = channel_to(server, PATIENCE_S)
        assert deliver(channel).outcome is A
        receipt = deliver(channel)
        assert (receipt.outcome, receipt.server_failed) == (L, True)
        assert "timed out" in receipt.reason
        assert server.connections == 1
        channel.close()


def test_a_message_above_the_servers_size_is_refused_without_a_word():
    with ScriptedServer(extensions=("SIZE 1000",)) as server:
        channel = channel_to(server)
        receipt = deliver(channel, claim(BIG))
        assert receipt.outcome is R
        assert "at most 1000" in receipt.reason
        assert server.verbs() == ["EHLO"]
        assert deliver(channel).outcome is A
        channel.close()


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE lots"])
def test_a_server_without_a_limit_on_size_takes_any(size):
    with ScriptedServer(extensions=(size,)) as server:
        channel = channel_to(server)
        assert deliver(channel).outcome is A
        channel.close()


def test_the_size_is_announced_where_the_server_wants_to_know():
    with ScriptedServer(extensions=("SIZE 1000",)) as server:
        channel = channel_to(server)
        deliver(channel)
        channel.close()
    assert server.commands[1] == "MAIL FROM:<us@a.example> SIZE=17"


def test_a_server_without_extensions_gets_none():
    with ScriptedServer({"ehlo": ["502 5.5.1 only HELO here"]}) as server:
        channel = channel_to(server)
        assert deliver(channel).outcome is A
        channel.close()
    assert server.commands[1:3] == ["helo localhost", "MAIL FROM:<us@a.example>"]


def test_letters_beyond_ascii_before_the_at_need_a_server_that_carries_them():
    with ScriptedServer(extensions=()) as server:
        channel = channel_to(server)
        receipt = deliver(channel, claim(address="josé@b.example"))
        assert receipt.outcome is R
        assert "SMTPUTF8" in receipt.reason
        channel.close()
    with ScriptedServer() as server:
        channel = channel_to(server)
        assert deliver(channel, claim(address="josé@b.example")).outcome is A
        assert deliver(channel, claim(address="jose@españa.example")).outcome is A
        channel.close()
    assert [line for line in server.commands if line.startswith("MAIL")] == [
        "MAIL FROM:<us@a.example> SIZE=17 BODY=8BITMIME SMTPUTF8",
        "MAIL FROM:<us@a.example> SIZE=17",
    ]
    assert [message.recipients[0] for message in server.accepted] == ["josé@b.example", "jose@xn--espaa-rta.example"]


@pytest.mark.parametrize("wire", [b".", b"..\r\n.\r\n..x\r\n", b".\r\n", b"a\r\n.b\r\n", b"no line end"])
def test_dots_at_the_start_of_a_line_arrive_as_they_are(wire):
    with ScriptedServer() as server:
        channel = channel_to(server)
        assert deliver(channel, claim(Frozen(wire))).outcome is A
        channel.close()
    assert server.accepted[0].data == (wire if wire.endswith(b"\r\n") else wire + b"\r\n")


def test_a_bounce_address_may_be_empty():
    with ScriptedServer() as server:
        channel = channel_to(server)
        assert deliver(channel, claim(sender="")).outcome is A
        channel.close()
    assert server.accepted[0].sender == ""


def test_a_server_that_wants_a_login_makes_messages_wait_and_then_the_channel_is_down():
    with ScriptedServer(login=("user", "secret")) as server:
        channel = channel_to(server)
        receipt = deliver(channel)
        assert (receipt.outcome, receipt.code) == (L, 530)
        for _ in range(2):
            with pytest.raises(ChannelDown, match=r"530 5\.7\.0 Authentication required"):
                channel.open()
        assert channel.deliver(claim()).outcome is L
        server.login = None
        assert deliver(channel).outcome is A
        assert deliver(channel).outcome is A
        channel.close()
    assert server.accepted != []


def test_a_signal_in_the_midst_of_a_message_ends_the_line():
    class Signal(BaseException):
        pass

    with ScriptedServer({"dot": [Stall(0.5)]}) as server:
        channel = channel_to(server)
        channel.open()
        channel._line.verdict = lambda: (_ for _ in ()).throw(Signal)
        with pytest.raises(Signal):
            channel.deliver(claim())
        assert deliver(channel).outcome is A
        assert server.connections == 2
        channel.close()


# Operations read these: what was tried, what was answered, what to do.


def down(channel):
    with pytest.raises(ChannelDown) as caught:
        channel.open()
    text = str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "secret" not in text
    return text


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ({"connect": ["554 5.3.2 go away"]}, "it greeted with (554 5.3.2 go away)"),
        ({"connect": ["421 4.3.2 busy"]}, "it greeted with (421 4.3.2 busy)"),
        ({"connect": [DROP]}, "it closed the line"),
        ({"connect": ["hello?"]}, "it greeted with"),
        ({"ehlo": [DROP]}, "it closed the line"),
        ({"ehlo": ["421 4.3.2 busy"]}, "it closed the line"),
        ({"connect": [Stall(30)]}, "timed out"),
    ],
    ids=str,
)
def test_a_server_that_does_not_greet_is_down_and_says_why(script, expected):
    with ScriptedServer(script) as server:
        channel = channel_to(server, PATIENCE_S)
        text = down(channel)
        assert expected in text
        assert f"127.0.0.1:{server.port}" in text
        assert text.count("\n") == 1
        assert deliver(channel).outcome is A
        channel.close()


def test_a_port_where_nobody_listens_is_named():
    port = free_port()
    text = down(Smtp(lambda: smtplib.SMTP("127.0.0.1", port), server=f"127.0.0.1:{port}"))
    assert text == (
        f"No mail can be sent over 127.0.0.1:{port}: nothing listens there (Connection refused).\n"
        "  Start the server, or check host and port of the Connection."
    )


def test_a_host_that_has_no_address_is_said_so():
    def connect():
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert "its name is unknown (Name or service not known)" in down(Smtp(connect))


def test_a_password_that_smtplib_cannot_write_is_not_quoted():
    with ScriptedServer(login=("user", "secretñ")) as server:
        text = down(channel_to(server, secure=lambda client: client.login("user", "secretñ")))
    assert "cannot be written in ASCII" in text


def test_an_error_that_speaks_for_itself_passes_unchanged():
    def connect():
        raise ChannelDown("The Connection smtp is missing.")

    with pytest.raises(ChannelDown, match=r"^The Connection smtp is missing\.$"):
        Smtp(connect).open()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


def test_a_wrong_login_is_the_channels_affair_and_the_right_one_works():
    with ScriptedServer(login=("user", "right")) as server:
        text = down(channel_to(server, secure=lambda client: client.login("user", "secret")))
        assert "it refused the login (535 5.7.8 authentication failed)" in text
        channel = channel_to(server, secure=lambda client: client.login("user", "right"))
        assert deliver(channel).outcome is A
        channel.close()


def test_mail_goes_out_under_starttls(certificate):
    with ScriptedServer(tls=certificate.server_context()) as server:
        channel = channel_to(server, secure=lambda client: client.starttls(context=certificate.client_context()))
        assert deliver(channel, claim(BIG)).outcome is A
        assert deliver(channel).outcome is A
        channel.close()
    assert [message.data for message in server.accepted] == [BIG.wire, claim().frozen.wire]
    assert server.verbs()[:3] == ["EHLO", "STARTTLS", "EHLO"]


@pytest.mark.parametrize(("action", "outcome"), [(DROP, U), (LOSE_ANSWER, U), ("451 4.3.0 no", L), ("550 5.7.1 no", R)])
def test_failures_under_tls_have_the_same_outcomes(certificate, action, outcome):
    with ScriptedServer({"dot": [action]}, tls=certificate.server_context()) as server:
        channel = channel_to(server, secure=lambda client: client.starttls(context=certificate.client_context()))
        assert deliver(channel).outcome is outcome
        assert deliver(channel).outcome is A
        channel.close()


def test_an_idle_line_under_tls_that_the_server_closed_costs_no_message(certificate):
    with ScriptedServer({"idle": [DROP]}, tls=certificate.server_context()) as server:
        channel = channel_to(server, secure=lambda client: client.starttls(context=certificate.client_context()))
        assert deliver(channel).outcome is A
        time.sleep(0.1)
        assert deliver(channel).outcome is A
        channel.close()


def test_tls_from_the_start_works_and_an_idle_line_under_it_stays_in_use(certificate):
    with ScriptedServer(tls=certificate.server_context(), tls_at_once=True) as server:

        def connect():
            context = certificate.client_context()
            return smtplib.SMTP_SSL("127.0.0.1", server.port, "localhost", timeout=5, context=context)

        channel = Smtp(connect, timeout_s=5)
        assert deliver(channel).outcome is A
        time.sleep(0.1)
        assert deliver(channel).outcome is A
        assert server.connections == 1
        channel.close()


def test_a_certificate_that_nobody_vouches_for_is_named(certificate):
    with ScriptedServer(tls=certificate.server_context()) as server:
        text = down(channel_to(server, secure=lambda client: client.starttls(context=ssl.create_default_context())))
    assert "its certificate is not trusted" in text


def test_a_server_without_starttls_is_named():
    with ScriptedServer() as server:
        text = down(channel_to(server, secure=lambda client: client.starttls(context=ssl.create_default_context())))
    assert "it lacks what the Connection asks for (STARTTLS extension not supported by server.)" in text


def test_tls_spoken_to_a_server_that_speaks_plainly_is_named():
    with ScriptedServer() as server:
        port = server.port
        text = down(Smtp(lambda: smtplib.SMTP_SSL("127.0.0.1", port, "localhost", timeout=2)))
    assert "TLS failed" in text
    assert "disable_ssl" in text
