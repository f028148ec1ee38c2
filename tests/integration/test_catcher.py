"""The mail catcher, run as the demo runs it, keeps and lists every message that it answers 250."""

import json
import os
import signal
import smtplib
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.catcher import Caught, read_log
from emailketing.channels import wire
from emailketing.channels.smtp import Smtp
from emailketing.model import Claim, Content, Envelope, Frozen, Lane, OnUnknown, Outcome, Recipient, Sender

PROJECT = Path(__file__).parents[2]


class Running:
    def __init__(self, folder):
        self.maildir, self.log, self.port_file = folder / "mail", folder / "log" / "mail.jsonl", folder / "run" / "port"
        options = {"--port": 0, "--maildir": self.maildir, "--log": self.log, "--port-file": self.port_file}
        command = [sys.executable, "-m", "demo.catcher", *[str(word) for pair in options.items() for word in pair]]
        self.process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        assert "listens on 127.0.0.1:" in self.process.stdout.readline()
        self.port = int(self.port_file.read_text())

    def client(self):
        return smtplib.SMTP("127.0.0.1", self.port, "localhost", timeout=10)

    def channel(self):
        return Smtp(self.client, timeout_s=10)

    def files(self):
        return sorted((self.maildir / "new").iterdir())

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(10)
        self.process.stdout.close()
        return code


@contextmanager
def running(folder):
    catcher = Running(folder)
    try:
        yield catcher
    finally:
        if catcher.process.poll() is None:
            catcher.process.kill()
            catcher.process.wait()
        catcher.process.stdout.close()


@pytest.fixture
def catcher(tmp_path):
    with running(tmp_path) as started:
        yield started


def claim(number=1, frozen=None, address="you@b.example"):
    plain = Frozen(f"Subject: x\r\nMessage-ID: <{number}@a.example>\r\n\r\n.x\r\n".encode())
    return Claim(number, "k", "email", "us@a.example", address, f"<{number}@a.example>", 0, frozen or plain)


def test_a_message_is_kept_byte_for_byte_and_listed_with_its_time(catcher):
    seen = datetime(2025, 3, 7, tzinfo=UTC)
    who = Recipient("compras@b.example", "José")
    envelope = Envelope("m", "1", "1", "email", who, Lane.INSTANT, OnUnknown.AGAIN, seen, seen)
    frozen = wire.compose(envelope, Content("Orden 4512 · señal", "Hola"), Sender("us@a.example"))
    channel = catcher.channel()
    channel.open()
    before = datetime.now(UTC)
    receipt = channel.deliver(claim(frozen=frozen, address="compras@b.example"))
    after = datetime.now(UTC)
    channel.close()
    [caught], end = read_log(catcher.log)
    assert receipt.outcome is Outcome.ACCEPTED
    assert before <= caught.at <= after
    assert (caught.sender, caught.recipients) == ("us@a.example", ("compras@b.example",))
    assert caught.subject == "Orden 4512 · señal"
    assert f"Message-ID: {caught.message_id}\r\n".encode() in frozen.wire
    assert caught.path.read_bytes() == wire.assemble(frozen)
    assert caught.size == len(wire.assemble(frozen))
    assert [caught.path] == catcher.files()
    assert caught.path.name in receipt.reason
    assert end == catcher.log.stat().st_size
    assert json.loads(catcher.log.read_text())["at"].endswith("+00:00")


def test_the_log_lists_every_250_of_several_connections_and_nothing_else(catcher):
    receipts = []

    def send(first):
        channel = catcher.channel()
        for number in range(first, first + 25):
            channel.open()
            receipts.append(channel.deliver(claim(number)))
        channel.close()

    threads = [threading.Thread(target=send, args=(first,)) for first in (0, 25, 50, 75)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    caught, _ = read_log(catcher.log)
    assert {receipt.outcome for receipt in receipts} == {Outcome.ACCEPTED}
    assert sorted(one.message_id for one in caught) == sorted(f"<{number}@a.example>" for number in range(100))
    assert len(catcher.files()) == len({one.path for one in caught}) == 100
    assert not list((catcher.maildir / "tmp").iterdir())


def test_reading_the_log_goes_on_where_it_stopped(catcher):
    channel = catcher.channel()
    seen, place = read_log(catcher.log)
    assert (seen, place) == ([], 0)
    for number in (1, 2):
        channel.open()
        channel.deliver(claim(number))
        seen, place = read_log(catcher.log, place)
        assert [one.message_id for one in seen] == [f"<{number}@a.example>"]
    channel.close()
    assert read_log(catcher.log, place) == ([], place)


def test_a_line_that_is_still_being_written_is_left_for_the_next_reading(tmp_path):
    log = tmp_path / "log"
    fields = {"sender": "a", "recipients": ["b"], "message_id": "c", "subject": "d", "path": "e", "size": 1}
    line = json.dumps({"at": "2025-01-01T00:00:00.000001+00:00", **fields})
    at = datetime(2025, 1, 1, microsecond=1, tzinfo=UTC)
    expected = Caught(at, "a", ("b",), "c", "d", Path("e"), 1)
    log.write_text(f"{line}\n{line[:20]}")
    assert read_log(log) == ([expected], len(line) + 1)
    log.write_text(f"{line}\n{line}\n")
    assert read_log(log, len(line) + 1) == ([expected], 2 * len(line) + 2)


@pytest.mark.parametrize(
    "wire_bytes", [b"no headers at all\r\n", b"Subject: =?x?q?\r\nMessage-ID: <<@\r\n\r\n", b"\r\n"]
)
def test_a_malformed_message_is_kept_too(catcher, wire_bytes):
    channel = catcher.channel()
    channel.open()
    assert channel.deliver(claim(frozen=Frozen(wire_bytes))).outcome is Outcome.ACCEPTED
    channel.close()
    assert read_log(catcher.log)[0][0].path.read_bytes() == wire_bytes


def test_the_one_that_nobody_is_is_refused_and_not_kept(catcher):
    channel = catcher.channel()
    for address in ("no-such-user@b.example", "No-Such-User@other.example"):
        channel.open()
        receipt = channel.deliver(claim(address=address))
        assert receipt.outcome is Outcome.REFUSED
        assert "550 5.1.1 No such user here" in receipt.reason
    channel.open()
    assert channel.deliver(claim(2, address="no-such-user.2@b.example")).outcome is Outcome.ACCEPTED
    channel.close()
    assert [caught.message_id for caught in read_log(catcher.log)[0]] == ["<2@a.example>"]


def test_an_international_local_part_is_taken(catcher):
    channel = catcher.channel()
    channel.open()
    assert channel.deliver(claim(address="josé@b.example")).outcome is Outcome.ACCEPTED
    channel.close()
    assert read_log(catcher.log)[0][0].recipients == ("josé@b.example",)


def test_what_cannot_be_kept_is_for_later_and_not_listed(catcher):
    channel = catcher.channel()
    channel.open()
    (catcher.maildir / "new").rmdir()
    assert channel.deliver(claim()).outcome is Outcome.LATER
    (catcher.maildir / "new").mkdir()
    channel.open()
    assert channel.deliver(claim()).outcome is Outcome.ACCEPTED
    channel.close()
    assert len(read_log(catcher.log)[0]) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_even_with_an_open_line(catcher, number):
    client = catcher.client()
    started = time.monotonic()
    assert catcher.stop(number) == 0
    assert time.monotonic() - started < 20
    assert not catcher.port_file.exists()
    client.close()


def test_a_message_in_hand_is_finished_before_the_end(catcher):
    client = catcher.client()
    client.ehlo()
    client.mail("us@a.example")
    client.rcpt("you@b.example")
    assert client.docmd("DATA")[0] == 354
    catcher.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert client.getreply()[0] == 250
    client.close()
    assert catcher.process.wait(10) == 0
    assert len(read_log(catcher.log)[0]) == len(catcher.files()) == 1


def test_the_log_and_the_maildir_go_on_after_a_restart(tmp_path):
    for number in (1, 2):
        with running(tmp_path) as catcher:
            channel = catcher.channel()
            channel.open()
            channel.deliver(claim(number))
            channel.close()
            assert catcher.stop() == 0
    assert [one.message_id for one in read_log(catcher.log)[0]] == ["<1@a.example>", "<2@a.example>"]
    assert len(catcher.files()) == 2
    assert os.access(catcher.files()[0], os.R_OK)
