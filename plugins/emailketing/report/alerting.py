"""What an alert says at a look: the rows beyond its threshold, held against what it remembers of the looks before.

An *episode* begins when something is told, and ends when a look finds nothing beyond. `Memory` is all that goes from
one look to the next, for each reader his own: who comes later, or sees other rows, has episodes of his own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Any

from emailketing.errors import DeclarationError, nearest
from emailketing.model import document_text
from emailketing.report.declaration import Alert
from emailketing.report.kinds import Exact, exact

Row = Mapping[str, Any]


class Verdict(StrEnum):
    """What becomes of an alert at one look."""

    TELL = "tell"  # there are rows to tell
    SAME = "same"  # they were told before
    WAIT = "wait"  # they have not been beyond for long enough
    OVER = "over"  # nothing is beyond any more, and that is told
    NOTHING = "nothing"  # nothing is beyond


@dataclass(frozen=True)
class Memory:
    """What an alert remembers of a reader: since when each row is beyond, and what he was told, since when, how often.

    Rows are known by a hash of what makes them the same; `told` is a hash of all that was told last.
    """

    since: Mapping[str, datetime] = field(default_factory=dict)
    told: str = ""
    begun: datetime | None = None
    tellings: int = 0

    @classmethod
    def read(cls, text: str) -> Memory:
        """From what `written` gave."""
        given = json.loads(text)
        since = {mark: datetime.fromisoformat(moment) for mark, moment in given["since"].items()}
        begun = datetime.fromisoformat(given["begun"]) if given["begun"] else None
        return cls(since, given["told"], begun, given["tellings"])

    def written(self) -> str:
        """As text, to be kept."""
        since = {mark: moment.isoformat() for mark, moment in sorted(self.since.items())}
        begun = self.begun.isoformat() if self.begun else ""
        return json.dumps({"since": since, "told": self.told, "begun": begun, "tellings": self.tellings})


@dataclass(frozen=True)
class Judgement:
    """What an alert says, which rows it tells, and what it remembers from now on.

    `episode` is that of which it speaks: when the first telling was, and which one this is.
    """

    verdict: Verdict
    memory: Memory
    rows: Sequence[Row] = ()
    episode: Memory = field(default_factory=Memory)


def judged(alert: Alert, rows: Iterable[Row], hidden: Sequence[str], memory: Memory, at: datetime) -> Judgement:
    """What an alert says of the rows of a look at a moment. Raises DeclarationError for columns that are not there.

    `hidden` columns make no row another one.
    """
    found = [(row, _mark(_identity(alert, row, hidden))) for row in rows if beyond(alert, row)]
    if not found:
        verdict = Verdict.OVER if alert.recovery and memory.begun else Verdict.NOTHING
        return Judgement(verdict, Memory(), (), memory)
    since = {mark: memory.since.get(mark, at) for _, mark in found}
    lasting = [(row, mark) for row, mark in found if at - since[mark] >= alert.grace]
    if not lasting:
        return Judgement(Verdict.WAIT, Memory(since, memory.told, memory.begun, memory.tellings))
    told = _all([mark if alert.marks else _mark(_shown(row, hidden)) for row, mark in lasting])
    if told == memory.told and (alert.only_changed or alert.watch):
        return Judgement(Verdict.SAME, Memory(since, told, memory.begun, memory.tellings), (), memory)
    after = Memory(since, told, memory.begun or at, memory.tellings + 1)
    return Judgement(Verdict.TELL, after, [row for row, _ in lasting], after)


def beyond(alert: Alert, row: Row) -> bool:
    """Whether a row is beyond an alert's threshold. NULL is beyond nothing."""
    value = exact(_cell(row, alert.column))
    if value is None:
        return False
    above, below = (_limit(row, each) for each in (alert.above, alert.below))
    return (above is not None and value > above) or (below is not None and value < below)


def _limit(row: Row, limit: float | str | None) -> Exact | None:
    return exact(_cell(row, limit)) if isinstance(limit, str) else exact(limit)


def _cell(row: Row, column: str) -> Any:
    if column not in row:
        raise DeclarationError(f"The query gives no column {column!r}.", hint=nearest(column, row))
    return row[column]


def _identity(alert: Alert, row: Row, hidden: Sequence[str]) -> Row:
    """What makes a row the same one at the next look."""
    if alert.marks:
        return {name: _cell(row, name) for name in alert.marks}
    return {name: value for name, value in _shown(row, hidden).items() if value is not None and not _counts(value)}


def _shown(row: Row, hidden: Sequence[str]) -> Row:
    return {name: value for name, value in row.items() if name not in hidden}


def _counts(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _mark(cells: Row) -> str:
    named = [[name, None if value is None else document_text(value)] for name, value in sorted(cells.items())]
    return sha256(json.dumps(named).encode()).hexdigest()[:32]


def _all(marks: Iterable[str]) -> str:
    return sha256(" ".join(sorted(marks)).encode()).hexdigest()[:32]
