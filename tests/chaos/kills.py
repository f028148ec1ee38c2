"""The kill loop: fill, start, kill -9 at a random instant, start again, and in the end read the record.

The same loop, with the same seed, beats us and the peers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from tests.chaos.recorder import Record
from tests.processes import LONGEST_S, Process

WINDOW_S = 0.25  # from the first message of a run to its death
START_S = 0.3  # some die before they send anything
EARLY = 0.15  # how many of them


@dataclass
class Figures:
    """What a beaten system did. `silent` are second copies of which its own books say nothing."""

    system: str
    connections: int
    kills: int = 0
    sweep_kills: int = 0
    messages: int = 0
    lost: int = 0
    silent: int = 0
    decided: int = 0
    doubts: list[int] = field(default_factory=list)  # in doubt after each kill
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def worst_doubt(self) -> int | None:
        """The most messages that one kill left in doubt; None for a system that knows no doubt."""
        return max(self.doubts, default=None)


class System(Protocol):
    """Something that sends mail and may be killed."""

    name: str
    connections: int
    beside: int  # processes that send at once

    def fill(self, count: int, figures: Figures, rng: Random) -> None:
        """`count` new messages are waiting to be sent."""

    def start(self) -> Process:
        """A process that sends what waits."""

    def doubt(self) -> int | None:
        """How many attempts came into doubt since the last time; None when the system does not tell."""

    def finish(self) -> None:
        """Everything that waits is sent, undisturbed."""

    def settle(self, figures: Figures) -> None:
        """Compare the system's books with the record."""


def batter(system: System, record: Record, seed: int, kills: int, *, count: int = 1200, each: int = 20) -> Figures:
    """Kill `system` until it was killed `kills` times: rounds of `count` messages and about `each` kills."""
    figures, rng, began = Figures(system.name, system.connections), Random(seed), time.monotonic()
    while figures.kills + figures.sweep_kills < kills:
        system.fill(count, figures, rng)
        for _ in range(each):
            if not _strike(system, record, rng, figures):
                break
        system.finish()
    system.settle(figures)
    figures.seconds = time.monotonic() - began
    return figures


def _strike(system: System, record: Record, rng: Random, figures: Figures) -> bool:
    """One start and its kill; False when everything had been sent before."""
    size = record.size()
    running = [system.start() for _ in range(system.beside)]
    if rng.random() >= EARLY:
        _until_mail_flows(running, record, size)
        window = WINDOW_S
    else:
        window = START_S
    instants = sorted(rng.uniform(0, window) for _ in running)
    began = time.monotonic()
    killed = 0
    for process, instant in zip(running, instants, strict=True):
        process.ended(max(0.0, began + instant - time.monotonic()))
        killed += process.kill()
    for process in running:
        status = process.status()
        if status not in (0, -9):
            figures.problems.append(f"a run ended with {status}")
    figures.kills += killed
    doubt = system.doubt()
    if killed and doubt is not None:
        figures.doubts.append(-(-doubt // killed))
    return bool(killed)


def _until_mail_flows(running: Sequence[Process], record: Record, size: int) -> None:
    deadline = time.monotonic() + LONGEST_S
    while record.size() == size and not all(process.ended() for process in running):
        assert time.monotonic() < deadline, "no mail flows"
        time.sleep(0.005)


def table(all_figures: Sequence[Figures]) -> str:
    """The figures side by side."""
    heads = (
        "system", "kills", "of them sweeps", "messages", "lost", "second copies without a decision",
        "second copies by recorded decision", "unknown per kill, at most", "open connections", "seconds",
    )  # fmt: skip
    rows = [heads] + [
        tuple(
            str(value)
            for value in (
                *(one.system, one.kills + one.sweep_kills, one.sweep_kills or "–", one.messages, one.lost, one.silent),
                *(one.decided, "–" if one.worst_doubt is None else one.worst_doubt, one.connections),
                f"{one.seconds:.0f}",
            )
        )
        for one in all_figures
    ]
    width = max(map(len, heads))
    columns = list(zip(*rows, strict=True))
    widths = [max(len(row[n]) for row in columns) for n in range(len(rows))]
    return "\n".join(
        "  ".join([column[0].ljust(width), *(cell.rjust(w) for cell, w in zip(column[1:], widths[1:], strict=True))])
        for column in columns
    )
