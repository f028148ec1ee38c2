"""What came of an edition of a campaign: who got it, who left, whose coupon was used, what was opened and followed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from emailketing.audience import judged
from emailketing.model import Response, State, What, Who
from emailketing.outbox import Facts, Outbox, Sent
from emailketing.road.leaving import reason_of

_WAITING = (State.QUEUED, State.SENDING, State.HELD)


@dataclass
class Measured:
    """Of how many accepted messages something is counted, how many persons did it, and of how many only machines."""

    of: int = 0
    persons: int = 0
    machines: int = 0

    def add(self, counted: bool, responses: Sequence[Response]) -> None:
        """One accepted message, and what was done with it."""
        if not counted:
            return
        by_person = any(each.who is Who.PERSON for each in responses)
        self.of += 1
        self.persons += by_person
        self.machines += bool(responses) and not by_person

    @property
    def rate(self) -> float | None:
        """The share of persons; None where nothing was measured."""
        return self.persons / self.of if self.of else None


@dataclass
class Tally:
    """The figures of one subject, or of all."""

    messages: int = 0
    states: Counter[State] = field(default_factory=Counter)
    left: int = 0
    coupons: int = 0
    opened: Measured = field(default_factory=Measured)
    clicked: Measured = field(default_factory=Measured)

    @property
    def waiting(self) -> int:
        """Messages that are still to be sent."""
        return sum(self.states[state] for state in _WAITING)


@dataclass
class Followed:
    """A link: how many people followed it, how often, and how often machines did."""

    people: int = 0
    clicks: int = 0
    machines: int = 0


@dataclass
class Results:
    """What came of an edition. `subjects` is empty where there was one for all."""

    mailing: str
    edition: str
    total: Tally = field(default_factory=Tally)
    subjects: dict[str, Tally] = field(default_factory=dict)
    links: dict[str, Followed] = field(default_factory=dict)

    def most_followed(self) -> list[tuple[str, Followed]]:
        """The links, those that most people followed first."""
        return sorted(self.links.items(), key=lambda each: (-each[1].people, -each[1].machines, each[0]))


def results(outbox: Outbox, mailing: str, edition: str = "") -> list[Results]:
    """What came of an edition of a campaign, or of the latest of each cadence; nothing where nothing is known of it."""
    found = []
    for each in [edition] if edition else outbox.latest_editions(mailing):
        facts = outbox.edition_facts(mailing, each, reason_of(mailing))
        found += [_counted(Results(mailing, each), facts)] if facts.sent else []
    return found


def _counted(found: Results, facts: Facts) -> Results:
    used = set(facts.coupons)
    for sent in facts.sent:
        done = judged(facts.responses.get(sent.id, ()), sent.accepted_at, sent.begun_at)
        has_left, coupon_used = _left(facts, sent), sent.document in used
        used.discard(sent.document)  # the same code may have come by mail and by phone
        for tally in _tallies(found, sent):
            _add(tally, sent, done)
            tally.left += has_left
            tally.coupons += coupon_used
        _follow(found, done)
    return found


def _left(facts: Facts, sent: Sent) -> bool:
    """Whether a message's reader left afterwards."""
    at = facts.left.get(sent.address.strip().lower())
    return at is not None and at >= sent.created_at


def _tallies(found: Results, sent: Sent) -> Iterable[Tally]:
    """All in all, and the subject that this reader got."""
    yield found.total
    _, known, subject = sent.because.rpartition("; subject ")
    if known:
        yield found.subjects.setdefault(subject, Tally())


def _add(tally: Tally, sent: Sent, done: Sequence[Response]) -> None:
    tally.messages += 1
    tally.states[sent.state] += 1
    by_person = any(each.who is Who.PERSON for each in done)
    if sent.state is State.ACCEPTED or by_person:  # one in doubt whose reader answered has arrived
        tally.opened.add(sent.measuring.opens, done)  # who followed a link has opened the mail, pictures shown or not
        tally.clicked.add(sent.measuring.clicks, [each for each in done if each.what is What.WENT])


def _follow(found: Results, done: Sequence[Response]) -> None:
    people = set[str]()
    for each in done:
        if each.what is not What.WENT:
            continue
        followed = found.links.setdefault(each.link, Followed())
        if each.who is Who.MACHINE:
            followed.machines += 1
        else:
            followed.clicks += 1
            followed.people += each.link not in people
            people.add(each.link)
