"""What the people of a campaign were sent before, whatever the cadence of each was then.

Whoever changes his cadence is not written to twice in a day, nor in the week or month of the new one, and what changed
is told against what he himself was sent last. Each question is two queries for five hundred people, however long the
campaign has been running.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from emailketing.model import Campaign
from emailketing.outbox import Last, Outbox, Sought
from emailketing.road.editions import began, edition_of, midnight

#: A person, a channel and an address in small letters: what was sent by one says nothing of another.
Way = tuple[str, str, str]


class Earlier:
    """The messages of a campaign before a day, or on it."""

    def __init__(self, outbox: Outbox, campaign: Campaign, day: date, zone: ZoneInfo) -> None:
        self._outbox, self._campaign, self._day, self._zone = outbox, campaign, day, zone

    def within(self, people: Collection[str], cadence: str) -> dict[str, str]:
        """Those of `people` who were sent something since a period of this cadence began: which edition.

        The edition of this very cadence is left out: its messages have a key that is known.
        """
        since = self._begin(began(cadence, self._day))
        sought = Sought(since=since, besides=edition_of(cadence, self._day))
        return {person: sent.edition for person, sent in self._sent(people, sought).items()}

    def on_the_day(self, people: Collection[str]) -> set[Way]:
        """The ways by which `people` were sent something of this day, of whatever edition."""
        following = self._begin(self._day + timedelta(1))
        return self._reached(people, Sought(since=self._begin(self._day), before=following))

    def having(self, people: Collection[str], cadence: str) -> set[Way]:
        """The ways by which `people` were sent the edition that this day has for a cadence."""
        since = None if cadence == "once" else self._begin(began(cadence, self._day))
        return self._reached(people, Sought(since=since, edition=edition_of(cadence, self._day)))

    def last(self, people: Mapping[str, str]) -> dict[str, date]:
        """The day before this one on which each was sent something last, but for the edition that stands beside him."""
        found: dict[str, date] = {}
        for own in set(people.values()):
            mine = [person for person, edition in people.items() if edition == own]
            sent = self._sent(mine, Sought(before=self._begin(self._day), besides=own))
            found |= {person: self._day_of(each.at) for person, each in sent.items()}
        return found

    def _sent(self, people: Collection[str], sought: Sought) -> dict[str, Last]:
        return self._outbox.last_sent(self._campaign.name, people, sought)

    def _reached(self, people: Collection[str], sought: Sought) -> set[Way]:
        ways = self._outbox.reached(self._campaign.name, people, sought)
        return {(person, channel, address.casefold()) for person, channel, address in ways}

    def _begin(self, day: date) -> datetime:
        return midnight(day, self._zone)

    def _day_of(self, moment: datetime) -> date:
        return moment.astimezone(self._zone).date()
