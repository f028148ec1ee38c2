"""Visits are kept beside the answers to them: no reader waits for the outbox, and none fails with it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from emailketing import road
from emailketing.errors import OperationsError
from emailketing.outbox import Outbox

log = logging.getLogger(__name__)

_WAITING = 1000  # visits in hand; more than that come from nobody who reads a mail
_TOLD_EACH_S = 60.0  # the same trouble is logged once in this time


class Recorder:
    """One thread that keeps visits in the outbox, one after the other: a SQLite file has one writer, too.

    A visit that cannot be kept is dropped, and the log says so: a number that is a little small is better than a link
    that leads nowhere.
    """

    def __init__(self, outbox: Callable[[], Outbox]) -> None:
        """`outbox` gives the outbox when it is first needed; it may raise OperationsError as often as it is asked."""
        self._outbox = outbox
        self._visits: queue.Queue[road.Visit | None] = queue.Queue(_WAITING)
        self._dropped, self._told_at = 0, -_TOLD_EACH_S
        self._over = False  # what is still in hand has been told as not counted
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def note(self, visit: road.Visit) -> None:
        """Keep a visit soon. Never waits and never raises."""
        try:
            self._visits.put_nowait(visit)
        except queue.Full:
            self._drop("too many visits at once")

    def close(self, patience_s: float = 5.0) -> None:
        """Keep what is in hand, as far as that goes in this time, and end. What is left then is told as not counted."""
        deadline, ending = time.monotonic() + patience_s, 0
        with suppress(queue.Full):
            self._visits.put(None, timeout=patience_s)
            ending = 1
        self._thread.join(max(deadline - time.monotonic(), 0))
        if self._thread.is_alive():
            self._over = True
            self._dropped += self._visits.unfinished_tasks - ending
        if self._dropped:
            log.warning("%d more visits were not counted", self._dropped)

    def _work(self) -> None:
        while (visit := self._visits.get()) is not None and not self._over:
            try:
                road.respond(self._outbox(), visit)
            except OperationsError as error:
                self._drop(str(error.args[0]))
            except Exception:
                log.exception("a visit could not be kept")
            finally:
                self._visits.task_done()

    def _drop(self, why: str) -> None:
        if self._over:
            return
        self._dropped += 1
        if time.monotonic() - self._told_at >= _TOLD_EACH_S:
            self._told_at = time.monotonic()
            log.warning("%d visits were not counted: %s", self._dropped, why)
            self._dropped = 0
