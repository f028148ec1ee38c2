"""A person leaves: whoever reads a token, on a page, in a mailbox or at the command line, calls this and no more."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from emailketing.audience import Door
from emailketing.model import Wish, masked
from emailketing.outbox import Outbox

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Left:
    """Who left what, and how many waiting messages that ended; `already` when the person had left before."""

    address: str
    kind: str
    mailing: str
    ended: int
    already: bool


def leave(outbox: Outbox, door: Door, token: str, source: str, now: datetime) -> Left:
    """Let the person of a token leave; doing it again changes nothing.

    `source` says by which way the token came: the page, a mail, a login. Raises ValueError, with the reason, for what
    is no token.
    """
    leaving = door.read(token)
    if outbox.suppressed([(leaving.address, leaving.kind)]):
        return Left(leaving.address, leaving.kind, leaving.mailing, 0, already=True)
    ended = outbox.suppress(Wish(leaving.address, leaving.kind, now, source, reason_of(leaving.mailing)))
    log.info("%s leaves %s; %d waiting messages ended", masked(leaving.address), leaving.kind, ended)
    return Left(leaving.address, leaving.kind, leaving.mailing, ended, already=False)


def reason_of(mailing: str) -> str:
    """The reason that is kept for whoever leaves by a link of a mailing; its results count who did."""
    return f"left by the link in {mailing or 'a mail'}"
