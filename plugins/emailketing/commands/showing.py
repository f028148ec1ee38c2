"""The commands by which a person sees a mailing before anybody else: rendered into files, or sent to himself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from emailketing import settings
from emailketing.commands import greetings, named
from emailketing.console import command
from emailketing.errors import OperationsError
from emailketing.greetings import Greeting
from emailketing.model import Campaign, Content, Kind, Outcome, Recipient


@click.command(short_help="Render a mailing with real data; nothing is sent.")
@click.argument("name", metavar="MAILING")
@click.option("--document", default="", help="Which document; the one that changed last when not given.")
@click.option("--language", default="", help="In which language; the recipient's when not given.")
@click.option("--cadence", default="", help="Of a report: daily, weekly, monthly …; its first when not given.")
@click.option("--period", default="", help="Of a report: 2026-10, 2026-W48, 2026-11-24 …; the last when not given.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("var/preview"), show_default=True)
@click.option("--open", "opens", is_flag=True, help="Open the mail in a browser.")
@command
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

    (mailing,) = named.mailings([name]).values()
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


@click.command("send-test", short_help="Send a mailing with a real document to yourself.")
@click.argument("name", metavar="MAILING")
@click.option("--to", required=True, help="The address or the number that gets the test.")
@click.option("--channel", type=click.Choice(["email", "phone"]), default="email", show_default=True)
@click.option("--document", default="", help="Which document; the one that changed last when not given.")
@click.option("--language", default="", help="In which language; the recipient's when not given.")
@command
def send_test(name: str, to: str, channel: str, document: str, language: str) -> None:
    """Send a mailing with a real document to an address of yours, marked as a test.

    It goes straight to the mail server, or to the phone's gateway, and is not kept in the outbox.
    """
    from emailketing import road, wiring

    content, recipient = _rendered(name, document, language, channel)
    recipient = replace(recipient, address=_number(to) if channel == "phone" else to)
    sender = settings.load().mail_sender()
    receipt = road.send_test(wiring.channel(channel), named.mailings([name])[name], content, recipient, sender)
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


COMMANDS = (preview, send_test)
