"""The command line: everything that the DAGs do, by hand, without a running Airflow."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emailketing import settings
from emailketing.commands import advertising, greetings, public, wishes
from emailketing.console import BAD, NOTE, OK, Problem
from emailketing.console import as_json as _json
from emailketing.console import by as _by
from emailketing.console import cell as _cell
from emailketing.console import command as _command
from emailketing.console import print_json as _print_json
from emailketing.console import table as _table
from emailketing.console import why as _why
from emailketing.errors import AuthoringError, EmailketingError, OperationsError, SettingsError, nearest
from emailketing.greetings import Greeting
from emailketing.model import (
    ASKS_CONSENT,
    Campaign,
    Content,
    Kind,
    Lane,
    Mailing,
    Outcome,
    Recipient,
    State,
    Subscribed,
    Subscription,
)

if TYPE_CHECKING:
    from emailketing.audience import Audience
    from emailketing.model import Claim, Receipt
    from emailketing.outbox import Row


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("-v", "--verbose", is_flag=True, help="Log every step to standard error.")
def main(verbose: bool) -> None:
    """eMailketing: the ERP's automatic messages, by hand.

    Connections are Airflow Connections, read from the environment: AIRFLOW_CONN_ERP, AIRFLOW_CONN_SMTP,
    AIRFLOW_CONN_PHONE, AIRFLOW_CONN_UNSUBSCRIBE and AIRFLOW_CONN_EMAILKETING (the outbox's database).
    EMAILKETING_INCLUDE and EMAILKETING_DAGS name other folders than include/ and dags/. No running Airflow is needed.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(levelname)s %(message)s")


for _each in (*wishes.COMMANDS, *advertising.COMMANDS, *greetings.COMMANDS, *public.COMMANDS):
    main.add_command(_each)


@main.command(short_help="Tell what is wrong before it matters.")
@click.argument("names", nargs=-1, metavar="[MAILING]...")
@_command
def check(names: Sequence[str]) -> None:
    """Tell what is wrong before it matters: settings, DAG files, queries, templates and connections.

    Queries run (without sending anything) against the live ERP; templates are rendered with its newest document.
    """
    problems = [*_checked("settings", settings.load)]
    if problems:
        raise click.ClickException("Nothing else was looked at, because the settings cannot be read.")
    _tell_misspelt_connections()
    problems += _checked("company and sender", _identity)
    mailings: dict[str, Mailing] = {}
    problems += _checked("DAG files", lambda: _declared_into(mailings))
    problems += _checked("connection erp", _erp_answers)
    problems += _checked("who gets what", lambda: _who_gets_what(list(mailings.values())))
    chosen = _chosen(mailings, names) if mailings else []  # what is wrong with the DAG files is told already
    for mailing in chosen:
        if isinstance(mailing, Greeting):
            problems += _checked(f"greeting {mailing.name}", greetings.check(mailing))
        else:
            problems += _checked(f"mailing {mailing.name}", _mailing_check(mailing))
    problems += _checked("connection emailketing (outbox)", _outbox_counts)
    problems += _checked("connection smtp", _mail_server)
    if any("phone" in mailing.ways for mailing in chosen):
        problems += _checked("connection phone", _gateway)
    if any(mailing.kind in ASKS_CONSENT for mailing in chosen):
        problems += _checked("connection unsubscribe", _door)
    if problems:
        raise click.ClickException(f"{len(problems)} of the above must be mended.")


def _tell_misspelt_connections() -> None:
    from emailketing import connections

    for wrong, meant in connections.misspelt(os.environ).items():
        click.echo(f"{NOTE} {wrong} is no Connection of eMailketing. Did you mean {meant!r}?")


def _checked(what: str, act: Callable[[], object]) -> list[EmailketingError]:
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
        _raise(road.check_mailing(wiring.erp(), wiring.renderer(), mailing, who))
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


def _raise(problems: Sequence[AuthoringError]) -> None:
    if problems:
        raise problems[0] if len(problems) == 1 else AuthoringError("\n".join(map(str, problems)))


def _who_gets_what(mailings: Sequence[Mailing]) -> str:
    """Hold subscriptions against the mailings that are declared; notices are printed and stop nothing."""
    from emailketing import audience, wiring

    who = wiring.audience().now()
    faults = who.faults(mailings)
    for notice in faults.notices:
        click.echo(f"{NOTE} {notice}")
    _raise(faults.errors)
    count = sum(len(who.members(mailing.name, channel)) for mailing in mailings for channel in audience.CHANNELS)
    return f"{count} copies and subscriptions of the mailings declared, by {who.provisioned.short} and the outbox"


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


def _door() -> str:
    from emailketing import wiring

    counted = f"; of campaigns is counted: {meter.measuring}" if (meter := wiring.counting()) else ""
    return f"people leave {wiring.door()}{counted}"


def _gateway() -> str:
    from emailketing import wiring

    channel = wiring.phone()
    try:
        channel.open()
    finally:
        channel.close()
    return "apprise can use its URL" if not settings.load().phone.email_to_sms else "texts go by the mail server"


@main.command(short_help="Render a mailing with real data; nothing is sent.")
@click.argument("name", metavar="MAILING")
@click.option("--document", default="", help="Which document; the one that changed last when not given.")
@click.option("--language", default="", help="In which language; the recipient's when not given.")
@click.option("--cadence", default="", help="Of a report: daily, weekly, monthly …; its first when not given.")
@click.option("--period", default="", help="Of a report: 2026-10, 2026-W48, 2026-11-24 …; the last when not given.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("var/preview"), show_default=True)
@click.option("--open", "opens", is_flag=True, help="Open the mail in a browser.")
@_command
def preview(name: str, out: Path, opens: bool, **view: str) -> None:
    """Render a mailing with a real document, or a report's period, and write its parts as files; nothing is sent."""
    from emailketing import wiring

    content, recipient = _rendered(name, **view)
    text = wiring.wording().text(content.phone)
    out.mkdir(parents=True, exist_ok=True)
    for path in _written(replace(content, phone=text), out):
        click.echo(path)
    click.echo(f"{content.subject or text!r}, as {recipient.name or recipient.address or 'nobody'} would get it")
    if text:
        click.echo(_counted(text))
    if opens and content.html:
        click.launch((out / "body.html").resolve().as_uri())


def _counted(text: str) -> str:
    """What the phone network makes of a text, in a sentence."""
    from emailketing.channels import gsm7

    alphabet = "GSM-7" if gsm7.encodable(text) else "UCS-2"
    return f"to the phone: {len(text)} signs, {alphabet}, segments: {gsm7.segments(text)}"


def _rendered(name: str, document: str, language: str, channel: str = "", **period: str) -> tuple[Content, Recipient]:
    from emailketing import road, wiring
    from emailketing.commands import reports

    (mailing,) = _mailings([name]).values()
    if mailing.kind is Kind.REPORT:
        return reports.rendered(reports.as_report(mailing, name), reports.View(language=language, **period))
    if any(period.values()):
        reports.as_report(mailing, name)
    if isinstance(mailing, Campaign):
        from emailketing.commands import campaigns

        return campaigns.rendered(mailing, document, language)
    if isinstance(mailing, Greeting):
        return greetings.rendered(mailing, document, language, channel)
    event = road.newest_event(wiring.erp(), mailing, document)
    if event is None:
        raise OperationsError(f"The ERP has no document {document or 'at all'} for {name}.")
    who = wiring.audience().now()
    mailing = who.settled(mailing)
    mailing = replace(mailing, channels=(channel,)) if channel else mailing
    recipient = who.example(mailing, event.variables)
    recipient = replace(recipient, language=language or recipient.language)
    return wiring.renderer().render(name, event.variables, recipient, channel), recipient


def _written(content: Content, out: Path) -> Iterator[Path]:
    """Write a message's parts below `out`; pictures of the HTML part become files beside it."""
    html, taken = content.html, set[str]()
    for attachment in content.attachments:
        path = out / attachment.filename
        while path.name in taken:  # of the pictures of one mail several may be called chart.png
            path = path.with_stem(f"{path.stem}-{len(taken)}")
        taken.add(path.name)
        path.write_bytes(attachment.data)
        if attachment.content_id:
            html = html.replace(f"cid:{attachment.content_id}", path.name)
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


@main.command(short_help="Put a message into the outbox for every new document.")
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
    authors: list[str] = []
    alarms: list[str] = []
    for swept in road.sweep_out(sweeper, _mailings(names, [Kind.NOTIFICATION]).values(), begin):
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


@main.command(short_help="Put the scheduled reports that are due into the outbox.")
@click.argument("names", nargs=-1, metavar="[REPORT]...")
@click.option(
    "--period", default="", help="Tell 2026-10, 2026-W48 … to all who get it in that cadence, not what is due."
)
@_command
def look(names: Sequence[str], period: str) -> None:
    """Look once at the scheduled reports, and put into the outbox what is due since the last look.

    Who has a report already does not get it again; looking again is always safe.
    """
    from emailketing.commands import reports

    authors: list[str] = []
    for mailing in _mailings(names, [Kind.REPORT]).values():
        said, problems = reports.look(reports.as_report(mailing, mailing.name), period)
        click.echo(f"{mailing.name}: {said}")
        authors += problems
    for problem in dict.fromkeys(authors):
        Problem(AuthoringError(problem)).show()
    if authors:
        sys.exit(1)


@main.command(short_help="Send what is due in the outbox.")
@click.option("--lane", type=click.Choice([lane.value for lane in Lane]), help="Only this lane.")
@click.option("--connections", type=click.IntRange(1, 50), help="Connections side by side, for each channel.")
@click.option("--until-empty", is_flag=True, help="Go on, waiting for retries, until nothing happens by itself.")
@click.option("--now", is_flag=True, help="Try once even where a lane is paused because its server was down.")
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


def _tell_leased() -> None:
    """Say what another delivery holds: it may be at work, or dead, and then nothing need be done but wait."""
    from emailketing import road, wiring

    held = wiring.outbox().leased(road.utc_now())
    if held.count:
        click.echo(
            f"{held.count} more are in the hands of another delivery; should it be dead, they go on by themselves "
            f"after {held.until:%H:%M:%S} UTC"
        )


@main.command(short_help="The ERP was restored from a backup: tell what follows.")
@click.argument("names", nargs=-1, metavar="[MAILING]...")
@click.option("--since", type=click.DateTime(), help="To which time the ERP was taken back, in its own timezone.")
@click.option("--at", type=click.DateTime(), help="When people went on working in it, in its own timezone; now if not.")
@_command
def restored(names: Sequence[str], since: datetime | None, at: datetime | None) -> None:
    """The ERP was restored from a backup: tell what is saved in it since, even under numbers that were told before.

    Give --since a little earlier than the backup. Without it, the restores that are known are listed.
    """
    from emailketing import road, wiring

    mailings, outbox = _mailings(names, [Kind.NOTIFICATION]), wiring.outbox()
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


def _tell(claim: Claim, receipt: Receipt) -> None:
    if receipt.outcome is not Outcome.ACCEPTED:
        click.echo(f"{claim.key}: {receipt.outcome}: {receipt.code or ''} {receipt.reason}")


@main.command("send-test", short_help="Send a mailing with a real document to yourself.")
@click.argument("name", metavar="MAILING")
@click.option("--to", required=True, help="The address or the number that gets the test.")
@click.option("--channel", type=click.Choice(["email", "phone"]), default="email", show_default=True)
@click.option("--document", default="", help="Which document; the one that changed last when not given.")
@click.option("--language", default="", help="In which language; the recipient's when not given.")
@_command
def send_test(name: str, to: str, channel: str, document: str, language: str) -> None:
    """Send a mailing with a real document to an address of yours, marked as a test.

    It goes straight to the mail server, or to the phone's gateway, and is not kept in the outbox.
    """
    from emailketing import road, wiring

    content, recipient = _rendered(name, document, language, channel)
    recipient = replace(recipient, address=_number(to) if channel == "phone" else to)
    sender = settings.load().mail_sender()
    receipt = road.send_test(wiring.channel(channel), _mailings([name])[name], content, recipient, sender)
    click.echo(f"{receipt.outcome}: {receipt.code or ''} {receipt.reason}")
    if receipt.outcome is not Outcome.ACCEPTED:
        sys.exit(1)


def _number(raw: str) -> str:
    """A number given by hand, as the ERP's would be taken."""
    from emailketing import audience, wiring

    (found, *_) = audience.addressed_by_row({"phone": raw}, "phone", wiring.region())
    if found.reason:
        raise click.BadParameter(found.reason, param_hint="--to")
    return found.recipient.address


@main.group(short_help="The ledger: every message, its state, its history.")
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


@outbox.command(short_help="What waits in each lane, and which are paused.")
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
@_why
@_by
@_command
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
@_why
@_by
@_command
def cancel(key: str, why: str, by: str) -> None:
    """Take a message back that was not sent yet."""
    from emailketing import road, wiring

    wiring.outbox().cancel(_standing(key).key, by, why, road.utc_now())
    click.echo("cancelled")


@outbox.command(short_help="Settle an unknown message: sent, resend or drop.")
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


@main.group(short_help="Who gets what: the file's, and what is set here.")
def subscriptions() -> None:
    """Who gets what: what include/subscriptions.yaml provides, and what is set here, in the outbox's database.

    What is set here takes the place of what the file says of the same mailing, channel and address.
    """


_email = click.option("--email", default="", help="The e-mail address.")
_phone = click.option("--phone", default="", help="The phone number, as +595981123456.")


@subscriptions.command("list")
@click.option("--mailing", help="Only this mailing.")
@_json
@_command
def list_subscriptions(mailing: str | None, as_json: bool) -> None:
    """Who gets each mailing, why, and what is switched off."""
    from emailketing import wiring

    who = wiring.audience().now()
    names = [mailing] if mailing else sorted({*_mailings(()), *_set_here(who)})
    places = [place for name in names for place in _places(who, name)]
    if as_json:
        _print_json(map(asdict, places))
        return
    for name in names:
        if off := who.off(name):
            click.echo(f"{NOTE} {name}: {off}")
    where = [json.dumps(each.where, ensure_ascii=False) if each.where else "" for each in places]
    _table(
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
@_by
@_command
def add(mailing: str, email: str, phone: str, by: str, **about: str) -> None:
    """Subscribe an address to a mailing, or change its subscription."""
    from emailketing import audience, road, wiring

    (declared,) = _mailings([mailing]).values()
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
        _raise(road.check_filters(wiring.erp(), declared, audience.Audience(subscribed=Subscribed((place,)))))


def _instead(who: Audience, place: Subscription) -> str:
    """What of the file a subscription takes the place of, in words."""
    others = [each for each in who.provided(place.mailing, place.channel) if _same(each.address, place.address)]
    return f", in the place of {' and '.join(each.because for each in others)}" if others else ""


@subscriptions.command(short_help="Forget what was set here of an address.")
@click.argument("mailing")
@_email
@_phone
@_command
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
@_by
@_command
def switch_on(mailing: str, email: str, phone: str, by: str) -> None:
    """Switch a mailing on, or with an address that one alone."""
    _switch(mailing, _addresses(email, phone) if email or phone else [], True, by)


@subscriptions.command("off")
@click.argument("mailing")
@_email
@_phone
@_by
@_command
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
        (declared,) = _mailings([mailing])
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
@_command
def check_subscriptions() -> None:
    """Tell what is wrong with who gets what: names, addresses, channels, filters against the live ERP."""
    from emailketing import road, wiring

    declared = _mailings(())
    problems = _checked("who gets what", lambda: _who_gets_what(list(declared.values())))
    for mailing in declared.values():
        if mailing.kind is not Kind.NOTIFICATION:
            continue
        who = wiring.audience().now()
        columns = partial(road.check_filters, wiring.erp(), who.settled(mailing), who)
        problems += _checked(f"filters of {mailing.name}", lambda: _raise(columns()))  # noqa: B023 called at once
    if problems:
        raise click.ClickException(f"{len(problems)} of the above must be mended.")


def _mailings(names: Sequence[str], kinds: Collection[Kind] = tuple(Kind)) -> dict[str, Mailing]:
    """The mailings of these names, or all, that the DAG files declare; other kinds than `kinds` are refused by name."""
    from emailketing import tasks

    declared = tasks.declared(settings.load().dags)
    return {mailing.name: mailing for mailing in _chosen(declared, names, kinds)}


def _chosen(declared: dict[str, Mailing], names: Sequence[str], kinds: Collection[Kind] = tuple(Kind)) -> list[Mailing]:
    fitting = [mailing.name for mailing in declared.values() if mailing.kind in kinds]
    for name in names:
        if name not in declared:
            raise click.BadParameter(f"there is no mailing {name!r}. {nearest(name, fitting)}")
        if name not in fitting:
            meant = " and ".join(f"{kind}s" for kind in kinds)
            raise click.BadParameter(
                f"{name} is a {declared[name].kind}; this is for {meant}. {nearest(name, fitting)}"
            )
    return [declared[name] for name in names or fitting]


if __name__ == "__main__":
    main(prog_name="emailketing")
