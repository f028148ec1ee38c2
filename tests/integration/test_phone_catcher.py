"""The phone catcher, run as the demo runs it, keeps and lists every text that it answers 201."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import apprise
import pytest

from demo.phone_catcher import Caught, read_log

PROJECT = Path(__file__).parents[2]


class Running:
    def __init__(self, folder, *options):
        self.folder, self.log, self.port_file = (
            folder / "phone",
            folder / "log" / "phone.jsonl",
            folder / "run" / "port",
        )
        places = {"--port": 0, "--folder": self.folder, "--log": self.log, "--port-file": self.port_file}
        command = [sys.executable, "-m", "demo.phone_catcher", *[str(word) for pair in places.items() for word in pair]]
        self.process = subprocess.Popen([*command, *options], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        assert "listens on 127.0.0.1:" in self.process.stdout.readline()
        self.port = int(self.port_file.read_text())

    def post(self, body, kind="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", "/any/path", body, {"Content-Type": kind})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        return answer.status, told["message"]

    def text(self, to, text="Hola"):
        return self.post(json.dumps({"to": to, "message": text}))

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(10)
        self.process.stdout.close()
        return code


@contextmanager
def running(folder, *options):
    catcher = Running(folder, *options)
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


@pytest.mark.parametrize("schema", ["json", "form"])
def test_a_text_of_apprise_is_kept_and_listed_with_its_time(catcher, schema):
    gateway = apprise.Apprise(f"{schema}://127.0.0.1:{catcher.port}/?:to=%2B595981123456")
    before = datetime.now(UTC)
    assert gateway.notify(body="Recibimos Gs. 45.000 ñ € 🙂\ngracias")
    after = datetime.now(UTC)
    [caught], end = read_log(catcher.log)
    assert (caught.to, caught.text) == ("+595981123456", "Recibimos Gs. 45.000 ñ € 🙂\ngracias")
    assert before <= caught.at <= after
    assert caught.path.read_text(encoding="utf-8") == caught.text
    assert [caught.path] == sorted(catcher.folder.iterdir())
    assert end == catcher.log.stat().st_size


def test_the_log_lists_every_201_of_several_connections_and_nothing_else(catcher):
    answers = []

    def send(first):
        answers.extend(catcher.text(f"+59598{number:07d}")[0] for number in range(first, first + 25))

    threads = [threading.Thread(target=send, args=(first,)) for first in (0, 25, 50, 75)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    caught, _ = read_log(catcher.log)
    assert set(answers) == {201}
    assert sorted(one.to for one in caught) == [f"+59598{number:07d}" for number in range(100)]
    assert sorted(one.path for one in caught) == sorted(catcher.folder.iterdir())


def test_reading_the_log_goes_on_where_it_stopped(catcher):
    seen, place = read_log(catcher.log)
    assert (seen, place) == ([], 0)
    for text in ("one", "two"):
        catcher.text("+595981123456", text)
        seen, place = read_log(catcher.log, place)
        assert [one.text for one in seen] == [text]
    assert read_log(catcher.log, place) == ([], place)


def test_a_line_that_is_still_being_written_is_left_for_the_next_reading(tmp_path):
    log = tmp_path / "log"
    line = json.dumps({"at": "2025-01-01T00:00:00.000001+00:00", "to": "+1", "text": "a", "path": "b"})
    expected = Caught(datetime(2025, 1, 1, microsecond=1, tzinfo=UTC), "+1", "a", Path("b"))
    log.write_text(f"{line}\n{line[:20]}")
    assert read_log(log) == ([expected], len(line) + 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (json.dumps({"to": "0981123456", "message": "x"}), "+595981123456"),
        (json.dumps({"to": "+595981123456&to=+1", "message": "x"}), "+595981123456"),
        (json.dumps({"message": "x"}), "+595981123456"),
        (json.dumps({"to": "+595981123456"}), "no text"),
        (json.dumps(["to"]), "no text"),
        ("{", "neither"),
        (b"\xff", "neither"),
    ],
)
def test_what_is_no_text_to_a_number_is_answered_400_with_the_reason(catcher, body, words):
    code, told = catcher.post(body)
    assert code == 400
    assert words in told
    assert read_log(catcher.log)[0] == []


def test_an_endless_text_is_turned_away(catcher):
    assert catcher.post(urlencode({"to": "+595981123456", "message": "x" * 70_000}))[0] == 413


def test_a_number_whose_texts_are_to_be_turned_away(tmp_path):
    with running(tmp_path, "--answer", "+595981000400=400", "--answer", "+595981000503=503") as catcher:
        answers = [catcher.text(number)[0] for number in ("+595981000400", "+595981000503", "+595981000201")]
        assert answers == [400, 503, 201]
        assert [one.to for one in read_log(catcher.log)[0]] == ["+595981000201"]


def test_what_cannot_be_kept_is_for_later_and_not_listed(catcher):
    catcher.folder.rmdir()
    assert catcher.text("+595981123456")[0] == 503
    catcher.folder.mkdir()
    assert catcher.text("+595981123456")[0] == 201
    assert len(read_log(catcher.log)[0]) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_even_with_an_open_line(catcher, number):
    with socket.create_connection(("127.0.0.1", catcher.port)):
        started = time.monotonic()
        assert catcher.stop(number) == 0
        assert time.monotonic() - started < 5
    assert not catcher.port_file.exists()


def test_the_log_and_the_folder_go_on_after_a_restart(tmp_path):
    for text in ("one", "two"):
        with running(tmp_path) as catcher:
            catcher.text("+595981123456", text)
            assert catcher.stop() == 0
    assert [one.text for one in read_log(catcher.log)[0]] == ["one", "two"]
