"""Whom a row of the ERP addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from emailketing.audience.addresses import LONGEST, usable_email, usable_phone
from emailketing.model import Recipient

#: The column of a notification's row that holds a channel's address.
ADDRESS_COLUMN = {"email": "email", "phone": "phone"}

#: Gives an address in its normal form, or raises ValueError with the reason.
Usable = Callable[[str], str]

_BREAK = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody who is meant; `reason` is empty when the address is usable.

    `because` says which copy or subscription names him; it is empty when the row does.
    """

    recipient: Recipient
    reason: str = ""
    because: str = ""


def addressed_by_row(row: Mapping[str, Any], channel: str, region: str = "") -> list[Addressee]:
    """Whom a row addresses by this channel: the column may hold several addresses.

    E-mail addresses are parted by ; or , or spaces; phone numbers, which have spaces of their own, by ; or , or /. One
    without a country code is of `region`. A line break within the column makes it unusable as a whole: nobody can tell
    one address that was torn from two, or from header lines that somebody smuggled in.
    """
    column = ADDRESS_COLUMN[channel]
    name, language = _clean(row.get("name")), _clean(row.get("language"))
    raw = _clean(row.get(column))
    if _BREAK.search(str(row.get(column) or "").strip()):
        shown = raw[:LONGEST]
        reason = f"{column} holds a line break or another control character: {shown!r}; part addresses by ';'"
        return [Addressee(Recipient(shown, name, language), reason)]
    usable = partial(usable_phone, region=region) if channel == "phone" else usable_email
    found = _numbers(raw, usable) if channel == "phone" else _mailboxes(raw)
    if not found:
        reason = f"the row gives no column {column!r}" if column not in row else f"{column} is empty in the ERP"
        return [Addressee(Recipient("", name, language), reason)]
    return [_addressee(part, usable, name, language) for part in dict.fromkeys(found)]


def _mailboxes(raw: str) -> list[str]:
    return [part.strip("<>") for part in re.split(r"[;,\s]+", raw) if part.strip("<>")]


def _numbers(raw: str, usable: Usable) -> list[str]:
    """The numbers of a column. A / parts two of them, unless it stands within one, as in 0981/123456."""
    found: list[str] = []
    for piece in re.split("[;,]", raw):
        joined = piece.replace("/", " ")
        whole = "/" not in piece or _is_usable(joined, usable)
        found += [joined] if whole else piece.split("/")
    return [part.strip() for part in found if part.strip()]


def _is_usable(raw: str, usable: Usable) -> bool:
    try:
        return bool(usable(raw))
    except ValueError:
        return False


def _addressee(raw: str, usable: Usable, name: str, language: str) -> Addressee:
    try:
        return Addressee(Recipient(usable(raw), name, language))
    except ValueError as problem:
        return Addressee(Recipient(raw[:LONGEST], name, language), str(problem))


def _clean(value: Any) -> str:
    return " ".join(str(value).split()) if value is not None else ""
