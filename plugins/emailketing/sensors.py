"""The ear at the ERP: a sensor that waits in the triggerer, without a worker, until something has happened there.

It only looks. Whether what it saw is a message, and whose, the sweep that it wakes decides; waking it once too often is
harmless. It wakes the sweep

- at once when a mailing has rows newer than its cursor, or has no cursor yet;
- when, while it listens, rows appear that are older than the cursor: they were committed late;
- after `wake_s` in any case: what was committed late between two sensors, and errors, wait for no event.

What woke a sweep once wakes no second one as long as it looks the same: a sweep that fails must not be started every
second, and of two sensors that listen at the same time only one wakes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseSensorOperator
from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TaskSuccessEvent, TriggerEvent

from emailketing.errors import AuthoringError


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look saw of one mailing in the time from its cursor less the overlap until now.

    `cursor` is None when the mailing was never swept; `newest` is None when there is no row. `newest_past` is the
    newest that is not dated in the future: a document of next year hides no change of another.
    """

    cursor: datetime | None
    count: int
    newest: datetime | None
    newest_past: datetime | None = None

    @property
    def is_news(self) -> bool:
        """Whether there is something that no sweep has seen, as far as times tell."""
        return self.cursor is None or (self.newest is not None and self.newest > self.cursor)

    def has_grown(self, before: Sight | None) -> bool:
        """Whether a row came, or changed, since the look `before`."""
        if before is None or self.newest is None:
            return False
        newer = _later(self.newest, before.newest) or _later(self.newest_past, before.newest_past)
        return self.count > before.count or newer

    def looks_like(self, other: Sight) -> bool:
        """Whether the ERP looks the same in both."""
        return (self.count, self.newest, self.newest_past) == (other.count, other.newest, other.newest_past)


def _later(moment: datetime | None, before: datetime | None) -> bool:
    return moment is not None and (before is None or moment > before)


# Threads of our own: a look that hangs in a dead connection takes none from Airflow's other triggers.
_LOOKERS = ThreadPoolExecutor(4, thread_name_prefix="erp-look")

Sights = Mapping[str, Sight]  # by mailing
Look = Callable[[str], Sight]  # a look at one mailing


def look_around(look: Look, mailings: Sequence[str]) -> tuple[Sights, str]:
    """One look at each mailing: what was seen, and what went wrong. A wrong query hides its own mailing only."""
    sights, troubles = {}, []
    for name in mailings:
        try:
            sights[name] = look(name)
        except AuthoringError as error:
            troubles.append(str(error))
        except Exception as error:  # the database: asking it for the next mailing would only take as long again
            troubles.append(str(error))
            break
    return sights, "\n".join(troubles)


class Watch:
    """What a series of looks amounts to. `woken` is what earlier watches reported; it is read and added to."""

    def __init__(self, woken: dict[str, Sight]) -> None:
        self._woken = woken
        self._before: dict[str, Sight] = {}

    def news(self, sights: Sights) -> list[str]:
        """The mailings for which a sweep should be woken now."""
        found = [name for name, sight in sights.items() if self._is_news(name, sight)]
        self._before = {**self._before, **sights}  # a mailing that could not be looked at keeps its last sight
        self._woken.update({name: sights[name] for name in found})
        return found

    def _is_news(self, name: str, sight: Sight) -> bool:
        woken = self._woken.get(name)
        # Not the cursor: it follows the clock where a row is dated in the future, and would wake without end.
        if woken and sight.looks_like(woken) and sight.cursor and woken.cursor:
            return False
        return sight.is_news or sight.has_grown(self._before.get(name))


class ErpTrigger(BaseTrigger):  # type: ignore[misc]
    """Looks at the ERP every `poll_s` seconds and ends its task, with success, when there is news or after `wake_s`.

    An error of the ERP or the outbox is logged, once as long as it stays the same, and looked past: after `wake_s`
    the task that follows meets it and shows it.
    """

    _woken: ClassVar[dict[str, Sight]] = {}  # for all triggers of this process, which come one after the other

    def __init__(self, mailings: Sequence[str], poll_s: float, wake_s: float) -> None:
        super().__init__()
        self.mailings, self.poll_s, self.wake_s = list(mailings), poll_s, wake_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How Airflow stores this trigger."""
        arguments = {"mailings": self.mailings, "poll_s": self.poll_s, "wake_s": self.wake_s}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event."""
        begin = time.monotonic()
        try:
            async with asyncio.timeout(self.wake_s):  # a look may hang, too
                news = await self._listen()
            self.log.info("News of %s", ", ".join(news))
        except TimeoutError:
            self.log.info("No news for %.0f s; the sweep looks all the same", time.monotonic() - begin)
        yield TaskSuccessEvent()

    async def _listen(self) -> list[str]:
        watch, told, loop = Watch(self._woken), "", asyncio.get_running_loop()
        look: Look | None = None
        while True:
            try:
                if look is None:
                    look = await loop.run_in_executor(_LOOKERS, self.looker)
                sights, trouble = await loop.run_in_executor(_LOOKERS, look_around, look, self.mailings)
            except Exception as error:  # no connection, no settings: whatever it is, it must not end the listening
                sights, trouble = {}, str(error)
            if trouble and trouble != told:
                self.log.warning("Cannot look everywhere, trying on: %s", trouble)
            told = trouble
            if news := watch.news(sights):
                return news
            await asyncio.sleep(self.poll_s)

    def looker(self) -> Look:
        """A function that looks at one mailing, with its connections open. It is called in a thread, as this one is."""
        from emailketing import settings, wiring

        erp, outbox, overlap = wiring.erp(), wiring.outbox(), timedelta(seconds=settings.load().sweep.overlap_s)

        def look(name: str) -> Sight:
            cursor = outbox.cursor(name)
            if cursor is None:
                return Sight(None, 0, None)
            seen = erp.look(name, cursor - overlap)
            return Sight(cursor, seen.count, seen.newest, seen.newest_past)

        return look


class ErpSensor(BaseSensorOperator):  # type: ignore[misc]
    """Succeeds when the ERP has news of one of `mailings`, and after `wake_s` seconds in any case.

    It is started by the scheduler in the triggerer at once: it never takes a worker's slot, and there is no worker's
    process to wait for.
    """

    start_from_trigger = True

    def __init__(self, *, mailings: Sequence[str], poll_s: float = 1.0, wake_s: float = 60.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mailings, self.poll_s, self.wake_s = list(mailings), poll_s, wake_s
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=f"{ErpTrigger.__module__}.{ErpTrigger.__qualname__}",
            trigger_kwargs={"mailings": self.mailings, "poll_s": poll_s, "wake_s": wake_s},
            next_method="woken",
        )

    def execute(self, context: Any) -> None:  # noqa: ARG002 Airflow's signature
        """Only where there is no scheduler to start the trigger (`airflow dags test`): wait there all the same."""
        self.defer(trigger=ErpTrigger(self.mailings, self.poll_s, self.wake_s), method_name="woken")

    def woken(self, context: Any, event: Any = None) -> None:
        """Nothing is left to do."""
