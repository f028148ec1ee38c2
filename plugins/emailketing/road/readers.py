"""Who reads a report: the audience that its DAG names, and whoever subscribes, each with his own rule.

A person's own subscription takes the place of what the audience gives him. Several subscriptions of one address in one
cadence are one reader: he sees the rows of each, and gets the files of each, at the hour of the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from emailketing.audience import SCHEDULE, Audience, Filter, Member
from emailketing.audience.filters import EVERYTHING
from emailketing.errors import AuthoringError, DeclarationError, nearest
from emailketing.model import Recipient, masked
from emailketing.report.calendar import Rule
from emailketing.report.declaration import ReportMailing, formats
from emailketing.report.periods import Cadence


@dataclass(frozen=True)
class Reader:
    """Somebody who gets a report: when, as which files, and which rows of it; without a filter all of them."""

    channel: str
    recipient: Recipient
    rule: Rule
    formats: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    because: str = ""
    member: Member = field(default_factory=lambda: Member("", "", ""), compare=False)

    def sees(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is meant for him."""
        return not self.filters or any(each.matches(row) for each in self.filters)

    @property
    def place(self) -> tuple[str, str, Cadence, bool]:
        """What there is one of: an address's reports of one cadence by one channel, of periods that are over or run."""
        return self.channel, self.recipient.address.casefold(), self.rule.cadence, self.rule.running


@dataclass(frozen=True)
class Readers:
    """The readers of a report, and what is wrong with those who are left out, for the author of the file."""

    all: tuple[Reader, ...] = ()
    faults: tuple[AuthoringError, ...] = ()


def readers(who: Audience, mailing: ReportMailing, zone: ZoneInfo) -> Readers:
    """Everybody who gets the report; `zone` is the company's, for those who name none."""
    found: dict[tuple[str, str, Cadence, bool], Reader] = {}
    faults: list[AuthoringError] = []
    if mailing.to and mailing.to not in who.provisioned.audiences:
        hint = nearest(mailing.to, who.provisioned.audiences)
        problem = f"there is no audience {mailing.to!r}."
        faults.append(AuthoringError(problem, path=mailing.path, line=mailing.line, hint=hint))
    for member in _places(who, mailing):
        try:
            for reader in _of(member, mailing, zone):
                faults += _added(found, reader, who)
        except DeclarationError as error:
            faults.append(_told(error, member, who))
    return Readers(tuple(found.values()), tuple(faults))


def wished(member: Member, mailing: ReportMailing, zone: ZoneInfo) -> list[Reader]:
    """What somebody wants of a report: himself in each of his cadences. Raises DeclarationError, the nearest word."""
    return list(_of(member, mailing, zone))


def _places(who: Audience, mailing: ReportMailing) -> Iterator[Member]:
    """Whoever is meant, by each channel."""
    for channel in mailing.channels:
        members = who.members(mailing.name, channel)
        own = {each.address.casefold() for each in members}
        yield from members
        for person in who.provisioned.audiences.get(mailing.to, ()):
            address = person.addresses.get(channel, "")
            stored = who.stored(mailing.name, channel, address)
            if address and address.casefold() not in own and (stored is None or stored.on):
                kind, source = f"audience {mailing.to}", who.provisioned.short
                yield Member(mailing.name, channel, address, person.name, person.language, kind=kind, source=source)


def _of(member: Member, mailing: ReportMailing, zone: ZoneInfo) -> Iterator[Reader]:
    """A member as reader in each of his cadences. Raises DeclarationError, with the line of what is wrong."""
    for option in member.options:
        if option not in SCHEDULE:
            raise DeclarationError(f"there is no option {option!r} of a report.", hint=nearest(option, SCHEDULE))
    for cadence in _cadences(member, mailing):
        yield Reader(
            channel=member.channel,
            recipient=Recipient(member.address, member.name, member.language),
            rule=_rule(member, mailing, cadence, zone),
            formats=_formats(member, mailing),
            filters=() if member.filter == EVERYTHING else (member.filter,),
            because=member.because,
            member=member,
        )


def _cadences(member: Member, mailing: ReportMailing) -> Sequence[Cadence]:
    wanted = member.options.get("cadence")
    if wanted is None:
        return mailing.cadences[:1]
    found = [Cadence.named(each) for each in (wanted if isinstance(wanted, list | tuple) else [wanted])]
    for cadence in found:
        if cadence not in mailing.cadences:
            offered = ", ".join(mailing.cadences)
            raise DeclarationError(
                f"{mailing.name} is not made {cadence}, only {offered}.",
                hint=f"Its DAG says which it is made: {mailing.path}:{mailing.line}.",
            )
    return list(dict.fromkeys(found))


def _rule(member: Member, mailing: ReportMailing, cadence: Cadence, zone: ZoneInfo) -> Rule:
    given = {name: value for name, value in member.options.items() if name not in ("format", "cadence")}
    if mailing.alert and mailing.alert.watch:
        return _watching(given, mailing, cadence, zone)
    return Rule.declared({"at": mailing.at or "07:00", **given, "cadence": cadence}, zone)


def _watching(given: Mapping[str, Any], mailing: ReportMailing, cadence: Cadence, zone: ZoneInfo) -> Rule:
    """Of an alert that is watched, every look is the hour, and the period that runs the period."""
    for name in given:
        if name != "timezone":
            hint = "It is told when it happens; leave this out."
            raise DeclarationError(f"{mailing.name} is watched, and has no {name!r} of a reader's.", hint=hint)
    return Rule.declared({**given, "cadence": cadence, "period": "running"}, zone)


def _formats(member: Member, mailing: ReportMailing) -> tuple[str, ...]:
    if member.channel == "phone":
        return ()
    return formats(member.options["format"]) if "format" in member.options else mailing.attach


def _added(found: dict[tuple[str, str, Cadence, bool], Reader], reader: Reader, who: Audience) -> list[AuthoringError]:
    """Take a reader in, beside what his address has already."""
    known = found.setdefault(reader.place, reader)
    if known is reader:
        return []
    filters = () if not (known.filters and reader.filters) else tuple(dict.fromkeys((*known.filters, *reader.filters)))
    both = tuple(dict.fromkeys((*known.formats, *reader.formats)))
    found[reader.place] = replace(known, filters=filters, formats=both)
    if known.rule == reader.rule:
        return []
    name, cadence = masked(reader.recipient.address), reader.rule.cadence
    problem = f"{name} has two {cadence} subscriptions that differ in their hour or day; that of {known.because} holds."
    return [_told(DeclarationError(problem, hint="Write the same in both, or another cadence."), reader.member, who)]


def _told(error: DeclarationError, member: Member, who: Audience) -> AuthoringError:
    """A fault in what somebody wants of a report, with the line where he says it."""
    hint = error.hint or "Nobody gets the report by it."
    if not member.line:
        return AuthoringError(str(error.args[0]), path=f"{member.source}, to {masked(member.address)}", hint=hint)
    line = next((at for name, at in member.lines.items() if _is_about(error, member.options[name])), member.line)
    return AuthoringError(str(error.args[0]), path=who.provisioned.path, line=line, hint=hint)


def _is_about(error: DeclarationError, given: Any) -> bool:
    """Whether an error names this value."""
    values = given if isinstance(given, list) else [given]
    return any(repr(str(each)) in str(error.args[0]) or f" {each}," in str(error.args[0]) for each in values)
