"""Which documents have stood still: one that is saved five times in a second is told once, as it then stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import datetime

from emailketing.model import Event

#: A document that never stands still is told all the same after so many quiet windows, and again after so many more.
MOST = 10

_State = tuple[str, str, str, datetime]  # mailing, document, version, changed_at


class Stillness:
    """What this process has seen of documents that were saved a moment ago, and since when.

    Nothing depends on its memory but patience: a process that starts without it waits once more, as the cursor does
    not pass what was left. `ticks` are seconds of a clock that nobody sets.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._states: dict[_State, float] = {}
        self._documents: dict[tuple[str, str], float] = {}

    def wait_s(self, event: Event, quiet_s: float, erp_now: datetime) -> float:
        """For how many more seconds the document must stand as it does; 0 or less when it is to be told now.

        The window begins when the ERP says that the document was saved, by the ERP's own clock, or when it was seen
        first: whichever is earlier. What is dated in the future, or was committed late, waits no longer.
        """
        if quiet_s <= 0:
            return 0.0
        now = self._ticks()
        first = self._documents.setdefault((event.mailing, event.document), now)
        seen = self._states.setdefault(_state(event), now)
        stood = max(now - seen, (erp_now - event.changed_at).total_seconds())
        return min(quiet_s - stood, MOST * quiet_s - (now - first))

    def keep(self, mailing: str, left: Collection[Event]) -> None:
        """Forget all of a mailing but the events that were left: the others are told, changed or gone."""
        states, documents = {_state(event) for event in left}, {event.document for event in left}
        self._states = {s: at for s, at in self._states.items() if s[0] != mailing or s in states}
        self._documents = {d: at for d, at in self._documents.items() if d[0] != mailing or d[1] in documents}


def _state(event: Event) -> _State:
    return event.mailing, event.document, event.version, event.changed_at
