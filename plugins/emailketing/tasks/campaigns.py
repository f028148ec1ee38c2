"""Campaigns: declared one by one, each put into the outbox by a task; the bulk lane sends it."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from emailketing import settings
from emailketing.errors import SettingsError
from emailketing.model import EDITIONS, Campaign, query_files
from emailketing.tasks.asking import may_send, run_type
from emailketing.tasks.declaring import CHANNELS, declare, known, refuse
from emailketing.tasks.upkeep import STUCK

if TYPE_CHECKING:
    from emailketing.road import Advertised

log = logging.getLogger(__name__)

ATTACHMENTS = ("pdf", "xlsx", "csv")

_LONGEST_RUN = timedelta(hours=2)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def mail_campaign(  # noqa: PLR0913 one declaration, each argument by its name
    name: str,
    *,
    edition: str | Sequence[str] = "once",
    channels: Sequence[str] = ("email",),
    attach: Sequence[str] = (),
    subjects: Sequence[str] = (),
    coupon: timedelta | None = None,
    sections: str = "",
    marks: tuple[str, str] | None = None,
    only_changed: bool = False,
    hide: Sequence[str] = (),
    expires_after: timedelta | None = None,
) -> Campaign:
    """Advertise to the audience of `include/sql/<name>.sql`, by `include/templates/<name>/`, once in each edition.

    `edition` says how often there is a new one: daily, weekly, monthly or once. Where it names several, each person's
    column `cadence` says which is his, the first where it is NULL or not there; the DAG runs as often as the most
    frequent of them. `attach` names the files that go with it: pdf (by sheet.html.j2, or the default), xlsx, csv.
    `subjects` names several of which each reader gets one, seen by the templates as `variant`. `coupon` gives each
    reader a code of his own, valid for so long. `marks` names the columns of the items that tell them apart and that
    may change, such as `("code", "price")`: what changed since a reader was sent his last edition is marked, and with
    `only_changed` nothing else is told. `sections` is the column of the items whose values are headings, `hide` are
    columns that files do not show. After `expires_after` it is not sent any more; without it, when the next edition's
    day, week or month begins.

    Raises DeclarationError, with the line of the DAG file, for whatever cannot be meant.
    """
    cadences = (edition,) if isinstance(edition, str) else tuple(edition)
    _refuse_what_is_not_there(name, cadences, channels, attach)
    _refuse_no_choice(cadences)
    _refuse_what_cannot_be_meant(subjects, coupon, marks, only_changed)
    campaign = Campaign(
        name,
        channels=tuple(channels),
        expires_after_s=_worth_s(expires_after),
        edition=cadences if len(cadences) > 1 else cadences[0],
        attach=tuple(attach),
        variants=tuple(subjects),
        coupon_days=coupon.days if coupon else None,
        sections=sections,
        marks=tuple(marks) if marks else None,  # type: ignore[arg-type]
        only_changed=only_changed,
        hide=tuple(hide),
    )
    declare(campaign)
    CampaignOperator(task_id=f"advertise_{name}", campaign=campaign, execution_timeout=_LONGEST_RUN + STUCK)
    return campaign


def _refuse_what_is_not_there(
    name: str, cadences: Sequence[str], channels: Sequence[str], attach: Sequence[str]
) -> None:
    include = settings.load().include
    if not include.is_dir():
        raise SettingsError(f"There is no folder {include}.", hint="EMAILKETING_INCLUDE names the include folder.")
    known("query", name, [path.name.removesuffix(".sql") for path in query_files(include / "sql")])
    known("template folder", name, [path.name for path in include.glob("templates/*") if path.is_dir()])
    for what, chosen, there in (
        ("edition", cadences, EDITIONS),
        ("channel", channels, CHANNELS),
        ("kind of file", attach, ATTACHMENTS),
    ):
        for each in chosen:
            known(what, each, there)


def _refuse_what_cannot_be_meant(
    subjects: Sequence[str], coupon: timedelta | None, marks: tuple[str, str] | None, only_changed: bool
) -> None:
    if len(subjects) == 1 or len(set(subjects)) != len(subjects):
        refuse(f"subjects is {list(subjects)!r}.", "Name at least two different ones, or leave it out.")
    if wrong := [each for each in subjects if not _NAME.fullmatch(each)]:
        refuse(f"{wrong[0]!r} is no name of a subject.", "Use small letters, such as subjects=['price', 'season'].")
    if coupon is not None and coupon < timedelta(days=1):
        refuse(f"coupon is {coupon}, which is less than a day.", "Say how long it is valid, as timedelta(days=30).")
    if marks is not None and len(marks) != 2:
        refuse(f"marks is {marks!r}.", "Name two columns of the items, as marks=('code', 'price').")
    if only_changed and marks is None:
        refuse("only_changed needs marks.", "Say by which columns items change, as marks=('code', 'price').")


def _refuse_no_choice(cadences: Sequence[str]) -> None:
    if not cadences or len(set(cadences)) != len(cadences):
        refuse(f"edition is {list(cadences)!r}.", "Name each once, as edition=('weekly', 'daily', 'monthly').")
    if "once" in cadences and len(cadences) > 1:
        refuse("edition has 'once' beside others.", "What goes out once is a campaign of its own.")


def _worth_s(expires_after: timedelta | None) -> float | None:
    if expires_after is None:
        return None
    if expires_after <= timedelta(0):
        refuse(f"expires_after is {expires_after}.", "Give a length of time, such as timedelta(days=2).")
    return expires_after.total_seconds()


class CampaignOperator(BaseOperator):  # type: ignore[misc]
    """Puts the edition of the run's day into the outbox; whoever has it already is left alone.

    Clearing or repeating a run therefore doubles nothing. A backfill, and a run for an edition that is over, send
    nothing, unless the run is triggered with the configuration `{"send": true}`.
    """

    def __init__(self, *, campaign: Campaign, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.campaign = campaign

    def execute(self, context: Any) -> dict[str, int]:
        """Advertise. What an author must mend fails the task, when all else is in the outbox."""
        from emailketing import road, wiring

        run = context["dag_run"]
        moment = run.logical_date or run.run_after
        zone = ZoneInfo(settings.load().company.timezone)
        over = {} if may_send(context) else stale(self.campaign, run_type(run), moment, zone)
        if over.keys() >= set(self.campaign.cadences):
            log.warning("%s: %s; nothing is sent", self.campaign.name, ", ".join(dict.fromkeys(over.values())))
            return {}
        done = road.advertise(wiring.campaigner(), self.campaign, moment, over.keys())
        log.info("%s: %s", self.campaign.name, advertised(done))
        if done.problems:
            raise AirflowFailException("\n".join(done.problems))
        return {state.value: count for state, count in done.states.items()}


def stale(
    campaign: Campaign, kind: str, moment: datetime, zone: ZoneInfo, now: datetime | None = None
) -> dict[str, str]:
    """The cadences to whose people a run sends nothing unless it is asked to, with the reason: it is of the past."""
    from emailketing.road.editions import GRACE, edition_of

    now = now or datetime.now(UTC)
    if kind == "backfill":
        return dict.fromkeys(campaign.cadences, "this is a backfill")
    days = [each.astimezone(zone).date() for each in (moment, now)]
    editions = {cadence: [edition_of(cadence, day) for day in days] for cadence in campaign.cadences}
    over = {cadence: f"the edition {of} is over" for cadence, (of, current) in editions.items() if of != current}
    return over if now - moment > GRACE else {}


def advertised(done: Advertised) -> str:
    """What a run of a campaign did, in a sentence for logs and the command line."""
    if done.off:
        return f"{done.off}; nobody is told"
    states = [f"{count} {state}" for state, count in sorted(done.states.items())]
    skipped = [f"{count} left alone ({why})" for why, count in sorted(done.skipped.items())]
    seeds = [f"{done.seeds} copies to the seed list"] if done.seeds else []
    told = ", ".join([*states, *skipped, *seeds]) or "nobody to tell"
    return f"edition {done.edition}: {done.people} people, {told}; rendered {done.renderings} times"
