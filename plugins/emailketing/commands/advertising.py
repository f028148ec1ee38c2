"""The commands for campaigns: what they ask; `commands.campaigns`, which takes seconds to import, does it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

import click

from emailketing.commands import greetings
from emailketing.console import Problem, as_json, by, command
from emailketing.errors import AuthoringError

_day = click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), help="As if it were this day, by the company's calendar; today if not."
)


@click.command(short_help="Put the day's edition of campaigns into the outbox.")
@click.argument("names", nargs=-1, required=True, metavar="CAMPAIGN...")
@_day
@command
def campaign(names: Sequence[str], day: datetime | None) -> None:
    """Put the edition of the day into the outbox, for all who have it not yet; `deliver` sends it.

    Doing it again is always safe. `dry-run` shows before what will happen.
    """
    from emailketing.commands import campaigns

    problems = campaigns.put(names, day)
    for problem in problems:
        Problem(AuthoringError(problem)).show()
    if problems:
        sys.exit(1)


@click.command("dry-run", short_help="Who would get a campaign or greeting, who not, and why.")
@click.argument("name", metavar="MAILING")
@_day
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="People shown in the table.")
@click.option("--seed", "seeds", multiple=True, help="Send a copy of each different mail to this address, now.")
@click.option("--no-links", "offline", is_flag=True, help="Do not try the links of its mails (no internet here).")
@as_json
@command
def dry_run(name: str, day: datetime | None, limit: int, seeds: Sequence[str], offline: bool, as_json: bool) -> None:
    """Who would get a campaign's edition or a greeting, who would not, and why. Nothing is sent.

    Of a campaign also what is wrong with its mails, and whether their links lead anywhere: each is asked once, except
    those that are one reader's own. With --seed a copy of each mail goes straight to that address,
    marked as a test. The outbox keeps nothing of it.
    """
    if greeting := greetings.named(name):
        if seeds:
            raise click.BadParameter("--seed is for campaigns; `send-test` sends a greeting to oneself.")
        greetings.rehearse(greeting, day, limit, as_json)
        return
    from emailketing.commands import campaigns

    if as_json:
        campaigns.print_plan(name, day)
    elif not campaigns.show_plan(name, day, limit, seeds, links=not offline):
        raise click.ClickException("The mails must be mended before anybody gets them.")


@click.command(short_help="Whose a coupon is, and whether it is good; take it.")
@click.argument("code")
@click.option("--use", is_flag=True, help="Take it: it is good for one use.")
@by
@as_json
@command
def coupon(code: str, use: bool, by: str, as_json: bool) -> None:
    """Whose a coupon is, of which campaign, until when it is valid, and whether it was used."""
    from emailketing.commands import campaigns

    if not campaigns.show_coupon(code, use, by, as_json):
        sys.exit(1)


@click.command(short_help="What came of an edition of a campaign.")
@click.argument("name", metavar="CAMPAIGN")
@click.option("--edition", default="", help="Which one, such as 2026-11; the latest of each cadence when not given.")
@as_json
@command
def results(name: str, edition: str, as_json: bool) -> None:
    """What came of an edition of a campaign: who got it, who left, coupons used.

    Where it is counted, also how many persons opened it, and which links they followed.
    """
    from emailketing.commands.results import show

    show(name, edition, as_json)


COMMANDS = (campaign, dry_run, coupon, results)
