"""Addresses as people write them in an ERP, and which of them a channel can use."""

from __future__ import annotations

import re

from email_validator import EmailNotValidError, validate_email

LONGEST = 254  # an address path of SMTP, RFC 5321 4.5.3.1.3 less the brackets


def usable(channel: str, raw: str) -> str:
    """The address in the form that this channel uses. Raises ValueError with the reason, for people."""
    return usable_email(raw) if channel == "email" else usable_phone(raw)


def usable_phone(raw: str) -> str:
    """The number without what people write between its digits. Raises ValueError with the reason, for people."""
    number = re.sub(r"[\s()./-]", "", raw)
    if not re.fullmatch(r"\+?\d{5,20}", number, re.ASCII):
        raise ValueError(f"{raw[:LONGEST]!r} is no phone number: write it as +595981123456")
    return number


def usable_email(raw: str) -> str:
    """The address in its normal form. Raises ValueError with the reason, for people."""
    try:
        return validate_email(raw, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as problem:
        raise ValueError(f"{raw[:LONGEST]!r} is no e-mail address: {problem}") from None
