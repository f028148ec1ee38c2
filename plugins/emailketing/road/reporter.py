"""What the road of a report works with, and the records of what it does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from emailketing.audience import Audience
from emailketing.channels import Channel
from emailketing.erp import Erp
from emailketing.errors import DeclarationError
from emailketing.model import Envelope, Sender, State
from emailketing.outbox import Outbox
from emailketing.render import Renderer
from emailketing.report import periods
from emailketing.report.calendar import BusinessCalendar, Due
from emailketing.report.periods import Period
from emailketing.road.clock import Clock, utc_now
from emailketing.road.readers import Reader


@dataclass(frozen=True)
class House:
    """What a report needs to know of the company: its name, its zone, its currency, the days on which it works."""

    name: str
    zone: ZoneInfo
    currency: str
    calendar: BusinessCalendar


@dataclass(frozen=True)
class Reporter:
    """All that the road of a report needs: where rows come from, how they are rendered, where messages go."""

    erp: Erp
    outbox: Outbox
    renderer: Renderer
    channels: Mapping[str, Channel]
    sender: Sender
    house: House
    audience: Audience = field(default_factory=Audience)
    clock: Clock = utc_now


@dataclass
class Reported:
    """What one look at a report did; `states` counts the messages that are new in the outbox, or mended there."""

    mailing: str
    off: str = ""
    readers: int = 0
    known: int = 0
    states: Counter[State] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)  # for the author of the files
    waiting: int = 0  # messages whose period is not ready yet

    def tell(self, problem: str) -> None:
        """Add a problem that a person must see, once."""
        if problem not in self.problems:
            self.problems.append(problem)


@dataclass(frozen=True)
class About:
    """What a message is about: a period; `until` is the last day told of one that still runs.

    `since` tells the episodes of an alert apart that is watched: when its first telling was.
    """

    period: Period
    until: date | None = None
    since: datetime | None = None

    @property
    def document(self) -> str:
        """Its name in the ledger: 'monthly 2026-10', 'monthly 2026-11 to 2026-11-30'; of an alert '… since …', UTC."""
        name = f"{self.period.cadence} {self.period.name}"
        name = f"{name} to {self.until}" if self.until else name
        return f"{name} since {self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if self.since else name

    @classmethod
    def of(cls, due: Due, reader: Reader) -> About:
        """What a due moment of a reader is about."""
        return cls(due.period, due.planned if reader.rule.running else None)

    @classmethod
    def read(cls, document: str) -> About | None:
        """From the ledger's name; None for what is no name of a period."""
        found = re.fullmatch(r"[a-z]+ (\S+)(?: to (\S+))?(?: since (.+))?", document)
        if found is None:
            return None
        try:
            until = date.fromisoformat(found[2]) if found[2] else None
            since = datetime.fromisoformat(found[3]).replace(tzinfo=UTC) if found[3] else None
            return cls(periods.named(found[1]), until, since)
        except (DeclarationError, ValueError):
            return None


@dataclass(frozen=True)
class Wanted:
    """A message that somebody is to get; `held` says that it stands in the outbox already, without its bytes.

    `watched`: whether there is anything to tell, and under which name, the alert says at each look.
    """

    envelope: Envelope
    reader: Reader
    about: About
    held: bool = False
    watched: bool = False
