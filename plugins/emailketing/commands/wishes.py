"""The command line about wishes: who must not be written to, who consented, and everything that was said of either."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from emailketing.console import OK, as_json, by, cell, command, print_json, table, why
from emailketing.errors import OperationsError, SettingsError
from emailketing.model import ASKS_CONSENT, Kind, Wish

if TYPE_CHECKING:
    from emailketing.audience import Leaving
    from emailketing.outbox import Choice

_ALL = "all"
_ADVERTISING = sorted(kind.value for kind in ASKS_CONSENT)

_who = click.argument("who", metavar="ADDRESS|TOKEN")
_address = click.argument("address", required=False)


def _kinds(known: Sequence[str], help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--kind", "kinds", multiple=True, type=click.Choice([*known, _ALL]), help=help_text)


@click.command(short_help="Never write to an address again.")
@_who
@_kinds(
    [kind.value for kind in Kind],
    "Of which mailings; a token's own kind, or for an address campaign and greeting, when not given.",
)
@why
@by
@command
def suppress(who: str, kinds: Sequence[str], why: str, by: str) -> None:
    """Never write to an address again by a kind of mailings, from the next message on.

    ADDRESS is an e-mail address or a phone number; TOKEN is what stands in a mail's link for leaving. What waits is
    ended. Documents (kind notification) still go there unless they are named, or all.
    """
    from emailketing import road, wiring

    leaving, now = _read(who), road.utc_now()
    for kind in kinds or ([leaving.kind] if leaving.kind else _ADVERTISING):
        ended = wiring.outbox().suppress(Wish(leaving.address, kind, now, by, why))
        click.echo(f"{OK} {leaving.address} gets no more {_mailings(kind)}{_ended(ended)}")


@click.command(short_help="Allow a suppressed address to be written to again.")
@_who
@_kinds([kind.value for kind in Kind], "Of which mailings; all that the address is suppressed for when not given.")
@why
@by
@command
def unsuppress(who: str, kinds: Sequence[str], why: str, by: str) -> None:
    """Allow an address that was suppressed to be written to again. What was ended stays ended."""
    from emailketing import road, wiring

    address, now = _read(who).address, road.utc_now()
    standing = [wish.kind for wish in wiring.outbox().suppressions(address)]
    for kind in kinds or standing or [_ALL]:
        if kind not in standing:
            there = f"It is suppressed for: {', '.join(standing)}." if standing else "It is not suppressed at all."
            raise OperationsError(f"{address} is not suppressed for {kind}.", hint=there)
        wiring.outbox().unsuppress(Wish(address, kind, now, by, why))
        click.echo(f"{OK} {address} may get {_mailings(kind)} again{_only_with_consent(kind)}")


@click.command(short_help="The addresses that must not be written to.")
@_address
@click.option("--history", is_flag=True, help="Everything that was ever said, consents included.")
@as_json
@command
def suppressed(address: str | None, history: bool, as_json: bool) -> None:
    """The addresses that must not be written to, newest first; or what concerns one ADDRESS."""
    from emailketing import wiring

    wanted = _read(address).address if address else None
    if history:
        _print_choices(wiring.outbox().choices(wanted), as_json)
        return
    wishes = wiring.outbox().suppressions(wanted)
    if as_json:
        print_json(map(asdict, wishes))
        return
    table(
        ["address", "kind", "since (UTC)", "source", "reason"],
        [[each.address, each.kind, cell(each.at), each.source, each.reason] for each in wishes],
    )


@click.group(short_help="Consents that people gave or withdrew outside the ERP.")
def consent() -> None:
    """Consents to advertising and greetings that people gave, or withdrew, outside the ERP."""


@consent.command()
@_who
@_kinds(_ADVERTISING, "To which mailings; campaign and greeting when not given.")
@click.option("--source", required=True, help="Where the person gave it: 'form at the counter, Luque'.")
@click.option("--why", default="", help="What else there is to say.")
@by
@command
def give(who: str, kinds: Sequence[str], source: str, why: str, by: str) -> None:
    """Keep a consent that a person gave outside the ERP."""
    from emailketing import road, wiring

    address, now, outbox = _read(who).address, road.utc_now(), wiring.outbox()
    for kind in kinds or _ADVERTISING:
        outbox.allow(Wish(address, kind, now, source, _noted(why, by)))
        click.echo(f"{OK} {address} consents to {_mailings(kind)}")
    for kind, reason in _still_suppressed(address, kinds or _ADVERTISING):
        click.echo(f"  but {reason}; bin/emailketing unsuppress {address} --kind {kind} --why …", err=True)


@consent.command()
@_who
@_kinds(_ADVERTISING, "To which mailings; a token's own kind, or campaign and greeting, when not given.")
@click.option("--source", required=True, help="How the person said so: 'by phone'.")
@click.option("--why", default="", help="What else there is to say.")
@by
@command
def withdraw(who: str, kinds: Sequence[str], source: str, why: str, by: str) -> None:
    """Keep that a person withdrew a consent, whoever had noted it. What waits is ended.

    It wins over the ERP's consent, until the ERP notes one that is newer. For ever is `suppress`.
    """
    from emailketing import road, wiring

    leaving, now = _read(who), road.utc_now()
    own = [leaving.kind] if leaving.kind in {*_ADVERTISING, _ALL} else _ADVERTISING
    for kind in kinds or own:
        ended = wiring.outbox().withdraw(Wish(leaving.address, kind, now, source, _noted(why, by)))
        click.echo(f"{OK} {leaving.address} no longer consents to {_mailings(kind)}{_ended(ended)}")


@consent.command("list", short_help="What people said of their consent outside the ERP.")
@_address
@as_json
@command
def list_consents(address: str | None, as_json: bool) -> None:
    """What people said of their consent outside the ERP: the last word of each. `suppressed --history` has all."""
    from emailketing import wiring

    _print_choices(wiring.outbox().consents(_read(address).address if address else None), as_json)


#: What the command line as a whole takes in.
COMMANDS = (suppress, unsuppress, suppressed, consent)


def _read(who: str) -> Leaving:
    """An address in its normal form, or what a token says; of a bare address the kind is ''."""
    from emailketing import audience, wiring

    try:
        if "@" in who:
            return audience.Leaving(audience.usable("email", who.strip()), "")
        if audience.looks_like_a_token(who.strip()):
            return wiring.door().read(who)
        return audience.Leaving(audience.usable("phone", who, wiring.region()), "")
    except ValueError as problem:
        hint = "Give an e-mail address, a phone number, or the token of a link for leaving."
        raise click.BadParameter(f"{problem} {hint}", param_hint="ADDRESS|TOKEN") from None
    except SettingsError as problem:
        raise SettingsError(f"The token cannot be read: {problem.args[0]}", hint=problem.hint) from None


def _still_suppressed(address: str, kinds: Iterable[str]) -> list[tuple[str, str]]:
    """The suppressions that stand in the way of a consent: the kind under which each is kept, and the reason."""
    from emailketing import wiring
    from emailketing.outbox import told

    wishes = wiring.outbox().suppressions(address)
    return [(wish.kind, told(wish)) for wish in wishes if wish.kind in {*kinds, _ALL} or _ALL in kinds]


def _print_choices(choices: Sequence[Choice], as_json: bool) -> None:
    if as_json:
        print_json({"act": each.act, **asdict(each.wish)} for each in choices)
        return
    rows = [(each.act, each.wish) for each in choices]
    table(
        ["at (UTC)", "address", "act", "kind", "source", "reason"],
        [[cell(wish.at), wish.address, act, wish.kind, wish.source, wish.reason] for act, wish in rows],
    )


def _mailings(kind: str) -> str:
    return "mailings of any kind" if kind == _ALL else f"mailings of kind {kind}"


def _ended(count: int) -> str:
    return f"; {count} waiting {'message' if count == 1 else 'messages'} ended" if count else "; none was waiting"


def _only_with_consent(kind: str) -> str:
    return ", with a consent" if kind in {*_ADVERTISING, _ALL} else ""


def _noted(why: str, by: str) -> str:
    return f"{why}{'; ' if why else ''}noted by {by}"
