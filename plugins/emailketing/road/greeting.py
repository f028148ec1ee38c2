"""Special dates: whoever has a birthday, or everybody at Christmas, gets a greeting that waits for his morning.

A look asks the ERP one query, whose rows are sifted as they come: whom a celebrated day concerns, and who was not
greeted yet this year. What is new is kept in a file while the ERP is read, then rendered and put into the outbox, where
it waits for the recipient's hour. A look may be repeated, killed, or made by two machines at once: the key holds person
and year.
"""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import groupby, islice
from tempfile import TemporaryFile
from typing import IO
from zoneinfo import ZoneInfo

from emailketing import events, greetings
from emailketing.audience import Door, addressed_by_row, consent_said
from emailketing.erp import Reader, Row
from emailketing.errors import EmailketingError
from emailketing.greetings import Calendar, Greeting, Occurrence, Window
from emailketing.model import (
    Envelope,
    Message,
    Recipient,
    State,
    document_of,
    document_text,
    masked_key,
    version_of,
)
from emailketing.road.consenting import judge
from emailketing.road.freezing import frozen
from emailketing.road.sweeping import Sweeper

log = logging.getLogger(__name__)

#: How far a look goes ahead: to the next one of a daily DAG, and some.
AHEAD = timedelta(hours=25)

VERSION = "1"  # of every greeting: it is told once

_SIFT_AT_ONCE = 1_000  # people whose keys and wishes are looked up together
_PUT_AT_ONCE = 200  # rendered messages held in memory
_PROBLEMS = 20  # told one by one; of more it is said that there are
_LONGEST_DOCUMENT = 115  # with the year it has room in a message's key


@dataclass(frozen=True)
class Greeter:
    """All that a look at special dates needs: a sweep's tools, the company's zone and calendar, and the way out."""

    tools: Sweeper
    zone: ZoneInfo
    calendar: Callable[[], Calendar]
    door: Door


@dataclass
class Greeted:
    """What one look at a greeting found and did; `states` counts the messages that are new in the outbox.

    `people` is how many the query gave, `due` how many of them the look concerned, `dayless` how many have no day.
    """

    mailing: str
    people: int = 0
    due: int = 0
    dayless: int = 0
    known: int = 0
    mended: int = 0
    off: str = ""  # who says that the mailing is off
    states: Counter[State] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def tell(self, problem: str) -> None:
        """Add a problem that a person must see, once, and no more of them than anybody reads."""
        if problem not in self.problems and len(self.problems) <= _PROBLEMS:
            full = len(self.problems) == _PROBLEMS
            self.problems.append("… and more; mend these first." if full else problem)

    @property
    def new(self) -> int:
        """The messages that this look put into the outbox."""
        return self.states.total()


@dataclass(frozen=True, slots=True)
class Person:
    """A row of a greeting's query, and the celebrated day that a look must see to."""

    document: str
    row: Row
    one: Occurrence
    born: date | None

    @property
    def yearly(self) -> str:
        """What the person's greeting of this year has as its document."""
        return f"{self.document}:{self.one.day.year}"

    @property
    def variables(self) -> Row:
        """What the templates see: the row, the celebrated day, and of an anniversary how many years it is."""
        years = self.one.day.year - self.born.year if self.born else None
        why = self.row.get("because") or ""
        return {**self.row, "celebrated_on": self.one.day, "years": years, "why": why}


@dataclass(frozen=True, slots=True)
class Meant:
    """A person's message by one channel to one address; `held` when it waits in the outbox to be rendered."""

    person: Person
    envelope: Envelope
    held: bool = False


@dataclass(frozen=True)
class Look:
    """One look at one greeting, at one moment; with `day` only at what is celebrated on that day."""

    greeter: Greeter
    greeting: Greeting
    window: Window
    now: datetime
    greeted: Greeted
    day: date | None = None

    @property
    def tools(self) -> Sweeper:
        """The tools of a sweep."""
        return self.greeter.tools

    @cached_property
    def days(self) -> frozenset[tuple[int, int]]:
        """Months and days of the people whom the look may concern, so that all others cost next to nothing."""
        return self.greeting.when.month_days(self.window)

    @cached_property
    def held(self) -> frozenset[str]:
        """The keys of the messages that are held because they could not be rendered."""
        found, after = set[str](), 0
        while rows := self.tools.outbox.unrendered(self.greeting.name, after):
            after = rows[-1].id
            found |= {row.envelope.key for row in rows}
        return frozenset(found)


def greet(greeter: Greeter, greeting: Greeting, begin: datetime | None = None) -> Greeted:
    """Put a message into the outbox for everybody whose celebrated day has come, or comes before the next daily look.

    It waits there for the recipient's hour. The first look begins with today; with `begin` a look sees to what was due
    since then. What nobody looked at within its days of grace becomes *expired*. Who has not consented, or wants no
    more, becomes *suppressed* with the reason. Raises ErpError, OutboxError (repeat it), SqlError (mend the query).
    """
    tools = replace(greeter.tools, audience=greeter.tools.audience.now())
    if tools.audience.provisioned.unreadable:
        raise tools.audience.provisioned.unreadable
    greeter, greeting, now = replace(greeter, tools=tools), tools.audience.settled(greeting), tools.clock()
    greeted = Greeted(greeting.name, off=tools.audience.off(greeting.name))
    look = Look(greeter, greeting, _window(greeter, greeting, begin, now), now, greeted)
    with TemporaryFile() as spool:
        with tools.erp.reading() as reader:
            for batch in batches(people(look, reader), _SIFT_AT_ONCE):
                _spool(spool, _pass_over(look, batch) if greeted.off else _sift(look, batch))
        _put(look, _spooled(spool))
    # Killed before this, the next look takes in the same once more, and finds known what was put.
    tools.outbox.put([], {greeting.name: now}, now)
    return greeted


def _window(greeter: Greeter, greeting: Greeting, begin: datetime | None, now: datetime) -> Window:
    """What the look takes in; a first look begins with the company's today. Of what is off, only what is due by now."""
    outbox, name = greeter.tools.outbox, greeting.name
    looked = outbox.cursor(name)
    begin = _midnight(greeter, begin or now) if begin or looked is None else None
    if looked is None and begin:
        outbox.start(name, begin, [], now)
    first = outbox.epochs(name)[0].since
    looked, first = (min(each for each in (begin, since) if each) for since in (looked, first))
    return greetings.window(now, looked, first, timedelta(0) if greeter.tools.audience.off(name) else AHEAD)


def _midnight(greeter: Greeter, moment: datetime) -> datetime:
    """When the day of this moment began for the company."""
    return datetime.combine(moment.astimezone(greeter.zone).date(), time(), greeter.zone)


def required(greeting: Greeting) -> tuple[str, ...]:
    """The columns that a greeting's query must give."""
    return ("document", "consent") if greeting.when.occasion else ("document", "consent", greetings.OWN_DAY)


def people(look: Look, reader: Reader) -> Iterator[Person]:
    """Everybody whom the look concerns, each once; rows that cannot be used are told."""
    if look.greeting.when.occasion and not look.greeting.when.days(look.window, look.greeter.calendar):
        return
    path, seen = look.tools.erp.query(look.greeting.name).path, set[str]()
    with closing(rows(look.greeting, reader)) as found:
        for row in found:
            try:
                persons = _persons(look, row)
            except ValueError as problem:
                look.greeted.tell(f"{path}: a row is left out: {problem}")
                continue
            if persons and persons[0].document in seen:
                look.greeted.tell(f"{path}: {persons[0].document!r} comes in several rows; the first is greeted.")
                continue
            seen.update(person.document for person in persons)
            look.greeted.due += len(persons)
            yield from persons


def rows(greeting: Greeting, reader: Reader) -> Generator[Row, None, None]:
    """The rows of a greeting's query, streamed. Raises SqlError where a column is missing."""
    for number, row in enumerate(reader.rows(greeting.name)):
        if number == 0:
            reader.require(greeting.name, list(row), required(greeting))
        yield row


def _persons(look: Look, row: Row) -> list[Person]:
    """What of a row the look concerns. Raises ValueError for a row that cannot be used."""
    when, born = look.greeting.when, None
    look.greeted.people += 1
    if when.occasion is None:
        born = _born(row)
        look.greeted.dayless += born is None
        if born is None or (born.month, born.day) not in look.days:
            return []
    document, zone = _document(row), _zone(look, row)
    found = when.occurrences(born, zone, look.window, look.greeter.calendar)
    return [Person(document, row, one, born) for one in found if look.day in (None, one.day)]


def _born(row: Row) -> date | None:
    given = row[greetings.OWN_DAY]
    try:
        return greetings.own_day(given)
    except ValueError:
        raise ValueError(f"day of {row['document']!r} is {given!r}, which is no date such as 1988-02-29") from None


def _document(row: Row) -> str:
    document = "" if row["document"] is None else document_text(row["document"])
    if not document:
        raise ValueError("document is empty: a person without an identity would be greeted again and again")
    if len(document) > _LONGEST_DOCUMENT:
        raise ValueError(f"document {document[:40]!r}… is longer than {_LONGEST_DOCUMENT} characters")
    return document


def _zone(look: Look, row: Row) -> ZoneInfo:
    """The person's own clock; the company's where the row names none, or one that does not exist."""
    name = row.get("timezone")
    if not name:
        return look.greeter.zone
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        look.greeted.tell(f"there is no timezone {str(name)[:60]!r}; the company's is taken")
        return look.greeter.zone


def batches(found: Iterable[Person], size: int) -> Iterator[list[Person]]:
    """The people, so many at a time."""
    each = iter(found)
    while batch := list(islice(each, size)):
        yield batch


def _pass_over(look: Look, batch: Sequence[Person]) -> list[Meant]:
    """Make history of what is due while the mailing is off: switched on again, nobody is greeted for it."""
    look.tools.outbox.pass_over(look.greeting.name, [(person.yearly, VERSION) for person in batch], look.now)
    return []


def _sift(look: Look, batch: Sequence[Person]) -> list[Meant]:
    """The messages of these people that nobody knows yet, judged; and those that are held to be rendered."""
    outbox = look.tools.outbox
    passed = outbox.baseline(look.greeting.name, [(person.yearly, VERSION) for person in batch])
    meant = [each for person in batch if (person.yearly, VERSION) not in passed for each in meant_for(look, person)]
    known = outbox.known({each.envelope.key for each in meant})
    others = [each for each in meant if each.envelope.key not in known]
    told = outbox.addressed({version_of(each.envelope.key) for each in others}).by_row
    new = [each for each in others if document_of(each.envelope.key) not in told]
    look.greeted.known += len(meant) - len(new)
    held = [replace(each, held=True) for each in meant if each.envelope.key in known and _waits(look, each)]
    return [*judged(look, new), *held]


def _waits(look: Look, meant: Meant) -> bool:
    return meant.envelope.state is State.QUEUED and meant.envelope.key in look.held


def meant_for(look: Look, person: Person) -> Iterator[Meant]:
    """A person's messages, by each channel to each of his addresses, before it is judged whether he may get them."""
    for channel in look.greeting.channels:
        for addressee in addressed_by_row(person.row, channel, look.tools.audience.region):
            envelope = _envelope(look, person, channel, addressee.recipient)
            yield Meant(person, events.unaddressed(envelope, addressee.reason) if addressee.reason else envelope)


def _envelope(look: Look, person: Person, channel: str, recipient: Recipient) -> Envelope:
    greeting, one = look.greeting, person.one
    late = one.expires_at <= look.now
    return Envelope(
        mailing=greeting.name,
        document=person.yearly,
        version=VERSION,
        channel=channel,
        recipient=recipient,
        lane=greeting.lane,
        on_unknown=greeting.on_unknown,
        event_at=one.due,
        created_at=look.now,
        expires_at=one.expires_at,
        state=State.EXPIRED if late else State.QUEUED,
        reason=f"nobody looked within the days of grace after {one.day}" if late else "",
        not_before=one.due if one.due > look.now else None,
        kind=greeting.kind,
    )


def judged(look: Look, new: Sequence[Meant]) -> list[Meant]:
    """The messages; those that may not be sent are suppressed, with the reason."""
    asked = [each for each in new if each.envelope.state is State.QUEUED]
    zone = look.tools.erp.zone
    said = [(each.envelope.recipient.address, consent_said(each.person.row, zone, look.now)) for each in asked]
    judgements = judge(look.tools.outbox, look.greeting.kind, said)
    pairs = zip(asked, judgements, strict=True)
    refused = {each.envelope.key: judgement.reason for each, judgement in pairs if not judgement.allowed}
    return [_suppressed(each, refused[each.envelope.key]) if each.envelope.key in refused else each for each in new]


def _suppressed(meant: Meant, reason: str) -> Meant:
    return replace(meant, envelope=events.suppressed(meant.envelope, reason))


def _spool(spool: IO[bytes], meant: Iterable[Meant]) -> None:
    for each in meant:
        pickle.dump(each, spool, pickle.HIGHEST_PROTOCOL)


def _spooled(spool: IO[bytes]) -> Iterator[Meant]:
    """What was spooled. The file has no name: nobody but this process can have written it."""
    end = spool.tell()
    spool.seek(0)
    while spool.tell() < end:
        yield pickle.load(spool)  # noqa: S301 see above


def _put(look: Look, meant: Iterable[Meant]) -> None:
    """Render what the look found and put it into the outbox, all messages of a person together."""
    batch: list[Message] = []
    for _, together in groupby(meant, key=lambda each: each.person.yearly):
        for each in together:
            message = _message(look, each)
            if each.held:
                _fill(look, message)
            else:
                batch.append(message)
        if len(batch) >= _PUT_AT_ONCE:
            _bring(look, batch)
            batch = []
    _bring(look, batch)


def _bring(look: Look, batch: Sequence[Message]) -> None:
    """Put a batch, but for those whom another process greeted at another address while we rendered."""
    told = look.tools.outbox.addressed({version_of(message.envelope.key) for message in batch}).by_row
    batch = [message for message in batch if document_of(message.envelope.key) not in told]
    too_large = look.tools.outbox.put(batch, {}, look.now).too_large
    states = [State.HELD if each.envelope.key in too_large else each.envelope.state for each in batch]
    look.greeted.states.update(states)
    for reason in too_large.values():
        look.greeted.tell(reason)


def _fill(look: Look, message: Message) -> None:
    if message.frozen is None:
        return
    if reason := look.tools.outbox.fill(message, look.now):
        look.greeted.tell(reason)
    else:
        look.greeted.mended += 1


def _message(look: Look, meant: Meant) -> Message:
    """The message, rendered and frozen; held with the reason when that fails, whatever the failure is."""
    envelope = meant.envelope
    if envelope.state is not State.QUEUED:
        return Message(envelope)
    try:
        return _frozen(look.greeter, meant)
    except EmailketingError as error:
        reason = str(error)
    except Exception as error:  # a library stumbles over this row; the others must not wait for its mending
        log.exception("message %s cannot be rendered", masked_key(envelope.key))
        reason = f"{envelope.mailing}: {envelope.document!r} cannot be rendered: {type(error).__name__}: {error}"
    look.greeted.tell(reason)
    return Message(replace(envelope, state=State.HELD, reason=reason))


def _frozen(greeter: Greeter, meant: Meant) -> Message:
    """The message of an envelope. Raises AuthoringError, SettingsError for the sender or the way out."""
    tools, envelope = greeter.tools, meant.envelope
    way = greeter.door.way_out(envelope.recipient.address, envelope.kind, envelope.mailing)
    variables = {**meant.person.variables, "leave": way.link}
    content = tools.renderer.render(envelope.mailing, variables, envelope.recipient, envelope.channel)
    return frozen(envelope, replace(content, way_out=way), tools.sender, tools.channels)
