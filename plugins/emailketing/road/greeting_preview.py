"""What a person sees of a greeting before anything is sent: who would get it and who not, an example, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from emailketing import greetings
from emailketing.audience import ADDRESS_COLUMN, Judgement, addressed_by_row, consent_said
from emailketing.errors import AuthoringError, SqlError
from emailketing.greetings import Greeting, Window
from emailketing.model import Content, Recipient, State, document_of, document_text, version_of
from emailketing.road.consenting import judge
from emailketing.road.greeting import (
    VERSION,
    Greeted,
    Greeter,
    Look,
    Meant,
    Person,
    batches,
    meant_for,
    people,
    required,
    rows,
)

_AT_ONCE = 1_000


class Stands(StrEnum):
    """What a dry run says of an address."""

    GREETED = "would be greeted"
    FORBIDDEN = "not allowed"  # no consent, or wants no more
    UNADDRESSED = "no address"
    KNOWN = "there already"  # the outbox has this year's
    OFF = "off"  # the mailing is, or was on that day
    LATE = "too late"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a dry run says of one address, and why."""

    document: str
    name: str
    channel: str
    address: str
    stands: Stands
    reason: str


@dataclass(frozen=True)
class Rehearsal:
    """Who would be greeted for a day and who not. `greeted` counts what the query gave, while the verdicts are read."""

    greeted: Greeted
    verdicts: Iterator[Verdict]


def rehearse(greeter: Greeter, greeting: Greeting, day: date) -> Rehearsal:
    """A greeting as it would be on this day, by the ERP, the wishes and the outbox of this moment; nothing is put."""
    tools = replace(greeter.tools, audience=greeter.tools.audience.now())
    greeter, greeting = replace(greeter, tools=tools), tools.audience.settled(greeting)
    midnight, some = datetime.combine(day, time(), UTC), timedelta(days=2)
    window = Window(midnight - some, midnight - some, midnight + some)
    greeted = Greeted(greeting.name, off=tools.audience.off(greeting.name))
    return Rehearsal(greeted, _rehearsed(Look(greeter, greeting, window, tools.clock(), greeted, day)))


def next_day(greeter: Greeter, greeting: Greeting) -> date:
    """The next day of the greeting's occasion; today where everybody has a day of his own."""
    today = greeter.tools.clock().astimezone(greeter.zone).date()
    one = greeting.when.next(None, greeter.zone, today, greeter.calendar)
    return one.day if one else today


def _rehearsed(look: Look) -> Iterator[Verdict]:
    with look.tools.erp.reading() as reader:
        for batch in batches(people(look, reader), _AT_ONCE):
            yield from _verdicts(look, batch)


def _verdicts(look: Look, batch: Sequence[Person]) -> Iterator[Verdict]:
    outbox = look.tools.outbox
    passed = outbox.baseline(look.greeting.name, [(person.yearly, VERSION) for person in batch])
    meant = [each for person in batch for each in meant_for(look, person)]
    told = outbox.addressed({version_of(each.envelope.key) for each in meant}).by_row
    asked = [each for each in meant if each.envelope.state is State.QUEUED]
    zone = look.tools.erp.zone
    said = [(each.envelope.recipient.address, consent_said(each.person.row, zone, look.now)) for each in asked]
    judgements = judge(outbox, look.greeting.kind, said)
    judgement = {each.envelope.key: one for each, one in zip(asked, judgements, strict=True)}
    for each in meant:
        yield _verdict(each, *_standing(look, each, passed, told, judgement))


def _standing(
    look: Look, meant: Meant, passed: Set[tuple[str, str]], told: Set[str], judgement: Mapping[str, Judgement]
) -> tuple[Stands, str]:
    key, yearly = meant.envelope.key, meant.person.yearly
    if look.greeted.off:
        return Stands.OFF, f"the mailing is {look.greeted.off}"
    if (yearly, VERSION) in passed:
        return Stands.OFF, "the mailing was off on that day"
    if document_of(key) in told:
        return Stands.KNOWN, f"the outbox has the greeting of {meant.person.one.day.year} already"
    if key in judgement:
        allowed = judgement[key].allowed
        return Stands.GREETED if allowed else Stands.FORBIDDEN, judgement[key].reason
    late = meant.envelope.state is State.EXPIRED
    return Stands.LATE if late else Stands.UNADDRESSED, meant.envelope.reason


def _verdict(meant: Meant, stands: Stands, reason: str) -> Verdict:
    person, recipient = meant.person, meant.envelope.recipient
    return Verdict(person.document, recipient.name, meant.envelope.channel, recipient.address, stands, reason)


def example(greeter: Greeter, greeting: Greeting, document: str = "") -> Person | None:
    """Somebody whom the greeting's query gives, or the one named, at his next celebrated day; None when there is none.

    Raises SqlError when the query breaks its contract.
    """
    today = greeter.tools.clock().astimezone(greeter.zone).date()
    with greeter.tools.erp.reading() as reader:
        reader.require(greeting.name, reader.columns(greeting.name), required(greeting))
        for row in rows(greeting, reader):
            if document not in ("", document_text(row["document"])):
                continue
            born = _born(greeter, greeting, row)
            if greeting.when.occasion is None and born is None and not document:
                continue
            one = greeting.when.next(born, greeter.zone, today, greeter.calendar)
            if one is not None:
                return Person(document_text(row["document"]), row, one, born)
    return None


def _born(greeter: Greeter, greeting: Greeting, row: dict[str, object]) -> date | None:
    if greeting.when.occasion is not None:
        return None
    try:
        return greetings.own_day(row[greetings.OWN_DAY])
    except ValueError:
        given, path = row[greetings.OWN_DAY], greeter.tools.erp.query(greeting.name).path
        raise SqlError(f"day is {given!r}, which is no date such as 1988-02-29.", path=path) from None


def as_greeted(greeter: Greeter, greeting: Greeting, person: Person, channel: str = "") -> Recipient:
    """As whom a preview shows a greeting: the first address that can be used, or whatever there is."""
    channels = (channel,) if channel else greeting.channels
    region = greeter.tools.audience.region
    found = [each for one in channels for each in addressed_by_row(person.row, one, region)]
    usable = [each for each in found if not each.reason]
    return next(iter([*usable, *found])).recipient


def greeting_content(
    greeter: Greeter, greeting: Greeting, person: Person, recipient: Recipient, channel: str = ""
) -> Content:
    """What this recipient would read. Raises TemplateError.

    The way out is the sender's own: whoever tries the link of a preview shall not take a customer off the list.
    """
    way = greeter.door.way_out(greeter.tools.sender.address, greeting.kind, greeting.name)
    variables = {**person.variables, "leave": way.link}
    content = greeter.tools.renderer.render(greeting.name, variables, recipient, channel)
    return replace(content, way_out=way)


def check_greeting(greeter: Greeter, greeting: Greeting) -> list[AuthoringError]:
    """Everything wrong with a greeting's query and templates, held against the ERP and somebody whom it gives."""
    greeting = greeter.tools.audience.now().settled(greeting)
    problems: list[AuthoringError] = list(greeter.tools.renderer.check(greeting.name, greeting.channels))
    try:
        with greeter.tools.erp.reading() as reader:
            columns = reader.columns(greeting.name)
            addresses = [ADDRESS_COLUMN[channel] for channel in greeting.channels]
            reader.require(greeting.name, columns, [*required(greeting), *addresses])
        person = example(greeter, greeting)
    except SqlError as error:
        return [*problems, error]
    if person and not problems:
        for channel in greeting.channels:
            problems += _render_problems(greeter, greeting, person, channel)
    return problems


def _render_problems(greeter: Greeter, greeting: Greeting, person: Person, channel: str) -> list[AuthoringError]:
    try:
        greeting_content(greeter, greeting, person, as_greeted(greeter, greeting, person, channel), channel)
    except AuthoringError as error:
        return [error]
    return []
