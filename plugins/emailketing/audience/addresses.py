"""Addresses as people write them in an ERP, and which of them a channel can use."""

from __future__ import annotations

import re

from email_validator import EmailNotValidError, validate_email

LONGEST = 254  # an address path of SMTP, RFC 5321 4.5.3.1.3 less the brackets

_NUMBER = re.compile(r"(?:tel:)?([+(]?[\d\s().\-\u2010-\u2015]+)", re.IGNORECASE)


def usable(channel: str, raw: str, region: str = "") -> str:
    """The address in the form that this channel uses. Raises ValueError with the reason, for people."""
    return usable_email(raw) if channel == "email" else usable_phone(raw, region)


def usable_email(raw: str) -> str:
    """The address in its normal form. Raises ValueError with the reason, for people."""
    try:
        return validate_email(raw, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as problem:
        raise ValueError(f"{raw[:LONGEST]!r} is no e-mail address: {problem}") from None


def usable_phone(raw: str, region: str) -> str:
    """The number as E.164; one without a country code is of `region` (ISO 3166). Raises ValueError with the reason.

    A number that surely gets no texts, such as a landline, is not usable. Where mobile and fixed numbers look the same,
    it is.
    """
    import phonenumbers  # a tenth of a second, for who has numbers at all

    shown = repr(raw[:40])
    written = _NUMBER.fullmatch(raw.strip())
    if written is None:
        raise ValueError(f"{shown} is no phone number: it holds other signs than digits, spaces, + - . and brackets")
    try:
        number = phonenumbers.parse(written[1], region or None)
    except phonenumbers.NumberParseException as problem:
        home = "" if region or raw.startswith("+") else ", and no region is set for numbers without a country code"
        raise ValueError(f"{shown} is no phone number: {_sentence(str(problem))}{home}") from None
    if not phonenumbers.is_valid_number(number):
        where = phonenumbers.region_code_for_number(number) or f"+{number.country_code}"
        raise ValueError(f"{shown} is no phone number that exists in {where}: a digit is missing, too many or wrong")
    if reason := _textless(phonenumbers.number_type(number)):
        raise ValueError(f"{shown} {reason}")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _textless(kind: int) -> str:
    """Why a number of this type gets no texts; '' when it may."""
    from phonenumbers import PhoneNumberType as Type

    if kind == Type.FIXED_LINE:
        return "is a landline, which gets no texts"
    if kind in (Type.TOLL_FREE, Type.PREMIUM_RATE, Type.SHARED_COST, Type.UAN, Type.VOICEMAIL):
        return "is a service number, which gets no texts"
    return ""


def _sentence(problem: str) -> str:
    """A library's complaint, inside a sentence of ours."""
    text = re.sub(r"^\(\d+\) ", "", problem).rstrip(".")
    return text[:1].lower() + text[1:]
