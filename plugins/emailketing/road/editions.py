"""Editions of campaigns: which one a day belongs to, and what follows from a person's place in it. Pure.

Whatever is decided here depends on names and a secret alone, so that a run that is repeated after a crash decides the
same: which subject somebody gets, and which code is his.
"""

from __future__ import annotations

import hmac
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

#: So long after it was due, or is put if that is later, an edition may be finished, even when it is over by then.
GRACE = timedelta(hours=6)

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U, which are misread
_LENGTH = 10
_MISREAD = str.maketrans("OIL", "011")


def edition_of(cadence: str, day: date) -> str:
    """The edition to which a day belongs: '2026-11-25', '2026-W48', '2026-11' or 'once'."""
    match cadence:
        case "daily":
            return day.isoformat()
        case "weekly":
            year, week, _ = day.isocalendar()
            return f"{year}-W{week:02d}"
        case "monthly":
            return f"{day:%Y-%m}"
        case _:
            return "once"


def began(cadence: str, day: date) -> date:
    """The first day of the day, week or month to which `day` belongs."""
    match cadence:
        case "weekly":
            return day - timedelta(days=day.weekday())
        case "monthly":
            return day.replace(day=1)
        case _:
            return day


def next_began(cadence: str, day: date) -> date | None:
    """The first day of the period after that of `day`, in which a new edition is due; None where there is none."""
    first = began(cadence, day)
    match cadence:
        case "daily":
            return first + timedelta(1)
        case "weekly":
            return first + timedelta(7)
        case "monthly":
            return (first + timedelta(31)).replace(day=1)
        case _:
            return None


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day of `zone`."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def variant_of(variants: tuple[str, ...], mailing: str, document: str) -> str:
    """Which of the subjects a person gets: each to an equal share, by the hash of who he is; '' where there is one."""
    if not variants:
        return ""
    digest = sha256(f"{mailing}\n{document}".encode()).digest()
    return variants[int.from_bytes(digest[:8]) % len(variants)]


def coupon_of(secret: bytes, mailing: str, document: str) -> str:
    """The code of one person in one edition, such as 'K7PQ4-0M2XT'; nobody without the secret can make another."""
    digest = hmac.new(secret, f"coupon\n{mailing}\n{document}".encode(), sha256).digest()
    number = int.from_bytes(digest[:8])
    signs = "".join(_ALPHABET[number >> (5 * place) & 31] for place in range(_LENGTH))
    return f"{signs[:5]}-{signs[5:]}"


def read_coupon(typed: str) -> str:
    """A code as it was given out, from what a person types: in small letters, without the dash, O for 0."""
    signs = "".join(sign for sign in typed.upper() if sign.isalnum()).translate(_MISREAD)
    return f"{signs[:5]}-{signs[5:]}"
