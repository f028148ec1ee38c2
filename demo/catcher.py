"""The embedded mail catcher: an SMTP server on loopback that keeps every message in a Maildir and lists it in a log.

::

    python -m demo.catcher --port 0 --maildir var/mail --log var/mail.jsonl --port-file var/mail.port

A message is answered 250 only when its file is on the disk under its final name and its line is in the log, so what
the log lists is what was accepted. `no-such-user`, at any domain, is answered 550, so that a refusal can be seen.
SIGTERM and SIGINT end the catcher after the message in hand.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import default
from itertools import count
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from demo.keeping import append, whole_lines, write_durably, write_whole

#: The local part of addresses that are refused for good.
REFUSED = "no-such-user"

SIZE_MOST = 64 * 2**20
_HEADERS = BytesHeaderParser(policy=default)


@dataclass(frozen=True, slots=True)
class Caught:
    """One message that the catcher took: `at` is the time of its 250, `size` its bytes, `path` its file."""

    at: datetime
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    subject: str
    path: Path
    size: int


class Maildir:
    """A folder of messages, each written durably before it is seen (https://cr.yp.to/proto/maildir.html)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._host = socket.gethostname().replace("/", "_").replace(":", "_")
        self._numbers = count(1)
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def add(self, data: bytes, at: datetime) -> Path:
        """Write one message to the disk, then into new/. Its path; raises OSError when it cannot be kept."""
        name = f"{int(at.timestamp())}.M{at.microsecond}P{os.getpid()}Q{next(self._numbers)}.{self._host}"
        written, kept = self._folder / "tmp" / name, self._folder / "new" / name
        write_durably(written, kept, data)
        return kept


class Catcher:
    """What aiosmtpd asks when a message has come: keep it, list it, then say 250."""

    def __init__(self, maildir: Maildir, log: Path) -> None:
        self._maildir, self._log = maildir, log
        # Several threads, so that messages of several connections wait for the disk together.
        self._disk = ThreadPoolExecutor(max_workers=8, thread_name_prefix="maildir")
        log.parent.mkdir(parents=True, exist_ok=True)

    async def handle_RCPT(
        self,
        server: Any,  # noqa: ARG002
        session: Any,  # noqa: ARG002
        envelope: Any,
        address: str,
        options: list[str],
    ) -> str:
        """Take any recipient but the one that nobody is."""
        if is_refused(address):
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002 aiosmtpd's names
        """Keep the message and answer for it; 451 when the disk would not take it."""
        loop = asyncio.get_running_loop()
        try:
            caught = await loop.run_in_executor(self._disk, self._keep, envelope)
        except OSError as error:
            return f"451 4.3.0 The catcher cannot keep this message: {error.strerror}"
        return f"250 2.0.0 Ok: kept as {caught.path.name}"

    def close(self) -> None:
        """Wait for the messages in hand."""
        self._disk.shutdown()

    def _keep(self, envelope: Any) -> Caught:
        data: bytes = envelope.original_content
        path = self._maildir.add(data, datetime.now(UTC))
        headers = _HEADERS.parsebytes(data.partition(b"\r\n\r\n")[0])
        caught = Caught(
            at=datetime.now(UTC),
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            message_id=_value(headers, "Message-ID"),
            subject=_value(headers, "Subject"),
            path=path,
            size=len(data),
        )
        append(self._log, {**asdict(caught), "at": caught.at.isoformat(timespec="microseconds"), "path": str(path)})
        return caught


def is_refused(address: str) -> bool:
    """Whether mail to this address is refused for good."""
    return address.rpartition("@")[0].lower() == REFUSED


def read_log(log: Path, start: int = 0) -> tuple[list[Caught], int]:
    """The messages listed in a log from the byte `start` on, and where to go on reading."""
    lines, end = whole_lines(log, start)
    return [_caught(line) for line in lines], end


async def serve(catcher: Catcher, address: tuple[str, int], port_file: Path | None) -> None:
    """Listen at host and port until SIGTERM or SIGINT; a port of 0 takes a free one, which `port_file` then names."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sessions: set[_Session] = set()
    server = await loop.create_server(lambda: _Session(catcher, sessions), *address)
    listening = server.sockets[0].getsockname()[1]
    if port_file is not None:
        write_whole(port_file, f"{listening}\n")
    print(f"The mail catcher listens on {address[0]}:{listening}.", flush=True)
    await stop.wait()
    if port_file is not None:
        port_file.unlink(missing_ok=True)  # nobody shall take an old port for a living one
    server.close()
    await asyncio.gather(*[session.finish() for session in sessions])
    catcher.close()


class _Session(SMTP):  # type: ignore[misc]
    """One connection, which can be asked to end between two messages."""

    def __init__(self, catcher: Catcher, sessions: set[_Session]) -> None:
        super().__init__(
            catcher, data_size_limit=SIZE_MOST, enable_SMTPUTF8=True, hostname="localhost", ident="catcher"
        )
        self._sessions, self._idle = sessions, asyncio.Event()
        self._idle.set()
        sessions.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._sessions.discard(self)
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:
        self._idle.clear()
        try:
            await super().smtp_DATA(arg)
        finally:
            self._idle.set()

    async def finish(self) -> None:
        """Close the connection after the message in hand, or after two seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), 2)
        if self.transport is not None:
            self.transport.close()
        await asyncio.sleep(0)


def _value(headers: Message, name: str) -> str:
    try:
        return str(headers.get(name, ""))
    except Exception:  # the parser trips over some malformed headers; the message is kept all the same
        return ""


def _caught(fields: dict[str, Any]) -> Caught:
    changed = {
        "at": datetime.fromisoformat(fields["at"]),
        "path": Path(fields["path"]),
        "recipients": tuple(fields["recipients"]),
    }
    return Caught(**{**fields, **changed})


def main() -> None:
    """Run the catcher until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m demo.catcher", description="Catch mail on loopback.")
    parser.add_argument("--host", default="127.0.0.1", help="address; 0.0.0.0 in a container")
    parser.add_argument("--port", type=int, default=0, help="port; 0 for a free one")
    parser.add_argument("--maildir", type=Path, required=True, help="folder of the messages")
    parser.add_argument("--log", type=Path, required=True, help="file with one JSON line for each message")
    parser.add_argument("--port-file", type=Path, help="file that will hold the port while the catcher listens")
    given = parser.parse_args()
    asyncio.run(serve(Catcher(Maildir(given.maildir), given.log), (given.host, given.port), given.port_file))


if __name__ == "__main__":
    main()
