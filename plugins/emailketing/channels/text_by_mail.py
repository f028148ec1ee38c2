"""Texts to the phone by a carrier's e-mail gateway: a plain small e-mail to an address made of the number."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from emailketing.channels import Channel, wire
from emailketing.channels.gsm7 import Wording, segments
from emailketing.channels.phone import E164, frozen_as_mail, unable
from emailketing.model import Claim, Content, Envelope, Frozen, Outcome, Receipt, Recipient, Sender


class TextByMail:
    """The phone channel over an e-mail channel of its own.

    `pattern` makes the address: `{number}` is the recipient's number as 595981123456, `{national}` as it is dialled at
    home, 0981123456.
    """

    name = "phone"

    def __init__(self, mail: Channel, pattern: str, wording: Wording | None = None) -> None:
        self._mail, self._pattern, self._wording = mail, pattern, wording or Wording()

    def freeze(self, envelope: Envelope, content: Content, sender: Sender) -> Frozen:
        """The frozen e-mail: the text and nothing else, without a subject, under the message's own Message-ID."""
        text = self._wording.text(content.phone)
        if not text:
            return Frozen(b"", segments=0)
        address = self._address(envelope.recipient.address)
        frozen = wire.compose(envelope, Content("", text), sender, to=Recipient(address))
        return replace(frozen, segments=segments(text))

    def open(self) -> None:
        """Make sure of a line to the mail server. Raises ChannelDown."""
        self._mail.open()

    def announce(self, claim: Claim) -> None:
        """Nothing is said beforehand."""

    def deliver(self, claim: Claim) -> Receipt:
        """Send one text to its address and tell what the mail server answered."""
        if not frozen_as_mail(claim):
            reason = unable(claim) or "It was frozen for a gateway, before EMAILKETING_PHONE__EMAIL_TO_SMS was set."
            return Receipt(Outcome.REFUSED, datetime.now(UTC), reason=reason)
        return self._mail.deliver(replace(claim, address=self._address(claim.address)))

    def close(self) -> None:
        """Take leave of the mail server."""
        self._mail.close()

    def _address(self, number: str) -> str:
        if not E164.fullmatch(number):
            return number  # the mail channel refuses it, with the reason
        return self._pattern.replace("{number}", number.removeprefix("+")).replace("{national}", _national(number))


def _national(number: str) -> str:
    import phonenumbers

    written = phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(filter(str.isdigit, written))
