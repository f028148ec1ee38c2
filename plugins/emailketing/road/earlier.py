"""What the people of a campaign were sent before, whatever the cadence of each was then.

Whoever changes his cadence is not written to twice in a day, nor in the week or month of the new one, and what changed
is told against what he himself was sent last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from emailketing.model import EDITIONS, Campaign, version_key
from emailketing.outbox import Outbox
from emailketing.road.editions import began, edition_of


class Earlier:
    """The messages of a campaign before a day, or on it."""

    def __init__(self, outbox: Outbox, campaign: Campaign, day: date, zone: ZoneInfo) -> None:
        self._outbox, self._campaign, self._day, self._zone = outbox, campaign, day, zone

    def within(self, people: Iterable[str], cadence: str) -> dict[str, str]:
        """Those of `people` who were sent something since a period of this cadence began: which edition.

        The edition of this very cadence is left out: its messages have a key that is known.
        """
        first, left = began(cadence, self._day), set(people)
        mine = edition_of(cadence, self._day)
        found: dict[str, str] = {}
        for _, name in self._editions(self._days_since(first), self._campaign.cadences):
            sent = self._sent(name, left) if left and name != mine else {}
            found |= {person: name for person, at in sent.items() if at >= first}
            left -= found.keys()
        return found

    def last(self, people: Mapping[str, str]) -> dict[str, date]:
        """The day on which each was sent something last, but for the edition that stands beside him.

        Only days of which is kept what was told. Whoever was sent nothing, or before all of them, has none.
        """
        days, found = self._kept(), dict[str, date]()
        for day, name in self._editions(days, (*self._campaign.cadences, *EDITIONS)):
            people = {person: own for person, own in people.items() if found.get(person, date.min) < day}
            sent = self._sent(name, [person for person, own in people.items() if own != name])
            for person, at in sent.items():
                found[person] = max(found.get(person, date.min), at if at < self._day else date.min)
        return {person: at for person, at in found.items() if at in days}

    def _editions(self, days: Iterable[date], cadences: Iterable[str]) -> Iterator[tuple[date, str]]:
        """The editions to which days belong, each once, with the first day that named it."""
        named, order = set[str](), tuple(dict.fromkeys(cadences))
        for day in days:
            new = [name for name in (edition_of(cadence, day) for cadence in order) if name not in named]
            named.update(new)
            yield from ((day, name) for name in new)

    def _days_since(self, first: date) -> list[date]:
        return [self._day - timedelta(number) for number in range((self._day - first).days + 1)]

    def _kept(self) -> list[date]:
        """The earlier days of which is kept what was told, the newest first."""
        if self._campaign.marks is None:
            return []
        days = map(date.fromisoformat, self._outbox.editions(self._campaign.name))
        return sorted((day for day in days if day < self._day), reverse=True)

    def _sent(self, name: str, people: Iterable[str]) -> dict[str, date]:
        """Who of `people` was sent an edition, or will be: of which day his message is."""
        keys = {version_key(self._campaign.name, f"{name}:{person}", "1"): person for person in people}
        return {keys[key]: self._day_of(at) for key, at in self._outbox.sent(keys).items()}

    def _day_of(self, moment: datetime) -> date:
        return moment.astimezone(self._zone).date()
