"""The audience as it stands at one moment: rows, file and database taken together."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from emailketing.audience.filters import parsed
from emailketing.audience.provisioned import Member, Problem, Provisioned
from emailketing.audience.rows import ADDRESS_COLUMN, Addressee, addressed_by_row
from emailketing.errors import AuthoringError, nearest
from emailketing.model import Mailing, Recipient, Subscribed, Subscription, Switch, masked

DATABASE = "the outbox's database"

Declared = TypeVar("Declared", bound=Mailing)


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with who gets what: `errors` must be mended; `notices` may be meant so."""

    errors: tuple[AuthoringError, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Audience:
    """Says who gets a mailing, by what `provisioned` and `subscribed` hold. Without either, rows alone say it.

    A subscription of the database takes the place of all that the file says of the same mailing, channel and address
    (upper and lower case are one); a switched off one leaves that address out. The row's own addresses are the ERP's,
    and no subscription takes them away. Phone numbers without a country code are of `region` (ISO 3166).
    """

    provisioned: Provisioned = field(default_factory=Provisioned)
    subscribed: Subscribed = field(default_factory=Subscribed)
    renew: Callable[[], Audience] | None = None
    region: str = ""
    _found: dict[tuple[str, str], list[Member]] = field(default_factory=dict, repr=False, compare=False)

    def now(self) -> Audience:
        """The audience as it stands at this moment."""
        return self.renew() if self.renew else self

    def addressees(self, mailing: Mailing, row: Mapping[str, Any], channel: str) -> list[Addressee]:
        """Everybody who is meant by this row of a mailing's query, by this channel, each address once."""
        by_row = ADDRESS_COLUMN[channel] in row
        members = self.members(mailing.name, channel)
        if not by_row and not members:
            return [Addressee(Recipient(""), self._nobody(mailing.name, channel))]
        found = addressed_by_row(row, channel, self.region) if by_row else []
        taken = {each.recipient.address.casefold() for each in found if not each.reason}
        for member in members:
            if member.address.casefold() not in taken and member.filter.matches(row):
                taken.add(member.address.casefold())
                found.append(Addressee(_recipient(member), because=member.because))
        return found

    def members(self, mailing: str, channel: str) -> list[Member]:
        """Every standing place in a mailing's audience, copies first; a person may have several with other filters."""
        key = (mailing, channel)
        if key not in self._found:
            self._found[key] = self._members(mailing, channel)
        return self._found[key]

    def example(self, mailing: Mailing, row: Mapping[str, Any]) -> Recipient:
        """As whom a preview shows a document: somebody who would get it; else a subscriber, else whom the row names."""
        everybody = [each for channel in mailing.channels for each in self.addressees(mailing, row, channel)]
        usable = [each.recipient for each in everybody if not each.reason]
        places = [_recipient(each) for channel in mailing.channels for each in self.members(mailing.name, channel)]
        return next(iter([*usable, *places, *(each.recipient for each in everybody)]), Recipient(""))

    def settled(self, mailing: Declared) -> Declared:
        """The mailing with the channels that are configured for it; then it goes by no other, whatever is refused."""
        rule = self.provisioned.rules.get(mailing.name)
        return replace(mailing, channels=rule.channels, if_refused="") if rule and rule.channels else mailing

    def off(self, mailing: str) -> str:
        """Who says that a mailing is off, in words; '' when it is on."""
        if switch := self._switch(mailing):
            return "" if switch.on else f"switched off by {switch.by or 'somebody'}{_day(switch)}"
        rule = self.provisioned.rules.get(mailing)
        return f"off in {self.provisioned.short}:{rule.line}" if rule and not rule.on else ""

    def problems(self, mailing: str) -> list[str]:
        """What is wrong and may make this mailing miss somebody."""
        found = [*self.provisioned.problems, *self._stored_problems()]
        return [str(each.error) for each in found if each.concerns(mailing)]

    def misfits(self, mailing: Mailing, row: Mapping[str, Any]) -> list[AuthoringError]:
        """The filters of a mailing's audience that can never hold for rows like this one."""
        found: dict[str, AuthoringError] = {}
        for channel in mailing.channels:
            for member in self.members(mailing.name, channel):
                for condition, why in member.filter.misfits(row):
                    error = self._misfit(mailing.name, member, condition.line, why)
                    found.setdefault(str(error), error)
        return list(found.values())

    def faults(self, mailings: Sequence[Mailing]) -> Faults:
        """Everything that is wrong, held against the mailings that are declared, but for the columns of filters."""
        if self.provisioned.unreadable:
            return Faults((self.provisioned.unreadable,))
        names = [mailing.name for mailing in mailings]
        wrong = [each.error for each in (*self.provisioned.problems, *self._stored_problems())]
        notices = []
        for name, member in self._named():
            if not names or any(fnmatchcase(each, name) for each in names):
                continue
            close = difflib.get_close_matches(
                name, names, n=1, cutoff=0.85
            )  # sales_closing is no slip for cash_closing
            error = self._error(member, f"no DAG declares a mailing {name!r}.", nearest(name, names) if close else "")
            if close:
                wrong.append(error)
            else:
                notices.append(str(error))
        channels = [error for mailing in mailings for error in self._unused(self.settled(mailing))]
        unique = {str(error): error for error in [*wrong, *channels]}
        return Faults(tuple(unique.values()), tuple(dict.fromkeys(notices)))

    def stored(self, mailing: str, channel: str, address: str) -> Subscription | None:
        """What the database says of an address."""
        places = (each for each in self.subscribed.subscriptions if (each.mailing, each.channel) == (mailing, channel))
        return next((each for each in places if each.address.casefold() == address.casefold()), None)

    def provided(self, mailing: str, channel: str) -> list[Member]:
        """What the file says of a mailing by a channel, whatever the database makes of it."""
        everybody = [each for each in self.provisioned.members if each.channel == channel]
        return [each for each in everybody if fnmatchcase(mailing, each.mailing)]

    def _members(self, mailing: str, channel: str) -> list[Member]:
        here = [each for each in self.subscribed.subscriptions if (each.mailing, each.channel) == (mailing, channel)]
        decided = {each.address.casefold() for each in here if not each.on or each.where is not None}
        provided = [each for each in self.provided(mailing, channel) if each.address.casefold() not in decided]
        return provided + [member for each in here if each.on and (member := _member(each))]

    def _nobody(self, mailing: str, channel: str) -> str:
        reason = f"nobody subscribes to {mailing} by {channel}: {self.provisioned.short}"
        left_out = sum(each.concerns(mailing) for each in (*self.provisioned.problems, *self._stored_problems()))
        return f"{reason}, of which something wrong was left out; see `bin/emailketing check`" if left_out else reason

    def _switch(self, mailing: str) -> Switch | None:
        return next((each for each in self.subscribed.switches if each.mailing == mailing), None)

    def _stored_problems(self) -> list[Problem]:
        found = []
        for each in self.subscribed.subscriptions:
            if each.on and (why := _unusable(each)):
                place = f"{DATABASE}, {each.mailing} to {masked(each.address)}"
                hint = "Set it again: bin/emailketing subscriptions add"
                found.append(Problem(AuthoringError(why, path=place, hint=hint), (each.mailing,)))
        return found

    def _named(self) -> Iterable[tuple[str, Member]]:
        """Every name of a mailing, or wildcards, with where it stands."""
        for name, rule in self.provisioned.rules.items():
            yield name, Member(name, "", "", line=rule.line)
        yield from ((each.mailing, each) for each in self.provisioned.members)
        stored = [
            *(each.mailing for each in self.subscribed.subscriptions),
            *(s.mailing for s in self.subscribed.switches),
        ]
        yield from ((name, Member(name, "", "", source=DATABASE)) for name in stored)

    def _unused(self, mailing: Mailing) -> Iterable[AuthoringError]:
        """People who are named for this very mailing and get nothing by a channel by which it does not go."""
        used = [each for channel in mailing.channels for each in self.members(mailing.name, channel)]
        reached = {(each.line, each.name) for each in used}
        for channel in set(ADDRESS_COLUMN) - set(mailing.channels):
            for member in self.members(mailing.name, channel):
                if member.mailing == mailing.name and (member.asked or (member.line, member.name) not in reached):
                    why = f"{mailing.name} does not go by {channel}, only by {' and '.join(mailing.channels)}."
                    channels = ", ".join((*mailing.channels, channel))
                    yield self._error(member, why, f"Under mailings: {mailing.name}: {{channels: [{channels}]}}")

    def _misfit(self, mailing: str, member: Member, line: int, why: str) -> AuthoringError:
        place = replace(member, line=line or member.line)
        return self._error(place, f"a filter on {mailing} can never hold: {why}", "Nobody gets the mailing by it.")

    def _error(self, member: Member, message: str, hint: str = "") -> AuthoringError:
        if member.line:
            return AuthoringError(message, path=self.provisioned.path, line=member.line, hint=hint)
        return AuthoringError(message, path=member.source or DATABASE, hint=hint)


def _recipient(member: Member) -> Recipient:
    return Recipient(member.address, member.name, member.language)


def _member(stored: Subscription) -> Member | None:
    """A place as the database keeps it; None where it only switches, or its filter cannot be used."""
    if stored.where is None or _unusable(stored):
        return None
    return Member(
        mailing=stored.mailing,
        channel=stored.channel,
        address=stored.address,
        name=stored.name,
        language=stored.language,
        filter=parsed(stored.where),
        options=stored.options,
        source=f"{DATABASE}{f', set by {stored.by}' if stored.by else ''}",
        asked=True,
    )


def _unusable(stored: Subscription) -> str:
    try:
        parsed(stored.where or {})
    except (ValueError, AttributeError) as problem:
        return f"its filter cannot be used: {problem}"
    return ""


def _day(switch: Switch) -> str:
    return f" on {switch.at:%Y-%m-%d %H:%M} UTC" if switch.at else ""
