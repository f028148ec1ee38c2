"""Campaigns: an audience becomes frozen messages of one edition, rendered once for each group that is told the same.

`advertise` puts an edition into the outbox, `plan` says who would get it and who not, `samples` are its mails. Killed
at any instruction, the same run goes on where it stood when it is repeated: keys that are known are left alone, and
what is decided depends on nothing that changes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any

from emailketing.erp import GROUP
from emailketing.errors import AuthoringError, OperationsError, TemplateError
from emailketing.hostile import one_line
from emailketing.model import (
    NOBODY,
    Attachment,
    Campaign,
    Content,
    Envelope,
    Kind,
    Message,
    Recipient,
    State,
    masked_key,
)
from emailketing.render.counting import VARIABLE as WE_COUNT
from emailketing.render.lint import Level, findings
from emailketing.render.personal import GO, SEEN, Shared
from emailketing.report import files
from emailketing.report.catalogue import Compared, Look, catalogue, snapshot, whole
from emailketing.report.report import Report
from emailketing.road.choosing import IN_HAND, Advertised, Campaigner, Choice, Edition, Kept
from emailketing.road.editions import coupon_of
from emailketing.road.freezing import frozen

log = logging.getLogger(__name__)

_PUT_AT_ONCE = 200  # frozen messages in hand


def advertise(campaigner: Campaigner, campaign: Campaign, moment: datetime, over: Collection[str] = ()) -> Advertised:
    """Put the edition of this moment into the outbox: a message for everybody of the audience who has it not yet.

    People of the cadences in `over` are left alone, because their edition is over.
    Raises ErpError, OutboxError (repeat it), SqlError (the author must mend the query). A group whose template fails
    gets nothing and is told among the problems; when it is mended, another run goes on.
    """
    with Edition(campaigner, campaign, moment, over) as edition:
        press = _Press(edition, counts=True)
        if not edition.done.off:
            for rows in edition.rows():
                press.put(edition.choices(rows))
        return edition.done


def plan(campaigner: Campaigner, campaign: Campaign, moment: datetime) -> Iterator[Choice]:
    """What the edition of this moment would mean for everybody of the audience; nothing is rendered or kept."""
    with Edition(campaigner, campaign, moment) as edition:
        for rows in edition.rows():
            yield from edition.choices(rows)
        if edition.done.problems:
            raise AuthoringError("\n".join(edition.done.problems))


@dataclass(frozen=True)
class Sample:
    """A mail of an edition as one of its readers gets it."""

    choice: Choice
    content: Content
    links: tuple[str, ...] = ()  # the web addresses that are the same for all its readers

    @property
    def leave(self) -> str:
        """Where its reader leaves."""
        return self.content.way_out.link if self.content.way_out else ""


class Samples(list[Sample]):
    """Mails of an edition to look at; `left` says how many that differ from all of these were left out.

    Of the audience, `meant` messages would be made, and `sent` of them go out.
    """

    left = meant = sent = 0


def samples(campaigner: Campaigner, campaign: Campaign, moment: datetime, most: int = 12, person: str = "") -> Samples:
    """The different mails of an edition, at most so many: one reader's of each group, language and subject.

    Where there are more, every group has its turn before any has a second. With `person`, a document of the audience,
    only his. Where nobody gets one (nobody consents, or all have it), it is as those would get it.
    Raises TemplateError.
    """
    with Edition(campaigner, campaign, moment) as edition:
        return _sampled(edition, most, person)


def _sampled(edition: Edition, most: int = 12, person: str = "") -> Samples:
    found: dict[tuple[str, ...], Choice] = {}
    meant = sent = 0
    for choice in chain.from_iterable(map(edition.choices, edition.rows())):
        if person and choice.person != person:
            continue
        meant, sent = meant + 1, sent + choice.gets_it
        key = _looks(edition, choice)
        better = key not in found or (choice.gets_it and not found[key].gets_it)
        if better and choice.envelope.recipient.address and edition.stock.something_for(choice.group):
            found[key] = choice
    chosen, press = _in_turn(list(found.values())), _Press(edition)
    mails = Samples(press.sample(choice) for choice in chosen[:most])
    mails.left, mails.meant, mails.sent = len(chosen) - len(mails), meant, sent
    return mails


def _looks(edition: Edition, choice: Choice) -> tuple[str, ...]:
    """What makes mails look different: that there is a base may, which it is only changes the marks."""
    envelope = choice.envelope
    based = "based" if choice.base else ""
    return choice.group, edition.language(envelope.recipient), choice.variant, envelope.channel, based


def _in_turn(choices: Sequence[Choice]) -> list[Choice]:
    """One of each group after another; those who get it come first, among the groups and within each."""
    turns: Counter[str] = Counter()
    placed: list[tuple[int, Choice]] = []
    for choice in sorted(choices, key=lambda choice: not choice.gets_it):
        placed.append((turns[choice.group], choice))
        turns[choice.group] += 1
    return [choice for _, choice in sorted(placed, key=lambda each: each[0])]


def check_campaign(
    campaigner: Campaigner, campaign: Campaign, moment: datetime
) -> tuple[list[AuthoringError], Samples]:
    """Everything wrong with a campaign's rows and templates, held against the ERP as it is at this moment.

    Its mails are rendered, one of each kind, without their PDFs; what a reader or a filter would find wrong with them
    is among it. They are given, too.
    """
    campaigner = replace(campaigner, renderer=campaigner.renderer.proof)
    problems: list[AuthoringError] = []
    problems += campaigner.renderer.check(campaign.name, campaign.channels, report="pdf" in campaign.attach)
    if problems:
        return problems, Samples()
    try:
        with Edition(campaigner, campaign, moment) as edition:
            mails = _sampled(edition)
    except AuthoringError as error:
        return [error], Samples()
    problems += map(AuthoringError, edition.done.problems)
    path = campaigner.renderer.folder(campaign.name)
    for sample in mails:
        group = sample.choice.group
        problems += [TemplateError(f"group {group!r}: {fault}.", path=path) for fault in _faults(sample)]
    return list({str(problem): problem for problem in problems}.values()), mails


def _faults(sample: Sample) -> list[str]:
    """What must be mended before anybody gets a mail."""
    found = findings(sample.content, leave=sample.leave)
    return [each.what for each in found if each.level is Level.ERROR]


class _Press:
    """Renders an edition, once for all who are told the same, and fills in what is each one's own.

    What is rendered to be looked at looks the same and `counts` for nobody.
    """

    def __init__(self, edition: Edition, *, counts: bool = False) -> None:
        self._edition, self._counts = edition, counts
        self._campaigner, self._campaign = edition.campaigner, edition.campaign
        self._rendered = Kept[Shared | None](IN_HAND)
        self._files = Kept[tuple[Attachment, ...]](IN_HAND)
        self._snapshots = set[str]()
        self._seeded = set[tuple[str, ...]]()

    def put(self, choices: Sequence[Choice]) -> None:
        """Put what is new into the outbox, people who are told the same after one another."""
        self._edition.done.skipped.update(choice.skipped for choice in choices if choice.skipped)
        new = sorted((choice for choice in choices if not choice.skipped), key=self._edition.content_key)
        messages: list[Message] = []
        for choice in new:
            messages += self._messages(choice)
            if len(messages) >= _PUT_AT_ONCE:
                self._put(messages)
                messages = []
        self._put(messages)

    def sample(self, choice: Choice) -> Sample:
        """What one person reads. Raises TemplateError."""
        self._edition.stock.load({choice.group: choice.row.get(GROUP)})
        shared = self._shared(choice)
        return Sample(choice, self._filled(choice, shared), shared.links)

    def _messages(self, choice: Choice) -> list[Message]:
        """The message to one person, and with the first of each rendering the copies to the seeds."""
        if not choice.gets_it:
            return [Message(choice.envelope)]
        try:
            shared = self._rendered.get(self._edition.content_key(choice), lambda: self._render(choice))
            if shared is None:
                return []
            return [self._frozen(choice, shared), *self._seeds(choice, shared)]
        except AuthoringError as error:
            self._edition.done.tell(str(error))
        except OperationsError:
            raise
        except Exception as error:  # a library stumbles over this person; the others must not wait for its mending
            log.exception("message %s cannot be rendered", masked_key(choice.envelope.key))
            self._edition.done.tell(self._stumbled(f"document {choice.person!r}", error))
        return []

    def _render(self, choice: Choice) -> Shared | None:
        """What all are told who are told the same; None, told once, where it fails for each of its readers."""
        try:
            shared = self._shared(choice)
        except AuthoringError as error:
            self._edition.done.tell(str(error))
            return None
        except OperationsError:
            raise
        except Exception as error:
            log.exception("group %r of %s cannot be rendered", choice.group, self._campaign.name)
            self._edition.done.tell(self._stumbled(f"group {choice.group!r}", error))
            return None
        try:
            self._refuse_faults(Sample(choice, self._filled(choice, shared)))
        except AuthoringError as error:
            self._edition.done.tell(str(error))
            return None
        return shared

    def _stumbled(self, what: str, error: Exception) -> str:
        return f"{self._campaign.name}: {what} cannot be rendered: {type(error).__name__}: {error}"

    def _refuse_faults(self, sample: Sample) -> None:
        """Raise TemplateError for what no reader should be sent, such as a picture that says nothing."""
        if sample.choice.envelope.channel == "email" and (faults := _faults(sample)):
            path = self._campaigner.renderer.folder(self._campaign.name)
            raise TemplateError(f"group {sample.choice.group!r}: {'; '.join(faults)}.", path=path)

    def _shared(self, choice: Choice) -> Shared:
        self._edition.done.renderings += 1
        recipient, channel = choice.envelope.recipient, choice.envelope.channel
        name, variables = self._campaign.name, self._variables(choice)
        shared = self._campaigner.renderer.shared(name, variables, self._own(), recipient.language, channel)
        if channel != "email":
            return shared
        if meter := self._campaigner.meter:
            shared = shared.counting(meter.measuring)
        key = choice.group, choice.base, self._edition.language(recipient)
        return shared.with_files(self._files.get(key, partial(self._attached, choice)))

    def _own(self) -> tuple[str, ...]:
        """What is each reader's own: the columns of his row, and what we make of them."""
        mine = ("name", "address", "language", "why", "leave")
        coupon = ("coupon",) if self._campaign.coupon_days else ()
        return tuple(dict.fromkeys((*mine, *coupon, *self._edition.columns)))

    def _variables(self, choice: Choice) -> dict[str, Any]:
        told = self._edition.stock.compared(choice.group, choice.base)
        variables = {
            **self._edition.stock.variables(choice.group),
            GROUP: choice.group,
            "items": self._told(told, choice.base),
            "changed": told.changed,
            "gone": len(told.gone),
            "base": choice.base,
            "edition": choice.edition,
            "cadence": choice.cadence,
            "day": self._edition.day,
            "variant": choice.variant,
        }
        if self._campaign.coupon_days:
            variables["coupon_until"] = self._edition.day + timedelta(days=self._campaign.coupon_days)
        if self._campaigner.meter and choice.envelope.channel == "email":
            variables[WE_COUNT] = str(self._campaigner.meter.measuring)
        if "pdf" in self._campaign.attach and choice.envelope.channel == "email":
            variables["report"] = catalogue(variables["items"], self._look(choice), self._title(choice))
        return variables

    def _told(self, told: Compared, base: str) -> list[dict[str, Any]]:
        return told.changed if self._campaign.only_changed and base else told.items

    def _attached(self, choice: Choice) -> tuple[Attachment, ...]:
        wanted = set(self._campaign.attach) - {"pdf"}
        if not wanted:
            return ()
        told = self._told(self._edition.stock.compared(choice.group, choice.base), choice.base)
        report = whole(told, self._look(choice), self._title(choice))
        writer = self._campaigner.renderer.formats(self._edition.language(choice.envelope.recipient))
        made: list[Attachment] = []
        if "xlsx" in wanted:
            made.append(files.xlsx(report, writer, self._campaigner.company, self._campaigner.zone))
        if "csv" in wanted:
            made += files.csvs(report, writer)
        return tuple(made)

    def _look(self, choice: Choice) -> Look:
        words = self._words(choice)
        return Look(lambda name: words.get(name, ""), self._campaign.sections, self._campaign.hide)

    def _title(self, choice: Choice) -> Report:
        """The head of paper and files: words of the mailing, in which {names} of the group's variables may stand."""
        words, told = self._words(choice), self._edition.stock.compared(choice.group, choice.base)
        formats = self._campaigner.renderer.formats(self._edition.language(choice.envelope.recipient))
        known = {
            **self._edition.stock.variables(choice.group),
            "day": formats.long_date(self._edition.day),
            "count": len(told.changed),
        }
        said = {name: _worded(words.get(f"paper_{name}", ""), known) for name in ("title", "when", "unit", "note")}
        message = words.get("paper_changed" if told.changed else "paper_message", "")
        return Report(
            what=said["title"] or self._campaign.name,
            when=said["when"] or formats.long_date(self._edition.day),
            made_at=self._edition.moment,
            who=self._campaigner.company,
            unit=said["unit"],
            message=_worded(message, known),
            notes=tuple(filter(None, [said["note"]])),
        )

    def _words(self, choice: Choice) -> Mapping[str, str]:
        return self._campaigner.renderer.words(self._campaign.name, self._edition.language(choice.envelope.recipient))

    def _frozen(self, choice: Choice, shared: Shared) -> Message:
        campaigner, envelope = self._campaigner, choice.envelope
        message = frozen(envelope, self._filled(choice, shared), campaigner.sender, campaigner.channels)
        if campaigner.meter is None or not self._counted(envelope):
            return message
        meter = campaigner.meter
        return replace(message, measuring=meter.measuring, reference=meter.reference(envelope.key))

    def _counted(self, envelope: Envelope) -> bool:
        """Whether anything is counted of a message: of readers' mails alone, not of copies to seeds and of tests."""
        return self._counts and envelope.kind is Kind.CAMPAIGN and envelope.channel == "email"

    def _addresses(self, envelope: Envelope) -> dict[str, Any]:
        """By what a mail's opens and clicks are counted."""
        meter = self._campaigner.meter
        if meter is None:
            return {}
        number = meter.reference(envelope.key) if self._counted(envelope) else NOBODY
        return {SEEN: meter.seen(number), GO: partial(meter.go, number)}

    def _filled(self, choice: Choice, shared: Shared) -> Content:
        envelope, words = choice.envelope, self._words(choice)
        way = self._campaigner.door.way_out(envelope.recipient.address, Kind.CAMPAIGN, self._campaign.name)
        why = one_line(choice.row.get("because") or "")
        values = {
            **choice.row,
            "name": envelope.recipient.name or words.get("reader", ""),
            "address": envelope.recipient.address,
            "language": envelope.recipient.language,
            "coupon": coupon_of(self._campaigner.secret, self._campaign.name, envelope.document),
            "why": words.get(why, why) or words.get("why_default", ""),
            "leave": way.link,
            **self._addresses(envelope),
        }
        try:
            return replace(shared.filled(values), way_out=way, seen=values.get(SEEN, ""))
        except TemplateError as error:
            raise TemplateError(f"{error} (document {choice.person!r})") from None

    def _seeds(self, choice: Choice, shared: Shared) -> list[Message]:
        """Copies of a rendering to the company's own people, as this choice's person would get it."""
        key = (choice.group, *self._edition.content_key(choice)[2:])
        if key in self._seeded or choice.envelope.channel != "email":
            return []
        self._seeded.add(key)
        document = ":".join([choice.edition, "seed", choice.group[:40], *key[1:3]])
        envelope = replace(choice.envelope, document=document, kind=Kind.REPORT, because="seed list")
        copies = [
            replace(choice, envelope=replace(envelope, recipient=Recipient(each, language=envelope.recipient.language)))
            for each in self._campaigner.seeds
        ]
        known = self._campaigner.outbox.known({copy.envelope.key for copy in copies})
        new = [copy for copy in copies if copy.envelope.key not in known]
        self._edition.done.seeds += len(new)
        return [self._frozen(copy, shared) for copy in new]

    def _put(self, messages: Sequence[Message]) -> None:
        """What an edition tells is kept before anybody is sent it, and never after."""
        if not messages:
            return
        if self._campaign.marks:
            self._keep_snapshots()
        held = self._campaigner.outbox.put(messages, {}, self._edition.now).too_large
        for reason in held.values():
            self._edition.done.tell(reason)
        self._edition.done.states.update(
            State.HELD if each.envelope.key in held else each.envelope.state
            for each in messages
            if each.envelope.because != "seed list"
        )

    def _keep_snapshots(self) -> None:
        assert self._campaign.marks is not None
        new = self._edition.stock.held() - self._snapshots
        kept = {group: snapshot(self._edition.stock.items(group), self._campaign.marks) for group in new}
        if kept:
            # By the day, because latecomers of a week or month are told other prices than those who were first.
            day = self._edition.day.isoformat()
            self._campaigner.outbox.keep_edition(self._campaign.name, day, kept, self._edition.now)
        self._snapshots |= new


class _Blank(dict[str, Any]):
    """Names that nobody gives are left as they stand."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


def _worded(text: str, known: Mapping[str, Any]) -> str:
    return text.format_map(_Blank({name: one_line(value) for name, value in known.items()})) if text else ""
