"""Paired runs: A and B take turns (A B B A …), so that what disturbs the machine disturbs both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Side(Protocol):
    """Something whose rate can be measured."""

    def rate(self, count: int) -> float:
        """Messages a second of one fresh run of `count` messages."""


LEAST = 3  # pairs, however long they take


@dataclass(frozen=True)
class Effort:
    """How much is measured: runs of `count` messages, so many pairs of them or as many as begin within `within_s`."""

    count: int
    pairs: int
    within_s: float


@dataclass(frozen=True)
class Row:
    """What one comparison gave; `target` is the least ratio that was promised. Rates are messages a second."""

    name: str
    target: float
    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs, pair by pair."""
        return [our / their for our, their in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        """The median ratio."""
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool:
        """Whether the median ratio is what was promised."""
        return self.ratio >= self.target


def compare(name: str, target: float, sides: tuple[Side, Side], effort: Effort) -> Row:
    """Run ours and theirs in turn, after a short run of each to warm up."""
    ours, theirs = sides
    for side in sides:
        side.rate(-(-effort.count // 4))
    found: dict[Side, list[float]] = {ours: [], theirs: []}
    end = time.monotonic() + effort.within_s
    for number in range(effort.pairs):
        if number >= LEAST and time.monotonic() > end:
            break
        for side in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            found[side].append(side.rate(effort.count))
    return Row(name, target, found[ours], found[theirs])


def table(rows: Sequence[Row]) -> str:
    """The rows for people: ratio and spread, and the medians of both sides beside."""
    heads = ("", "ratio", "[min–max]", "pairs", "target", "", "ours", "theirs")
    cells = [heads] + [
        (
            *(row.name, f"{row.ratio:.2f}", f"[{min(row.ratios):.2f}–{max(row.ratios):.2f}]", f"{len(row.ratios)}"),
            *(f"≥ {row.target:g}", "reached" if row.reached else "MISSED"),
            *(f"{statistics.median(side):,.0f}/s" for side in (row.ours, row.theirs)),
        )
        for row in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    )
