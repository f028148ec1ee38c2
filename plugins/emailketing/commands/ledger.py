"""The commands for the ledger: every message, its state, its history, and what a person may do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emailketing.console import as_json, by, cell, command, print_json, table, why
from emailketing.errors import OperationsError
from emailketing.model import Lane, State

if TYPE_CHECKING:
    from emailketing.outbox import Row


@click.group(short_help="The ledger: every message, its state, its history.")
def outbox() -> None:
    """The ledger: every message, its state, its history, and what a person may do about it.

    A KEY is a message's key or its number, as `outbox list` shows them.
    """


@outbox.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice([state.value for state in State]))
@click.option("--mailing", help="Only this mailing.")
@click.option("--document", help="Only this document.")
@click.option("--address", help="Only this address.")
@click.option("--since", type=click.DateTime(), help="Created at or after this time (UTC).")
@click.option("--until", type=click.DateTime(), help="Created before this time (UTC).")
@click.option("--limit", type=click.IntRange(1), default=None, help="At most so many; 100 in a table, all as JSON.")
@as_json
@command
def list_messages(states: Sequence[str], as_json: bool, limit: int | None, **filters: Any) -> None:
    """Messages, the newest first."""
    from emailketing import wiring
    from emailketing.outbox import Filter

    times = {name: filters.pop(name) for name in ("since", "until")}
    filters |= {name: at.replace(tzinfo=UTC) if at else None for name, at in times.items()}
    limit = limit or (None if as_json else 100)
    rows = wiring.outbox().messages(Filter(states=tuple(map(State, states)), **filters), limit=limit)
    if as_json:
        print_json(map(asdict, rows))
    else:
        table(
            ["no.", "created (UTC)", "state", "tries", "key", "reason"],
            [[str(r.id), f"{r.created_at:%Y-%m-%d %H:%M:%S}", r.state, str(r.attempts), r.key, r.reason] for r in rows],
        )


@outbox.command()
@click.argument("key")
@click.option("--eml", type=click.Path(dir_okay=False, path_type=Path), help="Also write the frozen bytes here.")
@as_json
@command
def show(key: str, eml: Path | None, as_json: bool) -> None:
    """One message, with all that is known of it."""
    from emailketing import road, wiring

    row = _standing(key)
    if as_json:
        print_json([asdict(row)])
    else:
        for name, value in asdict(row).items():
            click.echo(f"{name:>16}  {'' if value is None else value}")
    if eml:
        eml.write_bytes(road.wire(wiring.outbox(), row.key))
        click.echo(f"written to {eml}", err=True)


def _standing(key: str) -> Row:
    from emailketing import wiring

    row = wiring.outbox().message(key)
    if row is None:
        raise OperationsError(f"There is no message {key} in the outbox.", hint="`outbox list` shows numbers and keys.")
    return row


@outbox.command()
@click.argument("key")
@as_json
@command
def history(key: str, as_json: bool) -> None:
    """Every change of a message's state, with time and cause."""
    from emailketing import wiring

    changes = wiring.outbox().history(_standing(key).key)
    if as_json:
        print_json(map(asdict, changes))
    else:
        table(
            ["at (UTC)", "from", "to", "cause", "detail"],
            [[f"{c.at:%Y-%m-%d %H:%M:%S.%f}", c.from_state or "", c.to_state, c.cause, c.detail] for c in changes],
        )


@outbox.command(short_help="What waits in each lane, and which are paused.")
@as_json
@command
def lanes(as_json: bool) -> None:
    """The lanes: what waits in each, and which are paused because their server is down.

    A paused lane goes on by itself; `deliver --now` does not wait.
    """
    rows = [asdict(standing) for standing in _lanes()]
    if as_json:
        print_json(rows)
    else:
        table(
            ["channel", "lane", "stands", "queued", "failures", "since (UTC)", "until (UTC)", "last failure"],
            [[cell(value) for value in row.values()] for row in rows],
        )


@dataclass(frozen=True)
class _LaneStanding:
    channel: str
    lane: Lane
    stands: str  # open; failing: not often enough for a pause; paused; trying: it is over, one message goes first
    queued: int
    failures: int = 0
    since: datetime | None = None
    until: datetime | None = None
    reason: str = ""


def _lanes() -> list[_LaneStanding]:
    from emailketing import road, tasks, wiring

    now, queued = road.utc_now(), wiring.outbox().queued()
    pauses = {(pause.channel, pause.lane): pause for pause in wiring.outbox().pauses()}
    known = dict.fromkeys((channel, lane) for channel in tasks.CHANNELS for lane in Lane)
    found = []
    for channel, lane in {**known, **dict.fromkeys(queued), **dict.fromkeys(pauses)}:
        waiting, pause = queued.get((channel, lane), 0), pauses.get((channel, lane))
        if pause is None:
            found.append(_LaneStanding(channel, lane, "open", waiting))
            continue
        stands = "paused" if pause.holds(now) else "trying" if pause.until else "failing"
        about = (pause.failures, pause.since, pause.until, pause.reason)
        found.append(_LaneStanding(channel, lane, stands, waiting, *about))
    return found


@outbox.command(short_help="Send a message again, byte for byte, or all that failed.")
@click.argument("key", required=False)
@click.option("--mailing", default="", help="All that failed of this mailing, in the place of a key.")
@click.option("--edition", default="", help="Of a campaign: only this edition, such as 2026-W48.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([State.REFUSED.value, State.EXPIRED.value, State.CANCELLED.value]),
    help="What counts as failed; refused when not given.",
)
@why
@by
@command
def resend(key: str | None, mailing: str, edition: str, states: Sequence[str], why: str, by: str) -> None:
    """Send a message again, byte for byte, with the same Message-ID; or all that failed of a mailing, no others."""
    from emailketing import road, wiring
    from emailketing.commands import campaigns

    if bool(key) is bool(mailing):
        raise click.UsageError("Name either a KEY or --mailing.")
    if not key:
        failed = [State(each) for each in states] or [State.REFUSED]
        count, left = campaigns.resend(mailing, edition, failed, by, why)
        if count or not left:
            click.echo(f"{count} queued again; the next delivery sends them" if count else "nothing of it failed")
        if left:
            click.echo("\n".join([f"{len(left)} left as they are:", *left]))
        return
    wiring.outbox().resend(_standing(key).key, by, why, road.utc_now())
    click.echo("queued again; the next delivery sends it")


@outbox.command()
@click.argument("key")
@why
@by
@command
def cancel(key: str, why: str, by: str) -> None:
    """Take a message back that was not sent yet."""
    from emailketing import road, wiring

    wiring.outbox().cancel(_standing(key).key, by, why, road.utc_now())
    click.echo("cancelled")


@outbox.command(short_help="Settle an unknown message: sent, resend or drop.")
@click.argument("key")
@click.argument("verdict", type=click.Choice(["sent", "resend", "drop"]))
@why
@by
@command
def settle(key: str, verdict: str, why: str, by: str) -> None:
    """Settle an unknown message: it was sent after all, is to be sent again, or is dropped."""
    from emailketing import road, wiring
    from emailketing.outbox import Verdict

    wiring.outbox().settle_unknown(_standing(key).key, Verdict(verdict), by, why, road.utc_now())
    click.echo(_standing(key).state)


COMMANDS = (outbox,)
