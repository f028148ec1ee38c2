"""Peers under the same kills, each in an environment of its own below var/peers."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.chaos.kills import Figures
from tests.chaos.recorder import Record
from tests.processes import Process, Warm


class _Peer:
    beside = 1

    def __init__(self, folder: Path, record: Record, warm: Warm) -> None:
        self._output, self._record, self._warm = folder / "output.txt", record, warm
        self._first = self._filled = 0

    def run(self, *argv: object) -> Process:
        return self._warm.start([str(one) for one in argv], {}, self._output)

    def done(self, process: Process) -> None:
        status = process.status()
        assert status == 0, f"status {status}: {self._output.read_text()[-3000:]}"

    def doubt(self) -> None:
        """A peer does not tell."""

    def settle(self, figures: Figures) -> None:
        """Nothing waits any more: who did not get it has lost it, and who got it twice was not meant to."""
        copies = self._record.copies()
        addresses = [f"r{number}@example.com" for number in range(self._filled)]
        figures.messages = len(addresses)
        figures.lost = sum(not copies[address] for address in addresses)
        figures.silent = sum(max(0, copies[address] - 1) for address in addresses)


class PostOffice(_Peer):
    """django-post_office: mail.send_many fills, send_queued_mail sends, with its five threads."""

    name, connections = "django-post_office 3.12", 5

    def fill(self, count: int, figures: Figures, rng: Random) -> None:
        if not self._filled:
            self.done(self.run("migrate"))
        self.done(self.run("fill", self._filled, count))
        self._filled += count

    def start(self) -> Process:
        return self.run("send")

    def finish(self) -> None:
        self.done(self.start())
        self.done(self.run("left"))


class SmtpHookLoop(_Peer):
    """A loop over Airflow's SmtpHook, retried until it comes to its end."""

    name, connections = "SmtpHook loop 3.2", 1

    def fill(self, count: int, figures: Figures, rng: Random) -> None:
        self._first, self._filled = self._filled, self._filled + count

    def start(self) -> Process:
        return self.run(self._first, self._filled - self._first)

    def finish(self) -> None:
        self.done(self.start())
