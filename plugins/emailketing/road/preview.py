"""What a person sees of a mailing before anything is sent: checks, a real document, a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from emailketing import audience, events
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


def check_mailing(erp: Erp, renderer: Renderer, mailing: Mailing) -> list[AuthoringError]:
    """Everything wrong with a mailing's query and templates, held against the live ERP and its newest document."""
    problems: list[AuthoringError] = list(renderer.check(mailing.name, mailing.channels))
    try:
        event = newest_event(erp, mailing)
    except SqlError as error:
        return [*problems, error]
    return problems or (_render_problems(renderer, mailing, event) if event else [])


def _render_problems(renderer: Renderer, mailing: Mailing, event: Event) -> list[AuthoringError]:
    """What fails when the event is rendered, once for each channel."""
    problems: list[AuthoringError] = []
    for channel in mailing.channels:
        recipient = audience.addressed_by_row(event.variables, channel)[0].recipient
        try:
            renderer.render(mailing.name, event.variables, recipient, channel)
        except AuthoringError as error:
            problems.append(error)
    return problems


def _addressable(mailing: Mailing, columns: Sequence[str], erp: Erp) -> None:
    for column in (audience.ADDRESS_COLUMN[channel] for channel in mailing.channels):
        if column not in columns:
            hint = f"{nearest(column, columns)} Without it every message would be unaddressed."
            path = erp.query(mailing.name).path
            raise SqlError(f"the query gives no column {column!r}.", path=path, hint=hint)


def newest_event(erp: Erp, mailing: Mailing, document: str = "") -> Event | None:
    """The document that changed last, or the named one, as an event with its lines; None when there is none.

    Raises SqlError when the query breaks its contract.
    """
    with erp.reading() as reader:
        _addressable(mailing, reader.check(mailing.name), erp)
        row = next(reader.documents(mailing.name, [document]), None) if document else reader.latest(mailing.name)
        if row is None:
            return None
        event = events.event(mailing, row)
        if isinstance(event, events.BadRow):
            raise SqlError(event.reason, path=erp.query(mailing.name).path)
        return events.with_lines(event, reader.lines(mailing.name, documents_of([event])))
