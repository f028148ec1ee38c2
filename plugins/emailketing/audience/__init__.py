"""The audience: who gets a message by a channel, and who does not, with the reason.

Three say whom a document is meant for: its row in the ERP (columns email and phone), include/subscriptions.yaml
(copies, subscriptions) and what people set in the outbox's database, which wins over the file. `Audience` is all of it
as it stands at one moment; `Source` reads it anew. Everybody who was meant is in the answer: a person who cannot be
reached is an addressee with a reason, never a gap. `consent` says who may be written to, `leaving` how one gets out,
`measuring` how answers come back, and `visitors` whose they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from emailketing.audience.addresses import usable
from emailketing.audience.consent import Judgement, consent_said, may_write
from emailketing.audience.filters import Filter, parsed
from emailketing.audience.leaving import Door, Leaving, looks_like_a_token
from emailketing.audience.measuring import Meter
from emailketing.audience.provisioned import (
    CHANNELS,
    SCHEDULE,
    Member,
    Person,
    Problem,
    Provisioned,
    filter_of,
    options_of,
    read,
    said,
    usable_language,
)
from emailketing.audience.rows import ADDRESS_COLUMN, Addressee, addressed_by_row
from emailketing.audience.standing import Audience, Faults
from emailketing.audience.visitors import Visitor, judged, visitor
from emailketing.model import Subscribed

__all__ = [
    "ADDRESS_COLUMN",
    "CHANNELS",
    "SCHEDULE",
    "Addressee",
    "Audience",
    "Door",
    "Faults",
    "Filter",
    "Judgement",
    "Leaving",
    "Member",
    "Memory",
    "Meter",
    "Person",
    "Problem",
    "Provisioned",
    "Source",
    "Visitor",
    "addressed_by_row",
    "consent_said",
    "filter_of",
    "judged",
    "looks_like_a_token",
    "may_write",
    "options_of",
    "parsed",
    "read",
    "said",
    "usable",
    "usable_language",
    "visitor",
]


class Memory(Protocol):
    """What remembers the text of a file between processes."""

    def recall(self) -> str | None:
        """The text that was kept last."""

    def keep(self, text: str) -> None:
        """Remember this text instead."""


class Source:
    """Where the audience is read: a file, read again when it changes, and what `stored` brings from the database.

    While the file cannot be read, what `memory` kept of it holds: a slip of the pen stops no mailing. Phone numbers
    without a country code are of `region` (ISO 3166).
    """

    def __init__(
        self,
        path: Path,
        stored: Callable[[], Subscribed] = Subscribed,
        memory: Memory | None = None,
        region: str = "",
    ) -> None:
        self._path, self._stored, self._memory, self._region = path, stored, memory, region
        self._stamp: tuple[int, int] | None = None
        self._provisioned = Provisioned(path)

    @property
    def audience(self) -> Audience:
        """An audience that reads all of it when it is asked for `now`; nothing is read before."""
        return Audience(Provisioned(self._path), renew=self.now, region=self._region)

    def now(self) -> Audience:
        """The audience as file and database say at this moment."""
        return Audience(self._file(), self._stored(), renew=self.now, region=self._region)

    def _file(self) -> Provisioned:
        try:
            status = self._path.stat()
            stamp = status.st_mtime_ns, status.st_size
        except OSError:  # there is none, which is fine, or reading it says why not
            stamp = 0, 0
        if stamp != self._stamp:
            self._provisioned, self._stamp = self._read(), stamp
        return self._provisioned

    def _read(self) -> Provisioned:
        text, provisioned = read(self._path, self._region)
        if self._memory is None:
            return provisioned
        kept = self._memory.recall()
        if provisioned.unreadable is None:
            if text != (kept or ""):
                self._memory.keep(text)
            return provisioned
        if kept is None:
            return provisioned
        remembered = said(self._path, kept, self._region)
        return replace(remembered, problems=(Problem(provisioned.unreadable), *remembered.problems))
