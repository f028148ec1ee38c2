"""The outbox as its users see it: one object on one database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType

import sqlalchemy as sa

from emailketing.model import (
    Claim,
    Consent,
    Epoch,
    Frozen,
    Lane,
    Message,
    Response,
    State,
    Subscribed,
    Subscription,
    Telling,
    Wish,
)
from emailketing.outbox import (
    alerts,
    editions,
    epochs,
    pause,
    people,
    reading,
    responses,
    subscribing,
    upkeep,
    wishes,
)
from emailketing.outbox.alerts import Kept, Place
from emailketing.outbox.backoff import Settlement
from emailketing.outbox.claim import bytes_of, lease
from emailketing.outbox.database import Database, connect_outbox
from emailketing.outbox.editions import Last, Sought, Used
from emailketing.outbox.escalating import Escalation, escalate
from emailketing.outbox.migrate import migrate
from emailketing.outbox.pause import Failure, Pause, Wait
from emailketing.outbox.people import Verdict
from emailketing.outbox.put import Put, fill, put, start
from emailketing.outbox.reading import Addressed, Entry, Filter, Leased, Row, Standing, Told
from emailketing.outbox.responses import Facts
from emailketing.outbox.step import Stepper
from emailketing.outbox.upkeep import Pruned, Rescued, until_none
from emailketing.outbox.wishes import Asking, Choice, Pair


class Outbox:
    """Messages live here and change state. Times are aware UTC.

    Every method is one transaction unless it says otherwise, and raises OutboxError when the database does not answer:
    then nothing of it happened. (One case is left: the connection breaks while a commit is answered. Every method may
    be repeated, and `step` recognises a receipt that it has recorded before.) An Outbox may be shared by threads.
    """

    def __init__(self, engine: sa.Engine) -> None:
        """`engine` comes from `connect_outbox`."""
        self._database = Database(engine)
        self._stepper = Stepper(self._database)

    @classmethod
    def open(cls, url: str | sa.URL) -> Outbox:
        """The outbox at `url`, its tables made or brought up to date."""
        outbox = cls(connect_outbox(url))
        outbox.migrate()
        return outbox

    def migrate(self) -> None:
        """Bring the tables up to date; costs one query when they are. Several processes may do it at once."""
        with self._database.speaking():
            migrate(self._database.engine)

    def close(self) -> None:
        """Close the connections; the outbox may be used again afterwards."""
        self._database.engine.dispose()

    # What the sweep asks and brings

    def cursor(self, mailing: str) -> datetime | None:
        """How far the mailing has read the ERP, as given to `start` and `put`; None before its first look."""
        return self._database.read(partial(reading.position, mailing=mailing))

    def cursors(self) -> dict[str, datetime]:
        """The cursors of all mailings."""
        return self._database.read(reading.cursors)

    def start(self, mailing: str, position: datetime, seen: Iterable[tuple[str, str]], now: datetime) -> bool:
        """A mailing's first look: its cursor stands at `position`, and each (document, version) of `seen` is history.

        False, and nothing done, when the mailing has looked before.
        """
        seen = list(seen)
        return self._database.write(partial(start, mailing=mailing, position=position, seen=seen, now=now))

    def known(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that the outbox has already."""
        keys = list(keys)
        return self._database.read(partial(reading.known, keys=keys))

    def baseline(self, mailing: str, candidates: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those (document, version) of `candidates` that stood in the ERP before the mailing's first look."""
        return set(self.history_of(mailing, candidates))

    def history_of(self, mailing: str, candidates: Iterable[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
        """Those (document, version) of `candidates` that are history, each with the time of the look that found it."""
        candidates = list(candidates)
        return self._database.read(partial(reading.history_of, mailing=mailing, candidates=candidates))

    def put(
        self,
        messages: Sequence[Message],
        cursors: Mapping[str, datetime],
        now: datetime,
        memories: Mapping[Place, Kept] = MappingProxyType({}),
    ) -> Put:
        """Insert the messages whose keys are new and move the cursors forward (never backward), in one transaction.

        A message that the database cannot take for its size is held without its bytes, until `fill`. `memories` are
        what alerts remember from now on; OutboxError, and nothing done, where another look has judged meanwhile.
        """
        work = partial(put, messages=messages, cursors=cursors, now=now, memories=memories)
        return self._database.write(work)

    def memories(self, places: Iterable[Place]) -> dict[Place, Kept]:
        """What the alerts of reports remember of these readers; nothing of whom they have not judged yet."""
        places = list(places)
        return self._database.read(partial(alerts.recall, places=places)) if places else {}

    def addressed(self, documents: Iterable[str]) -> Addressed:
        """Of `documents` (see `model.version_of`), those that have any message but an unaddressed one."""
        documents = list(documents)
        return self._database.read(partial(reading.addressed, documents=documents)) if documents else Addressed()

    def pass_over(self, mailing: str, seen: Iterable[tuple[str, str]], now: datetime) -> int:
        """Make each (document, version) of `seen` history, as a first look does; how many were not yet."""
        seen = set(seen)
        if new := seen - self.baseline(mailing, seen):
            self._database.write(partial(subscribing.pass_over, mailing=mailing, seen=new, now=now))
        return len(new)

    # What the sweep asks and does where the ERP's time goes back

    def epochs(self, mailing: str) -> list[Epoch]:
        """The mailing's first look and the restores of the ERP since then."""
        return self._database.read(partial(epochs.epochs, mailing=mailing))

    def told_after(self, mailing: str, after: datetime, until: datetime, limit: int = 1000) -> list[Told]:
        """What was told of documents that changed after `after` and not after `until`, the newest first."""
        return self._database.read(
            partial(reading.told_after, mailing=mailing, after=after, until=until, limit=limit),
        )

    def tellings(self, versions: Iterable[str]) -> dict[str, list[Telling]]:
        """The messages that told of these `versions` (see `model.version_key`), by version."""
        versions = list(versions)
        return self._database.read(partial(reading.tellings, versions=versions)) if versions else {}

    def rewind(
        self, mailing: str, seen: datetime, to: datetime, now: datetime, lost_since: datetime | None = None
    ) -> bool:
        """Set the cursor back from `seen` to `to`, not behind the first look; False when it stands elsewhere by now.

        With `lost_since` a restore of the ERP is recorded in the same transaction.
        """
        back = partial(epochs.rewind, mailing=mailing, seen=seen, to=to, lost_since=lost_since, now=now)
        return self._database.write(back)

    def restored(self, mailing: str, since: datetime, at: datetime, now: datetime) -> bool:
        """Record that the ERP was brought back at `at` to what it was at `since`; False before the first look."""
        return self._database.write(partial(epochs.restored, mailing=mailing, since=since, at=at, now=now))

    def unrendered(self, mailing: str, after: int = 0) -> list[Standing]:
        """Some 500 messages, with ids above `after`, that are held because they could not be rendered."""
        return self._database.read(partial(reading.unrendered, mailing=mailing, after=after))

    def fill(self, message: Message, now: datetime) -> str:
        """Give a message that is held without bytes its bytes, and queue it; or answer why the database cannot."""
        return self._database.write(partial(fill, given=message, now=now))

    # What the sweep asks and does about what follows

    def unreached(self, mailing: str, after: int, but: str, since: datetime) -> list[Standing]:
        """Some 500 messages, with ids above `after` and put since then, that did not reach whom a row names.

        Those are refused or unaddressed. Left out are the channel `but` and what `escalate` has decided of.
        """
        return self._database.read(partial(reading.unreached, mailing=mailing, after=after, but=but, since=since))

    def escalate(self, decisions: Sequence[Escalation], now: datetime) -> Put:
        """Put what follows for messages that reached nobody and note each decision in their histories, once for each.

        It is one transaction, so that whatever was put has its decision. Messages whose keys are known are left alone.
        """
        return self._database.write(partial(escalate, decisions=decisions, now=now))

    def waiting(self, mailing: str, after: int = 0) -> list[Standing]:
        """Some 500 messages, with ids above `after`, that are still to be sent."""
        return self._database.read(partial(reading.waiting, mailing=mailing, after=after))

    # What delivery does

    def claim(self, channel: str, lane: str, limit: int, owner: str, lease_s: float, now: datetime) -> list[Claim]:
        """Take up to `limit` due messages in hand, the oldest first, with their bytes (about 32 MB at most).

        `owner` names one connection of one process and no other, ever. The messages stay queued until `step` begins
        them; when the process dies, the lease runs out and they are claimed by another. What a wish has forbidden since
        it was put becomes suppressed instead.
        """
        due = partial(lease, channel=channel, lane=lane, limit=limit, owner=owner, lease_s=lease_s, now=now)
        while taken := self._database.write(due):
            claims, doubtful = self._database.read(partial(bytes_of, ids=taken))
            aside = self._database.write(partial(wishes.set_aside, ids=doubtful, now=now)) if doubtful else ()
            if left := [claim for claim in claims if claim.id not in aside]:
                return left
        return []

    def step(self, owner: str, settled: Settlement | None, begin: int | None, now: datetime, lease_s: float) -> bool:
        """Settle the message just delivered and mark the message `begin` as sending, in one transaction.

        Deliver it only after True. False: it is no longer ours (cancelled, expired, claimed by another); take the next.
        Raises IllegalTransition, nothing done, when `settled` is not this owner's attempt.
        """
        return self._stepper.step(owner, settled, begin, now, lease_s)

    def is_sending(self, owner: str, number: int) -> bool:
        """Whether `owner` is sending the message with this id, as a step did whose answer was lost."""
        return self._database.read(partial(reading.is_sending, owner=owner, number=number))

    def release(self, owner: str) -> int:
        """Give back what `owner` has claimed and not begun; how many. For a clean end before all was sent."""
        held = self._database.read(partial(upkeep.held_by, owner=owner))
        return self._database.write(partial(upkeep.release, owner=owner, ids=held)) if held else 0

    # What delivery does about a server that fails as a whole

    def pause(self, channel: str, lane: str) -> Pause | None:
        """What is remembered of a lane's failures, whether they pause it or not; None when all is well."""
        return self._database.read(partial(pause.standing, channel=channel, lane=lane))

    def pauses(self) -> list[Pause]:
        """The lanes of which failures are remembered."""
        return self._database.read(pause.all_standing)

    def fail(self, channel: str, lane: str, failure: Failure, wait_s: Wait) -> Pause:
        """Count a failure of the server as a whole; the lane is paused as long as `wait_s` of the count says."""
        return self._database.write(
            partial(pause.fail, channel=channel, lane=lane, failure=failure, wait_s=wait_s),
        )

    def take_trial(self, channel: str, lane: str, now: datetime, until: datetime) -> bool:
        """Be the one who may try a message now that the lane's pause is over; for all others it goes on `until` then.

        End it by `resume` or `fail`; where neither comes, the process died, and another may try from `until` on.
        """
        return self._database.write(partial(pause.take_trial, channel=channel, lane=lane, now=now, until=until))

    def resume(self, channel: str, lane: str) -> bool:
        """The server works: the lane is open, its failures are forgotten. False when there was nothing to forget."""
        return self._database.write(partial(pause.resume, channel=channel, lane=lane))

    def queued(self) -> dict[tuple[str, Lane], int]:
        """How many messages wait in each lane of each channel."""
        return self._database.read(pause.queued)

    # What housekeeping does, in chunks of one transaction each

    def rescue(self, now: datetime, retry_at: datetime, attempts: int) -> list[Rescued]:
        """Messages whose sender died become unknown; then the policy of their mailing speaks, once.

        Again (and fewer than `attempts` made): queued for `retry_at`. Otherwise unknown, until a person settles it.
        """
        self._database_chunks(partial(upkeep.strand, now=now))
        found: list[Rescued] = []
        while chunk := self._database.write(partial(upkeep.decide, retry_at=retry_at, attempts=attempts, now=now)):
            found += chunk
        return found

    def expire(self, now: datetime) -> int:
        """Waiting messages that are past their time become expired; how many."""
        return self._database_chunks(partial(upkeep.expire, now=now))

    def prune(self, before: datetime, content_before: datetime) -> Pruned:
        """Delete what ended before `before`, and frozen bytes of what ended before `content_before`.

        The baselines stay: a document of before the first look may be changed, and read again, after any time.
        """
        return Pruned(
            messages=self._database_chunks(partial(upkeep.prune_messages, before=before)),
            contents=self._database_chunks(partial(upkeep.prune_contents, before=content_before)),
            blobs=self._database_chunks(partial(upkeep.prune_blobs, before=content_before)),
        )

    def _database_chunks(self, work: partial[int]) -> int:
        return until_none(lambda: self._database.write(work))

    # What a person does

    def cancel(self, key: str, by: str, why: str, now: datetime) -> None:
        """Take a waiting message, or one in doubt, back. IllegalTransition when it is being sent or has ended."""
        self._database.write(partial(people.cancel, key=key, by=by, why=why, now=now))

    def resend(self, key: str, by: str, why: str, now: datetime) -> None:
        """Queue a message again, the same bytes, whatever became of it. IllegalTransition when it cannot be."""
        self._database.write(partial(people.resend, key=key, by=by, why=why, now=now))

    def approve(self, key: str, by: str, why: str, now: datetime) -> None:
        """Let a held message go."""
        self._database.write(partial(people.approve, key=key, by=by, why=why, now=now))

    def settle_unknown(self, key: str, verdict: Verdict, by: str, why: str, now: datetime) -> None:
        """Settle a message of which nobody knows whether it arrived: it was sent, is to be resent, or dropped."""
        self._database.write(partial(people.settle_unknown, key=key, verdict=verdict, by=by, why=why, now=now))

    # What people set about who gets what

    def subscribed(self) -> Subscribed:
        """All that was set about who gets what."""
        return self._database.read(subscribing.subscribed)

    def subscribe(self, subscription: Subscription, by: str, now: datetime) -> None:
        """Set what an address gets of a mailing by a channel, in the place of what was set before."""
        self._database.write(partial(subscribing.subscribe, given=subscription, by=by, now=now))

    def unsubscribe(self, mailing: str, channel: str, address: str) -> bool:
        """Forget what was set of an address, so that the file holds again; False when nothing was."""
        gone = partial(subscribing.unsubscribe, mailing=mailing, channel=channel, address=address)
        return self._database.write(gone)

    def switch(self, mailing: str, on: bool, by: str, now: datetime) -> None:
        """Switch a mailing on or off as a whole."""
        self._database.write(partial(subscribing.switch_mailing, mailing=mailing, on=on, by=by, now=now))

    def provision(self) -> str | None:
        """The text of include/subscriptions.yaml when it could be read last."""
        return self._database.read(subscribing.provision)

    def provide(self, text: str, now: datetime) -> None:
        """Keep the text of include/subscriptions.yaml."""
        self._database.write(partial(subscribing.provide, text=text, now=now))

    # What campaigns told, and their coupons

    def keep_edition(
        self, mailing: str, edition: str, snapshots: Mapping[str, Mapping[str, str]], now: datetime
    ) -> None:
        """Keep what an edition tells each group, where nothing is kept of it yet."""
        kept = partial(editions.keep, mailing=mailing, name=edition, snapshots=snapshots, now=now)
        self._database.write(kept)

    def edition(self, mailing: str, edition: str, group: str) -> dict[str, str] | None:
        """What an edition told a group; None where nothing is kept."""
        return self._database.read(partial(editions.told, mailing=mailing, name=edition, group=group))

    def kept(self, mailing: str, editions_: Collection[str], groups: Collection[str]) -> set[tuple[str, str]]:
        """Those (edition, group) of which it is kept what was told."""
        wanted = partial(editions.kept, mailing=mailing, names=editions_, groups=groups)
        return self._database.read(wanted) if editions_ and groups else set()

    def last_sent(self, mailing: str, people: Collection[str], sought: Sought) -> dict[str, Last]:
        """The last message of a campaign that each of `people` was sent, may have been or will be, as sought."""
        asked = partial(editions.last_sent, mailing=mailing, people=people, sought=sought)
        return self._database.read(asked) if people else {}

    def reached(self, mailing: str, people: Collection[str], sought: Sought) -> set[tuple[str, str, str]]:
        """Of `people`: person, channel and address of each message of a campaign that went or will, as sought."""
        asked = partial(editions.reached, mailing=mailing, people=people, sought=sought)
        return self._database.read(asked) if people else set()

    def documents(self, mailing: str) -> list[tuple[int, str]]:
        """All documents of a mailing, with the ids of their messages."""
        return self._database.read(partial(editions.documents, mailing=mailing))

    def use_coupon(self, code: str, mailing: str, document: str, by: str, now: datetime) -> Used | None:
        """Take a coupon; the answer is None, or when and by whom it was taken before."""
        used = Used(now, by)
        return self._database.write(partial(editions.use, code=code, mailing=mailing, document=document, used=used))

    def used_coupon(self, code: str) -> Used | None:
        """When and by whom a coupon was taken; None when it was not."""
        return self._database.read(partial(editions.taken, code=code))

    # What was done with campaigns

    def respond(self, reference: str, response: Response) -> bool:
        """Keep that somebody opened the message with this reference, or followed a link of it.

        False, and nothing kept, where that is not counted of it, it was pruned, or its limit of rows is reached.
        """
        if not self._database.read(partial(responses.has_room, reference=reference, given=response)):
            return False  # without the lock of a write, which a SQLite file has but one of
        return self._database.write(partial(responses.respond, reference=reference, given=response))

    def latest_editions(self, mailing: str) -> list[str]:
        """The latest edition of each cadence that a campaign has; none where nothing was put."""
        return self._database.read(partial(responses.latest, mailing=mailing))

    def edition_facts(self, mailing: str, edition: str, left_by: str) -> Facts:
        """All that is known of an edition; `left_by` is the reason that is noted for who leaves by the mailing.

        It costs the same few queries however many messages there are.
        """
        return self._database.read(partial(responses.facts, mailing=mailing, edition=edition, left_by=left_by))

    # What the people written to wish

    def suppress(self, wish: Wish) -> int:
        """Never write to an address again by a kind of mailings, from now on; how many waiting messages it ended."""
        return self._database.write(partial(wishes.suppress, wish=wish))

    def unsuppress(self, wish: Wish) -> bool:
        """Allow it again; False when it was not suppressed."""
        return self._database.write(partial(wishes.unsuppress, wish=wish))

    def allow(self, wish: Wish) -> None:
        """Keep a consent that the company was given outside its ERP."""
        self._database.write(partial(wishes.allow, wish=wish))

    def withdraw(self, wish: Wish) -> int:
        """Keep that a consent was withdrawn, whoever had noted it; how many waiting messages that ended."""
        return self._database.write(partial(wishes.withdraw, wish=wish))

    def forbid(self, reasons: Mapping[int, str], now: datetime) -> int:
        """Waiting messages, by id, become suppressed, each with its reason; how many still waited."""
        return len(self._database.write(partial(wishes.forbid, reasons=reasons, now=now)))

    def asking(self, due_by: datetime) -> list[Asking]:
        """The messages that are due by then and ask for a consent, those of a mailing together."""
        return self._database.read(partial(wishes.asking, due_by=due_by))

    def postpone(self, mailing: str, until: datetime, reason: str, due_by: datetime) -> int:
        """Those of a mailing wait until `until`, with the reason, in the same state; how many."""
        return self._database.write(
            partial(wishes.postpone, mailing=mailing, until=until, reason=reason, due_by=due_by),
        )

    def suppressions(self, address: str | None = None) -> list[Wish]:
        """All suppressions, or those of an address, newest first."""
        return self._database.read(partial(wishes.suppressions, address=address))

    def consents(self, address: str | None = None) -> list[Choice]:
        """The last word of everybody, or of an address, about each kind, as told outside the ERP; newest first."""
        return self._database.read(partial(wishes.consents, address=address))

    def choices(self, address: str | None = None) -> list[Choice]:
        """Every suppression, consent and their ends, of everybody or of an address, newest first."""
        return self._database.read(partial(wishes.choices, address=address))

    def suppressed(self, wanted: Iterable[Pair]) -> dict[Pair, str]:
        """Those of `wanted` (address, kind) that must not be written to, each with the reason."""
        wanted = list(wanted)
        return self._database.read(partial(wishes.suppressed, wanted=wanted)) if wanted else {}

    def own_consents(self, wanted: Iterable[Pair]) -> dict[Pair, Consent]:
        """What those of `wanted` (address, kind) said outside the ERP: the newest word of each who said any."""
        wanted = list(wanted)
        return self._database.read(partial(wishes.own_consents, wanted=wanted)) if wanted else {}

    # What anybody may look at

    def messages(self, wanted: Filter = Filter(), limit: int | None = 100) -> list[Row]:  # noqa: B008 frozen
        """The newest messages that fit `wanted`, newest first."""
        return self._database.read(partial(reading.messages, wanted=wanted, limit=limit))

    def message(self, key: str) -> Row | None:
        """The message with this key, or with this number (its id)."""
        return self._database.read(partial(reading.one, key=key))

    def history(self, key: str) -> list[Entry]:
        """Every change of state of a message, oldest first."""
        return self._database.read(partial(reading.story, key=key))

    def frozen(self, key: str) -> Frozen | None:
        """What was, or will be, sent: the bytes with all attachments; None where there are none (any more)."""
        return self._database.read(partial(reading.frozen, key=key))

    def leased(self, now: datetime) -> Leased:
        """What deliveries hold at the moment, whether they live or not."""
        return self._database.read(partial(reading.leased, now=now))

    def unfinished(self, lane: Lane | None = None) -> bool:
        """Whether anything in a lane, or in all of them, will still happen by itself, be it only a policy's word."""
        return self._database.read(partial(reading.unfinished, lane=lane))

    def counts(self) -> dict[str, dict[State, int]]:
        """How many messages each mailing has in each state."""
        return self._database.read(reading.counts)
