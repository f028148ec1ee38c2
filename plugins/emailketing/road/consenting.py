"""Consent along the road: who may be written to, asked when messages are made and again before they are sent.

What asks for a consent waits in the bulk lane, for minutes or for days; the ERP may learn meanwhile that a person wants
no more. So before that lane is drained each mailing's own query is run once, whole, and everybody is judged anew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from threading import Lock

from emailketing.audience import Judgement, consent_said, may_write
from emailketing.erp import Erp, Reader, Row
from emailketing.errors import AuthoringError, ErpError, SettingsError, SqlError, nearest
from emailketing.model import ASKS_CONSENT, Consent, Kind, document_text
from emailketing.outbox import Asking, Outbox
from emailketing.road.clock import Clock

log = logging.getLogger(__name__)

#: The rows of a mailing's query: everybody, with the columns document and consent.
Rows = Callable[[Reader, str], Iterable[Row]]

#: How long messages wait whose consent cannot be asked, because their own query is wrong.
_WAIT = timedelta(minutes=10)

#: For how long an answer serves a drain that goes on.
_FRESH_S = 60.0

#: What becomes due while an answer serves is asked about with it; with a margin for the asking and for the claim.
_MARGIN_S = 240.0

_GONE = "the ERP's query gives this person no more"


def judge(outbox: Outbox, kind: Kind, asked: Sequence[tuple[str, Consent | None]]) -> list[Judgement]:
    """Whether each may be written to by this kind of mailings, in the order of `asked`: address, what the ERP says.

    Suppressions and the own list are looked up here, in a query for each 500 addresses.
    """
    pairs = [(address, kind.value) for address, _ in asked]
    suppressed = outbox.suppressed(pairs)
    own = outbox.own_consents(pairs) if kind in ASKS_CONSENT else {}
    said = zip(pairs, asked, strict=True)
    return [may_write(kind, erp, own.get(pair), suppressed.get(pair, "")) for pair, (_, erp) in said]


def person_of(kind: Kind, document: str) -> str:
    """The person's document within a message's, which a campaign's edition precedes and a greeting's year follows."""
    return document.partition(":")[2] if kind is Kind.CAMPAIGN else document.rpartition(":")[0]


def everybody(reader: Reader, mailing: str) -> Iterator[Row]:
    """The rows of a mailing's query."""
    return reader.rows(mailing)


def ask_again(outbox: Outbox, erp: Callable[[], Erp], clock: Clock, rows: Rows = everybody) -> str:
    """Judge everybody anew whose message is due, or will be while the answer serves, and asks for a consent.

    Who may not be written to becomes suppressed; so does a person whom the query gives no more. Where it gives nobody
    at all, or is wrong, its mailing's messages wait for some minutes and nobody is suppressed: the ERP may be in the
    midst of a restore. The answer is why the lane as a whole must wait, or ''. Raises OutboxError.
    """
    now = clock()
    asking = outbox.asking(_ahead(now))
    try:
        for (mailing, kind), messages in groupby(asking, key=lambda each: (each.mailing, each.kind)):
            _Inquiry(outbox, erp(), rows, now).ask(mailing, kind, list(messages))
    except (ErpError, SettingsError) as error:
        return f"Advertising and greetings wait, because nobody can be asked for the consents: {error}"
    return ""


@dataclass(frozen=True)
class _Inquiry:
    """Asks the ERP for the consents of those to whom the messages of one mailing are due."""

    outbox: Outbox
    erp: Erp
    rows: Rows
    now: datetime

    def ask(self, mailing: str, kind: Kind, messages: Sequence[Asking]) -> None:
        people = {each.id: person_of(kind, each.document) for each in messages}
        try:
            said = self._said(mailing, set(people.values()))
        except AuthoringError as error:
            log.error("the consents of %s cannot be asked for, its messages wait: %s", mailing, error)
            reason = f"waits until the ERP can be asked for the consent: {error}"
            self.outbox.postpone(mailing, self.now + _WAIT, reason, _ahead(self.now))
            return
        there = [each for each in messages if people[each.id] in said]
        judged = judge(self.outbox, kind, [(each.address, said[people[each.id]]) for each in there])
        reasons = {each.id: _GONE for each in messages if people[each.id] not in said}
        reasons |= {each.id: word.reason for each, word in zip(there, judged, strict=True) if not word.allowed}
        if reasons:
            ended = self.outbox.forbid(reasons, self.now)
            log.info("%s: %d waiting messages became suppressed, asked again for the consent", mailing, ended)

    def _said(self, mailing: str, people: set[str]) -> dict[str, Consent | None]:
        """What the ERP says of these people; of several rows of a person a no counts. Raises SqlError."""
        said: dict[str, Consent | None] = {}
        row: Row | None = None
        with self.erp.reading() as reader:
            for row in self.rows(reader, mailing):
                person = self._person(mailing, row)
                if person in people and not _is_no(said.get(person)):
                    said[person] = consent_said(row, self.erp.zone, self.now)
        if row is None:
            raise SqlError("the query gives nobody at all.", path=self.erp.query(mailing).path)
        return said

    def _person(self, mailing: str, row: Row) -> str:
        if "document" not in row:
            hint = f"{nearest('document', row)} Rename one with AS document."
            raise SqlError("the query gives no column 'document'.", path=self.erp.query(mailing).path, hint=hint)
        return document_text(row["document"])


def _ahead(now: datetime) -> datetime:
    return now + timedelta(seconds=_FRESH_S + _MARGIN_S)


def _is_no(said: Consent | None) -> bool:
    return said is not None and not said.given


class Consultation:
    """Asks again before the first batch of a drain, and each minute while it lasts; once for all its connections."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask
        self._one_at_a_time = Lock()
        self._asked_at: float | None = None
        self._answer = ""

    def __call__(self) -> str:
        """Why nothing may be sent, or ''."""
        with self._one_at_a_time:
            if self._asked_at is None or time.monotonic() - self._asked_at > _FRESH_S:
                self._answer = self._ask()
                self._asked_at = time.monotonic()
            return self._answer
