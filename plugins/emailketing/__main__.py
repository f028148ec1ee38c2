"""The command line: everything that the DAGs do, by hand, without a running Airflow."""

from __future__ import annotations

import getpass
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emailketing import settings
from emailketing.errors import AuthoringError, EmailketingError, OperationsError, SettingsError, nearest
from emailketing.model import Content, Lane, Mailing, Outcome, Recipient, State

if TYPE_CHECKING:
    from emailketing.model import Claim, Receipt
    from emailketing.outbox import Row

OK, BAD = click.style("✓", fg="green"), click.style("✗", fg="red")


class Problem(click.ClickException):
    """An error of eMailketing, told on the command line to the one who must act."""

    exit_code = 1

    def __init__(self, error: EmailketingError) -> None:
        self.who = error.who
        super().__init__(str(error))

    def show(self, file: Any = None) -> None:
        """Print the error and who must act."""
        click.echo(f"{BAD} {self.format_message()}\n  This is for {self.who}.", err=True, file=file)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except EmailketingError as error:
        raise Problem(error) from error
    except OSError as error:
        if error.filename is None:
            raise
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error


def _command(function: Callable[..., Any]) -> Callable[..., Any]:
    """A command whose errors are told plainly, without a traceback."""

    @wraps(function)
    def told(*args: Any, **kwargs: Any) -> Any:
        with _told():
            return function(*args, **kwargs)

    return told


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("-v", "--verbose", is_flag=True, help="Log every step to standard error.")
def main(verbose: bool) -> None:
    """eMailketing: the ERP's automatic messages, by hand.

    Connections are Airflow Connections, read from the environment: AIRFLOW_CONN_ERP, AIRFLOW_CONN_SMTP and
    AIRFLOW_CONN_EMAILKETING (the outbox's database). EMAILKETING_INCLUDE and EMAILKETING_DAGS name other folders
    than include/ and dags/. No running Airflow is needed.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(levelname)s %(message)s")


@main.command()
@click.argument("names", nargs=-1, metavar="[MAILING]...")
@_command
def check(names: Sequence[str]) -> None:
    """Tell what is wrong before it matters: settings, DAG files, queries, templates and connections.

    Queries run (without sending anything) against the live ERP; templates are rendered with its newest document.
    """
    problems = [*_checked("settings", settings.load)]
    problems += _checked("company and sender", _identity)
    mailings: dict[str, Mailing] = {}
    problems += _checked("DAG files", lambda: _declared_into(mailings))
    problems += _checked("connection erp", _erp_answers)
    for mailing in _chosen(mailings, names):
        problems += _checked(f"mailing {mailing.name}", _mailing_check(mailing))
    problems += _checked("connection emailketing (outbox)", _outbox_counts)
    problems += _checked("connection smtp", _mail_server)
    if problems:
        raise click.ClickException(f"{len(problems)} of the above must be mended.")


def _checked(what: str, act: Callable[[], object]) -> list[EmailketingError]:
    try:
        result = act()
    except EmailketingError as error:
        click.echo(f"{BAD} {what}\n  {str(error).replace(chr(10), chr(10) + '  ')}\n  This is for {error.who}.")
        return [error]
    click.echo(f"{OK} {what}{f': {result}' if isinstance(result, str) else ''}")
    return []


def _declared_into(mailings: dict[str, Mailing]) -> str:
    mailings.update(_mailings(()))
    if not mailings:
        raise SettingsError(
            f"No mailing is declared in {settings.load().dags}.",
            hint="docs/connect-your-erp.md has the line that declares one; EMAILKETING_DAGS names the folder.",
        )
    return ", ".join(mailings)


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

        problems = road.check_mailing(wiring.erp(), wiring.renderer(), mailing)
        if problems:
            raise problems[0] if len(problems) == 1 else AuthoringError("\n".join(map(str, problems)))
        with wiring.erp().reading() as reader:
            undated = reader.undated(mailing.name)
        note = f"; {undated} rows have no changed_at and are never told" if undated else ""
        return f"query and templates hold against the ERP{note}"

    return act


def _outbox_counts() -> str:
    from emailketing import wiring

    return f"{sum(sum(states.values()) for states in wiring.outbox().counts().values())} messages"


def _mail_server() -> str:
    from emailketing import wiring

    channel = wiring.email()
    try:
        channel.open()
    finally:
        channel.close()
    return "the mail server greets and lets us in"


@main.command()
@click.argument("name", metavar="MAILING")
@click.option("--document", default="", help="Which document; the one that changed last when not given.")
@click.option("--language", default="", help="In which language; the recipient's when not given.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("var/preview"), show_default=True)
@_command
def preview(name: str, document: str, language: str, out: Path) -> None:
    """Render a mailing with a real document and write its parts as files; nothing is sent."""
    content, recipient = _rendered(name, document, language)
    out.mkdir(parents=True, exist_ok=True)
    for path in _written(content, out):
        click.echo(path)
    click.echo(f"{content.subject!r}, as {recipient.name or recipient.address} would get it")


def _rendered(name: str, document: str, language: str) -> tuple[Content, Recipient]:
    from emailketing import audience, road, wiring

    (mailing,) = _mailings([name]).values()
    event = road.newest_event(wiring.erp(), mailing, document)
    if event is None:
        raise OperationsError(f"The ERP has no document {document or 'at all'} for {name}.")
    recipient = audience.addressed_by_row(event.variables, "email")[0].recipient
    recipient = replace(recipient, language=language or recipient.language)
    return wiring.renderer().render(name, event.variables, recipient), recipient


def _written(content: Content, out: Path) -> Iterator[Path]:
    """Write a message's parts below `out`; pictures of the HTML part become files beside it."""
    html = content.html
    for attachment in content.attachments:
        path = out / attachment.filename
        path.write_bytes(attachment.data)
        if attachment.content_id:
            html = html.replace(f"cid:{attachment.content_id}", attachment.filename)
        yield path
    for filename, part in {
        "subject.txt": content.subject,
        "body.html": html,
        "text.txt": content.text,
        "phone.txt": content.phone,
    }.items():
        if part:
            path = out / filename
            path.write_text(part, encoding="utf-8")
            yield path


@main.command()
@click.argument("names", nargs=-1, metavar="[MAILING]...")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="On a mailing's first look, begin with documents changed since then (UTC) instead of now.",
)
@_command
def sweep(names: Sequence[str], since: datetime | None) -> None:
    """Look at the ERP once and put a message into the outbox for every new document.

    Documents saved a moment ago are looked at again when they have stood still, for ten seconds at the most. The first
    look at a mailing takes what is there as history and sends nothing. Sweeping again is always safe.
    """
    from emailketing import road, tasks, wiring

    sweeper = wiring.sweeper()
    begin = since.replace(tzinfo=UTC) if since else None
    problems: list[EmailketingError] = []
    for swept in road.sweep_out(sweeper, _mailings(names).values(), begin):
        click.echo(f"{swept.mailing}: {tasks.told(swept)}")
        if begin and not swept.first_look:
            click.echo("  --since was not used: this mailing has looked before", err=True)
        problems += [AuthoringError(problem) for problem in (*swept.held, *swept.problems)]
        problems += [OperationsError(alarm) for alarm in swept.alarms]
    for problem in problems:
        Problem(problem).show()
    if problems:
        sys.exit(1)


@main.command()
@click.option("--lane", type=click.Choice([lane.value for lane in Lane]), help="Only this lane.")
@click.option("--connections", type=click.IntRange(1, 50), help="SMTP connections side by side.")
@click.option("--until-empty", is_flag=True, help="Go on, waiting for retries, until nothing is queued.")
@click.option("--now", is_flag=True, help="Try once even where a lane is paused because the mail server was down.")
@_command
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
        if not until_empty or not _open(lane):
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


def _tell_leased() -> None:
    """Say what another delivery holds: it may be at work, or dead, and then nothing need be done but wait."""
    from emailketing import road, wiring

    held = wiring.outbox().leased(road.utc_now())
    if held.count:
        click.echo(
            f"{held.count} more are in the hands of another delivery; should it be dead, they go on by themselves "
            f"after {held.until:%H:%M:%S} UTC"
        )


@main.command()
@click.argument("names", nargs=-1, metavar="[MAILING]...")
@click.option("--since", type=click.DateTime(), help="To which time the ERP was taken back, in its own timezone.")
@click.option("--at", type=click.DateTime(), help="When people went on working in it, in its own timezone; now if not.")
@_command
def restored(names: Sequence[str], since: datetime | None, at: datetime | None) -> None:
    """The ERP was restored from a backup: tell what is saved in it since, even under numbers that were told before.

    Give --since a little earlier than the backup. Without it, the restores that are known are listed.
    """
    from emailketing import road, wiring

    mailings, outbox = _mailings(names), wiring.outbox()
    if since is None:
        known = [(name, one) for name in mailings for one in outbox.epochs(name)[1:]]
        rows = [[name, str(one.number), _cell(one.since), _cell(one.at)] for name, one in known]
        _table(["mailing", "restore", "back to (UTC)", "at (UTC)"], rows)
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


def _open(lane: str | None) -> bool:
    from emailketing import wiring
    from emailketing.outbox import Filter

    waiting = (State.QUEUED, State.SENDING)
    return bool(wiring.outbox().messages(Filter(states=waiting, lane=Lane(lane) if lane else None), limit=1))


def _tell(claim: Claim, receipt: Receipt) -> None:
    if receipt.outcome is not Outcome.ACCEPTED:
        click.echo(f"{claim.key}: {receipt.outcome}: {receipt.code or ''} {receipt.reason}")


@main.command("send-test")
@click.argument("name", metavar="MAILING")
@click.option("--to", required=True, help="The address that gets the test.")
@click.option("--document", default="", help="Which document; the one that changed last when not given.")
@click.option("--language", default="", help="In which language; the recipient's when not given.")
@_command
def send_test(name: str, to: str, document: str, language: str) -> None:
    """Send a mailing with a real document to an address of yours, marked as a test.

    It goes straight to the mail server and is not kept in the outbox.
    """
    from emailketing import road, wiring

    content, recipient = _rendered(name, document, language)
    receipt = road.send_test(
        wiring.email(), _mailings([name])[name], content, replace(recipient, address=to), settings.load().mail_sender()
    )
    click.echo(f"{receipt.outcome}: {receipt.code or ''} {receipt.reason}")
    if receipt.outcome is not Outcome.ACCEPTED:
        sys.exit(1)


@main.group()
def outbox() -> None:
    """The ledger: every message, its state, its history, and what a person may do about it.

    A KEY is a message's key or its number, as `outbox list` shows them.
    """


_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_why = click.option("--why", required=True, help="The reason; kept in the history.")
_by = click.option("--by", default=getpass.getuser, show_default="your login", help="Who decides.")


@outbox.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice([state.value for state in State]))
@click.option("--mailing", help="Only this mailing.")
@click.option("--document", help="Only this document.")
@click.option("--address", help="Only this address.")
@click.option("--since", type=click.DateTime(), help="Created at or after this time (UTC).")
@click.option("--until", type=click.DateTime(), help="Created before this time (UTC).")
@click.option("--limit", type=click.IntRange(1), default=None, help="At most so many; 100 in a table, all as JSON.")
@_json
@_command
def list_messages(states: Sequence[str], as_json: bool, limit: int | None, **filters: Any) -> None:
    """Messages, the newest first."""
    from emailketing import wiring
    from emailketing.outbox import Filter

    times = {name: filters.pop(name) for name in ("since", "until")}
    filters |= {name: at.replace(tzinfo=UTC) if at else None for name, at in times.items()}
    limit = limit or (None if as_json else 100)
    rows = wiring.outbox().messages(Filter(states=tuple(map(State, states)), **filters), limit=limit)
    if as_json:
        _print_json(map(asdict, rows))
    else:
        _table(
            ["no.", "created (UTC)", "state", "tries", "key", "reason"],
            [[str(r.id), f"{r.created_at:%Y-%m-%d %H:%M:%S}", r.state, str(r.attempts), r.key, r.reason] for r in rows],
        )


@outbox.command()
@click.argument("key")
@click.option("--eml", type=click.Path(dir_okay=False, path_type=Path), help="Also write the frozen bytes here.")
@_json
@_command
def show(key: str, eml: Path | None, as_json: bool) -> None:
    """One message, with all that is known of it."""
    from emailketing import road, wiring

    row = _standing(key)
    if as_json:
        _print_json([asdict(row)])
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
@_json
@_command
def history(key: str, as_json: bool) -> None:
    """Every change of a message's state, with time and cause."""
    from emailketing import wiring

    changes = wiring.outbox().history(_standing(key).key)
    if as_json:
        _print_json(map(asdict, changes))
    else:
        _table(
            ["at (UTC)", "from", "to", "cause", "detail"],
            [[f"{c.at:%Y-%m-%d %H:%M:%S.%f}", c.from_state or "", c.to_state, c.cause, c.detail] for c in changes],
        )


@outbox.command()
@_json
@_command
def lanes(as_json: bool) -> None:
    """The lanes: what waits in each, and which are paused because their server is down.

    A paused lane goes on by itself; `deliver --now` does not wait.
    """
    rows = [asdict(standing) for standing in _lanes()]
    if as_json:
        _print_json(rows)
    else:
        _table(
            ["channel", "lane", "stands", "queued", "failures", "since (UTC)", "until (UTC)", "last failure"],
            [[_cell(value) for value in row.values()] for row in rows],
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


@outbox.command()
@click.argument("key")
@_why
@_by
@_command
def resend(key: str, why: str, by: str) -> None:
    """Send a message again, byte for byte, with the same Message-ID."""
    from emailketing import road, wiring

    wiring.outbox().resend(_standing(key).key, by, why, road.utc_now())
    click.echo("queued again; the next delivery sends it")


@outbox.command()
@click.argument("key")
@_why
@_by
@_command
def cancel(key: str, why: str, by: str) -> None:
    """Take a message back that was not sent yet."""
    from emailketing import road, wiring

    wiring.outbox().cancel(_standing(key).key, by, why, road.utc_now())
    click.echo("cancelled")


@outbox.command()
@click.argument("key")
@click.argument("verdict", type=click.Choice(["sent", "resend", "drop"]))
@_why
@_by
@_command
def settle(key: str, verdict: str, why: str, by: str) -> None:
    """Settle an unknown message: it was sent after all, is to be sent again, or is dropped."""
    from emailketing import road, wiring
    from emailketing.outbox import Verdict

    wiring.outbox().settle_unknown(_standing(key).key, Verdict(verdict), by, why, road.utc_now())
    click.echo(_standing(key).state)


def _mailings(names: Sequence[str]) -> dict[str, Mailing]:
    from emailketing import tasks

    declared = tasks.declared(settings.load().dags)
    return {mailing.name: mailing for mailing in _chosen(declared, names)}


def _chosen(declared: dict[str, Mailing], names: Sequence[str]) -> list[Mailing]:
    for name in names:
        if name not in declared:
            raise click.BadParameter(f"there is no mailing {name!r}. {nearest(name, declared)}")
    return [declared[name] for name in names or declared]


def _print_json(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        click.echo(json.dumps(row, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _cell(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else "" if value is None else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        click.echo("nothing there")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, header_style="bold", padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 220, markup=False, emoji=False).print(table)


if __name__ == "__main__":
    main(prog_name="emailketing")
