"""Who gets an edition of a campaign: its audience in the order in which it is written to, each with the reason.

Whatever is decided of a person depends on his row, his key and what he wishes, so that a run that is repeated decides
the same.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from emailketing import events
from emailketing.audience import Audience, Door, Judgement, Meter, addressed_by_row, consent_said
from emailketing.channels import Channel
from emailketing.erp import GROUP, Erp, Reader, Row
from emailketing.errors import nearest
from emailketing.hostile import cleaned, one_line
from emailketing.model import Campaign, Envelope, Recipient, Sender, State, document_text
from emailketing.outbox import Outbox
from emailketing.render import Renderer
from emailketing.report.catalogue import Compared, compared
from emailketing.road.clock import Clock, utc_now
from emailketing.road.consenting import judge
from emailketing.road.earlier import Earlier, Way
from emailketing.road.editions import GRACE, edition_of, midnight, next_began, variant_of

T = TypeVar("T")

IN_HAND = 8  # renderings and what they need: people of a group follow one another, so more would only take memory

#: The column that says how often a person is written to.
CADENCE = "cadence"

_ROWS_AT_ONCE = 500  # people in hand
_PERIODS = {"daily": "on that day", "weekly": "in that week", "monthly": "in that month"}
_HAS_IT = "has this edition"
_AGAIN = "another row of the audience has the same address and is told the same"
_LONGEST = 120  # signs of an edition and a person's document, which are a document together


@dataclass(frozen=True)
class Campaigner:
    """All that a campaign needs. `zone` and `company` are the company's; `seeds` are addresses of its own people.

    `secret` signs coupons. `channels` only freeze here; no line is opened. Without a `meter` nothing is counted.
    """

    erp: Erp
    outbox: Outbox
    renderer: Renderer
    channels: Mapping[str, Channel]
    sender: Sender
    door: Door
    secret: bytes
    zone: ZoneInfo
    company: str = ""
    seeds: tuple[str, ...] = ()
    audience: Audience = field(default_factory=Audience)
    clock: Clock = utc_now
    meter: Meter | None = None


@dataclass(frozen=True)
class Choice:
    """What a run means for one person by one channel: his envelope says whether he gets it, or why not.

    `base` is the day on which he was told last, with which what he is told is compared; '' where there was none, or
    where his group was told nothing on it.
    `skipped` says why nothing is done at all: he has this edition, or there is nothing to tell him.
    """

    envelope: Envelope
    row: Row
    group: str
    cadence: str
    variant: str = ""
    base: str = ""
    skipped: str = ""
    reason: str = ""  # why he may be written to, in words

    @property
    def edition(self) -> str:
        """The edition that his cadence has on this day."""
        return self.envelope.document.partition(":")[0]

    @property
    def person(self) -> str:
        """The person's document, as the audience's query gives it."""
        return self.envelope.document.partition(":")[2]

    @property
    def gets_it(self) -> bool:
        """Whether a message is queued for him."""
        return self.envelope.state is State.QUEUED and not self.skipped

    @property
    def why_not(self) -> str:
        """Why he gets nothing; '' where he does."""
        return "" if self.gets_it else self.skipped or self.envelope.reason


@dataclass
class Advertised:
    """What one run of a campaign found and did; `states` counts the messages that are new in the outbox.

    `edition` names the editions of the day, one of each cadence.
    """

    mailing: str
    edition: str = ""
    off: str = ""
    people: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    states: Counter[State] = field(default_factory=Counter)
    renderings: int = 0
    seeds: int = 0
    problems: list[str] = field(default_factory=list)  # for the author of the files

    def tell(self, problem: str) -> None:
        """Add a problem that a person must see, once."""
        if problem not in self.problems:
            self.problems.append(problem)

    @property
    def new(self) -> int:
        """The messages that this run put into the outbox."""
        return self.states.total()


class Kept(Generic[T]):
    """The last things made, by what they were made for."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[tuple[str, ...], T] = OrderedDict()

    def get(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """What was made for `key`, or is made now."""
        if key not in self._made:
            self._made[key] = make()
        self._made.move_to_end(key)
        while len(self._made) > self._most:
            self._made.popitem(last=False)
        return self._made[key]


class Stock:
    """What the groups in hand are told: their variables and items, as one snapshot of the ERP says."""

    def __init__(self, reader: Reader, campaigner: Campaigner, campaign: Campaign, day: date) -> None:
        self._reader, self._campaigner, self._campaign, self._day = reader, campaigner, campaign, day
        self._items: dict[str, list[Row]] = {}
        self._groups: dict[str, list[Row]] = {}
        self._compared = Kept[Compared](IN_HAND)
        self.has_items = campaigner.erp.has(f"{campaign.name}.items")

    def load(self, groups: Mapping[str, Any]) -> None:
        """Bring these groups, given by their texts as the audience's query gave them, and let go of all others."""
        new = [raw for text, raw in groups.items() if text not in self._items]
        items, variables = (
            ask(self._campaign.name, new, self._day) for ask in (self._reader.items, self._reader.groups)
        )
        kept = groups.keys() & self._items.keys()
        self._items = {text: self._items[text] if text in kept else items.get(text, []) for text in groups}
        self._groups = {text: self._groups[text] if text in kept else variables.get(text, []) for text in groups}

    def held(self) -> set[str]:
        """The groups in hand."""
        return set(self._items)

    def items(self, group: str) -> list[Row]:
        """All that a group may be told."""
        return self._items[group]

    def something_for(self, group: str) -> bool:
        """Whether there is anything to tell a group."""
        return not self.has_items or bool(self._items[group])

    def variables(self, group: str) -> Row:
        """A group's variables."""
        return next(iter(self._groups[group]), {})

    def compared(self, group: str, base: str) -> Compared:
        """A group's items against what it was told on the day `base`."""
        return self._compared.get((group, base), lambda: self._against(group, base))

    def _against(self, group: str, base: str) -> Compared:
        before = self._campaigner.outbox.edition(self._campaign.name, base, group) if base else None
        return compared([cleaned(item) for item in self._items[group]], self._campaign.marks, before)


class Edition:
    """One run over the audience: the edition that a day has for each cadence.

    People of the cadences in `over` are left alone, because their edition is.
    """

    def __init__(
        self, campaigner: Campaigner, campaign: Campaign, moment: datetime, over: Collection[str] = ()
    ) -> None:
        self.campaigner = replace(campaigner, audience=campaigner.audience.now())
        self.campaign = replace(campaign, channels=self.campaigner.audience.settled(campaign).channels)
        self.moment, self.now = moment, campaigner.clock()
        self.day = moment.astimezone(campaigner.zone).date()
        self.ids = {cadence: edition_of(cadence, self.day) for cadence in campaign.cadences}
        off = self.campaigner.audience.off(campaign.name)
        self.done = Advertised(campaign.name, ", ".join(self.ids.values()), off)
        self._over = frozenset(over)
        self._expires = {name: self._expires_at(cadence) for cadence, name in self.ids.items()}
        self._seen, self._keys = set[int](), set[int]()
        self._earlier = Earlier(campaigner.outbox, campaign, self.day, campaigner.zone)

    def __enter__(self) -> Edition:
        # Audience and items are read side by side, each by a line of its own: MariaDB cannot do both on one.
        with ExitStack() as stack:
            self._people = stack.enter_context(self.campaigner.erp.reading())
            reader = stack.enter_context(self.campaigner.erp.reading())
            self.stock = Stock(reader, self.campaigner, self.campaign, self.day)
            self.columns = self._people.audience(self.campaign.name)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._open.close()

    def rows(self) -> Iterator[list[Row]]:
        """The audience, some people at a time."""
        with closing(self._people.people(self.campaign.name, self.day)) as people:
            while rows := list(islice(people, _ROWS_AT_ONCE)):
                self.done.people += len(rows)
                yield rows

    def choices(self, rows: Sequence[Row]) -> list[Choice]:
        """What the run means for these people."""
        meant = [choice for row in rows for choice in self._meant(row)]
        known = self.campaigner.outbox.known({choice.envelope.key for choice in meant})
        meant = [replace(each, skipped=_HAS_IT) if each.envelope.key in known else each for each in meant]
        meant = self._based(self._judged(self._spared(meant)))
        self.stock.load({choice.group: choice.row.get(GROUP) for choice in meant})
        return self._once_each([self._with_something_to_tell(choice) for choice in meant])

    def content_key(self, choice: Choice) -> tuple[str, ...]:
        """What people have in common who get the same mail."""
        envelope, language = choice.envelope, self.language(choice.envelope.recipient)
        return choice.group, choice.base, language, choice.variant, envelope.channel, choice.edition

    def _meant(self, row: Row) -> Iterator[Choice]:
        person = "" if row["document"] is None else document_text(row["document"])
        cadence, wrong = self._cadence(row)
        document = f"{self.ids[cadence]}:{person}"
        if not person or len(document) > _LONGEST:
            return self._leave_out(f"document {row['document']!r} is empty, or longer than {_LONGEST} signs")
        if wrong:
            return self._leave_out(f"document {person!r} has {wrong}")
        if GROUP in row and row[GROUP] is None:
            return self._leave_out(f"a row of document {person!r} has no {GROUP}")
        group = document_text(row[GROUP]) if GROUP in row else ""
        variant = variant_of(self.campaign.variants, self.campaign.name, document)
        for channel in self.campaign.channels:
            for addressee in addressed_by_row(row, channel, self.campaigner.audience.region):
                envelope = self._envelope(document, channel, addressee.recipient, _because(row, variant))
                if addressee.reason:
                    envelope = events.unaddressed(envelope, addressee.reason)
                skipped = f"the edition {self.ids[cadence]} is over" if cadence in self._over else ""
                yield Choice(envelope, row, group, cadence, variant, skipped=skipped)

    def _cadence(self, row: Row) -> tuple[str, str]:
        """How often a person is written to, and what is wrong with what his row says of it."""
        cadences = self.campaign.cadences
        said = one_line(row.get(CADENCE) or "").casefold() if len(cadences) > 1 else ""
        if not said or said in cadences:
            return said or cadences[0], ""
        return cadences[0], f"the {CADENCE} {said[:40]!r}, which this campaign has not. {nearest(said, cadences)}"

    def _leave_out(self, why: str) -> None:
        path = self.campaigner.erp.query(self.campaign.name).path
        self.done.tell(f"{path}: a row is left out: {why}{'' if why[-1] in '.?' else '.'}")

    def _envelope(self, document: str, channel: str, recipient: Recipient, because: str) -> Envelope:
        campaign, expires_at = self.campaign, self._expires[document.partition(":")[0]]
        late = f"the edition was due at {self.moment:%Y-%m-%d %H:%M} UTC, too long ago"
        expired = expires_at is not None and expires_at <= self.now
        return Envelope(
            mailing=campaign.name,
            document=document,
            version="1",
            channel=channel,
            recipient=recipient,
            lane=campaign.lane,
            on_unknown=campaign.on_unknown,
            event_at=self.moment,
            created_at=self.now,
            expires_at=expires_at,
            state=State.EXPIRED if expired else State.QUEUED,
            reason=late if expired else "",
            because=because,
            kind=campaign.kind,
        )

    def _expires_at(self, cadence: str) -> datetime | None:
        """When an edition helps nobody any more: as declared, or when the next one begins.

        Whoever asks for one that is over wants it sent: its least life counts from now.
        """
        if self.campaign.expires_after_s is not None:
            return self.moment + timedelta(seconds=self.campaign.expires_after_s)
        day = next_began(cadence, self.day)
        return None if day is None else max(midnight(day, self.campaigner.zone), max(self.moment, self.now) + GRACE)

    def _once_each(self, meant: Sequence[Choice]) -> list[Choice]:
        """One copy to an address of each group: who has this edition comes before those who have not.

        Only what is sent keeps another row from it: this edition at any time, or any on this day.
        """
        found, told = [], self._told(meant)
        for choice in sorted(meant, key=lambda choice: not choice.skipped):
            envelope = choice.envelope
            if (key := hash((choice.person, envelope.channel, envelope.recipient.address))) in self._keys:
                self._leave_out(f"document {choice.person!r} comes in several rows for the same address")
                continue
            self._keys.add(key)
            of_day, of_edition = places = _places(choice)
            again = choice.gets_it and not self._seen.isdisjoint(places)
            if choice.gets_it or (_way(choice), "") in told:
                self._seen.add(of_day)
            if choice.gets_it or (_way(choice), choice.edition) in told:
                self._seen.add(of_edition)
            found.append(replace(choice, envelope=events.suppressed(envelope, _AGAIN)) if again else choice)
        return found

    def _told(self, meant: Sequence[Choice]) -> set[tuple[Way, str]]:
        """Of those who are left alone: by which way his edition went to each, and with '' any on this day."""
        left = [choice for choice in meant if choice.skipped]
        told = {(way, "") for way in self._earlier.on_the_day({choice.person for choice in left})}
        for cadence, edition in self.ids.items():
            people = {choice.person for choice in left if choice.edition == edition and choice.skipped == _HAS_IT}
            told |= {(way, edition) for way in self._earlier.having(people, cadence)}
        return told

    def _judged(self, meant: Sequence[Choice]) -> list[Choice]:
        """Those who may not be written to become suppressed: no consent, or a wish against it."""
        asked = [choice for choice in meant if choice.gets_it]
        zone = self.campaigner.erp.zone
        pairs = [(each.envelope.recipient.address, consent_said(each.row, zone, self.now)) for each in asked]
        judgements = judge(self.campaigner.outbox, self.campaign.kind, pairs)
        by_key = {each.envelope.key: judgement for each, judgement in zip(asked, judgements, strict=True)}
        return [_heeding(choice, by_key.get(choice.envelope.key)) for choice in meant]

    def _spared(self, meant: Sequence[Choice]) -> list[Choice]:
        """Whoever changed his cadence, and was written to in the period of the new one already, is left alone."""
        if len(self.ids) == 1:
            return list(meant)
        found: dict[tuple[str, str], str] = {}
        for cadence in self.ids:
            people = {each.person for each in meant if each.cadence == cadence and each.gets_it}
            sent = self._earlier.within(people, cadence)
            found |= {(cadence, person): f"was sent {name} {_PERIODS[cadence]}" for person, name in sent.items()}
        return [replace(each, skipped=each.skipped or found.get((each.cadence, each.person), "")) for each in meant]

    def _based(self, meant: Sequence[Choice]) -> list[Choice]:
        """Each with the day on which he was told last, where it is kept what his group was told then."""
        if self.campaign.marks is None:
            return list(meant)
        last = self._earlier.last({choice.person: choice.edition for choice in meant if choice.gets_it})
        told = {person: day.isoformat() for person, day in last.items()}
        based = [replace(choice, base=told.get(choice.person, "")) for choice in meant]
        groups = {choice.group for choice in based if choice.base}
        kept = self.campaigner.outbox.kept(self.campaign.name, set(told.values()), groups)
        return [each if (each.base, each.group) in kept else replace(each, base="") for each in based]

    def language(self, recipient: Recipient) -> str:
        """The language in which somebody gets this campaign."""
        return self.campaigner.renderer.language(self.campaign.name, recipient.language)

    def _with_something_to_tell(self, choice: Choice) -> Choice:
        if not choice.gets_it:
            return choice
        if not self.stock.something_for(choice.group):
            return replace(choice, skipped=f"there is no item for the {GROUP} {choice.group!r}")
        told = self.stock.compared(choice.group, choice.base)
        if self.campaign.only_changed and choice.base and not (told.changed or told.gone):
            return replace(choice, skipped=f"nothing changed since {choice.base}")
        return choice


def _places(choice: Choice) -> tuple[int, int]:
    """Where somebody is told something: by any edition, and by this one."""
    place = choice.envelope.channel, choice.envelope.recipient.address.casefold(), choice.group
    return hash(place), hash((*place, choice.edition))


def _way(choice: Choice) -> Way:
    return choice.person, choice.envelope.channel, choice.envelope.recipient.address.casefold()


def _heeding(choice: Choice, judgement: Judgement | None) -> Choice:
    if judgement is None or not choice.gets_it:
        return choice
    if judgement.allowed:
        return replace(choice, reason=judgement.reason)
    return replace(choice, reason=judgement.reason, envelope=events.suppressed(choice.envelope, judgement.reason))


def _because(row: Row, variant: str) -> str:
    """Why a person gets it, for the ledger."""
    told = one_line(row.get("because") or "in the audience")
    return f"{told}; subject {variant}" if variant else told
