"""The audience: who gets a message by a channel, and who does not, with the reason.

Everybody who was meant is in the answer: a person who cannot be reached is an addressee with a reason, never a gap.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from email_validator import EmailNotValidError, validate_email

from emailketing.model import Recipient

#: The column of a notification's row that holds a channel's address.
ADDRESS_COLUMN = {"email": "email", "phone": "phone"}

_BREAK = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST = 254  # an address path of SMTP, RFC 5321 4.5.3.1.3 less the brackets


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody who is meant; `reason` is empty when the address is usable."""

    recipient: Recipient
    reason: str = ""


def addressed_by_row(row: Mapping[str, Any], channel: str) -> list[Addressee]:
    """Whom a row addresses by this channel: the column may hold several addresses, parted by ; or , or spaces.

    A line break within it makes it unusable as a whole: nobody can tell one address that was torn from two, or from
    header lines that somebody smuggled in.
    """
    column = ADDRESS_COLUMN[channel]
    name, language = _clean(row.get("name")), _clean(row.get("language"))
    raw = _clean(row.get(column))
    if _BREAK.search(str(row.get(column) or "").strip()):
        shown = raw[:_LONGEST]
        reason = f"{column} holds a line break or another control character: {shown!r}; part addresses by ';'"
        return [Addressee(Recipient(shown, name, language), reason)]
    found = [part.strip("<>") for part in re.split(r"[;,\s]+", raw) if part.strip("<>")]
    if not found:
        reason = f"the row gives no column {column!r}" if column not in row else f"{column} is empty in the ERP"
        return [Addressee(Recipient("", name, language), reason)]
    return [_addressee(part, name, language) for part in dict.fromkeys(found)]


def _addressee(raw: str, name: str, language: str) -> Addressee:
    try:
        usable = validate_email(raw, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as problem:
        return Addressee(
            Recipient(raw[:_LONGEST], name, language), f"{raw[:_LONGEST]!r} is no e-mail address: {problem}"
        )
    return Addressee(Recipient(usable.normalized, name, language))


def _clean(value: Any) -> str:
    return " ".join(str(value).split()) if value is not None else ""
