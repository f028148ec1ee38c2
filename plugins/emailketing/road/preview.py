"""What a person sees of a mailing before anything is sent: checks, a real document, a test."""

from __future__ import annotations

from dataclasses import replace

from emailketing import events
from emailketing.audience import ADDRESS_COLUMN, Audience
from emailketing.channels import Channel
from emailketing.erp import Erp
from emailketing.errors import AuthoringError, SqlError, nearest
from emailketing.model import (
    Claim,
    Content,
    Event,
    Mailing,
    Receipt,
    Recipient,
    Sender,
    message_id,
)
from emailketing.render import Renderer
from emailketing.road.clock import utc_now
from emailketing.road.sweeping import documents_of


def send_test(channel: Channel, mailing: Mailing, content: Content, recipient: Recipient, sender: Sender) -> Receipt:
    """Send a rendered message straight to somebody, marked as a test; the outbox keeps nothing of it."""
    now = utc_now()
    event = Event(mailing.name, f"test-{now:%Y%m%dT%H%M%S%f}", "1", now, {})
    envelope = events.envelope(mailing, event, channel.name, recipient, now)
    marked = replace(content, subject=f"[test] {content.subject}", phone=content.phone and f"[test] {content.phone}")
    frozen = channel.freeze(envelope, marked, sender)
    identity = message_id(envelope.key, sender.domain)
    channel.open()
    try:
        return channel.deliver(
            Claim(0, envelope.key, channel.name, sender.address, recipient.address, identity, 0, frozen)
        )
    finally:
        channel.close()


def check_mailing(erp: Erp, renderer: Renderer, mailing: Mailing, who: Audience | None = None) -> list[AuthoringError]:
    """Everything wrong with a mailing's query, templates and filters, held against the ERP and its newest document.

    `who` is the audience; without one, rows alone say who gets the mailing.
    """
    who = who or Audience()
    mailing = who.settled(mailing)
    problems: list[AuthoringError] = list(renderer.check(mailing.name, mailing.ways))
    try:
        columns = check_addresses(erp, mailing, who)
        event = newest_event(erp, mailing)
    except SqlError as error:
        return [*problems, error]
    if event and not problems:
        problems += _render_problems(renderer, mailing, event, who)
    return [*problems, *who.misfits(mailing, event.variables if event else dict.fromkeys(columns))]


def _render_problems(renderer: Renderer, mailing: Mailing, event: Event, who: Audience) -> list[AuthoringError]:
    """What fails when the event is rendered, once for each channel."""
    problems: list[AuthoringError] = []
    for channel in mailing.ways:
        recipient = who.example(replace(mailing, channels=(channel,)), event.variables)
        try:
            renderer.proof.render(mailing.name, event.variables, recipient, channel)
        except AuthoringError as error:
            problems.append(error)
    return problems


def check_filters(erp: Erp, mailing: Mailing, who: Audience) -> list[AuthoringError]:
    """The filters of a mailing's audience that can never hold. Raises SqlError for a broken query."""
    with erp.reading() as reader:
        columns = reader.check(mailing.name)
    return who.misfits(mailing, dict.fromkeys(columns))


def check_addresses(erp: Erp, mailing: Mailing, who: Audience) -> list[str]:
    """The columns of a mailing's query. Raises SqlError for a broken one, or one of which nobody would be told."""
    with erp.reading() as reader:
        columns = reader.check(mailing.name)
    for channel in mailing.ways:
        column = ADDRESS_COLUMN[channel]
        if column in columns:
            continue
        if why := _needed(mailing, who, channel):
            hint = f"{nearest(column, columns)} {why}"
            path = erp.query(mailing.name).path
            raise SqlError(f"the query gives no column {column!r}.", path=path, hint=hint.strip())
    return columns


def _needed(mailing: Mailing, who: Audience, channel: str) -> str:
    """Why a query must give the addresses of a channel; '' where subscribers have their own."""
    if channel == mailing.if_refused:
        return f"{mailing.name} tries it where another channel reaches nobody (if_refused)."
    if who.members(mailing.name, channel):
        return ""
    return (
        f"Without it, and as nobody subscribes to {mailing.name} by {channel} ({who.provisioned.short}), every message "
        "would be unaddressed."
    )


def newest_event(erp: Erp, mailing: Mailing, document: str = "") -> Event | None:
    """The document that changed last, or the named one, as an event with its lines; None when there is none.

    Raises SqlError when the query breaks its contract.
    """
    with erp.reading() as reader:
        reader.check(mailing.name)
        row = next(reader.documents(mailing.name, [document]), None) if document else reader.latest(mailing.name)
        if row is None:
            return None
        event = events.event(mailing, row)
        if isinstance(event, events.BadRow):
            raise SqlError(event.reason, path=erp.query(mailing.name).path)
        return events.with_lines(event, reader.lines(mailing.name, documents_of([event])))
