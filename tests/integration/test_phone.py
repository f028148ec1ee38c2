"""Texts through apprise to real gateways on loopback: what is known of each answer, and that nothing goes twice."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.phone_catcher import Answer
from emailketing.channels.gsm7 import Wording
from emailketing.channels.phone import Phone
from emailketing.errors import ChannelDown, SettingsError
from emailketing.model import Claim, Frozen, Outcome
from tests.phone_gateways import phone_gateway
from tests.smtp_servers import free_port

PROJECT = Path(__file__).parents[2]
NUMBER = "+595981123456"
TWILIO = f"twilio://AC{'0' * 32}:{'f' * 32}@15551234567"


def claim(to=NUMBER, text="Recibimos Gs. 45.000. ¡Gracias!"):
    return Claim(1, "k", "phone", "us@a.example", to, "<1@a.example>", 0, Frozen(text.encode()))


def sent(url, to=NUMBER, *, text="Hola", timeout_s=5.0):
    channel = Phone(lambda: url, timeout_s=timeout_s)
    channel.open()
    return channel.deliver(claim(to, text))


@contextmanager
def raw_gateway(answer):
    """A server that reads one whole request of each connection and does `answer` with the connection."""
    requests = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def work():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    heard = b""
                    while b"\r\n\r\n" not in heard or b"}" not in heard:
                        heard += connection.recv(65536)
                    requests.append(heard)
                    answer(connection)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield f"json://127.0.0.1:{listening.getsockname()[1]}/?:to={{to}}", requests
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize(
    ("code", "outcome", "failed"),
    [
        (201, Outcome.ACCEPTED, False),
        (400, Outcome.REFUSED, False),
        (422, Outcome.REFUSED, False),
        (429, Outcome.LATER, True),
        (500, Outcome.LATER, True),
        (503, Outcome.LATER, True),
        (401, Outcome.LATER, True),
        (402, Outcome.LATER, True),
        (404, Outcome.LATER, True),
        (504, Outcome.UNKNOWN, True),
    ],
)
@pytest.mark.parametrize("schema", ["json", "form"])
def test_the_gateways_status_decides(schema, code, outcome, failed):
    answers = {} if code == 201 else {NUMBER: Answer(code)}
    with phone_gateway(answers) as gateway:
        receipt = sent(gateway.url.replace("json", schema))
        assert (receipt.outcome, receipt.server_failed) == (outcome, failed)
        assert receipt.code == (None if code == 201 else code)
        if code != 201:
            assert f"The gateway answered {code}" in receipt.reason
            assert "This number's texts are answered so." in receipt.reason, "the gateway's own words"
        assert gateway.texts() == ([(NUMBER, "Hola")] if code == 201 else [])


@pytest.mark.parametrize(
    "text", ["ñ à € [x]", "Hola\n\nfin", "  ", "₲ 1.000 🙂", "<b>&amp;</b>", r"a\nb :smile: {to}", "x" * 900]
)
def test_a_text_arrives_sign_by_sign(text):
    with phone_gateway() as gateway:
        worded = Wording().text(text)
        receipt = sent(gateway.url, text=worded)
        assert receipt.outcome is (Outcome.ACCEPTED if worded else Outcome.REFUSED)
        assert gateway.texts() == ([(NUMBER, worded)] if worded else [])


def test_nothing_listens():
    receipt = sent(f"json://127.0.0.1:{free_port()}/?:to={{to}}")
    assert (receipt.outcome, receipt.server_failed, receipt.code) == (Outcome.LATER, True, None)
    assert "nothing listens there" in receipt.reason


def test_a_gateway_whose_name_is_unknown():
    receipt = sent("json://gateway.invalid/?:to={to}")
    assert (receipt.outcome, receipt.server_failed) == (Outcome.LATER, True)
    assert "its name is unknown" in receipt.reason


def test_a_gateway_that_speaks_no_tls_is_not_known_to_have_taken_it_or_not():
    with phone_gateway() as gateway:
        receipt = sent(gateway.url.replace("json:", "jsons:"))
        assert receipt.outcome in (Outcome.LATER, Outcome.UNKNOWN)
        assert receipt.server_failed
        assert gateway.texts() == []


def test_a_slow_answer_leaves_the_message_unknown_for_it_may_have_been_taken():
    with phone_gateway({NUMBER: Answer(201, wait_s=20, keep=True)}) as gateway:
        began = time.monotonic()
        receipt = sent(gateway.url, timeout_s=0.5)
        assert (receipt.outcome, receipt.server_failed) == (Outcome.UNKNOWN, True)
        assert "may have taken it" in receipt.reason
        assert time.monotonic() - began < 5
        assert gateway.texts() == [(NUMBER, "Hola")], "and it was"


def test_a_line_that_breaks_after_the_request_leaves_the_message_unknown():
    with raw_gateway(lambda connection: None) as (url, requests):
        receipt = sent(url)
        assert (receipt.outcome, receipt.server_failed) == (Outcome.UNKNOWN, True)
        assert len(requests) == 1


def test_an_answer_that_never_ends_is_given_up():
    def drip(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(60):
            time.sleep(0.1)
            try:
                connection.sendall(b"x")
            except OSError:
                return

    with raw_gateway(drip) as (url, _):
        began = time.monotonic()
        receipt = sent(url, timeout_s=0.3)
        assert receipt.outcome is Outcome.UNKNOWN
        assert "not ended its answer" in receipt.reason
        assert time.monotonic() - began < 5


def test_a_gateway_that_moves_is_not_followed():
    """A redirected POST goes as a GET to nobody knows where, and may be taken for accepted."""

    def move(connection):
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")

    with raw_gateway(move) as (url, requests):
        receipt = sent(url)
        assert (receipt.outcome, receipt.code, receipt.server_failed) == (Outcome.LATER, 302, True)
        assert len(requests) == 1


@pytest.mark.parametrize("option", ["retry=3&wait=0", "optional=yes", "overflow=split", "optional=yes&retry=2"])
def test_what_the_url_asks_of_apprise_neither_repeats_a_text_nor_hides_a_failure(option):
    def fail(connection):
        connection.sendall(b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n")

    with raw_gateway(fail) as (url, requests):
        receipt = sent(f"{url}&{option}", text="x" * 40_000)
        assert receipt.outcome is Outcome.LATER
        assert len(requests) == 1


@pytest.mark.parametrize(
    "number",
    [
        "+595981123456&:to=+1",
        "+595981123456?x",
        "+595981123456/..",
        "+595 981 123456",
        "+595981123456%26",
        "",
        "+0",
        "1",
    ],
)
def test_a_hostile_number_never_reaches_the_url(number):
    with phone_gateway() as gateway:
        receipt = sent(gateway.url, number)
        assert receipt.outcome is Outcome.REFUSED
        assert "+595981123456" in receipt.reason
        assert gateway.texts() == []


def test_the_number_may_stand_anywhere_in_the_url_and_without_its_plus():
    with raw_gateway(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as found:
        url, requests = found
        assert sent(url.replace("/?:to={to}", "/send/{digits}?:phone={to}")).outcome is Outcome.ACCEPTED
        assert requests[0].startswith(b"POST /send/595981123456 ")
        assert b'"phone": "+595981123456"' in requests[0]


def documented():
    table = (PROJECT / "docs" / "operate.md").read_text().partition("### The gateway to the phones")[2]
    return re.findall(r"^\| .* \| `(\w+://.*)` \|$", table.partition("\n## ")[0], re.MULTILINE)


@pytest.mark.parametrize("url", documented())
def test_apprise_can_use_every_url_of_the_documentation(url):
    login, password = {"twilio": ("AC" + "0" * 32, "f" * 32)}.get(url.partition(":")[0], ("abcd1234", "f" * 16))
    channel = Phone(lambda: url.replace("{login}", login).replace("{password}", password))
    if url.startswith("smpp"):  # the one that needs another package
        with pytest.raises(ChannelDown, match="disabled"):
            channel.open()
        return
    channel.open()
    assert "595981123456" in channel._plugin(channel._template, NUMBER).url()


def test_the_documentation_names_gateways_of_each_kind():
    assert {url.partition(":")[0] for url in documented()} >= {"twilio", "vonage", "whatsapp", "smpp", "jsons", "forms"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense://x/{to}", "Unparseable URL"),
        (f"{TWILIO.replace('AC', 'XX')}/{{to}}", "invalid Twilio Account SID"),
        (f"{TWILIO}/{{to}}/+595981000111", "names 2 recipients"),
        ("smpp://user:secret@localhost/15551234567/{to}", "disabled"),
    ],
)
def test_a_url_that_apprise_cannot_use_is_told_without_its_secrets(url, words):
    channel = Phone(lambda: url)
    with pytest.raises(ChannelDown, match=words) as raised:
        channel.open()
    assert "'phone'" in str(raised.value)
    assert "0000000" not in str(raised.value)
    assert "fffffff" not in str(raised.value)
    assert "secret" not in str(raised.value)
    receipt = channel.deliver(claim())
    assert (receipt.outcome, receipt.server_failed) == (Outcome.LATER, True)


def test_a_connection_that_is_missing_is_told_when_the_channel_is_opened():
    def missing():
        raise SettingsError("There is no Airflow Connection 'phone'.", hint="Add it.")

    with pytest.raises(ChannelDown, match="no Airflow Connection 'phone'"):
        Phone(missing).open()


def test_a_number_that_a_gateway_drops_is_refused_and_the_sender_is_not_texted_instead():
    """Twilio's plugin texts the account's own number when no recipient is left."""
    receipt = sent(f"{TWILIO}/{{to}}", "+1234567")
    assert receipt.outcome is Outcome.REFUSED
    assert "Dropped invalid phone" in receipt.reason


def test_the_log_holds_no_number_and_other_threads_keep_theirs(caplog):
    log = logging.getLogger("apprise")
    with phone_gateway({NUMBER: Answer(400)}) as gateway, caplog.at_level(logging.DEBUG, "apprise"):
        sent(gateway.url)
        assert NUMBER not in caplog.text
        log.warning("somebody else's")
        assert "somebody else's" in caplog.text


def test_several_lines_at_once_hear_their_own_answers():
    numbers = {f"+59598100{code}{place}": code for code in (400, 429, 500, 503) for place in range(5)}
    with phone_gateway({number: Answer(code) for number, code in numbers.items()}) as gateway:
        heard = {}

        def work(number):
            heard[number] = sent(gateway.url, number).code

        threads = [threading.Thread(target=work, args=(number,)) for number in numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert heard == numbers
