"""The embedded phone catcher: an HTTP gateway on loopback that takes text messages as a gateway to the phones would.

::

    python -m demo.phone_catcher --port 0 --folder var/phone --log var/phone.jsonl --port-file var/phone.port

It is spoken to by apprise's own generic plugins, which post the text as `message` and the number as `to`. So the
Airflow Connection `phone` that points at it is, as JSON or as a URI in AIRFLOW_CONN_PHONE (`form://` does as well)::

    {"conn_type": "apprise", "extra": {"url": "json://127.0.0.1:8025/?:to={to}"}}
    apprise:///?url=json%3A%2F%2F127.0.0.1%3A8025%2F%3F%3Ato%3D%7Bto%7D

A message is answered 201 only when its text file is on the disk under its final name and its line is in the log, so
what the log lists is what was accepted. A number that is not written as E.164, or no text, is answered 400.
`--answer NUMBER=CODE` makes the catcher turn a number's messages away. SIGTERM and SIGINT end it after the messages in
hand.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from urllib.parse import parse_qsl

from demo.keeping import append, whole_lines, write_durably, write_whole

SIZE_MOST = 64 * 1024
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True)
class Caught:
    """One text that the catcher took: `at` is the time of its 201, `to` the number as E.164, `path` its text file."""

    at: datetime
    to: str
    text: str
    path: Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What a number's message is answered instead of 201, after `wait_s` seconds; `keep` takes it all the same."""

    code: int
    wait_s: float = 0.0
    keep: bool = False


@dataclass
class Catcher:
    """Keeps texts below `folder` and lists them in `log`.

    `answers` says by number what is answered instead: one answer for ever, or a list that is used up, after which texts
    are taken. Set `stopping`, and no answer is waited for any more.
    """

    folder: Path
    log: Path
    answers: Mapping[str, Answer | list[Answer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stopping = threading.Event()
        self._numbers = count(1)
        self._one_at_a_time = threading.Lock()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def take(self, to: str, text: str) -> tuple[int, str]:
        """The status code and the words with which a text is answered."""
        if not _E164.fullmatch(to):
            return 400, f"The number {to[:40]!r} is not written as +595981123456."
        answer = self._answer(to) or Answer(201, keep=True)
        words = "This number's texts are answered so."
        if answer.keep:
            try:
                words = f"Kept as {self._keep(to, text).path.name}."
            except OSError as error:
                return 503, f"The catcher cannot keep this text: {error.strerror}"
        self.stopping.wait(answer.wait_s)
        return answer.code, words

    def _answer(self, to: str) -> Answer | None:
        with self._one_at_a_time:
            script = self.answers.get(to)
            if isinstance(script, list):
                return script.pop(0) if script else None
            return script

    def _keep(self, to: str, text: str) -> Caught:
        at = datetime.now(UTC)
        name = f"{at:%Y%m%dT%H%M%S%f}-{os.getpid()}-{next(self._numbers)}-{to.removeprefix('+')}.txt"
        path = self.folder / name
        write_durably(self.folder / f".{name}", path, text.encode("utf-8", "replace"))
        caught = Caught(datetime.now(UTC), to, text, path)
        append(self.log, {**asdict(caught), "at": caught.at.isoformat(timespec="microseconds"), "path": str(path)})
        return caught


def read_log(log: Path, start: int = 0) -> tuple[list[Caught], int]:
    """The texts listed in a log from the byte `start` on, and where to go on reading."""
    lines, end = whole_lines(log, start)
    changed = [{**line, "at": datetime.fromisoformat(line["at"]), "path": Path(line["path"])} for line in lines]
    return [Caught(**fields) for fields in changed], end


class Gateway(ThreadingHTTPServer):
    """The catcher as an HTTP server; a port of 0 takes a free one. `server_close` waits for the texts in hand."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, catcher: Catcher, address: tuple[str, int]) -> None:
        self.catcher = catcher
        super().__init__(address, _Request)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Request(BaseHTTPRequestHandler):
    """One text: posted as JSON or as a form, under any path."""

    server: Gateway
    timeout = 3  # who is silent for longer is left, so that the catcher can end

    def do_POST(self) -> None:
        code, words = self._taken()
        body = json.dumps({"status": "ok" if code < 300 else "error", "message": words}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # who did not wait for the answer
            self.end_headers()
            self.wfile.write(body)

    def _taken(self) -> tuple[int, str]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > SIZE_MOST:
            return 413, f"A text comes with its length, at most {SIZE_MOST} bytes."
        try:
            fields = self._fields(self.rfile.read(int(length)).decode())
        except ValueError:
            return 400, "The text is neither JSON nor a form."
        if not fields.get("message"):
            return 400, "There is no text in 'message'."
        return self.server.catcher.take(fields.get("to", ""), fields["message"])

    def _fields(self, body: str) -> dict[str, str]:
        if self.headers.get_content_type() == "application/x-www-form-urlencoded":
            return dict(parse_qsl(body))
        found = json.loads(body)
        fields = found.items() if isinstance(found, dict) else ()
        return {name: value for name, value in fields if isinstance(value, str)}

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the log of texts is the record."""


def serve(catcher: Catcher, address: tuple[str, int], port_file: Path | None) -> None:
    """Listen at host and port until SIGTERM or SIGINT; `port_file` names the port while the catcher listens."""
    gateway = Gateway(catcher, address)

    def stop(*_: object) -> None:
        catcher.stopping.set()
        threading.Thread(target=gateway.shutdown).start()  # it waits for the loop that this signal interrupts

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if port_file is not None:
        write_whole(port_file, f"{gateway.port}\n")
    print(f"The phone catcher listens on {address[0]}:{gateway.port}.", flush=True)
    gateway.serve_forever(poll_interval=0.1)
    if port_file is not None:
        port_file.unlink(missing_ok=True)  # nobody shall take an old port for a living one
    gateway.server_close()


def _scripted(text: str) -> tuple[str, Answer]:
    number, _, code = text.rpartition("=")
    if not (_E164.fullmatch(number) and code.isdecimal() and 200 <= int(code) <= 599):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form +595981123456=400")
    return number, Answer(int(code))


def main() -> None:
    """Run the catcher until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m demo.phone_catcher", description="Catch texts on loopback.")
    parser.add_argument("--host", default="127.0.0.1", help="address; 0.0.0.0 in a container")
    parser.add_argument("--port", type=int, default=0, help="port; 0 for a free one")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the texts, a file each")
    parser.add_argument("--log", type=Path, required=True, help="file with one JSON line for each text")
    parser.add_argument("--port-file", type=Path, help="file that will hold the port while the catcher listens")
    parser.add_argument("--answer", type=_scripted, action="append", default=[], metavar="NUMBER=CODE")
    given = parser.parse_args()
    catcher = Catcher(given.folder, given.log, dict(given.answer))
    serve(catcher, (given.host, given.port), given.port_file)


if __name__ == "__main__":
    main()
