"""What comes by the clock and not by an operator: campaigns, greetings and reports, each a run of its DAG.

Their hours are Mondays, the fifth of the month, the morning after it. The demonstration does not wait for them: it
starts each DAG once, as a person would by a click in Airflow's pages. What a run means by today stays today.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from demo import database, schema
from demo.local_airflow import LocalAirflow
from demo.masters import EXPORT, FLEETS, GENERAL
from demo.simulate import Record, Simulator, is_reachable
from demo.stage import StageError

#: How many customers of each price list have consented to be sent advertising, so that a demonstration is quick.
READERS = 2

#: Of which lists and languages they are, and whether firms: three lists make three renderings.
_KINDS = {(GENERAL, "es", False), (FLEETS, "es", True), (EXPORT, "en", True)}

#: From this hour of the company's clock on, who has a birthday today has been greeted (dags/greetings.py).
GREETED_BY = time(9, 1)

#: What a mail carries beside its words: a file of this kind, a picture within, a header by which one leaves.
PDF, XLSX, PICTURE, WAY_OUT = ".pdf", ".xlsx", "picture", "way to leave"


_NOT_YET = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Celebration:
    """Whose birthday it is, and on which day."""

    party: int
    day: date

    @property
    def document(self) -> str:
        """What the greeting has as its document: nobody is greeted twice a year."""
        return f"{self.party}:{self.day.year}"


@dataclass(frozen=True)
class Run:
    """A run of a DAG: the mailing that it sends, by which channels, and what each of its mails must carry.

    `document` narrows what is shown to the greeting of one person. `since` is when it was started, `name` what Airflow
    calls it then; of a run that Airflow starts by itself there is no name.
    """

    mailing: str
    carries: tuple[str, ...]
    dag: str = ""  # of another name than the mailing
    conf: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None  # its logical date, where that is not the present
    channels: tuple[str, ...] = ("email",)
    document: str | None = None
    by_itself: bool = False
    since: datetime = _NOT_YET
    name: str = ""


def runs(now: datetime, celebration: Celebration) -> list[Run]:
    """One run for each kind of mailing that comes by the clock."""
    today = database.local(now).date()
    last_month = today.replace(day=1) - timedelta(days=1)
    return [
        _birthday(now, celebration),
        _report("executive_summary", f"{today - timedelta(days=1)}", PICTURE),
        _report("income_statement", f"{last_month:%Y-%m}", PDF, XLSX, PICTURE),
        Run("product_presentation", (PICTURE, WAY_OUT)),
        Run("promotion", (PICTURE, WAY_OUT)),
        Run("price_list", (PDF, XLSX, PICTURE, WAY_OUT)),
    ]


def _report(name: str, period: str, *carries: str) -> Run:
    """A report about a period, to all who get it at that pace."""
    return Run(name, carries, conf={"send": True, "period": period})


def _birthday(now: datetime, celebration: Celebration) -> Run:
    """By the daily run, which Airflow makes up for when it starts after its hour.

    Who celebrated yesterday is greeted within the days of grace, by a run for the past that is asked to send.
    """
    run = Run("birthday", (PICTURE, WAY_OUT), "greetings", channels=("email", "phone"), document=celebration.document)
    if celebration.day == database.local(now).date():
        return replace(run, by_itself=True)
    return replace(run, conf={"send": True}, at=now - timedelta(hours=26))


def celebrated(now: datetime) -> date:
    """The last day whose birthdays have been greeted by now: today, or yesterday before the hour of greetings."""
    local = database.local(now)
    return local.date() if local.time() >= GREETED_BY else local.date() - timedelta(days=1)


def prepare(operator: Simulator) -> Celebration:
    """The consents and the birthday that the ERP knows when the demonstration begins; whom it will greet.

    The company has just begun to ask for consents: a few customers of three lists gave theirs. One of them celebrates.
    """
    readers = _readers(operator)
    ids, parties = [reader["id"] for reader in readers], schema.parties
    with operator.engine.begin() as connection:
        others = sa.update(parties).where(parties.c.consent, parties.c.id.not_in(ids))
        connection.execute(others.values(consent=False, consent_at=None))
    child = next(reader for reader in readers if not reader["is_company"])
    day = celebrated(operator.clock())
    operator.change_record("parties", child["id"], birthday=date(1984, day.month, day.day))
    return Celebration(child["id"], day)


def _readers(operator: Simulator) -> list[Record]:
    """The first customers of some lists who can be reached by mail and phone; those with vehicles before others."""
    with operator.engine.connect() as connection:
        driving = set(connection.execute(sa.select(schema.vehicles.c.owner_id)).scalars())
    fit = [party for party in operator.parties if party["consent"] and party["active"] and is_reachable(party)]
    fit = [party for party in fit if (party["price_list_id"], party["language"], party["is_company"]) in _KINDS]
    fit.sort(key=lambda party: (party["price_list_id"], party["id"] not in driving, -party["id"]))
    return [party for _, those in groupby(fit, _list_of) for party in list(those)[:READERS]]


def _list_of(party: Record) -> int:
    return int(party["price_list_id"])


def start(airflow: LocalAirflow, wanted: Sequence[Run]) -> list[Run]:
    """The runs, started. Raises StageError where Airflow does not take one."""
    return [_started(airflow, run) for run in wanted]


def _started(airflow: LocalAirflow, run: Run) -> Run:
    dag, since = run.dag or run.mailing, database.utc_now()
    try:
        if run.by_itself:  # it may have begun, and told whom it should, long before anybody asks
            return replace(run, since=min(airflow.began(dag) or since, since))
        return replace(run, since=since, dag=dag, name=airflow.trigger(dag, run.conf, run.at))
    except OSError as error:
        raise StageError(f"Airflow does not start the DAG {dag}: {error}") from error
