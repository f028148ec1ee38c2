"""The words of eMailketing as frozen records: events, envelopes, messages, receipts and the states of a message.

Everything here is a value without a connection. Times are aware datetimes in UTC; ages and waits are seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

T = TypeVar("T")


class Kind(StrEnum):
    """The four kinds of mailing."""

    NOTIFICATION = "notification"  # a document was saved
    REPORT = "report"  # a time came
    CAMPAIGN = "campaign"  # the company advertises
    GREETING = "greeting"  # a special date


#: The kinds that nobody gets without a consent, and that everybody may leave. Documents and reports are no advertising.
ASKS_CONSENT = frozenset({Kind.CAMPAIGN, Kind.GREETING})


class Lane(StrEnum):
    """Messages queue by lane, so that a bulk send never delays an instant one."""

    INSTANT = "instant"
    REPORT = "report"
    BULK = "bulk"


class OnUnknown(StrEnum):
    """What follows when nobody can know whether a message was accepted (a crash, a lost answer)."""

    AGAIN = "again"  # documents and reports: send again, same Message-ID, and record the decision
    NEVER = "never"  # advertising and greetings: leave it; a missing greeting is better than two


class State(StrEnum):
    """Where a message stands. `TRANSITIONS` says where it may go from there."""

    HELD = "held"  # waits until a person approves it
    QUEUED = "queued"  # may be sent as soon as next_attempt_at has come
    SENDING = "sending"  # given to a connection; at most one message per connection stands here
    ACCEPTED = "accepted"  # the server took responsibility (SMTP 250)
    REFUSED = "refused"  # the server will never take it (5xx), or every attempt was used up
    UNKNOWN = "unknown"  # was sending when the process died or the answer was lost; may have arrived
    UNADDRESSED = "unaddressed"  # final: no usable address; the reason says what is wrong with it
    SUPPRESSED = "suppressed"  # final: this address must not be written to by this class of mailing
    EXPIRED = "expired"  # final: too old to help anybody
    CANCELLED = "cancelled"  # final: a person took it back


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.HELD: frozenset({State.QUEUED, State.CANCELLED, State.EXPIRED, State.SUPPRESSED}),
    State.QUEUED: frozenset({State.SENDING, State.HELD, State.CANCELLED, State.EXPIRED, State.SUPPRESSED}),
    # A sending message has no way to cancelled or expired: only its receipt, or the lack of one, moves it on.
    State.SENDING: frozenset({State.ACCEPTED, State.QUEUED, State.REFUSED, State.UNKNOWN}),
    # accepted/refused: a late receipt, or a person found out; queued: again by policy or person; cancelled: dropped.
    State.UNKNOWN: frozenset({State.ACCEPTED, State.REFUSED, State.QUEUED, State.CANCELLED}),
    # What has ended comes back only because a person asks for it to be sent again.
    State.ACCEPTED: frozenset({State.QUEUED}),
    State.REFUSED: frozenset({State.QUEUED}),
    State.EXPIRED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED}),
    State.UNADDRESSED: frozenset(),
    State.SUPPRESSED: frozenset(),
}

#: States in which nothing more happens by itself.
FINAL = frozenset(State) - {State.HELD, State.QUEUED, State.SENDING, State.UNKNOWN}


class Outcome(StrEnum):
    """What became of one delivery attempt."""

    ACCEPTED = "accepted"
    LATER = "later"  # 4xx, or the line broke before the message was complete: certainly not accepted
    REFUSED = "refused"  # 5xx, or this channel can never carry the message
    UNKNOWN = "unknown"  # the message was complete and the answer never came


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the channel answered for one message.

    `code` is the server's reply code (SMTP, HTTP) or None when there was no reply. `at` is the time of the answer.
    `server_failed` says that the server or the line to it failed, not this message: another would have fared the same.
    """

    outcome: Outcome
    at: datetime
    code: int | None = None
    reason: str = ""
    server_failed: bool = False


@dataclass(frozen=True, slots=True)
class Mailing:
    """A declared kind of message; `name` ties DAG, SQL, template folder and golden case together."""

    name: str
    kind: Kind = Kind.NOTIFICATION
    channels: tuple[str, ...] = ("email",)
    expires_after_s: float | None = None  # an event older than this becomes a message in state expired
    on_unknown: OnUnknown = OnUnknown.AGAIN
    quiet_s: float | None = None  # how long a document must stand still before it is told; the setting's when None
    if_refused: str = ""  # the channel that is tried instead where a row's own addressee cannot be reached
    waits_s: float = 0.0  # of a follow-up: how long after it changed a document is told, if it still stands then
    follow_ups: tuple[Mailing, ...] = ()  # what follows when something has not happened by a time

    @property
    def waits(self) -> timedelta:
        """How long a document is waited for before it is told; nothing but for a follow-up."""
        return timedelta(seconds=self.waits_s)

    @property
    def ways(self) -> tuple[str, ...]:
        """Every channel by which it may go, also the one that is tried where another refuses."""
        return (*self.channels, *([self.if_refused] if self.if_refused else []))

    @property
    def lane(self) -> Lane:
        """The lane in which this mailing's messages queue. Nobody waits for a follow-up: it delays no other."""
        if self.kind is Kind.NOTIFICATION and self.waits_s:
            return Lane.REPORT
        return {Kind.NOTIFICATION: Lane.INSTANT, Kind.REPORT: Lane.REPORT}.get(self.kind, Lane.BULK)


#: How often there may be a new edition of a campaign.
EDITIONS = ("daily", "weekly", "monthly", "once")


@dataclass(frozen=True, slots=True)
class Campaign(Mailing):
    """A mailing that advertises, an edition at a time: each person of its audience gets each edition once.

    `edition` says how often there is a new one: daily, weekly, monthly or once; or it names several, of which each
    person's row chooses. What the audience is told comes from `<name>.items.sql` and is rendered once for each
    content_group, language and subject.
    """

    kind: Kind = Kind.CAMPAIGN
    on_unknown: OnUnknown = OnUnknown.NEVER
    edition: str | tuple[str, ...] = "once"
    attach: tuple[str, ...] = ()  # pdf, xlsx, csv
    variants: tuple[str, ...] = ()  # of the subject, each to an equal share of the audience
    coupon_days: int | None = None  # each person has a code of his own, valid for so long
    sections: str = ""  # the column of the items whose values are headings on paper
    marks: tuple[str, str] | None = None  # columns of the items: what tells them apart, and what may change
    only_changed: bool = False  # tell what changed since the last edition that a person was sent, or nothing
    hide: tuple[str, ...] = ()  # columns of the items that files do not show

    @property
    def cadences(self) -> tuple[str, ...]:
        """How often there may be a new edition for a person; the first holds for whoever chooses none."""
        return (self.edition,) if isinstance(self.edition, str) else self.edition


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in the ERP: one row of a notification's query, and its lines.

    `variables` is what the template sees: every column of the row by name, and `lines`, a list of rows.
    """

    mailing: str
    document: str
    version: str
    changed_at: datetime
    variables: Mapping[str, Any]
    silent: bool = False  # imported data: nobody is told


@dataclass(frozen=True, slots=True)
class Epoch:
    """A time in which what the ERP says of itself belongs together; a restore of the ERP begins another.

    Number 0 is the mailing's first look: its cursor never goes back beyond `since`. Each other one is a restore: what
    was told of documents that changed at or after `since` (the ERP's time), by messages from before `at` (ours), may
    speak of documents that the ERP has lost and whose numbers it gives again.
    """

    number: int
    since: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Telling:
    """A message that told of a document: when the document had changed, and when the message was made."""

    event_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Subscription:
    """An address's standing place in the audience of one mailing, as a person set it in the outbox's database.

    It takes the place of whatever include/subscriptions.yaml says of the same mailing, channel and address; not `on`,
    the address gets nothing by it. `where` is a filter as that file writes it, None where the row only switches.
    `options` are kept for those who know them. `by` and `at` say who set it, and when.
    """

    mailing: str
    channel: str
    address: str
    name: str = ""
    language: str = ""
    where: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    on: bool = True
    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """A mailing that a person switched on or off as a whole; it wins over include/subscriptions.yaml."""

    mailing: str
    on: bool
    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """All that people set in the outbox's database about who gets what."""

    subscriptions: tuple[Subscription, ...] = ()
    switches: tuple[Switch, ...] = ()


@dataclass(frozen=True, slots=True)
class Consent:
    """What was said of an address's consent: given, or refused and withdrawn; when, and by whom or where.

    `at` is None where nobody noted the time.
    """

    given: bool
    at: datetime | None = None
    source: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A suppression, a consent or its withdrawal: for which address and kind of mailings (a Kind, or all), and why.

    `source` says who or what brought it: a person's login, a link that was followed, a bounce.
    """

    address: str
    kind: str
    at: datetime
    source: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message is for. `address` is an e-mail address or a phone number, as the channel wants it."""

    address: str
    name: str = ""
    language: str = ""


def message_key(mailing: str, document: str, version: str, channel: str, address: str) -> str:
    """The identity of a message, readable and unambiguous: its parts, percent-encoded where they hold ':' or '%'.

    Two messages with equal keys are the same message, whoever builds them and how often.
    """
    parts = (mailing, document, version, channel, address)
    return ":".join([part if _PLAIN.fullmatch(part) else _quoted(part) for part in parts])


_SIGNS = " /@+-_.,#$&'()*;=?[]~!"
_PLAIN = re.compile(rf"[A-Za-z0-9{re.escape(_SIGNS)}]*")


def _quoted(part: str) -> str:
    return quote(part, safe=_SIGNS, errors="surrogatepass")


def key_parts(key: str) -> tuple[str, ...]:
    """The five parts of a message key, as they were given to `message_key`."""
    return tuple(unquote(part, errors="surrogatepass") for part in key.split(":"))


def document_of(key: str) -> str:
    """What a key shares with the keys of other addresses: mailing, document, version and channel."""
    return key.rpartition(":")[0]


def version_key(mailing: str, document: str, version: str) -> str:
    """What the keys of all messages of a document's version share."""
    return message_key(mailing, document, version, "", "").removesuffix("::")


def version_of(key: str) -> str:
    """What a key shares with the keys of other channels and addresses: mailing, document and version."""
    return key.rsplit(":", 2)[0]


def masked_key(key: str) -> str:
    """A key for logs, its address masked."""
    document, _, address = key.rpartition(":")
    return f"{document}:{masked(unquote(address, errors='replace'))}"


def document_text(value: Any) -> str:
    """A document's number or id as text, whatever type a database gives it: 7, 7.0, Decimal('7.00') and ' 7 ' are '7'.

    Texts stay as they are but for space around them: '007' and '7.0' are other documents than '7'.
    """
    if isinstance(value, float | Decimal) and value == int(value):
        return str(int(value))
    return str(value).strip()


def message_id(key: str, domain: str) -> str:
    """The Message-ID that belongs to a key for ever: sent again, a client shows it once (RFC 5322 3.6.4)."""
    return f"<{sha256(key.encode()).hexdigest()[:40]}@{domain}>"


#: Where readers answer, below the public address: the picture that is fetched, and the links that are followed.
SEEN_PATH, GO_PATH = "seen", "go"

#: Signs of a link that can be counted; a longer one leads where it says, uncounted.
LONGEST_LINK = 2000

#: The reference of a mail that nobody's answers are counted of: a copy to a seed, a test.
NOBODY = "0" * 32


@dataclass(frozen=True, slots=True)
class Measuring:
    """Whether it is counted that a mail is opened, and which of its links are followed."""

    opens: bool = False
    clicks: bool = False

    def __bool__(self) -> bool:
        return self.opens or self.clicks

    def __str__(self) -> str:
        """In a word: opens, clicks, both, or nothing."""
        names = [name for name, on in (("opens", self.opens), ("clicks", self.clicks)) if on]
        return "both" if len(names) == 2 else "".join(names) or "nothing"


class What(StrEnum):
    """What was done with a mail."""

    SEEN = "seen"  # its picture was fetched
    WENT = "went"  # a link was followed


class Who(StrEnum):
    """Who did it, as far as can be told."""

    PERSON = "person"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Response:
    """That a mail was opened or a link of it followed; by whom, and why that is thought, in words of ours."""

    what: What
    at: datetime
    who: Who
    reason: str
    link: str = ""


#: Filters of mail servers look at a mail when they get it: from the moment they have it, which may be while we still
#: wait for the final answer (two time-outs of ours, at most), to some seconds after they took it. Nobody has read a
#: subject and opened the mail by then.
BEFORE_ACCEPTED = timedelta(seconds=60)
AFTER_ACCEPTED = timedelta(seconds=10)


def as_it_was_taken(at: datetime, accepted_at: datetime | None, begun_at: datetime | None) -> bool:
    """Whether somebody came to a mail as its server took it; by when it was begun, where nobody heard an answer."""
    if accepted_at:
        return -BEFORE_ACCEPTED <= at - accepted_at <= AFTER_ACCEPTED
    return begun_at is not None and begun_at <= at <= begun_at + BEFORE_ACCEPTED + AFTER_ACCEPTED


@dataclass(frozen=True, slots=True)
class Envelope:
    """All that is known of a message before it is rendered: who, what about, by which way, until when.

    `because` says which copy or subscription names the recipient; '' where the document's row does.
    An envelope in a final state (unaddressed, suppressed, expired) is never rendered; it is kept with its reason.
    """

    mailing: str
    document: str
    version: str
    channel: str
    recipient: Recipient
    lane: Lane
    on_unknown: OnUnknown
    event_at: datetime  # when the ERP changed the document
    created_at: datetime  # when the sweep saw it; becomes the Date header, unless it waits for a later hour
    expires_at: datetime | None = None
    state: State = State.QUEUED
    reason: str = ""
    because: str = ""
    not_before: datetime | None = None  # it waits in the outbox until then
    kind: Kind = Kind.NOTIFICATION

    @property
    def key(self) -> str:
        """The message's identity."""
        return message_key(self.mailing, self.document, self.version, self.channel, self.recipient.address)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a message. With a `content_id` it is an inline picture of the HTML part."""

    filename: str
    media_type: str
    data: bytes
    content_id: str = ""

    @property
    def sha256(self) -> str:
        """The hex digest under which the outbox stores `data`, once for all messages that carry it."""
        return sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class WayOut:
    """How a reader leaves a kind of mailings: by a mail (a mailto: address), and where there is a page, by a click."""

    mailto: str
    https: str = ""

    @property
    def link(self) -> str:
        """The way that suits a reader best."""
        return self.https or self.mailto


@dataclass(frozen=True, slots=True)
class Content:
    """A rendered message: what the recipient will read. `way_out` is there for what asks for a consent.

    `seen` is the address of the picture by which openings are counted; '' where they are not.
    """

    subject: str
    text: str
    html: str = ""
    phone: str = ""
    attachments: tuple[Attachment, ...] = ()
    way_out: WayOut | None = None
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    """In whose name a message is sent. `domain` is the right side of its Message-IDs."""

    address: str
    name: str = ""
    reply_to: str = ""

    @property
    def domain(self) -> str:
        """The sender's domain."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Frozen:
    """The bytes that will go over the wire, for ever: they are built once and never again.

    `wire` holds everything but the attachments' bodies; `inserts` says at which offset of `wire` (ascending) the
    body of which blob belongs, so that a PDF for ten thousand recipients is stored once, by its sha256.
    `blobs` are those attachments' raw bytes by sha256 (empty when read back without them).
    How a blob is encoded into the wire is the channel's affair; it must be a pure function of the blob.
    `segments` are the text messages that the phone network makes of it; None for what is no text message. What is read
    back from the outbox does not carry it, because its row does.
    """

    wire: bytes
    inserts: tuple[tuple[int, str], ...] = ()
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    segments: int | None = None

    @property
    def size(self) -> int:
        """About the bytes that will go over the wire; a blob grows by some 37 % when it is written in base64."""
        return len(self.wire) + sum(len(self.blobs.get(digest, b"")) * 37 // 27 for _, digest in self.inserts)


@dataclass(frozen=True, slots=True)
class Message:
    """One mailing to one recipient by one channel, rendered and frozen; `frozen` is None when it is never sent.

    `measuring` says what its bytes let us count; where that is anything, public addresses call it by its `reference`.
    """

    envelope: Envelope
    sender: str = ""  # envelope sender
    subject: str = ""
    message_id: str = ""
    frozen: Frozen | None = None
    measuring: Measuring = Measuring()
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that a delivery process holds by lease, with the bytes to send."""

    id: int
    key: str
    channel: str
    sender: str  # envelope sender, as in MAIL FROM
    address: str  # envelope recipient, as in RCPT TO
    message_id: str
    attempts: int  # earlier attempts
    frozen: Frozen


def masked(address: str) -> str:
    """An address for logs: enough to recognise it when you know it, not enough to write to it."""
    local, at, domain = address.partition("@")
    if not at:
        return f"…{address[-3:]}" if len(address) > 3 else "…"
    return f"{local[:2]}…@{domain}"


def query_files(folder: Path) -> Iterator[Path]:
    """The queries below a folder of SQL. What lies in its folder `capture` are scripts for the ERP's database."""
    return (path for path in folder.rglob("*.sql") if path.relative_to(folder).parts[0] != "capture")


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """`items` in runs of at most `size`, in order."""
    return [items[start : start + size] for start in range(0, len(items), size)]
