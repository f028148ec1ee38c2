"""Settings and connections become the tools that the roots work with; nothing is opened before it is used."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from zoneinfo import ZoneInfo

from emailketing import connections, settings
from emailketing.audience import Audience, Door, Meter, Source
from emailketing.channels import Channel
from emailketing.channels.gsm7 import Alphabet, Wording
from emailketing.channels.phone import Phone
from emailketing.channels.smtp import Smtp
from emailketing.channels.text_by_mail import TextByMail
from emailketing.erp import Erp, Reader, Row
from emailketing.errors import DeclarationError, SettingsError
from emailketing.links import Asker
from emailketing.model import Claim, Measuring, Receipt
from emailketing.outbox import Backoff, Outbox, Pausing
from emailketing.render import Renderer
from emailketing.report.calendar import WEEKDAYS, BusinessCalendar
from emailketing.road import Campaigner, Carrier, Greeter, House, Reporter, Sweeper, ask_again, utc_now


@cache
def erp() -> Erp:
    """The ERP of the connection `erp`, with the queries of include/sql."""
    chosen = settings.load()
    return Erp(connections.engine("erp", must_exist=True), chosen.include / "sql", ZoneInfo(chosen.sweep.erp_timezone))


@cache
def outbox() -> Outbox:
    """The outbox of the connection `emailketing`, its schema brought up to date."""
    return Outbox.open(connections.url("emailketing"))


def audience() -> Audience:
    """Who gets what, by include/subscriptions.yaml and the outbox; it is read when it is asked for `now`."""
    path = settings.load().include / "subscriptions.yaml"
    return Source(path, lambda: outbox().subscribed(), _Memory(), region()).audience


def provided() -> Audience:
    """Who gets what, by include/subscriptions.yaml alone."""
    return Source(settings.load().include / "subscriptions.yaml", region=region()).now()


class _Memory:
    """The outbox remembers what include/subscriptions.yaml said when it could be read last."""

    def recall(self) -> str | None:
        """The text that was kept last."""
        return outbox().provision()

    def keep(self, text: str) -> None:
        """Remember this text instead."""
        outbox().provide(text, utc_now())


@cache
def renderer() -> Renderer:
    """The templates of the include folder, with the company's identity."""
    chosen = settings.load()
    return Renderer(chosen.include, company=chosen.company.model_dump(), shared=settings.PROJECT / "include")


def meter() -> Meter:
    """How answers to campaigns come back, by the connection `unsubscribe`; SettingsError without a public address."""
    found, chosen = connections.unsubscribing("unsubscribe"), settings.load().campaign
    return Meter(found.secrets, found.base, Measuring(chosen.opens, chosen.clicks))


def counting() -> Meter | None:
    """What counts the opens and clicks of campaigns; None where neither is counted. Raises SettingsError."""
    chosen = settings.load().campaign
    if not Measuring(chosen.opens, chosen.clicks):
        return None
    try:
        return meter()
    except SettingsError as error:
        raise SettingsError(f"campaign.opens or campaign.clicks is on. {error.args[0]}", hint=error.hint) from None


@cache
def door() -> Door:
    """How readers leave, by the connection `unsubscribe`; they write to the sender where it names no mailbox."""
    found, sender = connections.unsubscribing("unsubscribe"), settings.load().sender
    return Door(found.secrets, found.mailbox or sender.reply_to or sender.address, found.base)


def email() -> Channel:
    """A channel to the mail server of the connection `smtp`, which is looked up when a line is first needed."""
    return Smtp(_line, timeout_s=settings.load().delivery.timeout_s, server=_server())


def phone() -> Channel:
    """A channel to the gateway of the connection `phone`, or by the mail server to a carrier's e-mail gateway."""
    chosen = settings.load()
    if chosen.phone.email_to_sms:
        return TextByMail(email(), chosen.phone.email_to_sms, wording())
    return Phone(lambda: connections.gateway_url("phone"), wording(), timeout_s=chosen.delivery.timeout_s)


def wording() -> Wording:
    """How texts to the phone are written."""
    chosen = settings.load().phone
    return Wording(Alphabet(chosen.alphabet), chosen.segments)


def region() -> str:
    """Where a phone number without a country code belongs."""
    chosen = settings.load()
    return chosen.phone.region or chosen.company.territory


#: Every channel's maker, by its name.
CHANNELS: Mapping[str, Callable[[], Channel]] = {"email": email, "phone": phone}


def channel(name: str) -> Channel:
    """A new channel by its name."""
    return CHANNELS[name]()


def channels() -> dict[str, Channel]:
    """A new one of every channel, by its name."""
    return {name: channel(name) for name in CHANNELS}


def _server() -> str:
    """The mail server as operations know it; a missing connection is told when a line is opened."""
    with suppress(SettingsError):
        link = connections.lookup("smtp")
        return f"{link.host}:{link.port}" if link.port else link.host
    return "the mail server"


def _line() -> smtplib.SMTP:
    return _lines()()


@cache
def _lines() -> Callable[[], smtplib.SMTP]:
    return connections.smtp_line("smtp", settings.load().delivery.timeout_s)


def sweeper() -> Sweeper:
    """What a sweep needs."""
    chosen = settings.load()
    return Sweeper(
        erp=erp(),
        outbox=outbox(),
        renderer=renderer(),
        channels=channels(),
        sender=chosen.mail_sender(),
        overlap_s=chosen.sweep.overlap_s,
        quiet_s=chosen.sweep.quiet_s,
        audience=audience(),
    )


def reporter() -> Reporter:
    """What a report needs."""
    chosen = settings.load()
    return Reporter(
        erp=erp(),
        outbox=outbox(),
        renderer=renderer(),
        channels=channels(),
        sender=chosen.mail_sender(),
        house=house(),
        audience=audience(),
        clock=utc_now,
    )


def house() -> House:
    """What reports need to know of the company."""
    company = settings.load().company
    return House(company.name, ZoneInfo(company.timezone), company.currency, calendar())


@cache
def calendar() -> BusinessCalendar:
    """The days on which the company works."""
    chosen = settings.load()
    given = chosen.calendar
    country = given.country or chosen.company.territory
    weekend = frozenset(WEEKDAYS.index(day) for day in given.weekend)
    try:
        return BusinessCalendar(
            "" if country.lower() == "none" else country, given.subdivision, given.days_off, given.worked, weekend
        )
    except DeclarationError as error:
        raise SettingsError(f"The setting calendar cannot be used: {error.args[0]}", hint=error.hint) from None


def secrets() -> list[bytes]:
    """What signs coupons, and what signed them before; the secrets of the connection `unsubscribe`."""
    return [secret.encode() for secret in connections.unsubscribing("unsubscribe").secrets]


def _everybody(reader: Reader, mailing: str) -> Iterator[Row]:
    """The rows of an audience's query, on the company's day."""
    return reader.people(mailing, utc_now().astimezone(ZoneInfo(settings.load().company.timezone)).date())


def campaigner() -> Campaigner:
    """What a campaign needs."""
    chosen = settings.load()
    return Campaigner(
        erp=erp(),
        outbox=outbox(),
        renderer=renderer(),
        channels=channels(),
        sender=chosen.mail_sender(),
        door=door(),
        secret=secrets()[0],
        zone=ZoneInfo(chosen.company.timezone),
        company=chosen.company.name,
        seeds=chosen.campaign.seed_list(),
        audience=audience(),
        meter=counting(),
    )


def greeter() -> Greeter:
    """What a look at special dates needs."""
    return Greeter(sweeper(), ZoneInfo(settings.load().company.timezone), calendar, door())


def asker() -> Asker:
    """Who tries the links of mails: out there, never inside this house."""
    return Asker()


def backoff() -> Backoff:
    """How long a message waits between attempts, and how many it has."""
    chosen = settings.load().delivery
    return Backoff(first_s=chosen.backoff_s, most_s=chosen.backoff_most_s, attempts=chosen.attempts)


def carrier(told: Callable[[Claim, Receipt], None] | None = None) -> Carrier:
    """What a delivery needs; `told` hears of every receipt."""
    chosen = settings.load().delivery
    return Carrier(
        outbox=outbox(),
        channels=CHANNELS,
        backoff=backoff(),
        batch=chosen.batch,
        lease_s=max(chosen.lease_s, 12 * chosen.timeout_s),  # longer than a delivery can take, or it is sent twice
        pausing=Pausing(chosen.pause_after, chosen.pause_s, chosen.pause_most_s),
        told=told or (lambda _claim, _receipt: None),
        consult=lambda: ask_again(outbox(), erp, utc_now, _everybody),
    )
