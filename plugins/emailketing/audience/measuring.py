"""How answers to a mail reach us: signed addresses for its picture and its links.

An address names a message by its reference. A secret makes it, so that nobody who sees the address can try whose it is;
the outbox keeps it beside the message, so that it need not be made again when the secret has changed. The signature of
a link covers where it leads, so that nobody can make us send people elsewhere, and nothing of it is stored: a link of a
mail of two years ago still leads where it led, long after the message was pruned.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import quote

from itsdangerous import Signer

from emailketing.audience.leaving import public_base, signing_keys
from emailketing.errors import SettingsError
from emailketing.model import GO_PATH, LONGEST_LINK, SEEN_PATH, Measuring

_TOKEN = re.compile(r"(?P<reference>[0-9a-f]{32})\.(?P<signature>[A-Za-z0-9_\-]{43})")


class Meter:
    """Makes the addresses by which a mail's opens and clicks are counted, and reads those that come.

    The first of `secrets` signs; what was signed by the others, which served before, is still good. `base` is the
    public https address below which `web.public` answers; `measuring` says what new mails let us count. Raises
    SettingsError.
    """

    def __init__(self, secrets: Sequence[str], base: str, measuring: Measuring = Measuring()) -> None:  # noqa: B008
        keys = signing_keys(secrets)
        if not (base := public_base(base)):
            raise SettingsError(
                "There is no public address where mail programs and readers could answer.",
                hint="Give the Airflow Connection 'unsubscribe' a host where bin/emailketing public answers behind "
                "TLS, or switch EMAILKETING_CAMPAIGN__OPENS and EMAILKETING_CAMPAIGN__CLICKS off.",
            )
        self.base, self.measuring = base, measuring
        self._naming = Signer(keys[-1], salt="emailketing.reference", digest_method=sha256).derive_key()
        self._seen, self._go = (
            Signer(keys, salt=f"emailketing.{path}", digest_method=sha256) for path in (SEEN_PATH, GO_PATH)
        )

    def reference(self, key: str) -> str:
        """What public addresses call the message of this key by, 32 hexadecimal digits; nobody else can tell it."""
        return hmac.new(self._naming, key.encode("utf-8", "replace"), sha256).hexdigest()[:32]

    def seen(self, reference: str) -> str:
        """Where the picture of the message with this reference is."""
        return f"{self.base}/{SEEN_PATH}/{_token(self._seen, reference)}"

    def go(self, reference: str, link: str) -> str:
        """Where a link of this message goes by: it leads to `link` and nowhere else."""
        return f"{self.base}/{GO_PATH}/{_token(self._go, reference, link)}?to={quote(link, safe='')}"

    def read_seen(self, token: str) -> str:
        """The reference of the message whose picture this is. Raises ValueError for what was not signed here."""
        return _reference(self._seen, token)

    def read_go(self, token: str, link: str) -> str:
        """The reference of the message from which this link leads. Raises ValueError for what was not signed here."""
        if len(link) > LONGEST_LINK:
            raise ValueError("No link of ours is so long.")
        return _reference(self._go, token, link)


def _token(signer: Signer, reference: str, *more: str) -> str:
    return f"{reference}.{signer.get_signature(_signed(reference, *more)).decode()}"


def _reference(signer: Signer, token: str, *more: str) -> str:
    match = _TOKEN.fullmatch(token)
    if match is None or not signer.verify_signature(_signed(match["reference"], *more), match["signature"]):
        raise ValueError("The address was not signed here, or is incomplete.")
    return match["reference"]


def _signed(*parts: str) -> bytes:
    return "\n".join(parts).encode("utf-8", "replace")
