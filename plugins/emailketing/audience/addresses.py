"""Addresses as people write them in an ERP, and which of them a channel can use."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email

LONGEST = 254  # an address path of SMTP, RFC 5321 4.5.3.1.3 less the brackets


def usable_email(raw: str) -> str:
    """The address in its normal form. Raises ValueError with the reason, for people."""
    try:
        return validate_email(raw, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as problem:
        raise ValueError(f"{raw[:LONGEST]!r} is no e-mail address: {problem}") from None
