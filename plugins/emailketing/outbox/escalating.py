"""What follows where a message reached nobody: another channel's message and the decision, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from emailketing.model import Message, State
from emailketing.outbox.changes import remember, told
from emailketing.outbox.put import Put, put
from emailketing.outbox.reading import ESCALATED, UNREACHED, decided
from emailketing.outbox.schema import message


@dataclass(frozen=True, slots=True)
class Escalation:
    """What was decided of a message (its id) that did not reach its recipient, and what is put instead, if anything."""

    id: int
    decision: str
    instead: tuple[Message, ...] = ()


def escalate(connection: sa.Connection, decisions: Sequence[Escalation], now: datetime) -> Put:
    """Put what follows, and note each decision in its message's history; the messages' own states stay.

    Nothing is done for a message of which it has been decided before, or which a person has sent again meanwhile.
    """
    # The rows are locked before anything is read: of two sweeps the second then sees what the first has decided.
    ids = sorted(each.id for each in decisions)
    locked = sa.select(message.c.id, message.c.state).where(message.c.id.in_(ids)).order_by(message.c.id)
    states = {row.id: State(row.state) for row in connection.execute(locked.with_for_update())}
    before = decided(connection, ids)
    ours = [each for each in decisions if states.get(each.id) in UNREACHED and each.id not in before]
    done = put(connection, [given for each in ours for given in each.instead], {}, now)
    remember(
        connection,
        [told(each.id, now, states[each.id], states[each.id], ESCALATED, each.decision) for each in ours],
    )
    return done
