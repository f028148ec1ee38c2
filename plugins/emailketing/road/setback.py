"""What is done when the ERP's newest document is older than the cursor: some were deleted, or the ERP was restored."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from emailketing import events
from emailketing.erp import Reader
from emailketing.model import Event, Mailing
from emailketing.outbox import Told

if TYPE_CHECKING:
    from emailketing.road.sweeping import Fresh, Sweeper, Swept

log = logging.getLogger(__name__)

#: So many of the newest documents do not vanish at once by people's hands; fewer do.
RESTORED_FROM = 3

_LOOKED_AT = 1_000  # the newest tellings that are held against the ERP
_EVER = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Setback:
    """The ERP's newest document is of `newest`, before the cursor; `lost` were told and are there no more.

    `lost_since` is when the oldest of them changed, where they are so many that the ERP must have been restored.
    """

    newest: datetime
    lost: Sequence[Told] = ()
    lost_since: datetime | None = None


def found_set_back(
    sweeper: Sweeper, mailing: Mailing, reader: Reader, position: datetime, fresh: Fresh
) -> Setback | None:
    """What a pass that read to the end found missing; None where the cursor stands at a document.

    Only where told documents lie after the newest row is the ERP asked once more.
    """
    if fresh.newest and fresh.newest >= position:
        return None
    if not _told_after(sweeper, mailing, fresh.newest or sweeper.since(position), fresh):
        return Setback(fresh.newest) if fresh.newest else None
    newest = fresh.newest or reader.look(mailing.name, _EVER, fresh.present).newest_past or _EVER
    told = _told_after(sweeper, mailing, sweeper.since(newest), fresh)
    lost = _absent(mailing, reader, told)
    if len({one.document for one in lost if one.event_at > newest}) < RESTORED_FROM:
        return Setback(newest, lost)
    oldest = min(one.event_at for one in lost)  # committed late, it may be older than what was in the backup
    return Setback(newest, lost, min(oldest, newest + timedelta(microseconds=1)))


def set_back(sweeper: Sweeper, mailing: Mailing, position: datetime, found: Setback | None, swept: Swept) -> bool:
    """Set the cursor back to where the ERP ends now; whether there is something to read from there."""
    if found is None:
        return False
    moved = sweeper.outbox.rewind(mailing.name, position, found.newest, sweeper.clock(), found.lost_since)
    if moved and found.lost_since:
        swept.alarms.append(_alarm(mailing, found))
    elif moved and found.lost:
        log.warning("%s: told, and no longer in the ERP: %s", mailing.name, _named(found.lost))
    return moved


def _told_after(sweeper: Sweeper, mailing: Mailing, after: datetime, fresh: Fresh) -> list[Told]:
    """What was told of documents after that time, but for what an earlier restore accounts for."""
    told = sweeper.outbox.told_after(mailing.name, after, fresh.present, _LOOKED_AT)
    restores = fresh.epochs[1:]
    return [one for one in told if not any(r.since <= one.event_at and one.created_at < r.at for r in restores)]


def _absent(mailing: Mailing, reader: Reader, told: Sequence[Told]) -> list[Told]:
    rows = reader.documents(mailing.name, sorted({one.document for one in told}))
    made = [item for row in rows if isinstance(item := events.event(mailing, row), Event)]
    there = {(event.document, event.version) for event in made}
    return [one for one in told if (one.document, events.bare(one.version)) not in there]


def _alarm(mailing: Mailing, found: Setback) -> str:
    return (
        f"{mailing.name}: the ERP looks restored from a backup: its newest document is of "
        f"{found.newest:%Y-%m-%d %H:%M} UTC, and what was told since then is there no more: {_named(found.lost)}.\n"
        "  It is noted: documents saved from now on are told even where they bear the same numbers again. Where the "
        "other mailings did not notice, run `bin/emailketing restored --since …` for them (docs/operate.md)."
    )


def _named(lost: Sequence[Told]) -> str:
    names = list(dict.fromkeys(one.document for one in reversed(lost)))
    return ", ".join(names) if len(names) <= 5 else f"{names[0]}, {names[1]} … {names[-1]} ({len(names)} documents)"
