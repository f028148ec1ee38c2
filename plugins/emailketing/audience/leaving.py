"""How a person leaves: signed tokens that say who leaves which kind of mailings, and the addresses that carry them.

A token does not expire: a person who finds a mail of two years ago must get out by it. It does one thing only, and
nobody who has not got a mail can make one. Whoever forwards a mail hands the way out on, which is all that it opens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlsplit

from itsdangerous import BadSignature, URLSafeSerializer

from emailketing.audience.addresses import usable_email
from emailketing.errors import SettingsError
from emailketing.model import Kind, WayOut

SHORTEST = 16  # signs of a secret; a shorter one can be guessed

#: What stands before the token in the subject of a mail to the door.
SUBJECT = "unsubscribe"

PATH = "leave"  # below the public address

_TOKEN = re.compile(r"[A-Za-z0-9_.\-]{20,2000}")


@dataclass(frozen=True, slots=True)
class Leaving:
    """Who leaves what: an address, and a kind of mailings (or all); by a link of which mailing, where that is known."""

    address: str
    kind: str
    mailing: str = ""


class Door:
    """Makes the ways out, and reads the tokens of those who come by them.

    The first of `secrets` signs; tokens signed by the others, which served before, are still good. `mailbox` is where a
    person may write to, `base` the public https address of the page where he may click, '' when there is none.
    Raises SettingsError for what cannot serve.
    """

    def __init__(self, secrets: Sequence[str], mailbox: str, base: str = "") -> None:
        keys = signing_keys(secrets)
        try:
            self._mailbox = usable_email(mailbox)
        except ValueError as problem:
            raise SettingsError(f"Nobody can write to leave: {problem}") from None
        self._base = public_base(base)
        self._signer = URLSafeSerializer(keys, salt="emailketing.leave", signer_kwargs={"digest_method": sha256})

    def __str__(self) -> str:
        """How people leave, in a phrase."""
        return f"by a mail to {self._mailbox}{f', and at {self._base}' if self._base else ''}"

    @property
    def mailbox(self) -> str:
        """Where a person may write to, to leave."""
        return self._mailbox

    def token(self, address: str, kind: str, mailing: str = "") -> str:
        """The token by which this address leaves this kind of mailings; always the same."""
        return str(self._signer.dumps([address, str(kind), *([mailing] if mailing else [])]))

    def way_out(self, address: str, kind: str, mailing: str = "") -> WayOut:
        """The addresses by which a reader leaves, for the head and the foot of his mail."""
        token = self.token(address, kind, mailing)
        mailto = f"mailto:{quote(self._mailbox, safe='@')}?subject={SUBJECT}%20{token}"
        return WayOut(mailto, f"{self._base}/{PATH}/{token}" if self._base else "")

    def read(self, token: str) -> Leaving:
        """What a token says, however it was folded on its way. Raises ValueError with the reason, for people."""
        bare = "".join(token.split())
        if not looks_like_a_token(bare):
            raise ValueError("It is no token for leaving.")
        try:
            given: Any = self._signer.loads(bare)
        except BadSignature:
            raise ValueError("The token was not signed here, or is incomplete: copy all of it.") from None
        return _leaving(given)


def looks_like_a_token(text: str) -> bool:
    """Whether a text may be a token, and is neither an address nor a number."""
    return _TOKEN.fullmatch(text) is not None and "." in text


def _leaving(given: Any) -> Leaving:
    if not (isinstance(given, list) and 2 <= len(given) <= 3 and all(isinstance(each, str) for each in given)):
        raise ValueError("The token is of another version.")
    leaving = Leaving(*given)
    if leaving.kind not in {*Kind, "all"}:
        raise ValueError(f"The token is of another version: it speaks of {leaving.kind!r}.")
    return leaving


def signing_keys(secrets: Sequence[str]) -> list[str]:
    """The secrets as itsdangerous wants them, which signs by the last. Raises SettingsError for one that is guessed."""
    if not secrets or any(len(secret) < SHORTEST for secret in secrets):
        hint = f"Make one of at least {SHORTEST} signs: openssl rand -hex 32"
        raise SettingsError("The secret that signs the links for leaving is missing or too short.", hint=hint)
    return list(reversed(secrets))


def public_base(base: str) -> str:
    """The public https address without a slash at its end; '' where there is none. Raises SettingsError."""
    parts = urlsplit(base)
    if base and (parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment):
        raise SettingsError(
            f"{base!r} is no public address where people can leave: it must be https://, without ? and #.",
            hint="Mail programs follow no other (RFC 8058). Leave host and schema empty where there is none.",
        )
    if not base.isascii() or not base.isprintable() or set(base) & set(' <>"'):
        raise SettingsError(f"{base!r} holds signs that no address may have.")
    return base.rstrip("/")
