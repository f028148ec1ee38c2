"""What the demonstration shows: each errand followed until its messages have ended, and a table of what arrived."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from demo import catcher, phone_catcher
from demo.errands import Errand
from demo.simulate import NothingOpen, Saved, Simulator
from emailketing.model import State
from emailketing.outbox import Filter, Outbox, Row

#: What a message still may become without a person; anything else is an end.
_UNDER_WAY = {State.QUEUED, State.SENDING, State.UNKNOWN}


@dataclass(frozen=True)
class Arrival:
    """What became of one message, or the want of one; `seconds` are those from the ERP's commit to its acceptance."""

    mailing: str
    document: str
    recipient: str
    channel: str
    state: str
    seconds: float | None = None
    files: tuple[Path, ...] = ()
    reason: str = ""

    @property
    def complete(self) -> bool:
        """Whether the server or gateway has it and the ledger says so."""
        return self.state == State.ACCEPTED and self.seconds is not None


@dataclass(frozen=True)
class Taken:
    """Where the catchers list what they took."""

    mail_log: Path
    phone_log: Path

    def mail(self, row: Row) -> catcher.Caught | None:
        """The mail of a message."""
        found = [mail for mail in catcher.read_log(self.mail_log)[0] if mail.message_id == row.message_id]
        return found[-1] if found else None

    def text(self, row: Row, since: datetime) -> phone_catcher.Caught | None:
        """The text of a message to a phone, which carries no identity: the newest to that number."""
        texts = phone_catcher.read_log(self.phone_log)[0]
        found = [text for text in texts if text.to == row.address and text.at >= since]
        return found[-1] if found else None


@dataclass
class Program:
    """The errands of an operator; what they cause is followed in the outbox and laid into `folder`.

    `wait(what, until)` waits until `until()`, or for as long as is sensible; `say` hears of each step.
    """

    operator: Simulator
    outbox: Outbox
    taken: Taken
    folder: Path
    wait: Callable[[str, Callable[[], bool]], None]
    say: Callable[[str], None]

    def run(self, errand: Errand) -> list[Arrival]:
        """Do one errand; what became of its messages, and which of those that it must cause are missing."""
        try:
            saved = errand.act(self.operator)
        except NothingOpen as error:
            return [
                Arrival(errand.mailing, "", "", channel, "missing", reason=str(error)) for channel in errand.channels
            ]
        self.say(f"an operator {errand.what}: {saved.document}")
        self.wait(f"the messages of {errand.mailing} {saved.document}", lambda: self._ended(errand, saved))
        rows = self._rows(errand, saved)
        return [*(self._arrival(row, saved) for row in rows), *_missing(errand, saved, rows)]

    def _ended(self, errand: Errand, saved: Saved) -> bool:
        rows = self._rows(errand, saved)
        everybody = {row.channel for row in rows} >= set(errand.channels)
        return everybody and not any(row.state in _UNDER_WAY for row in rows)

    def _rows(self, errand: Errand, saved: Saved) -> list[Row]:
        rows = self.outbox.messages(Filter(mailing=errand.mailing, document=saved.document))
        return sorted(rows, key=lambda row: row.id)

    def _arrival(self, row: Row, saved: Saved) -> Arrival:
        found = self._text(row, saved) if row.channel == "phone" else self._mail(row)
        at, files = found or (None, ())
        seconds = (at - saved.committed_at).total_seconds() if at else None
        reason = row.reason or (f"still {row.state}; see `bin/emailketing outbox lanes`" if not at else "")
        return Arrival(row.mailing, row.document, row.address, row.channel, row.state, seconds, files, reason)

    def _text(self, row: Row, saved: Saved) -> tuple[datetime, tuple[Path, ...]] | None:
        text = self.taken.text(row, saved.committed_at)
        return (text.at, (_written(self._stem(row), text),)) if text else None

    def _mail(self, row: Row) -> tuple[datetime, tuple[Path, ...]] | None:
        mail = self.taken.mail(row)
        return (mail.at, tuple(_unpacked(mail, self._stem(row)))) if mail else None

    def _stem(self, row: Row) -> Path:
        """Where a message is laid, but for the suffix: the name says what it is and for whom."""
        self.folder.mkdir(exist_ok=True)
        return self.folder / _plain(f"{row.mailing} {row.document} {row.address.partition('@')[0]}")


def _missing(errand: Errand, saved: Saved, rows: Sequence[Row]) -> list[Arrival]:
    """The messages that an errand must cause and of which the outbox knows nothing."""
    lacking = [channel for channel in errand.channels if channel not in {row.channel for row in rows}]
    reason = "the outbox has no such message"
    return [
        Arrival(errand.mailing, saved.document, saved.address, channel, "missing", reason=reason) for channel in lacking
    ]


def _plain(name: str) -> str:
    """A file's name in which nothing of the ERP's text leads elsewhere."""
    signs = "".join(sign if sign.isalnum() or sign in " -_.+" else "_" for sign in name)
    return signs.strip(" .")[-80:] or "attachment"


def _written(stem: Path, text: phone_catcher.Caught) -> Path:
    target = stem.with_name(f"{stem.name}.txt")
    target.write_text(text.text, encoding="utf-8")
    return target


def _unpacked(mail: catcher.Caught, stem: Path) -> Iterator[Path]:
    """Lay the mail and what it carries where a person finds them; the document comes first."""
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(mail.path.read_bytes())
    for part in message.iter_attachments():
        body = part.get_payload(decode=True)
        if part.get_content_disposition() == "attachment" and isinstance(body, bytes):
            target = stem.with_name(_plain(part.get_filename() or ""))
            target.write_bytes(body)
            yield target
    target = stem.with_name(f"{stem.name}.eml")
    shutil.copy(mail.path, target)
    yield target


HEADS = ("mailing", "document", "recipient", "channel", "state", "seconds", "file, or the reason")


def table(arrivals: Sequence[Arrival], shown: Callable[[Path], str] = str) -> str:
    """The arrivals as a table, and their seconds summed up; `shown` says how a file is named."""
    rows = [HEADS, *(_cells(arrival, shown) for arrival in arrivals)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    rows.insert(1, tuple("─" * width for width in widths))
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", summary(arrivals)])


def _cells(arrival: Arrival, shown: Callable[[Path], str]) -> tuple[str, ...]:
    seconds = "" if arrival.seconds is None else f"{arrival.seconds:.2f}"
    last = shown(arrival.files[0]) if arrival.files and arrival.complete else _line(arrival.reason)
    texts = (arrival.mailing, arrival.document, arrival.recipient, arrival.channel, arrival.state)
    return (*(_line(text) for text in texts), seconds, last)


def _line(text: str, most: int = 100) -> str:
    """Text from the ERP or a server as one printable line."""
    line = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(line.split())[:most]


def summary(arrivals: Sequence[Arrival]) -> str:
    """How many arrived, and how quickly."""
    seconds = [arrival.seconds for arrival in arrivals if arrival.complete and arrival.seconds is not None]
    line = f"{len(seconds)} of {len(arrivals)} arrived"
    if len(seconds) < 2:
        return line
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    return (
        f"{line}; seconds from the ERP's commit to the acceptance by mail server or gateway: "
        f"median {statistics.median(seconds):.2f}, p95 {p95:.2f}, most {max(seconds):.2f}"
    )
