"""The commands that do by hand what the DAGs do: look at the ERP, send what is due; and tell of a restored ERP."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from emailketing import settings
from emailketing.commands import named
from emailketing.console import Problem, cell, command, table
from emailketing.errors import AuthoringError, OperationsError
from emailketing.model import Kind, Lane, Outcome

if TYPE_CHECKING:
    from emailketing.model import Claim, Receipt


@click.command(short_help="Put a message into the outbox for every new document.")
@click.argument("names", nargs=-1, metavar="[MAILING]...")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="On a mailing's first look, begin with documents changed since then (UTC) instead of now.",
)
@command
def sweep(names: Sequence[str], since: datetime | None) -> None:
    """Look at the ERP once and put a message into the outbox for every new document.

    Documents saved a moment ago are looked at again when they have stood still, for ten seconds at the most. The first
    look at a mailing takes what is there as history and sends nothing. Sweeping again is always safe.
    """
    from emailketing import road, tasks, wiring

    sweeper = wiring.sweeper()
    begin = since.replace(tzinfo=UTC) if since else None
    authors: list[str] = []
    alarms: list[str] = []
    for swept in road.sweep_out(sweeper, named.mailings(names, [Kind.NOTIFICATION]).values(), begin):
        click.echo(f"{swept.mailing}: {tasks.told(swept)}")
        if begin and not swept.first_look:
            click.echo("  --since was not used: this mailing has looked before", err=True)
        authors += [*swept.held, *swept.problems]
        alarms += swept.alarms
    problems = [*map(AuthoringError, dict.fromkeys(authors)), *map(OperationsError, alarms)]
    for problem in problems:
        Problem(problem).show()
    if problems:
        sys.exit(1)


@click.command(short_help="Put the scheduled reports that are due into the outbox.")
@click.argument("names", nargs=-1, metavar="[REPORT]...")
@click.option(
    "--period", default="", help="Tell 2026-10, 2026-W48 … to all who get it in that cadence, not what is due."
)
@command
def look(names: Sequence[str], period: str) -> None:
    """Look once at the scheduled reports, and put into the outbox what is due since the last look.

    Who has a report already does not get it again; looking again is always safe.
    """
    from emailketing.commands import reports

    authors: list[str] = []
    for mailing in named.mailings(names, [Kind.REPORT]).values():
        said, problems = reports.look(reports.as_report(mailing, mailing.name), period)
        click.echo(f"{mailing.name}: {said}")
        authors += problems
    for problem in dict.fromkeys(authors):
        Problem(AuthoringError(problem)).show()
    if authors:
        sys.exit(1)


@click.command(short_help="Send what is due in the outbox.")
@click.option("--lane", type=click.Choice([lane.value for lane in Lane]), help="Only this lane.")
@click.option("--connections", type=click.IntRange(1, 50), help="Connections side by side, for each channel.")
@click.option("--until-empty", is_flag=True, help="Go on, waiting for retries, until nothing happens by itself.")
@click.option("--now", is_flag=True, help="Try once even where a lane is paused because its server was down.")
@command
def deliver(lane: str | None, connections: int | None, until_empty: bool, now: bool) -> None:
    """Send what is due in the outbox, after settling what a dead delivery left behind."""
    from emailketing import road, wiring

    outbox, carrier = wiring.outbox(), wiring.carrier(_tell)
    side_by_side = connections or settings.load().delivery.connections
    total = road.Delivered()
    said = ""
    while True:
        house = road.keep_house(outbox, wiring.backoff(), road.utc_now())
        done = road.deliver(carrier, Lane(lane) if lane else None, side_by_side, heed_pauses=not now)
        total.outcomes.update(done.outcomes)
        if house["rescued"]:
            click.echo(f"settled by their policy, after a delivery died: {house['rescued']}")
        if not until_empty or not outbox.unfinished(Lane(lane) if lane else None):
            break
        if done.down not in ("", said):
            said = done.down
            click.echo(said)
        now = False
        time.sleep(1.0)
    if told := ", ".join(f"{count} {outcome}" for outcome, count in total.outcomes.items()):
        click.echo(told)
    elif not done.down:
        click.echo("nothing was due")
    _tell_leased()
    if done.down:
        raise Problem(OperationsError(done.down))


def _tell(claim: Claim, receipt: Receipt) -> None:
    if receipt.outcome is not Outcome.ACCEPTED:
        click.echo(f"{claim.key}: {receipt.outcome}: {receipt.code or ''} {receipt.reason}")


def _tell_leased() -> None:
    """Say what another delivery holds: it may be at work, or dead, and then nothing need be done but wait."""
    from emailketing import road, wiring

    held = wiring.outbox().leased(road.utc_now())
    if held.count:
        click.echo(
            f"{held.count} more are in the hands of another delivery; should it be dead, they go on by themselves "
            f"after {held.until:%H:%M:%S} UTC"
        )


@click.command(short_help="The ERP was restored from a backup: tell what follows.")
@click.argument("names", nargs=-1, metavar="[MAILING]...")
@click.option("--since", type=click.DateTime(), help="To which time the ERP was taken back, in its own timezone.")
@click.option("--at", type=click.DateTime(), help="When people went on working in it, in its own timezone; now if not.")
@command
def restored(names: Sequence[str], since: datetime | None, at: datetime | None) -> None:
    """The ERP was restored from a backup: tell what is saved in it since, even under numbers that were told before.

    Give --since a little earlier than the backup. Without it, the restores that are known are listed.
    """
    from emailketing import road, wiring

    mailings, outbox = named.mailings(names, [Kind.NOTIFICATION]), wiring.outbox()
    if since is None:
        known = [(name, one) for name in mailings for one in outbox.epochs(name)[1:]]
        rows = [[name, str(one.number), cell(one.since), cell(one.at)] for name, one in known]
        table(["mailing", "restore", "back to (UTC)", "at (UTC)"], rows)
        return
    now, zone = road.utc_now(), wiring.erp().zone
    back, until = since.replace(tzinfo=zone).astimezone(UTC), at.replace(tzinfo=zone).astimezone(UTC) if at else now
    if not back < until <= now:
        raise click.BadParameter("--since has to be before --at, and --at not in the future.")
    for name in mailings:
        noted = outbox.restored(name, back, until, now)
        click.echo(
            f"{name}: {'noted; the next sweep reads from there' if noted else 'has never looked: nothing to do'}"
        )


COMMANDS = (sweep, look, deliver, restored)
