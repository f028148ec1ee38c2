"""Whom a row of the ERP addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emailketing.audience.addresses import LONGEST, usable_email
from emailketing.model import Recipient

#: The column of a notification's row that holds a channel's address.
ADDRESS_COLUMN = {"email": "email", "phone": "phone"}

_BREAK = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody who is meant; `reason` is empty when the address is usable.

    `because` says which copy or subscription names him; it is empty when the row does.
    """

    recipient: Recipient
    reason: str = ""
    because: str = ""


def addressed_by_row(row: Mapping[str, Any], channel: str) -> list[Addressee]:
    """Whom a row addresses by this channel: the column may hold several addresses, parted by ; or , or spaces.

    A line break within it makes it unusable as a whole: nobody can tell one address that was torn from two, or from
    header lines that somebody smuggled in.
    """
    column = ADDRESS_COLUMN[channel]
    name, language = _clean(row.get("name")), _clean(row.get("language"))
    raw = _clean(row.get(column))
    if _BREAK.search(str(row.get(column) or "").strip()):
        shown = raw[:LONGEST]
        reason = f"{column} holds a line break or another control character: {shown!r}; part addresses by ';'"
        return [Addressee(Recipient(shown, name, language), reason)]
    found = [part.strip("<>") for part in re.split(r"[;,\s]+", raw) if part.strip("<>")]
    if not found:
        reason = f"the row gives no column {column!r}" if column not in row else f"{column} is empty in the ERP"
        return [Addressee(Recipient("", name, language), reason)]
    return [_addressee(part, name, language) for part in dict.fromkeys(found)]


def _addressee(raw: str, name: str, language: str) -> Addressee:
    try:
        return Addressee(Recipient(usable_email(raw), name, language))
    except ValueError as problem:
        return Addressee(Recipient(raw[:LONGEST], name, language), str(problem))


def _clean(value: Any) -> str:
    return " ".join(str(value).split()) if value is not None else ""
