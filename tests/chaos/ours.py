"""eMailketing, to be beaten by `kills`."""

from __future__ import annotations

import time
from collections import Counter
from random import Random

from emailketing.model import State
from tests.chaos.kills import Figures
from tests.chaos.town import Town, decisions
from tests.processes import Process, Warm


class Ours:
    """The command line's `sweep` and `deliver`, `beside` deliveries at once with `connections` each.

    Each filling's sweep is killed `sweep_kills` times. Each `cold_every`-th process is started from nothing.
    """

    def __init__(
        self,
        town: Town,
        warm: Warm,
        *,
        connections: int = 5,
        beside: int = 1,
        sweep_kills: int = 5,
        cold_every: int = 0,
    ) -> None:
        self.name = f"eMailketing, {town.outbox_url.partition(':')[0].partition('+')[0]}"
        self.name += f", {beside} processes" if beside > 1 else ""
        self.town, self.connections, self.beside = town, connections, beside
        self._warm, self._cold_every, self._started = warm, cold_every, 0
        self._seen: set[tuple[str, int]] = set()
        self._greedy = 0  # connections that left more than one message in doubt
        self._sweep_s, self._sweep_kills = 0.5, sweep_kills
        self.outbox = town.outbox()

    def fill(self, count: int, figures: Figures, rng: Random) -> None:
        """Documents are saved and swept; the sweep, too, is killed."""
        self.town.save(count)
        for _ in range(self._sweep_kills):
            process = self._start(["sweep", "--since", "2020-01-01"])
            process.ended(rng.uniform(0, 1.1 * self._sweep_s))
            figures.sweep_kills += process.kill()
            process.status()
        began = time.monotonic()
        self.town.done(self.town.sweep(self._warm))
        self._sweep_s = time.monotonic() - began

    def start(self) -> Process:
        """One delivery."""
        return self._start(["deliver", "--connections", str(self.connections)])

    def doubt(self) -> int:
        """What stands in *sending* and did not before."""
        now = self.town.in_doubt(self.outbox)
        fresh = now.keys() - self._seen
        self._seen |= now.keys()
        self._greedy += sum(count > 1 for count in Counter(now[attempt] for attempt in fresh).values())
        self.town.let_leases_run_out(self.outbox)
        return len(fresh)

    def finish(self) -> None:
        """Deliver until nothing is open."""
        argv = ["deliver", "--until-empty", "--connections", str(self.connections)]
        self.town.done(self.town.start(self._warm, argv))

    def settle(self, figures: Figures) -> None:
        """Documents against ledger, ledger against record."""
        rows, copies = self.outbox.messages(limit=None), self.town.record.copies()
        addresses = [f"r{number}@example.com" for number in range(self.town.saved)]
        figures.messages, figures.lost = len(addresses), sum(not copies[address] for address in addresses)
        again = decisions(self.outbox, [row.key for row in rows if copies[row.address] > 1])
        for row in rows:
            second = copies[row.address] - 1
            figures.decided += max(0, min(second, again.get(row.key, 0)))
            figures.silent += max(0, second - again.get(row.key, 0))
        told = Counter(row.document for row in rows)
        for what, number in {
            "documents without a message": len(addresses) - len(told),
            "documents with two messages": sum(times > 1 for times in told.values()),
            "messages called accepted that the server has not": sum(
                row.state is State.ACCEPTED and not copies[row.address] for row in rows
            ),
            "messages not settled": sum(row.state is not State.ACCEPTED for row in rows),
            "recipients unknown to the ERP": len(copies.keys() - set(addresses)),
            "messages whose copies differ": self.town.record.altered(),
            "connections that left more than one message in doubt": self._greedy,
        }.items():
            if number:
                figures.problems.append(f"{number} {what}")

    def _start(self, argv: list[str]) -> Process:
        self._started += 1
        is_cold = self._cold_every and self._started % self._cold_every == 0
        return self.town.start(None if is_cold else self._warm, argv)
