"""Campaigns on the command line: an edition put into the outbox, what it would mean, its mails, its coupons."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from emailketing import road, settings, tasks, wiring
from emailketing.console import NOTE, print_json, table
from emailketing.errors import AuthoringError, IllegalTransition, OperationsError, nearest
from emailketing.model import Campaign, Content, Outcome, Recipient, State
from emailketing.render.lint import Finding, Level, findings
from emailketing.road.editions import coupon_of, read_coupon


def put(names: Sequence[str], day: datetime | None) -> list[str]:
    """Put the edition of a day into the outbox, and say what was done; the problems of the authors."""
    problems: list[str] = []
    for chosen in _campaigns(names):
        done = road.advertise(wiring.campaigner(), chosen, _moment(day))
        click.echo(f"{chosen.name}: {tasks.advertised(done)}")
        problems += done.problems
    return list(dict.fromkeys(problems))


def print_plan(name: str, day: datetime | None) -> None:
    """Print as JSON who would get an edition and who not, and why."""
    (chosen,) = _campaigns([name])
    print_json(_plain(choice) for choice in road.plan(wiring.campaigner(), chosen, _moment(day)))


def show_plan(name: str, day: datetime | None, limit: int, seeds: Sequence[str], *, links: bool) -> bool:
    """Print who would get an edition and who not, and what its mails are like; whether they may go as they are.

    With `links` their links are tried. PDFs, which take most of the time, are made for `seeds` only.
    """
    (chosen,) = _campaigns([name])
    campaigner, moment = wiring.campaigner(), _moment(day)
    _print_plan(chosen, road.plan(campaigner, chosen, moment), limit)
    seen = campaigner if seeds else replace(campaigner, renderer=campaigner.renderer.proof)
    mails = road.samples(seen, chosen, moment)
    wrong = [line for sample in mails for line in _print_mail(sample, files=bool(seeds))]
    if mails.left:
        click.echo(f"{NOTE} {_unseen(mails)}")
    if links:
        wrong += _print_links(road.try_links(mails, wiring.asker().ask_all))
    for address in seeds:
        for sample in mails:
            _send_seed(chosen, sample, address)
    return all(finding.level is not Level.ERROR for finding in wrong)


def _unseen(mails: road.Samples) -> str:
    return f"{mails.left} of {len(mails) + mails.left} different mails were not looked at"


def _print_plan(chosen: Campaign, choices: Iterator[road.Choice], limit: int) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    shown: list[list[str]] = []
    left_out: AuthoringError | None = None
    try:
        for choice in choices:
            stands = "gets it" if choice.gets_it else "left alone" if choice.skipped else choice.envelope.state.value
            counts[stands, _without_names(choice.why_not)] += 1
            if len(shown) < limit:
                shown.append(_line(choice, stands))
    except AuthoringError as error:  # of some rows; all others are shown first
        if not counts:
            raise
        left_out = error
    table(["document", "name", "address", "group", "edition", "subject", "stands", "why"], shown)
    people = sum(counts.values())
    if people > limit:
        click.echo(f"… and {people - limit} more; --json gives all, --limit more")
    click.echo()
    off = wiring.audience().now().off(chosen.name)
    if off:
        click.echo(f"{NOTE} {off}: nobody gets it")
    table(["people", "stands", "why"], [[str(n), stands, why] for (stands, why), n in counts.most_common()])
    if left_out:
        raise left_out


def _line(choice: road.Choice, stands: str) -> list[str]:
    recipient, why = choice.envelope.recipient, choice.why_not or choice.envelope.because
    about = [choice.group, choice.edition, choice.variant]
    return [choice.person, recipient.name, recipient.address, *about, stands, why]


def _without_names(why: str) -> str:
    """A reason without what is one person's own, so that equal ones are counted together."""
    if why.startswith(("no consent", "the consent")):
        return why.partition(" (")[0]
    return re.sub(r"^'.*?' ", "what is there ", why).partition(": ")[0]


def _print_mail(sample: road.Sample, *, files: bool) -> list[Finding]:
    content = sample.content
    weights = f"{len(content.html.encode()):,} bytes of HTML"
    if files:
        weights += f", {sum(len(each.data) for each in content.attachments):,} of files"
    about = [sample.choice.group or "all", sample.choice.envelope.recipient.language, sample.choice.variant]
    click.echo(f"{' · '.join(filter(None, about))}: {content.subject!r}, {weights}")
    return _told(findings(content, leave=sample.leave))


def _print_links(tried: road.Tried) -> list[Finding]:
    if tried.asked:
        click.echo(f"links: {tried.asked} tried")
    return _told(tried.findings)


def _told(found: Sequence[Finding]) -> list[Finding]:
    for finding in found:
        click.echo(f"  {finding.level}: {finding.what}")
    return list(found)


def _send_seed(chosen: Campaign, sample: road.Sample, address: str) -> None:
    recipient = Recipient(address, language=sample.choice.envelope.recipient.language)
    sender = settings.load().mail_sender()
    receipt = road.send_test(wiring.channel("email"), chosen, sample.content, recipient, sender)
    click.echo(f"{address}: {sample.content.subject!r}: {receipt.outcome} {receipt.reason}")
    if receipt.outcome is not Outcome.ACCEPTED:
        raise OperationsError(f"The copy to {address} was not accepted: {receipt.reason}")


def _plain(choice: road.Choice) -> dict[str, Any]:
    envelope = choice.envelope
    return {
        "document": choice.person,
        "edition": choice.edition,
        "channel": envelope.channel,
        "name": envelope.recipient.name,
        "address": envelope.recipient.address,
        "language": envelope.recipient.language,
        "group": choice.group,
        "subject": choice.variant,
        "gets_it": choice.gets_it,
        "state": "" if choice.skipped else envelope.state.value,
        "why": choice.why_not or envelope.because,
        "consent": choice.reason,
        "compared_with": choice.base,
    }


def show_coupon(code: str, use: bool, by: str, as_json: bool) -> bool:
    """Print whose a coupon is, and take it if that is asked for; whether it is good."""
    found = _found_coupon(read_coupon(code))
    if found is None:
        raise OperationsError(f"{read_coupon(code)} is no coupon of ours.", hint="Was it typed as it was given out?")
    now = road.utc_now()
    if use and found.stands == "valid":
        before = wiring.outbox().use_coupon(found.code, found.mailing, found.document, by, now)
        found = replace(found, stands=f"used by {before.by}" if before else "taken now")
    if as_json:
        print_json([found.plain()])
    else:
        click.echo(
            f"{found.code}: {found.stands}; {found.name} <{found.address}>, {found.mailing} {found.edition}, "
            f"valid until {found.valid_until}"
        )
    return found.stands in {"valid", "taken now"}


#: A message in one of these states has told its coupon, may have, or will.
_GIVEN_OUT = {State.ACCEPTED, State.UNKNOWN, State.SENDING, State.QUEUED}


@dataclass(frozen=True)
class _Coupon:
    """A coupon that was given out."""

    code: str
    mailing: str
    document: str
    name: str
    address: str
    valid_until: str
    stands: str  # valid, used …, expired, or never sent

    @property
    def edition(self) -> str:
        """Of which edition it is."""
        return self.document.partition(":")[0]

    def plain(self) -> dict[str, str]:
        """As JSON."""
        person = self.document.partition(":")[2]
        named = {"code": self.code, "stands": self.stands, "mailing": self.mailing, "edition": self.edition}
        return {**named, "document": person, "name": self.name, "address": self.address, "until": self.valid_until}


def _found_coupon(code: str) -> _Coupon | None:
    """The coupon with this code: the one whose signature it is, among all that were given out."""
    outbox, secrets = wiring.outbox(), wiring.secrets()
    for chosen in _campaigns(()):
        if chosen.coupon_days is None:
            continue
        for _, document in outbox.documents(chosen.name):
            if any(coupon_of(secret, chosen.name, document) == code for secret in secrets):
                return _standing_coupon(chosen, code, document)
    return None


def _standing_coupon(chosen: Campaign, code: str, document: str) -> _Coupon | None:
    """How it stands by all messages that told it, to the same person by mail and by phone: one that left is enough."""
    from emailketing.outbox import Filter

    outbox, zone = wiring.outbox(), ZoneInfo(settings.load().company.timezone)
    rows = outbox.messages(Filter(mailing=chosen.name, document=document), limit=None)
    if not rows or chosen.coupon_days is None:
        return None
    row = max(rows, key=lambda each: (each.state in _GIVEN_OUT, each.event_at))
    until = row.event_at.astimezone(zone).date() + timedelta(days=chosen.coupon_days)
    used = outbox.used_coupon(code)
    stands = "valid" if row.state in _GIVEN_OUT else "never sent"
    if road.utc_now().astimezone(zone).date() > until:
        stands = "expired"
    if ":seed:" in row.document:
        stands = "a copy to the seed list"
    if used:
        stands = f"used at {used.at.astimezone(zone):%Y-%m-%d %H:%M} by {used.by}"
    return _Coupon(code, chosen.name, row.document, row.recipient_name, row.address, f"{until:%Y-%m-%d}", stands)


def resend(mailing: str, edition: str, states: Sequence[State], by: str, why: str) -> tuple[int, list[str]]:
    """Queue again what failed of a mailing, or of one edition of it, the same bytes. Nobody else gets it.

    The answer is how many, and of each that cannot be sent again why not.
    """
    from emailketing.outbox import Filter

    outbox, count, left = wiring.outbox(), 0, list[str]()
    for row in outbox.messages(Filter(states=tuple(states), mailing=mailing), limit=None):
        if edition and row.document.partition(":")[0] != edition:
            continue
        try:
            outbox.resend(row.key, by, why, road.utc_now())
            count += 1
        except IllegalTransition as error:
            left.append(str(error))
    return count, left


def checked(mailing: Campaign) -> str:
    """What can be said of a campaign against the live ERP. Raises AuthoringError for all that is wrong."""
    campaigner, moment = wiring.campaigner(), road.utc_now()
    faults, notes = road.check_columns(campaigner, mailing, moment)
    problems, mails = (faults, road.Samples()) if faults else road.check_campaign(campaigner, mailing, moment)
    if problems:
        raise problems[0] if len(problems) == 1 else AuthoringError("\n".join(map(str, problems)))
    warnings = {*notes, *(finding.what for each in mails for finding in _warned(each))}
    warnings |= {_unseen(mails)} if mails.left else set()
    told = "".join(f"\n  {NOTE} {warning}" for warning in sorted(warnings))
    off = campaigner.audience.now().off(mailing.name)
    stands = f"{off}: nobody is told; " if off else ""
    return f"{stands}queries and templates hold against the ERP; {mails.sent} of {mails.meant} would get it now{told}"


def _warned(sample: road.Sample) -> list[Finding]:
    return [each for each in findings(sample.content, leave=sample.leave) if each.level is Level.WARNING]


def rendered(mailing: Campaign, document: str, language: str) -> tuple[Content, Recipient]:
    """A campaign's mail as somebody gets it: the person with this document, or in this language, or the first."""
    mails = road.samples(wiring.campaigner(), mailing, road.utc_now(), most=40, person=document)
    fitting = [each for each in mails if language in ("", each.choice.envelope.recipient.language)]
    if not fitting:
        who = f"with document {document}" if document else "in its audience"
        raise OperationsError(f"There is nobody {who} to show {mailing.name} as.", hint="`dry-run` lists them.")
    return fitting[0].content, fitting[0].choice.envelope.recipient


def _moment(day: datetime | None) -> datetime:
    """The present, or noon of a day by the company's calendar."""
    if day is None:
        return road.utc_now()
    return day.replace(hour=12, tzinfo=ZoneInfo(settings.load().company.timezone)).astimezone(UTC)


def _campaigns(names: Sequence[str]) -> list[Campaign]:
    """The campaigns of these names, or all."""
    declared = tasks.declared(settings.load().dags)
    campaigns = {name: each for name, each in declared.items() if isinstance(each, Campaign)}
    for name in names:
        if name not in campaigns:
            what = "is no campaign" if name in declared else "is not declared"
            raise click.BadParameter(f"{name!r} {what}. {nearest(name, campaigns)}")
    return [campaigns[name] for name in names or campaigns]
