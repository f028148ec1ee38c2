"""Events: rows of the ERP become events, events become envelopes with keys. Pure; times are arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from emailketing.model import Envelope, Epoch, Event, Mailing, Recipient, State, Telling, document_text

_LONGEST = {"document": 120, "version": 60}  # what a message key has room for


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row from which no event can be made, and why, for the author of the query."""

    row: Mapping[str, Any]
    reason: str


def event(mailing: Mailing, row: Mapping[str, Any]) -> Event | BadRow:
    """One row of a notification's query as an event, or what is wrong with the row."""
    document, changed_at = row["document"], row["changed_at"]
    version = "1" if row.get("version") is None else document_text(row["version"])
    if document is None or not document_text(document):
        return BadRow(row, "document is empty: a row without an identity cannot be told apart from another")
    if not isinstance(changed_at, datetime):
        return BadRow(row, f"changed_at of document {document!r} is {changed_at!r}, which is no time")
    for name, value in (("document", document_text(document)), ("version", version)):
        if len(value) > _LONGEST[name]:
            return BadRow(row, f"{name} {value[:40]!r}… is longer than {_LONGEST[name]} characters")
    variables = row if row.get("version") is not None else {**row, "version": version}
    return Event(mailing.name, document_text(document), version, changed_at, variables, _truth(row.get("silent")))


def with_lines(event: Event, lines: Mapping[str, list[dict[str, Any]]]) -> Event:
    """The event with its document's lines among the variables."""
    return replace(event, variables={**event.variables, "lines": lines.get(event.document, [])})


def envelope(mailing: Mailing, event: Event, channel: str, recipient: Recipient, now: datetime) -> Envelope:
    """The envelope of one message; already expired when the event is too old to help anybody."""
    expires_at = None
    if mailing.expires_after_s is not None:
        with suppress(OverflowError):  # a document dated in the year 9999 never becomes too old
            expires_at = event.changed_at + mailing.waits + timedelta(seconds=mailing.expires_after_s)
    late = expires_at is not None and expires_at <= now
    return Envelope(
        mailing=mailing.name,
        document=event.document,
        version=event.version,
        channel=channel,
        recipient=recipient,
        lane=mailing.lane,
        on_unknown=mailing.on_unknown,
        event_at=event.changed_at,
        created_at=now,
        expires_at=expires_at,
        state=State.EXPIRED if late else State.QUEUED,
        reason=f"the document changed at {event.changed_at:%Y-%m-%d %H:%M} UTC, too long ago" if late else "",
        kind=mailing.kind,
    )


def unaddressed(envelope: Envelope, reason: str) -> Envelope:
    """The envelope of somebody who cannot be reached, kept so that it can be seen."""
    return replace(envelope, state=State.UNADDRESSED, reason=reason)


def suppressed(envelope: Envelope, reason: str) -> Envelope:
    """The envelope of somebody who must not be written to, kept so that it can be seen."""
    return replace(envelope, state=State.SUPPRESSED, reason=reason)


def reach(newest: datetime | None, position: datetime, now: datetime, left: datetime | None = None) -> datetime:
    """Where the cursor stands when the newest event seen is of `newest`: never backwards, never in the future.

    An ERP's clock that runs ahead, or one document dated next year, must not push the cursor past what is to come.
    Nor does it pass `left`, the oldest event that is left for the next look.
    """
    return max(position, min(newest or position, now, left or now))


def bare(version: str) -> str:
    """A message's version as the ERP gives it, without what `reborn` may have added."""
    return _RESTORED.sub("", version)


def versions(event: Event, restores: Sequence[Epoch]) -> list[str]:
    """The versions under which an event may be told: its own, and one for each restore of the ERP."""
    return [event.version, *(_after(event.version, restore) for restore in restores)]


def reborn(event: Event, restores: Sequence[Epoch], told: Callable[[str], Sequence[Telling]]) -> Event:
    """The event, under another version where a restored ERP gives the document and version of one that it has lost.

    `told` says what was told under one of the event's `versions`. It speaks of this event when its time is the same.
    """
    version, later = event.version, list(restores)
    while lost := [restore for restore in later if _lost(event, restore, told(version))]:
        version, later = _after(event.version, lost[-1]), [each for each in later if each.number > lost[-1].number]
    return replace(event, version=version)


def is_history(event: Event, seen_at: datetime | None, epochs: Sequence[Epoch]) -> bool:
    """Whether an event is of what a look found at `seen_at` (None: of nothing) and passed over.

    What was saved after a restore of the ERP to before that look only bears the number of what it found.
    """
    if seen_at is None:
        return False
    return not any(restore.since < seen_at and event.changed_at > restore.at for restore in epochs[1:])


_RESTORED = re.compile(r"\+restored\d+$")


def _after(version: str, restore: Epoch) -> str:
    return f"{version}+restored{restore.number}"


def _lost(event: Event, restore: Epoch, told: Sequence[Telling]) -> bool:
    if event.changed_at < restore.since or any(each.event_at == event.changed_at for each in told):
        return False
    return any(each.event_at >= restore.since and each.created_at < restore.at for each in told)


def _truth(value: Any) -> bool:
    return str(value).strip().lower() in {"1", "t", "true", "y", "yes", "s", "si", "sí"} if value is not None else False
