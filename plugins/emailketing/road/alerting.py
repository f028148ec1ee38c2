"""The alerts of a report on the road: each reader's own memory, judged at a look and kept with the messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from emailketing.model import Message, State
from emailketing.outbox import Kept, Outbox, Place
from emailketing.report.alerting import Judgement, Memory, Row, Verdict, judged
from emailketing.report.composing import OVER
from emailketing.report.declaration import Alert, ReportMailing
from emailketing.road.readers import Reader
from emailketing.road.reporter import Wanted


class Watcher:
    """What an alert remembers of the readers of a report, while one look judges it."""

    def __init__(self, outbox: Outbox, mailing: ReportMailing, alert: Alert, everybody: Iterable[Reader]) -> None:
        self._mailing, self._alert = mailing, alert
        self._kept = outbox.memories(_place(mailing, reader) for reader in everybody)
        self._memories = {place: Memory.read(kept.text) for place, kept in self._kept.items()}

    def judge(self, rows: Iterable[Row], wanted: Wanted) -> Judgement:
        """What the alert says to a reader; the next question about him is answered by what it remembers then."""
        place = _place(self._mailing, wanted.reader)
        memory = self._memories.get(place, Memory())
        found = judged(self._alert, rows, self._mailing.parts[0].hide, memory, wanted.envelope.event_at)
        self._memories[place] = found.memory
        return found

    def memory(self, wanted: Wanted) -> dict[Place, Memory]:
        """What is remembered of a reader by now."""
        place = _place(self._mailing, wanted.reader)
        return {place: self._memories[place]}

    def kept(self, memories: Mapping[Place, Memory]) -> dict[Place, Kept]:
        """Those of `memories` that have changed, to be kept in the transaction that is about to be done."""
        found = {}
        for place, memory in memories.items():
            before, text = self._kept.get(place, Kept(Memory().written())), memory.written()
            if before.text != text:
                found[place] = Kept(text, before.number)
                self._kept[place] = Kept(text, before.number + 1)
        return found


def told(wanted: Wanted, judgement: Judgement) -> Wanted:
    """The message by which a reader is told; that of an alert that is watched is named by its episode."""
    envelope, about = wanted.envelope, wanted.about
    if wanted.watched:
        about = replace(about, since=judgement.episode.begun)
        envelope = replace(envelope, document=about.document, version=str(judgement.episode.tellings))
    if judgement.verdict is Verdict.OVER:
        envelope = replace(envelope, version=OVER)
    return replace(wanted, envelope=envelope, about=about, watched=False)


def untold(alert: Alert, wanted: Wanted, judgement: Judgement) -> list[Message]:
    """The record that a report was due and its alert had nothing new to say; a watched one would leave one a look."""
    if wanted.watched or judgement.verdict is Verdict.TELL:
        return []
    begun = judgement.episode.begun
    reasons = {
        Verdict.SAME: f"the same rows as were told before{f', first on {begun:%Y-%m-%d %H:%M} UTC' if begun else ''}",
        Verdict.WAIT: f"no row has been beyond for {alert.grace}: {alert.column} {alert.limits}",
        Verdict.OVER: f"nothing is beyond any more, which is told: {alert.column} {alert.limits}",
        Verdict.NOTHING: unbeyond(alert),
    }
    return [Message(replace(wanted.envelope, state=State.CANCELLED, reason=reasons[judgement.verdict]))]


def unbeyond(alert: Alert) -> str:
    """The reason for which nobody is told, in words."""
    return f"nothing is beyond: {alert.column} {alert.limits}"


def _place(mailing: ReportMailing, reader: Reader) -> Place:
    channel, address, cadence, running = reader.place
    return mailing.name, channel, address, f"{cadence} running" if running else str(cadence)
