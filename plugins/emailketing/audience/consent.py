"""Consent: whether a person may be written to by a kind of mailings, and the reason in words. Pure.

Three say something of it: a suppression (nothing goes there, whatever else is said), the company's own list in the
outbox (consents and withdrawals), and the ERP, by the columns consent, consent_at and consent_source of the mailing's
query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from emailketing.hostile import one_line
from emailketing.model import ASKS_CONSENT, Consent, Kind, document_text

#: What ERPs write for yes and for no.
YES = frozenset({"1", "t", "true", "y", "yes", "s", "si", "sí", "v", "verdadero"})
NO = frozenset({"0", "f", "false", "n", "no", "falso"})

_LONGEST = 100  # signs of a source that are kept


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether somebody may be written to, and why, or why not."""

    allowed: bool
    reason: str


def consent_said(row: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> Consent | None:
    """What a row of the ERP says of a consent; None when nothing: no such column, or an empty one.

    What is neither yes nor no is a no that says so. A time without a zone is of `zone`; one that is none, or after
    `now`, is as if nobody had noted it: it would win over every withdrawal to come.
    """
    raw = row.get("consent")
    word = _word(raw)
    if not word:
        return None
    at, source = _moment(row.get("consent_at"), zone), one_line(row.get("consent_source") or "")[:_LONGEST]
    at = at if at and at <= now else None
    if word not in YES | NO:
        return Consent(False, at, source, f"consent is {one_line(word)[:40]!r}, which is neither yes nor no")
    return Consent(word in YES, at, source)


def may_write(kind: Kind, erp: Consent | None, own: Consent | None, suppressed: str = "") -> Judgement:
    """Whether a person may get a message of this kind, by what the ERP and the own list say.

    `suppressed` is the reason of a suppression, or ''. A withdrawal of the own list wins over the ERP's yes unless that
    is newer, and a consent of the own list over the ERP's no unless that is newer; what has no time is never newer.
    """
    if suppressed:
        return Judgement(False, suppressed)
    if kind not in ASKS_CONSENT:
        return Judgement(True, "documents and reports ask for no consent")
    if own and not (erp and own.given != erp.given and _newer(erp, own)):
        return _by_own_list(erp, own)
    if erp is None:
        return Judgement(False, "no consent: the ERP says nothing of one, and none was given elsewhere")
    return _by_erp(erp)


def _by_own_list(erp: Consent | None, own: Consent) -> Judgement:
    if not own.given:
        return Judgement(False, f"the consent was withdrawn{_told(own)}")
    return _by_erp(erp) if erp and erp.given else Judgement(True, f"consented outside the ERP{_told(own)}")


def _by_erp(erp: Consent) -> Judgement:
    words = "the ERP has the consent" if erp.given else "no consent: the ERP says no"
    return Judgement(erp.given, f"{words}{_told(erp)}")


def _newer(one: Consent, other: Consent) -> bool:
    return one.at is not None and (other.at is None or one.at > other.at)


def _told(said: Consent) -> str:
    """When, where and why, as the end of a sentence."""
    when = f"{said.at:%Y-%m-%d %H:%M} UTC" if said.at else ""
    about = ", ".join(filter(None, [when, said.source]))
    return f"{f' ({about})' if about else ''}{f': {said.reason}' if said.reason else ''}"


def _word(raw: Any) -> str:
    if raw is None:
        return ""
    if isinstance(raw, bytes | bytearray):  # MariaDB's BIT
        return "1" if any(raw) else "0"
    return document_text(raw).lower()


def _moment(value: Any, zone: ZoneInfo) -> datetime | None:
    """A time of the ERP in UTC; of a day its beginning. None when it is none."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        return None
