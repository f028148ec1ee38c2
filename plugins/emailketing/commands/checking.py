"""The command that tells what is wrong before it matters."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from emailketing import settings
from emailketing.commands import greetings, named
from emailketing.console import BAD, NOTE, OK, command
from emailketing.errors import AuthoringError, EmailketingError, OperationsError, SettingsError
from emailketing.greetings import Greeting
from emailketing.model import ASKS_CONSENT, Campaign, Kind, Mailing

if TYPE_CHECKING:
    from emailketing.audience import Audience


@click.command(short_help="Tell what is wrong before it matters.")
@click.argument("names", nargs=-1, metavar="[MAILING]...")
@command
def check(names: Sequence[str]) -> None:
    """Tell what is wrong before it matters: settings, DAG files, queries, templates and connections.

    Queries run (without sending anything) against the live ERP; templates are rendered with its newest document.
    """
    problems = [*checked("settings", settings.load)]
    if problems:
        raise click.ClickException("Nothing else was looked at, because the settings cannot be read.")
    _tell_misspelt_connections()
    problems += checked("company and sender", _identity)
    mailings: dict[str, Mailing] = {}
    problems += checked("DAG files", lambda: _declared_into(mailings))
    problems += checked("connection erp", _erp_answers)
    problems += checked("who gets what", lambda: who_gets_what(list(mailings.values())))
    chosen = named.chosen(mailings, names) if mailings else []  # what is wrong with the DAG files is told already
    for mailing in chosen:
        if isinstance(mailing, Greeting):
            problems += checked(f"greeting {mailing.name}", greetings.check(mailing))
        else:
            problems += checked(f"mailing {mailing.name}", _mailing_check(mailing))
    problems += checked("connection emailketing (outbox)", _outbox_counts)
    problems += checked("connection smtp", _mail_server)
    if any("phone" in mailing.ways for mailing in chosen):
        problems += checked("connection phone", _gateway)
    if any(mailing.kind in ASKS_CONSENT for mailing in chosen):
        problems += checked("connection unsubscribe", _door)
    if problems:
        raise click.ClickException(f"{len(problems)} of the above must be mended.")


def _tell_misspelt_connections() -> None:
    from emailketing import connections

    for wrong, meant in connections.misspelt(os.environ).items():
        click.echo(f"{NOTE} {wrong} is no Connection of eMailketing. Did you mean {meant!r}?")


def checked(what: str, act: Callable[[], object]) -> list[EmailketingError]:
    """Print whether `act` succeeds and what it says, or its error, which is given back too."""
    try:
        result = act()
    except EmailketingError as error:
        click.echo(f"{BAD} {what}\n  {str(error).replace(chr(10), chr(10) + '  ')}\n  This is for {error.who}.")
        return [error]
    click.echo(f"{OK} {what}{f': {result}' if isinstance(result, str) else ''}")
    return []


def _declared_into(mailings: dict[str, Mailing]) -> str:
    from emailketing import tasks

    found = tasks.declarations(settings.load().dags)
    mailings.update({mailing.name: mailing for mailing in found.mailings})
    if not mailings:
        raise SettingsError(
            f"No mailing is declared in {settings.load().dags}.",
            hint="docs/connect-your-erp.md has the line that declares one; EMAILKETING_DAGS names the folder.",
        )
    _tended(found.chores)
    return ", ".join(mailings)


def _tended(chores: Collection[str]) -> None:
    """Raise SettingsError where no DAG does the outbox's own tasks."""
    folder = settings.load().dags
    if "tend_outbox" not in chores:
        raise SettingsError(
            f"No DAG in {folder} tends the outbox: no campaign, report, greeting or retry ever leaves.",
            hint=f"Copy outbox.py and outbox_prune.py there from {settings.PROJECT / 'dags'}.",
        )
    if "prune" not in chores:
        raise SettingsError(
            f"No DAG in {folder} prunes the outbox: it grows for ever.",
            hint=f"Copy outbox_prune.py there from {settings.PROJECT / 'dags'}.",
        )


def _erp_answers() -> str:
    from emailketing import wiring

    with wiring.erp().reading():
        return "the database answers"


def _identity() -> str:
    chosen = settings.load()
    if not chosen.company.name or chosen.sender.address.endswith("@localhost"):
        raise SettingsError(
            "Nobody says in whose name messages go out.",
            hint=f"Set company.name and sender.address in {settings.settings_file()}.",
        )
    return f"{chosen.company.name} <{chosen.sender.address}>"


def _mailing_check(mailing: Mailing) -> Callable[[], str]:
    def act() -> str:
        from emailketing import road, wiring

        if mailing.kind is Kind.REPORT:
            return _report_check(mailing)
        if isinstance(mailing, Campaign):
            from emailketing.commands import campaigns

            return campaigns.checked(mailing)
        who = _audience_as_known()
        raise_all(road.check_mailing(wiring.erp(), wiring.renderer(), mailing, who))
        off = who.off(mailing.name)
        stands = f"{off}: nobody is told, and what is saved meanwhile is history; " if off else ""
        with wiring.erp().reading() as reader:
            undated = reader.undated(mailing.name)
        note = f"; {undated} rows have no changed_at and are never told" if undated else ""
        after = str(mailing.waits).removesuffix(", 0:00:00")
        waits = f"; it follows {after} after changed_at, where the query still gives the row"
        return f"{stands}query and templates hold against the ERP{waits if mailing.waits else ''}{note}"

    return act


def _report_check(mailing: Mailing) -> str:
    from emailketing.commands import reports

    return reports.checked(reports.as_report(mailing, mailing.name))


def _audience_as_known() -> Audience:
    """Who gets what, by the file alone while the outbox does not answer: that is told where it is checked itself."""
    from emailketing import wiring

    try:
        return wiring.audience().now()
    except OperationsError:
        return wiring.provided()


def raise_all(problems: Sequence[AuthoringError]) -> None:
    """Raise the problems as one, where there are any."""
    if problems:
        raise problems[0] if len(problems) == 1 else AuthoringError("\n".join(map(str, problems)))


def who_gets_what(mailings: Sequence[Mailing]) -> str:
    """Hold subscriptions against the mailings that are declared; notices are printed and stop nothing."""
    from emailketing import audience, wiring

    who = wiring.audience().now()
    faults = who.faults(mailings)
    for notice in faults.notices:
        click.echo(f"{NOTE} {notice}")
    raise_all(faults.errors)
    count = sum(len(who.members(mailing.name, channel)) for mailing in mailings for channel in audience.CHANNELS)
    return f"{count} copies and subscriptions of the mailings declared, by {who.provisioned.short} and the outbox"


def _outbox_counts() -> str:
    from emailketing import wiring

    return f"{sum(sum(states.values()) for states in wiring.outbox().counts().values())} messages"


def _mail_server() -> str:
    from emailketing import wiring

    with closing(wiring.email()) as channel:
        channel.open()
    return "the mail server greets and lets us in"


def _door() -> str:
    from emailketing import wiring

    counted = f"; of campaigns is counted: {meter.measuring}" if (meter := wiring.counting()) else ""
    return f"people leave {wiring.door()}{counted}"


def _gateway() -> str:
    from emailketing import wiring

    with closing(wiring.phone()) as channel:
        channel.open()
    return "apprise can use its URL" if not settings.load().phone.email_to_sms else "texts go by the mail server"


COMMANDS = (check,)
