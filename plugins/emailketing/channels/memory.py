"""A channel that keeps what it is given: for trials, and for tests of whatever sends messages.

It is held to the same contract as the others, so what works over it works over them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from emailketing.channels import wire
from emailketing.channels.headers import mailbox
from emailketing.errors import ChannelDown
from emailketing.model import Claim, Content, Envelope, Frozen, Outcome, Receipt, Sender

_ANSWERS = {
    Outcome.ACCEPTED: (250, "Kept in memory."),
    Outcome.LATER: (451, "Scripted: try again later."),
    Outcome.REFUSED: (550, "Scripted: refused."),
    Outcome.UNKNOWN: (None, "Scripted: the answer was lost."),
}


class Delivered(NamedTuple):
    """One message as its recipient has it."""

    sender: str
    address: str
    message_id: str
    data: bytes


class Memory:
    """Keeps accepted messages in `delivered`, in order.

    `outcomes` says by address what becomes of a message instead: one outcome for ever, or a list that is used up, after
    which messages are accepted. An unknown one is kept too: nobody can know, and this is the worse case. While `down`
    is not empty there is no server, and it says why.
    """

    name = "email"

    def __init__(
        self,
        outcomes: Mapping[str, Outcome | list[Outcome]] | None = None,
        *,
        down: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.delivered: list[Delivered] = []
        self.down = down
        self._outcomes = {
            address: list(script) if isinstance(script, list) else script
            for address, script in (outcomes or {}).items()
        }
        self._clock, self._open = clock, False

    def freeze(self, envelope: Envelope, content: Content, sender: Sender) -> Frozen:
        """The frozen e-mail, the same bytes that SMTP would carry."""
        return wire.compose(envelope, content, sender)

    def open(self) -> None:
        """Make ready. Raises ChannelDown while `down` says why."""
        if self.down:
            self._open = False
            raise ChannelDown(self.down)
        self._open = True

    def announce(self, claim: Claim) -> None:
        """Nothing is said beforehand."""

    def deliver(self, claim: Claim) -> Receipt:
        """Keep the message, or do as the script says."""
        try:
            mailbox(claim.address)
            data = wire.assemble(claim.frozen)
        except (LookupError, ValueError) as error:
            return Receipt(Outcome.REFUSED, self._clock(), reason=str(error.args[0]))
        if not self._open or self.down:
            return Receipt(Outcome.LATER, self._clock(), reason=self.down or "No line to the server is open.")
        outcome = self._next(claim.address)
        if outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
            self.delivered.append(Delivered(claim.sender, claim.address, claim.message_id, data))
        return Receipt(outcome, self._clock(), *_ANSWERS[outcome])

    def close(self) -> None:
        """Be no longer ready until opened again; what was delivered stays."""
        self._open = False

    def _next(self, address: str) -> Outcome:
        script = self._outcomes.get(address, Outcome.ACCEPTED)
        if isinstance(script, Outcome):
            return script
        return script.pop(0) if script else Outcome.ACCEPTED
