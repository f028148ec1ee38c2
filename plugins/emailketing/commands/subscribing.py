"""The commands for who gets what: the file's, and what is set by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from emailketing.commands import named
from emailketing.commands.checking import checked, raise_all, who_gets_what
from emailketing.console import NOTE, as_json, by, command, print_json, table
from emailketing.errors import OperationsError, nearest
from emailketing.model import Kind, Mailing, Subscribed, Subscription

if TYPE_CHECKING:
    from emailketing.audience import Audience


@click.group(short_help="Who gets what: the file's, and what is set here.")
def subscriptions() -> None:
    """Who gets what: what include/subscriptions.yaml provides, and what is set here, in the outbox's database.

    What is set here takes the place of what the file says of the same mailing, channel and address.
    """


_email = click.option("--email", default="", help="The e-mail address.")
_phone = click.option("--phone", default="", help="The phone number, as +595981123456.")


@subscriptions.command("list")
@click.option("--mailing", help="Only this mailing.")
@as_json
@command
def list_subscriptions(mailing: str | None, as_json: bool) -> None:
    """Who gets each mailing, why, and what is switched off."""
    from emailketing import wiring

    who = wiring.audience().now()
    names = [mailing] if mailing else sorted({*named.mailings(()), *_set_here(who)})
    places = [place for name in names for place in _places(who, name)]
    if as_json:
        print_json(map(asdict, places))
        return
    for name in names:
        if off := who.off(name):
            click.echo(f"{NOTE} {name}: {off}")
    where = [json.dumps(each.where, ensure_ascii=False) if each.where else "" for each in places]
    table(
        ["mailing", "channel", "address", "name", "language", "only where", "stands", "because"],
        [
            [each.mailing, each.channel, each.address, each.name, each.language, only, each.stands, each.because]
            for each, only in zip(places, where, strict=True)
        ],
    )


@dataclass(frozen=True)
class _Place:
    """A line of `subscriptions list`."""

    mailing: str
    channel: str
    address: str
    name: str
    language: str
    where: dict[str, Any]
    stands: str  # on; off; replaced: the database has another in its place; mailing off
    because: str
    options: dict[str, Any]


def _places(who: Audience, mailing: str) -> Iterator[_Place]:
    from emailketing import audience

    off = "mailing off" if who.off(mailing) else ""
    for channel in audience.CHANNELS:
        heeded = who.members(mailing, channel)
        for each in [*heeded, *(other for other in who.provided(mailing, channel) if other not in heeded)]:
            set_here = who.stored(mailing, channel, each.address)
            stands = "on" if each in heeded else "replaced" if set_here and set_here.on else "off"
            about = (mailing, channel, each.address, each.name, each.language, each.filter.plain())
            yield _Place(*about, off or stands, each.because, dict(each.options))
        for row in who.subscribed.subscriptions:
            if (row.mailing, row.channel, row.on) == (mailing, channel, False) and row.where is not None:
                about = (mailing, channel, row.address, row.name, row.language, dict(row.where))
                yield _Place(*about, off or "off", f"subscription by the outbox, set by {row.by}", dict(row.options))


def _set_here(who: Audience) -> set[str]:
    subscribed = who.subscribed
    return {each.mailing for each in subscribed.subscriptions} | {each.mailing for each in subscribed.switches}


@subscriptions.command()
@click.argument("mailing")
@_email
@_phone
@click.option("--name", default="", help="Who it is.")
@click.option("--language", default="", help="In which language; the company's when not given.")
@click.option("--where", default="{}", help="Only such documents: '{branch: \"001\", total: {at_least: 5000000}}'.")
@click.option("--options", default="{}", help="Further options, as a mapping.")
@by
@command
def add(mailing: str, email: str, phone: str, by: str, **about: str) -> None:
    """Subscribe an address to a mailing, or change its subscription."""
    from emailketing import audience, road, wiring

    (declared,) = named.mailings([mailing]).values()
    who = wiring.audience().now()
    declared = who.settled(declared)
    where, options = audience.filter_of(about["where"]), audience.options_of(about["options"])
    language = audience.usable_language(about["language"])
    for channel, address in _addresses(email, phone):
        if channel not in declared.channels:
            raise click.BadParameter(f"{mailing} does not go by {channel}, only by {' and '.join(declared.channels)}.")
        known = who.stored(mailing, channel, address)
        place = Subscription(mailing, channel, known.address if known else address, about["name"], language)
        place = replace(place, where=where.plain(), options=options)
        _check_place(declared, place)
        wiring.outbox().subscribe(place, by, road.utc_now())
        click.echo(f"{address} gets {mailing} by {channel}{_instead(who, place)}")


def _check_place(declared: Mailing, place: Subscription) -> None:
    """Refuse what a subscription wants and cannot have; of reports tell an hour at which nobody looks."""
    from emailketing import audience, road, wiring
    from emailketing.commands import reports
    from emailketing.report.declaration import ReportMailing

    if isinstance(declared, ReportMailing):
        for notice in reports.subscribed(declared, place):
            click.echo(f"{NOTE} {notice}")
    elif place.where:
        raise_all(road.check_filters(wiring.erp(), declared, audience.Audience(subscribed=Subscribed((place,)))))


def _instead(who: Audience, place: Subscription) -> str:
    """What of the file a subscription takes the place of, in words."""
    others = [each for each in who.provided(place.mailing, place.channel) if _same(each.address, place.address)]
    return f", in the place of {' and '.join(each.because for each in others)}" if others else ""


@subscriptions.command(short_help="Forget what was set here of an address.")
@click.argument("mailing")
@_email
@_phone
@command
def remove(mailing: str, email: str, phone: str) -> None:
    """Forget what was set here of an address; what the file says of it, if anything, holds again."""
    from emailketing import wiring

    who = wiring.audience().now()
    for channel, address in _addresses(email, phone):
        known = who.stored(mailing, channel, address)
        if known is None:
            raise _no_place(who, mailing, channel, address)
        wiring.outbox().unsubscribe(mailing, channel, known.address)
        told = [each.because for each in who.provided(mailing, channel) if _same(each.address, address)]
        click.echo(f"removed; {address} gets {mailing} by {' and '.join(told)}" if told else "removed")


@subscriptions.command("on")
@click.argument("mailing")
@_email
@_phone
@by
@command
def switch_on(mailing: str, email: str, phone: str, by: str) -> None:
    """Switch a mailing on, or with an address that one alone."""
    _switch(mailing, _addresses(email, phone) if email or phone else [], True, by)


@subscriptions.command("off")
@click.argument("mailing")
@_email
@_phone
@by
@command
def switch_off(mailing: str, email: str, phone: str, by: str) -> None:
    """Switch a mailing off, or with an address that one alone.

    Of what is saved while a mailing is off nobody is told, not even when it is on again. What waits in the outbox
    already is sent all the same.
    """
    _switch(mailing, _addresses(email, phone) if email or phone else [], False, by)


def _switch(mailing: str, addresses: Sequence[tuple[str, str]], on: bool, by: str) -> None:
    from emailketing import road, wiring

    outbox, now = wiring.outbox(), road.utc_now()
    stands = "on" if on else "off"
    if not addresses:
        (declared,) = named.mailings([mailing])
        outbox.switch(declared, on, by, now)
        click.echo(f"{declared} is {stands}")
    who = wiring.audience().now()
    for channel, address in addresses:
        known = who.stored(mailing, channel, address)
        provided = [each for each in who.provided(mailing, channel) if _same(each.address, address)]
        if known is None and not provided:
            raise _no_place(who, mailing, channel, address)
        if known and known.where is None and on:
            outbox.unsubscribe(mailing, channel, known.address)
        elif known:
            outbox.subscribe(replace(known, on=on), by, now)
        elif not on:
            name, language = provided[0].name, provided[0].language
            outbox.subscribe(Subscription(mailing, channel, address, name, language, on=False), by, now)
        click.echo(f"{mailing} to {address} by {channel} is {stands}")


def _no_place(who: Audience, mailing: str, channel: str, address: str) -> OperationsError:
    provided = [each for each in who.provided(mailing, channel) if _same(each.address, address)]
    if provided:
        return OperationsError(
            f"{address} gets {mailing} by {provided[0].because}, and nothing is set here.",
            hint=f"Delete it there, or: bin/emailketing subscriptions off {mailing} --{channel} {address}",
        )
    known = [each.address for each in who.members(mailing, channel)]
    return OperationsError(f"{address} does not subscribe to {mailing} by {channel}.", hint=nearest(address, known))


def _addresses(email: str, phone: str) -> list[tuple[str, str]]:
    from emailketing import audience, wiring

    given = [(channel, raw) for channel, raw in (("email", email), ("phone", phone)) if raw]
    if not given:
        raise click.UsageError("--email or --phone must name the address.")
    try:
        return [(channel, audience.usable(channel, raw, wiring.region())) for channel, raw in given]
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


@subscriptions.command("check", short_help="Tell what is wrong with who gets what.")
@command
def check_subscriptions() -> None:
    """Tell what is wrong with who gets what: names, addresses, channels, filters against the live ERP."""
    from emailketing import road, wiring

    declared = named.mailings(())
    problems = checked("who gets what", lambda: who_gets_what(list(declared.values())))
    for mailing in declared.values():
        if mailing.kind is not Kind.NOTIFICATION:
            continue
        who = wiring.audience().now()
        columns = partial(road.check_filters, wiring.erp(), who.settled(mailing), who)
        problems += checked(f"filters of {mailing.name}", lambda: raise_all(columns()))  # noqa: B023 called at once
    if problems:
        raise click.ClickException(f"{len(problems)} of the above must be mended.")


COMMANDS = (subscriptions,)
