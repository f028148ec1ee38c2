"""Who gets an edition of a campaign: its audience in the order in which it is written to, each with the reason.

Whatever is decided of a person depends on his row, his key and what he wishes, so that a run that is repeated decides
the same.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from emailketing.hostile import cleaned, one_line
from emailketing.model import (
    Campaign,
    Envelope,
    Recipient,
    Sender,
    State,
    document_text,
    version_key,
)
from emailketing.outbox import Outbox
from emailketing.render import Renderer
from emailketing.report.catalogue import Compared, compared
from emailketing.road.clock import Clock, utc_now
from emailketing.road.consenting import judge
from emailketing.road.editions import begins, edition_of, variant_of

T = TypeVar("T")

IN_HAND = 8  # renderings and what they need: people of a group follow one another, so more would only take memory

_ROWS_AT_ONCE = 500  # people in hand
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
    """What an edition means for one person by one channel: his envelope says whether he gets it, or why not.

    `base` is the edition that he was sent last, with which what he is told is compared; '' where there was none.
    `skipped` says why nothing is done at all: he has this edition, or there is nothing to tell him.
    """

    envelope: Envelope
    row: Row
    group: str
    variant: str = ""
    base: str = ""
    skipped: str = ""
    reason: str = ""  # why he may be written to, in words

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
    """What one run of a campaign found and did; `states` counts the messages that are new in the outbox."""

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
        """A group's items against what the edition `base` told it."""
        return self._compared.get((group, base), lambda: self._against(group, base))

    def _against(self, group: str, base: str) -> Compared:
        before = self._campaigner.outbox.edition(self._campaign.name, base, group) if base else None
        return compared([cleaned(item) for item in self._items[group]], self._campaign.marks, before)


class Edition:
    """One run over the audience."""

    def __init__(self, campaigner: Campaigner, campaign: Campaign, moment: datetime) -> None:
        self.campaigner = replace(campaigner, audience=campaigner.audience.now())
        self.campaign = replace(campaign, channels=self.campaigner.audience.settled(campaign).channels)
        self.moment, self.now = moment, campaigner.clock()
        self.day = moment.astimezone(campaigner.zone).date()
        self.id = edition_of(campaign.edition, self.day)
        self.done = Advertised(campaign.name, self.id, self.campaigner.audience.off(campaign.name))
        self._seen, self._keys = set[int](), set[int]()
        self._before = self._earlier()

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
        """What the edition means for these people."""
        meant = [choice for row in rows for choice in self._meant(row)]
        known = self.campaigner.outbox.known({choice.envelope.key for choice in meant})
        meant = [replace(each, skipped="has this edition") if each.envelope.key in known else each for each in meant]
        meant = self._based(self._judged(self._once_each(meant)))
        self.stock.load({choice.group: choice.row.get(GROUP) for choice in meant})
        return [self._with_something_to_tell(choice) for choice in meant]

    def content_key(self, choice: Choice) -> tuple[str, ...]:
        """What people have in common who get the same mail."""
        envelope = choice.envelope
        return choice.group, choice.base, self.language(envelope.recipient), choice.variant, envelope.channel

    def _meant(self, row: Row) -> Iterator[Choice]:
        person = "" if row["document"] is None else document_text(row["document"])
        document = f"{self.id}:{person}"
        if not person or len(document) > _LONGEST:
            return self._leave_out(f"document {row['document']!r} is empty, or longer than {_LONGEST} signs")
        if GROUP in row and row[GROUP] is None:
            return self._leave_out(f"a row of document {person!r} has no {GROUP}")
        group = document_text(row[GROUP]) if GROUP in row else ""
        variant = variant_of(self.campaign.variants, self.campaign.name, document)
        for channel in self.campaign.channels:
            for addressee in addressed_by_row(row, channel, self.campaigner.audience.region):
                envelope = self._envelope(document, channel, addressee.recipient, _because(row, variant))
                if addressee.reason:
                    envelope = events.unaddressed(envelope, addressee.reason)
                yield Choice(envelope, row, group, variant)

    def _leave_out(self, why: str) -> None:
        path = self.campaigner.erp.query(self.campaign.name).path
        self.done.tell(f"{path}: a row is left out: {why}.")

    def _envelope(self, document: str, channel: str, recipient: Recipient, because: str) -> Envelope:
        campaign, late = self.campaign, ""
        expires_at = None
        if campaign.expires_after_s is not None:
            expires_at = self.moment + timedelta(seconds=campaign.expires_after_s)
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

    def _once_each(self, meant: Iterable[Choice]) -> list[Choice]:
        """One copy to an address of each group: who has this edition comes before those who have not."""
        found = []
        for choice in sorted(meant, key=lambda choice: not choice.skipped):
            envelope = choice.envelope
            if (key := hash(envelope.key)) in self._keys:
                self._leave_out(f"document {self.person(choice)!r} comes in several rows for the same address")
                continue
            self._keys.add(key)
            place = hash((envelope.channel, envelope.recipient.address.casefold(), choice.group))
            again = place in self._seen and choice.gets_it
            self._seen.add(place)
            found.append(replace(choice, envelope=events.suppressed(envelope, _AGAIN)) if again else choice)
        return found

    def _judged(self, meant: Sequence[Choice]) -> list[Choice]:
        """Those who may not be written to become suppressed: no consent, or a wish against it."""
        asked = [choice for choice in meant if choice.gets_it]
        zone = self.campaigner.erp.zone
        pairs = [(each.envelope.recipient.address, consent_said(each.row, zone, self.now)) for each in asked]
        judgements = judge(self.campaigner.outbox, self.campaign.kind, pairs)
        by_key = {each.envelope.key: judgement for each, judgement in zip(asked, judgements, strict=True)}
        return [_heeding(choice, by_key.get(choice.envelope.key)) for choice in meant]

    def _earlier(self) -> list[str]:
        """The editions with which this one may be compared, the newest first."""
        if self.campaign.marks is None:
            return []
        mine, kept = begins(self.id, self.day), self.campaigner.outbox.editions(self.campaign.name)
        return [name for name in kept if begins(name, date.min) < mine]

    def _based(self, meant: Sequence[Choice]) -> list[Choice]:
        """Each with the edition that he was sent last."""
        left = {self.person(choice): choice for choice in meant if choice.gets_it}
        base: dict[str, str] = {}
        for name in self._before:
            keys = {person: version_key(self.campaign.name, f"{name}:{person}", "1") for person in left}
            sent = self.campaigner.outbox.sent(keys.values())
            base |= {person: name for person, key in keys.items() if key in sent}
            left = {person: choice for person, choice in left.items() if person not in base}
            if not left:
                break
        return [replace(choice, base=base.get(self.person(choice), "")) for choice in meant]

    def language(self, recipient: Recipient) -> str:
        """The language in which somebody gets this campaign."""
        return self.campaigner.renderer.language(self.campaign.name, recipient.language)

    def person(self, choice: Choice) -> str:
        """The person's document, as the audience's query gives it."""
        return choice.envelope.document.removeprefix(f"{self.id}:")

    def _with_something_to_tell(self, choice: Choice) -> Choice:
        if not choice.gets_it:
            return choice
        if not self.stock.something_for(choice.group):
            return replace(choice, skipped=f"there is no item for the {GROUP} {choice.group!r}")
        told = self.stock.compared(choice.group, choice.base)
        if self.campaign.only_changed and choice.base and not (told.changed or told.gone):
            return replace(choice, skipped=f"nothing changed since {choice.base}")
        return choice


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
