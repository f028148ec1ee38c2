"""The pause of a lane: a server that fails as a whole makes a lane's messages wait together.

Without it each message would use up its own attempts on a server that fails them all. A lane without a row in
`outbox_pause` is open. Failures in a row are counted there; from `Pausing.after` of them on the lane is paused, for
longer each time. When a pause is over, one process may try one message; what comes of it ends the pause or renews it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from emailketing.model import Lane, State
from emailketing.outbox.backoff import jittered_s
from emailketing.outbox.fit import clipped
from emailketing.outbox.schema import message, pause

#: For how many seconds a lane is paused after that many failures in a row; None where it stays open.
Wait = Callable[[int], float | None]


@dataclass(frozen=True, slots=True)
class Pausing:
    """The policy: `after` failures in a row pause a lane for about `first_s` seconds, doubled by each more.

    `most_s` is the longest pause.
    """

    after: int = 3
    first_s: float = 10.0
    most_s: float = 300.0

    def wait_s(self, failures: int, rng: random.Random) -> float | None:
        """Seconds of pause after `failures` in a row, half of it random; None while the lane stays open."""
        return jittered_s(self.first_s, self.most_s, failures - self.after, rng) if failures >= self.after else None


@dataclass(frozen=True, slots=True)
class Failure:
    """The server as a whole failed: no line was to be had, or it broke over the message with the id `message`.

    `trial` marks what came of the one message that is tried when a pause is over.
    """

    at: datetime
    reason: str
    message: int | None = None
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """What is remembered of a lane whose server failed `failures` times in a row `since` then; `reason` is the last.

    `until` is None as long as they are too few for a pause. A pause that is over waits for the message that is tried.
    """

    channel: str
    lane: Lane
    failures: int
    since: datetime
    until: datetime | None
    reason: str

    def holds(self, now: datetime) -> bool:
        """Whether nothing may be sent in this lane at `now`."""
        return self.until is not None and self.until > now

    def __str__(self) -> str:
        often = "1 failure" if self.failures == 1 else f"{self.failures} failures in a row"
        told = f"after {often} since {self.since:%Y-%m-%d %H:%M:%S} UTC, the last: {self.reason}"
        stands = "is open" if self.until is None else f"is paused until {self.until:%Y-%m-%d %H:%M:%S} UTC"
        return f"The {self.lane} lane ({self.channel}) {stands} {told}"


def standing(connection: sa.Connection, channel: str, lane: str) -> Pause | None:
    """What is remembered of a lane's failures; None when all is well."""
    row = connection.execute(_STANDING, _of(channel, lane)).one_or_none()
    return _pause(row) if row else None


def all_standing(connection: sa.Connection) -> list[Pause]:
    """The lanes whose server failed last, by channel and lane."""
    return [_pause(row) for row in connection.execute(sa.select(pause).order_by(pause.c.channel, pause.c.lane))]


def fail(connection: sa.Connection, channel: str, lane: str, failure: Failure, wait_s: Wait) -> Pause:
    """Count a failure, and pause the lane when there are enough; how the lane stands then.

    In a lane that is paused already only the trial's failure counts. Another failure of the same message as last time
    does not count either: a message over which the line breaks each time is not a server that is down.
    """
    fresh = {"channel": channel, "lane": str(lane), "failures": 0, "since": failure.at, "reason": ""}
    connection.execute(_insert_new(connection.dialect.name), fresh)
    row = connection.execute(_STANDING.with_for_update(), _of(channel, lane)).one()
    if not failure.trial and (_pause(row).holds(failure.at) or _is_same(row, failure)):
        return _pause(row)
    wait = wait_s(row.failures + 1)
    values = {
        "failures": row.failures + 1,
        "message": failure.message,
        "paused_until": None if wait is None else failure.at + timedelta(seconds=wait),
        "reason": clipped(" ".join(failure.reason.split()), 1000),
    }
    connection.execute(sa.update(pause).where(*_THIS), {**_of(channel, lane), **values})
    return _pause(connection.execute(_STANDING, _of(channel, lane)).one())


def take_trial(connection: sa.Connection, channel: str, lane: str, now: datetime, until: datetime) -> bool:
    """Be the one who tries a message now that the pause is over. For all others it lasts `until`."""
    over = sa.update(pause).where(*_THIS, pause.c.paused_until <= sa.bindparam("now"))
    return connection.execute(over, {**_of(channel, lane), "now": now, "paused_until": until}).rowcount == 1


def resume(connection: sa.Connection, channel: str, lane: str) -> bool:
    """The server works: the lane is open and its failures are forgotten. False when there were none."""
    return connection.execute(sa.delete(pause).where(*_THIS), _of(channel, lane)).rowcount == 1


def queued(connection: sa.Connection) -> dict[tuple[str, Lane], int]:
    """How many messages wait in each lane of each channel; lanes without any are left out."""
    waiting = message.c.state == sa.literal_column(f"'{State.QUEUED}'")  # literal, for the partial index
    query = sa.select(message.c.channel, message.c.lane, sa.func.count()).where(waiting)
    rows = connection.execute(query.group_by(message.c.channel, message.c.lane))
    return {(channel, Lane(lane)): number for channel, lane, number in rows}


_THIS = (pause.c.channel == sa.bindparam("of_channel"), pause.c.lane == sa.bindparam("of_lane"))
_STANDING = sa.select(pause).where(*_THIS)


def _of(channel: str, lane: str) -> dict[str, Any]:
    return {"of_channel": channel, "of_lane": str(lane)}


def _insert_new(dialect: str) -> sa.Insert:
    if dialect == "postgresql":
        return postgresql.insert(pause).on_conflict_do_nothing(index_elements=[pause.c.channel, pause.c.lane])
    if dialect == "sqlite":
        return sqlite.insert(pause).on_conflict_do_nothing(index_elements=[pause.c.channel, pause.c.lane])
    return mysql.insert(pause).on_duplicate_key_update(channel=pause.c.channel)


def _is_same(row: Any, failure: Failure) -> bool:
    return failure.message is not None and row.message == failure.message


def _pause(row: Any) -> Pause:
    return Pause(row.channel, Lane(row.lane), row.failures, row.since, row.paused_until, row.reason)
