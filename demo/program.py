"""What the demonstration shows: errands and runs followed to the end of their messages, and a table of what arrived."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from functools import partial
from pathlib import Path

from demo import catcher, phone_catcher
from demo.clockwork import PICTURE, WAY_OUT, Run
from demo.errands import Errand
from demo.simulate import NothingOpen, Saved, Simulator
from emailketing.model import State
from emailketing.outbox import Filter, Outbox, Row
from emailketing.outbox.reading import ESCALATED

#: What a message still may become without a person; anything else is an end.
_UNDER_WAY = {State.QUEUED, State.SENDING, State.UNKNOWN}

#: Not those that want a consent or an address: most of an audience, and no part of what a run sends.
_SENT = tuple(state for state in State if state not in {State.SUPPRESSED, State.UNADDRESSED})

#: When a catcher took something, the files that were laid out, and what it carried.
_Found = tuple[datetime | None, tuple[Path, ...], frozenset[str]]
_NOTHING: _Found = (None, (), frozenset())


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
    whole: bool = True  # it carries what it must
    replaced: bool = False  # it was refused, and its reader was told by another channel, which is a row of its own

    @property
    def complete(self) -> bool:
        """Whether the server or gateway has all of it and the ledger says so."""
        return self.state == State.ACCEPTED and self.seconds is not None and self.whole

    @property
    def well(self) -> bool:
        """Whether its reader has been told."""
        return self.complete or self.replaced


@dataclass(frozen=True)
class Taken:
    """Where the catchers list what they took."""

    mail_log: Path
    phone_log: Path

    def mail(self, row: Row) -> catcher.Caught | None:
        """The mail of a message."""
        found = [mail for mail in catcher.read_log(self.mail_log)[0] if mail.message_id == row.message_id]
        return found[-1] if found else None

    def mail_to(self, address: str) -> catcher.Caught | None:
        """The newest mail to an address."""
        found = [mail for mail in catcher.read_log(self.mail_log)[0] if mail.recipients == (address,)]
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
        return self.begin(errand)()

    def begin(self, errand: Errand) -> Callable[[], list[Arrival]]:
        """Do one errand; the answer waits for its messages, and says what became of them and which are missing."""
        try:
            saved = errand.act(self.operator)
        except NothingOpen as error:
            none = [Arrival(errand.mailing, "", "", name, "missing", reason=str(error)) for name in errand.channels]
            return lambda: none
        self.say(f"an operator {errand.what}: {saved.document}")
        return partial(self._told, errand, saved)

    def _told(self, errand: Errand, saved: Saved) -> list[Arrival]:
        self.wait(f"the messages of {errand.mailing} {saved.document}", lambda: self._ended(errand, saved))
        rows = self._rows(errand, saved)
        arrivals = [self._arrival(row, saved.committed_at) for row in rows]
        if any(arrival.complete for arrival in arrivals):
            arrivals = [self._followed(row, arrival) for row, arrival in zip(rows, arrivals, strict=True)]
        return [*arrivals, *_missing(errand, saved, rows)]

    def _followed(self, row: Row, arrival: Arrival) -> Arrival:
        """The arrival of a refused message as one that another has replaced, if the ledger says so."""
        decisions = [each.detail for each in self.outbox.history(row.key) if each.cause == ESCALATED]
        if row.state != State.REFUSED or not decisions or decisions[-1].startswith("nobody"):
            return arrival
        return replace(arrival, replaced=True, reason=f"{decisions[-1]}; {arrival.reason}")

    def follow(self, run: Run) -> list[Arrival]:
        """What became of the messages of a DAG's run, and which of those that it must send are missing."""
        self.wait(f"the messages of {run.mailing}", lambda: self._over(run.channels, self._sent(run)))
        rows = self._sent(run)
        # Airflow may have made up for the day's run by itself, as it started.
        since = min([run.since, *(row.created_at for row in rows)])
        arrivals = [self._arrival(row, since, run.carries if row.channel == "email" else ()) for row in rows]
        return [*arrivals, *_unsent(run, rows)]

    def trial(self, mailing: str, address: str, since: datetime, carries: Sequence[str]) -> Arrival:
        """What became of a mailing that was sent to an address of the company's own as a test, past the outbox."""
        self.wait(f"the test of {mailing}", lambda: self.taken.mail_to(address) is not None)
        mail = self.taken.mail_to(address)
        if mail is None:
            return Arrival(mailing, "test", address, "email", "missing", reason="no test came; see var/logs/trial.log")
        files = tuple(_unpacked(mail, self._named(f"{mailing} test")))
        lacking = [what for what in carries if what not in _carried(mail)]
        seconds = (mail.at - since).total_seconds()
        return Arrival(mailing, "test", address, "email", "accepted", seconds, files, _without(lacking), not lacking)

    def _sent(self, run: Run) -> list[Row]:
        """The messages of a run but for those that were never to be sent."""
        rows = self.outbox.messages(Filter(_SENT, mailing=run.mailing, document=run.document), limit=None)
        return sorted(rows, key=lambda row: row.id)

    @staticmethod
    def _over(channels: Sequence[str], rows: Sequence[Row]) -> bool:
        everybody = {row.channel for row in rows} >= set(channels)
        return everybody and not any(row.state in _UNDER_WAY for row in rows)

    def _ended(self, errand: Errand, saved: Saved) -> bool:
        return self._over(errand.channels, self._rows(errand, saved))

    def _rows(self, errand: Errand, saved: Saved) -> list[Row]:
        rows = self.outbox.messages(Filter(mailing=errand.mailing, document=saved.document))
        return sorted(rows, key=lambda row: row.id)

    def _arrival(self, row: Row, since: datetime, carries: Sequence[str] = ()) -> Arrival:
        at, files, carried = self._text(row, since) if row.channel == "phone" else self._mail(row)
        seconds = (at - since).total_seconds() if at else None
        lacking = [what for what in carries if at and what not in carried]
        waits = "" if at else f"still {row.state}; see `bin/emailketing outbox lanes`"
        reason = _without(lacking) or row.reason or waits
        return Arrival(
            row.mailing, row.document, row.address, row.channel, row.state, seconds, files, reason, not lacking
        )

    def _text(self, row: Row, since: datetime) -> _Found:
        text = self.taken.text(row, since)
        return (text.at, (_written(self._stem(row), text),), frozenset()) if text else _NOTHING

    def _mail(self, row: Row) -> _Found:
        mail = self.taken.mail(row)
        return (mail.at, tuple(_unpacked(mail, self._stem(row))), _carried(mail)) if mail else _NOTHING

    def _stem(self, row: Row) -> Path:
        """Where a message is laid, but for the suffix: the name says what it is and for whom."""
        return self._named(f"{row.mailing} {row.document} {row.address.partition('@')[0]}")

    def _named(self, name: str) -> Path:
        self.folder.mkdir(exist_ok=True)
        return self.folder / _plain(name)


def _missing(errand: Errand, saved: Saved, rows: Sequence[Row]) -> list[Arrival]:
    """The messages that an errand must cause and of which the outbox knows nothing."""
    lacking = [channel for channel in errand.channels if channel not in {row.channel for row in rows}]
    reason = "the outbox has no such message"
    return [
        Arrival(errand.mailing, saved.document, saved.address, channel, "missing", reason=reason) for channel in lacking
    ]


def _unsent(run: Run, rows: Sequence[Row]) -> list[Arrival]:
    """The channels by which a run had to send something, and of which the outbox knows nothing."""
    lacking = [channel for channel in run.channels if channel not in {row.channel for row in rows}]
    reason = f"the DAG {run.dag or run.mailing} put no such message into the outbox; see var/airflow/logs"
    return [Arrival(run.mailing, run.document or "", "", channel, "missing", reason=reason) for channel in lacking]


def _without(lacking: Sequence[str]) -> str:
    return f"it carries no {', no '.join(lacking)}" if lacking else ""


def _carried(mail: catcher.Caught) -> frozenset[str]:
    """What a mail carries: the kinds of its files, a picture beside the logo, a way to leave."""
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(mail.path.read_bytes())
    files = {Path(part.get_filename() or "").suffix for part in message.iter_attachments()}
    images = [part for part in message.walk() if part.get_content_maintype() == "image"]
    pictures = {PICTURE for part in images if part.get_filename() != "logo.png"}
    return frozenset(files | pictures | ({WAY_OUT} if message["List-Unsubscribe"] else set()))


def _plain(name: str) -> str:
    """A file's name in which nothing of the ERP's text leads elsewhere."""
    signs = "".join(sign if sign.isalnum() or sign in " -_.,+" else "_" for sign in name)
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


def table(arrivals: Sequence[Arrival], shown: Callable[[Path], str] = str, timed: Sequence[Arrival] = ()) -> str:
    """The arrivals as a table, and their seconds summed up; `shown` says how a file is named.

    `timed` are those that came by the clock: their seconds count from the start of their DAG's run, or from when they
    were made, where Airflow had begun by itself.
    """
    rows = [HEADS, *(_cells(arrival, shown) for arrival in (*arrivals, *timed))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    rows.insert(1, tuple("─" * width for width in widths))
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    said = [summary(arrivals), *([summary(timed, "the start of the DAG's run")] if timed else [])]
    return "\n".join([*lines, "", *said])


def _cells(arrival: Arrival, shown: Callable[[Path], str]) -> tuple[str, ...]:
    seconds = "" if arrival.seconds is None else f"{arrival.seconds:.2f}"
    last = shown(arrival.files[0]) if arrival.files and arrival.complete else _line(arrival.reason)
    texts = (arrival.mailing, arrival.document, arrival.recipient, arrival.channel, arrival.state)
    return (*(_line(text) for text in texts), seconds, last)


def _line(text: str, most: int = 100) -> str:
    """Text from the ERP or a server as one printable line."""
    line = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(line.split())[:most]


def summary(arrivals: Sequence[Arrival], since: str = "the ERP's commit") -> str:
    """How many arrived, and how quickly; a refused mail and the text that replaced it are one."""
    seconds = [arrival.seconds for arrival in arrivals if arrival.complete and arrival.seconds is not None]
    replaced = sum(arrival.replaced for arrival in arrivals)
    line = f"{len(seconds)} of {len(arrivals) - replaced} arrived"
    if replaced:
        line += f", {replaced} of them through the phone after the mail was refused"
    if len(seconds) < 2:
        return line
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    median, most = statistics.median(seconds), max(seconds)
    line += (
        f"; seconds from {since} to the acceptance by mail server or gateway: "
        f"median {median:.2f}, p95 {p95:.2f}, most {most:.2f}"
    )
    return f"{line}\n{_SLOW}" if most > max(_LONG_S, 3 * median) else line


_LONG_S = 10  # a sweep that lingers takes less, one that has to be woken up to so many seconds more
_SLOW = (
    "The slowest waited for Airflow to wake a sweep or a delivery, and for this machine, where all of it runs at once."
)


def kept_back(counts: Mapping[str, Mapping[State, int]]) -> str:
    """How many messages the outbox keeps that go to nobody, and why; '' where there are none."""
    suppressed, unaddressed = (
        sum(states.get(state, 0) for states in counts.values()) for state in (State.SUPPRESSED, State.UNADDRESSED)
    )
    if not suppressed and not unaddressed:
        return ""
    return (
        f"{suppressed:,} went to nobody because consent was not given or taken back, {unaddressed:,} for want of an "
        "address: bin/emailketing outbox list --state suppressed (or unaddressed)"
    )
