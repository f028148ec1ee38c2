"""The recording mail server: a process of its own that notes every message it takes before it answers 250.

So the record knows at least what any sender can know. Between note and answer it may wait, so that a kill finds the
sender just there. One line of JSON a message: message_id, recipient, sha256 of the bytes, at (UTC).

    python -m tests.chaos.recorder RECORD PAUSE_S SEED     (prints its port; ends when its standard input does)
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random

from aiosmtpd.smtp import SMTP

_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Taken:
    """One message that the server took."""

    message_id: str
    recipient: str
    sha256: str
    at: str


class Record:
    """What the server noted, as it stands."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self) -> int:
        """Grows with every message taken."""
        return self.path.stat().st_size if self.path.exists() else 0

    def taken(self) -> list[Taken]:
        """All messages, in the order in which they were taken."""
        return [Taken(**json.loads(line)) for line in self.path.read_text().splitlines()] if self.size() else []

    def copies(self) -> Counter[str]:
        """How often each recipient was written to; every message of these tests has its own."""
        return Counter(one.recipient for one in self.taken())

    def altered(self) -> int:
        """Recipients whose copies differ in Message-ID or in bytes."""
        kinds = defaultdict(set)
        for one in self.taken():
            kinds[one.recipient].add((one.message_id, one.sha256))
        return sum(len(kind) > 1 for kind in kinds.values())


class _Handler:
    def __init__(self, path: Path, pause_s: float, seed: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._pause_s, self._chance = pause_s, Random(seed)

    async def handle_DATA(self, _server, _session, envelope) -> str:
        data = envelope.original_content
        found = _MESSAGE_ID.search(data.partition(b"\r\n\r\n")[0])
        for recipient in envelope.rcpt_tos:
            taken = Taken(
                found[1].decode() if found else "", recipient, sha256(data).hexdigest(), datetime.now(UTC).isoformat()
            )
            os.write(self._file, json.dumps(vars(taken)).encode() + b"\n")
        os.fdatasync(self._file)
        await asyncio.sleep(self._chance.uniform(0, self._pause_s))
        return "250 2.0.0 taken"


async def _serve(path: Path, pause_s: float, seed: int) -> None:
    handler, loop = _Handler(path, pause_s, seed), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, hostname="recorder", loop=loop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    with suppress(asyncio.CancelledError):
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
