"""When a message is tried again, and when it is given up."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from emailketing.model import Claim, Outcome, Receipt


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is to become of the message `id` after its receipt.

    `next_attempt_at` says when a message that the server wants later is due again; None gives it up as refused.
    """

    id: int
    receipt: Receipt
    next_attempt_at: datetime | None = None

    @property
    def gave_up(self) -> bool:
        """Whether the server would take it later, but the attempts are used up."""
        return self.receipt.outcome is Outcome.LATER and self.next_attempt_at is None


@dataclass(frozen=True, slots=True)
class Backoff:
    """The policy: `attempts` in all; the first wait is about `first_s` seconds, then it doubles up to `most_s`."""

    attempts: int = 12
    first_s: float = 30.0
    most_s: float = 14400.0

    def wait_s(self, made: int, rng: random.Random) -> float:
        """Seconds to wait after `made` attempts (from 1).

        Half of it is random, so that messages refused together do not come back together.
        """
        return jittered_s(self.first_s, self.most_s, made - 1, rng)

    def settlement(self, claim: Claim, receipt: Receipt, rng: random.Random) -> Settlement:
        """What follows from `receipt` for the message that was claimed as `claim`."""
        made = claim.attempts + 1
        if receipt.outcome is not Outcome.LATER or made >= self.attempts:
            return Settlement(claim.id, receipt)
        return Settlement(claim.id, receipt, receipt.at + timedelta(seconds=self.wait_s(made, rng)))


def jittered_s(first_s: float, most_s: float, doublings: int, rng: random.Random) -> float:
    """Seconds: `first_s` doubled so many times, at most `most_s`; half of it is random."""
    span = min(most_s, first_s * 2.0 ** min(doublings, 64))
    return rng.uniform(span / 2, span)
