"""What was done with messages of campaigns, and all the facts by which an edition is judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from emailketing.model import Kind, Measuring, Response, State, What, Who, as_it_was_taken, message_key
from emailketing.outbox.fit import clipped, identity
from emailketing.outbox.schema import choice, coupon, history, meant, measured, message, response
from emailketing.outbox.wishes import Act

#: Rows that are kept of one message, whoever asks how often: of machines, and of whoever comes as its server takes it,
#: all in all; of whoever comes later, of its picture and of each of its links. So nobody crowds anybody out.
MOST_OF_MACHINES, MOST_OF_EACH = 25, 5


#: The names of editions, as LIKE sees them: of a day, a week, a month, and of a campaign that goes out once.
_SHAPES = ("____-__-__", "____-W__", "____-__", "once")


def has_room(connection: sa.Connection, reference: str, given: Response) -> bool:
    """Whether a message is measured and its limit of rows not reached."""
    return _room(connection, reference, given) is not None


def respond(connection: sa.Connection, reference: str, given: Response) -> bool:
    """Keep what was done with the message of this reference; False where it is not measured, pruned, or full."""
    number = _room(connection, reference, given, lock=True)
    if number is None:
        return False
    row = {"what": given.what.value, "at": given.at, "who": given.who.value, "reason": clipped(given.reason, 200)}
    connection.execute(sa.insert(response), {"message": number, "link": given.link, **row})
    return True


def _room(connection: sa.Connection, reference: str, given: Response, lock: bool = False) -> int | None:
    wanted = measured.c.opens if given.what is What.SEEN else measured.c.clicks
    found = sa.select(measured.c.message).where(measured.c.reference == reference, wanted.is_(sa.true()))
    number = connection.execute(found.with_for_update() if lock else found).scalar()
    if number is None:
        return None
    return int(number) if _quota(connection, number, given) else None


def _quota(connection: sa.Connection, number: int, given: Response) -> bool:
    """Whether there is room for one more like this; judged by time, because a filter may pass for a browser."""
    accepted_at, begun_at = connection.execute(
        sa.select(message.c.accepted_at, _begun_at()).where(message.c.id == number)
    ).one()

    def by_machine(who: str, at: datetime) -> bool:
        return who == Who.MACHINE or as_it_was_taken(at, accepted_at, begun_at)

    columns = (response.c.what, response.c.link, response.c.who, response.c.at)
    kept = connection.execute(sa.select(*columns).where(response.c.message == number)).all()
    if by_machine(given.who, given.at):
        return sum(by_machine(each.who, each.at) for each in kept) < MOST_OF_MACHINES
    later = [each for each in kept if not by_machine(each.who, each.at)]
    return sum((each.what, each.link) == (given.what, given.link) for each in later) < MOST_OF_EACH


def _begun_at() -> sa.ColumnElement[datetime | None]:
    """When a message that was not accepted was last begun to be sent."""
    mine = (history.c.message == message.c.id, history.c.to_state == State.SENDING.value)
    begun = sa.select(sa.func.max(history.c.at)).where(*mine).correlate(message).scalar_subquery()
    return sa.case((message.c.accepted_at.is_(None), begun)).label("begun_at")


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of an edition, with what is counted of it and why its reader got it.

    `begun_at` is when it was last begun to be sent, where it was not accepted.
    """

    id: int
    document: str
    channel: str
    address: str
    state: State
    created_at: datetime
    accepted_at: datetime | None
    begun_at: datetime | None
    because: str
    measuring: Measuring


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of an edition: its messages, what was done with them by message, and what followed.

    `left` holds when somebody left by a link of the mailing, by address in small letters; `coupons` the documents whose
    coupon was used.
    """

    sent: list[Sent]
    responses: Mapping[int, list[Response]]
    left: Mapping[str, datetime]
    coupons: frozenset[str]


def latest(connection: sa.Connection, mailing: str) -> list[str]:
    """The latest edition of each cadence that a campaign has; none where nothing was put."""
    by_time = sa.select(message.c.document).where(*_mine(mailing)).order_by(message.c.created_at.desc()).limit(1)
    newest = [connection.execute(by_time.where(_alike(shape))).scalar() for shape in _SHAPES]
    return [document.partition(":")[0] for document in newest if document]


def _alike(edition: str) -> sa.ColumnElement[bool]:
    """Messages of editions whose names look like this one's: those of its cadence."""
    return message.c.document.like(re.sub(r"\d", "_", edition) + ":%")


def facts(connection: sa.Connection, mailing: str, edition: str, left_by: str) -> Facts:
    """All that is known of an edition; `left_by` is the reason with which those are suppressed who left by it.

    Who left after the next edition of its cadence began is that one's.
    """
    mine = _mine(mailing, edition)
    sent = [_sent(row) for row in connection.execute(_sent_query(mine))]
    if not sent:
        return Facts([], {}, {}, frozenset())
    begun, last = min(each.created_at for each in sent), max(each.created_at for each in sent)
    until = connection.execute(
        sa.select(sa.func.min(message.c.created_at)).where(
            *_mine(mailing), _alike(edition), message.c.created_at > last
        )
    ).scalar()
    left, used = _left(connection, left_by, begun, until), _coupons(connection, mailing, edition)
    return Facts(sent, _responses(connection, mine), left, used)


def _mine(mailing: str, edition: str = "") -> list[sa.ColumnElement[bool]]:
    """The messages of a campaign, or of one edition; copies to seeds are none. The keys' index finds them."""
    begin = message_key(mailing, f"{edition}:" if edition else "", "", "", "").rstrip(":")
    begin += "" if edition else ":"
    bounds = (message.c.key >= begin, message.c.key < begin[:-1] + chr(ord(begin[-1]) + 1))
    return [message.c.mailing == identity("mailing", mailing), message.c.kind == Kind.CAMPAIGN.value, *bounds]


def _sent_query(mine: list[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    columns = (message.c.id, message.c.document, message.c.channel, message.c.address, message.c.state)
    times = (message.c.created_at, message.c.accepted_at, _begun_at())
    joined = message.outerjoin(meant, meant.c.message == message.c.id)
    joined = joined.outerjoin(measured, measured.c.message == message.c.id)
    query = sa.select(*columns, *times, meant.c.because, measured.c.opens, measured.c.clicks)
    return query.select_from(joined).where(*mine).order_by(message.c.id)


def _sent(row: Any) -> Sent:
    state, measuring = State(row.state), Measuring(bool(row.opens), bool(row.clicks))
    given = (row.id, row.document, row.channel, row.address, state)
    return Sent(*given, row.created_at, row.accepted_at, row.begun_at, row.because or "", measuring)


def _responses(connection: sa.Connection, mine: list[sa.ColumnElement[bool]]) -> dict[int, list[Response]]:
    columns = (response.c.message, response.c.what, response.c.at, response.c.who, response.c.reason, response.c.link)
    joined = response.join(message, message.c.id == response.c.message)
    found: dict[int, list[Response]] = {}
    for row in connection.execute(sa.select(*columns).select_from(joined).where(*mine).order_by(response.c.id)):
        given = Response(What(row.what), row.at, Who(row.who), row.reason, row.link)
        found.setdefault(row.message, []).append(given)
    return found


def _left(connection: sa.Connection, reason: str, begun: datetime, until: datetime | None) -> dict[str, datetime]:
    by_it = [choice.c.act == Act.SUPPRESSED.value, choice.c.reason == reason, choice.c.at >= begun]
    by_it += [choice.c.at < until] if until else []
    rows = connection.execute(sa.select(choice.c.address, choice.c.at).where(*by_it).order_by(choice.c.id.desc()))
    return {row.address: row.at for row in rows}


def _coupons(connection: sa.Connection, mailing: str, edition: str) -> frozenset[str]:
    mine = (coupon.c.mailing == identity("mailing", mailing), coupon.c.document >= f"{edition}:")
    used = sa.select(coupon.c.document).where(*mine, coupon.c.document < f"{edition};")
    return frozenset(connection.execute(used).scalars())
