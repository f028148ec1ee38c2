"""What a reader, or a program, did with a mail: whoever answers at its addresses calls this and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from emailketing.audience import visitor
from emailketing.model import NOBODY, Response, What
from emailketing.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Visit:
    """A request at an address of a message that was signed here. `headers` have names in small letters."""

    reference: str
    what: What
    at: datetime
    method: str
    link: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def response(self) -> Response:
        """What is kept of it: no header, but what was concluded from them."""
        came = visitor(self.what, self.method, self.headers)
        return Response(self.what, self.at, came.who, came.reason, self.link)


def respond(outbox: Outbox, visit: Visit) -> bool:
    """Keep a visit; False where nothing is counted of its message, or enough is known of it. Raises OutboxError."""
    return visit.reference != NOBODY and outbox.respond(visit.reference, visit.response())
