"""What DAG files declare: mailings, and the tasks that carry them.

Importing this module costs nothing but Airflow itself; whatever is heavy is imported where a task runs.
"""

from __future__ import annotations

import logging
import runpy
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator, task
from airflow.sdk.exceptions import AirflowFailException

from emailketing import settings
from emailketing.errors import AuthoringError, ChannelDown, DeclarationError, SettingsError, nearest
from emailketing.model import Lane, Mailing, query_files
from emailketing.sensors import ErpSensor

if TYPE_CHECKING:
    from emailketing.road import Swept

log = logging.getLogger(__name__)

CHANNELS = ("email", "phone")

_declaring: ContextVar[list[Mailing]] = ContextVar("declaring", default=[])  # noqa: B039 nobody reads the default

#: Whatever hangs for so long beyond its time, in a connection that is dead without saying so, is ended.
_STUCK = timedelta(minutes=15)

_SWEEP_DRAIN_S = 20.0  # a sweep that has much to send looks at the ERP in between

_DRAIN_S = 45.0  # a drain started each minute ends before the next one begins


def notification(
    name: str,
    *,
    channels: Sequence[str] = ("email",),
    expires_after: timedelta | None = None,
    quiet: timedelta | None = None,
) -> Mailing:
    """A mailing that tells of every saved document of `include/sql/<name>.sql`, by `include/templates/<name>/`.

    `expires_after` is the age at which an event no longer helps anybody; it then ends as expired, visibly. `quiet` is
    how long a document must stand still before it is told, in place of the setting's.
    Raises DeclarationError, with the line of the DAG file, when there is no such query, template or channel.
    """
    include = settings.load().include
    if not include.is_dir():
        raise SettingsError(f"There is no folder {include}.", hint="EMAILKETING_INCLUDE names the include folder.")
    _known("query", name, [path.name.removesuffix(".sql") for path in query_files(include / "sql")])
    _known("template folder", name, [path.name for path in include.glob("templates/*") if path.is_dir()])
    for channel in channels:
        _known("channel", channel, CHANNELS)
    if quiet is not None and quiet < timedelta(0):
        _refuse(
            f"quiet is {quiet}, which is less than nothing.", "Give a length of time, such as timedelta(seconds=5)."
        )
    return Mailing(
        name,
        channels=tuple(channels),
        expires_after_s=expires_after.total_seconds() if expires_after else None,
        quiet_s=None if quiet is None else quiet.total_seconds(),
    )


def notify(*mailings: Mailing) -> None:
    """Watch the ERP for these mailings' documents, and send: a sensor that wakes one sweep.

    Belongs into one DAG that is always running (`schedule="@continuous", max_active_runs=1`, and a start_date:
    without one Airflow never starts a second run).
    """
    _declaring.get().extend(mailings)
    chosen = settings.load().sweep
    names = [mailing.name for mailing in mailings]
    sensor = ErpSensor(task_id="watch", mailings=names, poll_s=chosen.poll_s, wake_s=chosen.wake_s)
    longest = timedelta(seconds=chosen.linger_most_s) + _STUCK
    sensor >> SweepOperator(task_id="sweep", mailings=mailings, execution_timeout=longest)


class SweepOperator(BaseOperator):  # type: ignore[misc]
    """Puts a message into the outbox for every new document, sends the instant lane, and lingers for more.

    Lingering means that what follows soon after need not wait for Airflow to start another task.
    """

    def __init__(self, *, mailings: Sequence[Mailing], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mailings = tuple(mailings)

    def execute(self, context: Any) -> dict[str, int]:  # noqa: ARG002 Airflow's signature
        """Sweep until nothing has come for a while. What an author must mend fails the task, when all else is sent."""
        chosen = settings.load().sweep
        new: dict[str, int] = {}
        problems: dict[str, None] = {}
        for swept in self._looks(chosen.poll_s, chosen.linger_s, chosen.linger_most_s):
            if swept.new or swept.first_look or (swept.off and swept.mailing not in new):
                log.info("%s: %s", swept.mailing, told(swept))
            new[swept.mailing] = new.get(swept.mailing, 0) + swept.new
            for problem in swept.held:
                log.warning("still held: %s", problem)
            for problem in [*swept.alarms, *swept.problems]:
                if problem not in problems:
                    log.error("%s", problem)
                problems[problem] = None
        if problems:
            raise AirflowFailException("\n".join(problems))
        return new

    def _looks(self, poll_s: float, linger_s: float, most_s: float) -> Iterator[Swept]:
        from emailketing import road, wiring

        sweeper, carrier, connections = wiring.sweeper(), wiring.carrier(), settings.load().delivery.connections
        down = ""
        began = quiet_since = time.monotonic()
        busy = False
        while True:
            swept = list(road.sweep_all(sweeper, self.mailings, mending=not busy))
            delivered = road.deliver(carrier, Lane.INSTANT, connections, _SWEEP_DRAIN_S)
            if delivered.down and delivered.down != down:
                log.warning("%s", delivered.down)
            down = delivered.down
            yield from swept
            if any(one.new or one.mended for one in swept) or delivered.outcomes.total():
                busy, quiet_since = True, time.monotonic()
            now = time.monotonic()
            waits = [one.look_again_s for one in swept if one.left]
            at_rest = not waits and (not busy or now - quiet_since > linger_s)
            if at_rest or now - began > most_s:
                return
            time.sleep(min([poll_s, *waits]))


def told(swept: Swept) -> str:
    """What a sweep did, in a sentence for logs and the command line."""
    if swept.first_look and not swept.new:
        return "first look; what the ERP holds by now is history, what comes from now on is told"
    if swept.off:
        return f"{swept.off}; {swept.documents} documents changed, nobody is told: what is saved meanwhile is history"
    states = ", ".join(f"{count} {state}" for state, count in sorted((swept.states + swept.mended).items()))
    nobodys = f", {swept.nobodys} concern nobody by the filters of the subscriptions" if swept.nobodys else ""
    left = f", {swept.left} saved a moment ago and left for the next look" if swept.left else ""
    return f"{swept.documents} documents changed, {states or 'nothing new'}{nobodys}{left}"


@task(execution_timeout=_STUCK)  # type: ignore[untyped-decorator]
def tend_outbox() -> dict[str, int]:
    """Settle what a dead delivery left behind, end what is too old, and send what is due in every lane.

    Each lane has its own connections, so that a bulk send never delays an instant one. It is one task, because a task
    costs seconds of a core. Raises ChannelDown, when all that can be done is done, if the mail server is away.
    """
    from emailketing import road, wiring

    done = road.keep_house(wiring.outbox(), wiring.backoff(), road.utc_now())
    carrier, connections = wiring.carrier(), settings.load().delivery.connections
    with ThreadPoolExecutor(len(Lane)) as pool:
        drains = [pool.submit(road.deliver, carrier, lane, connections, _DRAIN_S) for lane in Lane]
    down = ""
    for drain in drains:
        delivered = drain.result()
        done.update({outcome.value: count for outcome, count in delivered.outcomes.items()})
        down = down or delivered.down
    if down:
        raise ChannelDown(down)
    return dict(done)


@task
def prune() -> dict[str, int]:
    """Delete ended messages and frozen bytes that are older than the settings keep them."""
    from emailketing import road, wiring

    chosen = settings.load().delivery
    now = road.utc_now()
    before, content_before = (now - timedelta(days=days) for days in (chosen.keep_days, chosen.keep_content_days))
    return asdict(wiring.outbox().prune(before, content_before))


def declared(folder: Path) -> dict[str, Mailing]:
    """Every mailing that the DAG files below `folder` declare, by name, without a running Airflow.

    Raises DeclarationError with file and line for a file that cannot be imported.
    """
    if not folder.is_dir():
        raise SettingsError(f"There is no folder {folder}.", hint="EMAILKETING_DAGS names the folder of the DAG files.")
    mailings: list[Mailing] = []
    token = _declaring.set(mailings)
    try:
        for path in sorted(folder.rglob("*.py")):
            _execute(path)
    finally:
        _declaring.reset(token)
    return {mailing.name: mailing for mailing in mailings}


def _execute(path: Path) -> None:
    try:
        runpy.run_path(str(path))
    except AuthoringError:
        raise
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = frames[-1].lineno if frames else getattr(error, "lineno", None)
        raise DeclarationError(f"{type(error).__name__}: {error}", path=path, line=line) from error


def _known(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        _refuse(f"there is no {what} {name!r}.", nearest(name, known))


def _refuse(problem: str, hint: str) -> NoReturn:
    frame = _caller()
    raise DeclarationError(problem, path=frame.filename, line=frame.lineno, hint=hint)


def _caller() -> traceback.FrameSummary:
    """The line of the DAG file that is being executed."""
    package = str(Path(__file__).parent)
    return next(frame for frame in reversed(traceback.extract_stack()) if not frame.filename.startswith(package))
