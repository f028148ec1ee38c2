"""The columns of a campaign's queries: those that it cannot do without, and names that are misspelt."""

from __future__ import annotations

import re
from datetime import datetime
from difflib import get_close_matches
from itertools import islice

from emailketing.audience import ADDRESS_COLUMN
from emailketing.erp import Row
from emailketing.errors import AuthoringError, SqlError, nearest
from emailketing.hostile import one_line
from emailketing.model import Campaign, document_text
from emailketing.road.choosing import Campaigner

_GROUPS = 50  # so many are asked for an item, by which the columns are known

_WORD = re.compile(r"[a-z0-9]+(_[a-z0-9]+)+")


def check_columns(
    campaigner: Campaigner, campaign: Campaign, moment: datetime
) -> tuple[list[AuthoringError], list[str]]:
    """What is wrong with the columns of a campaign's queries, and what may be: notes, which stop nothing."""
    try:
        return _checked(campaigner, campaign, moment)
    except AuthoringError as error:
        return [error], []


def _checked(campaigner: Campaigner, campaign: Campaign, moment: datetime) -> tuple[list[AuthoringError], list[str]]:
    day = moment.astimezone(campaigner.zone).date()
    with campaigner.erp.reading() as reader:
        columns = reader.audience(campaign.name)
        found = _audience_faults(campaigner, campaign, columns)
        groups, reasons = dict[str, object](), dict[str, None]()
        for row in reader.people(campaign.name, day):
            groups.setdefault(document_text(row.get("content_group") or ""), row.get("content_group"))
            reasons.setdefault(one_line(row.get("because") or ""))
        items = reader.items(campaign.name, list(islice(groups.values(), _GROUPS)), day)
    found += _misnamed(campaigner, campaign, next((rows[0] for rows in items.values() if rows), None))
    return found, [*_notes(found, columns), *_near_words(campaigner, campaign, list(reasons))]


def _notes(faults: list[AuthoringError], columns: list[str]) -> list[str]:
    if faults or "consent" in columns:
        return []
    return ["the query gives no column 'consent': only those get it who gave theirs outside the ERP (`consent give`)"]


def _audience_faults(campaigner: Campaigner, campaign: Campaign, columns: list[str]) -> list[AuthoringError]:
    path, found = campaigner.erp.query(campaign.name).path, list[AuthoringError]()
    # Without one that is nearly it, the own list may be meant to decide.
    if "consent" not in columns and get_close_matches("consent", columns, cutoff=0.8):
        found.append(SqlError("the query gives no column 'consent'.", path=path, hint=nearest("consent", columns)))
    for column in (ADDRESS_COLUMN[each] for each in campaigner.audience.now().settled(campaign).channels):
        if column not in columns:
            hint = f"{nearest(column, columns)} Without it everybody would be unaddressed.".strip()
            found.append(SqlError(f"the query gives no column {column!r}.", path=path, hint=hint))
    if len(campaign.cadences) > 1 and "cadence" not in columns:
        message = f"the query gives no column 'cadence': everybody gets it {campaign.cadences[0]}."
        hint = f"{nearest('cadence', columns)} Or declare one edition in the DAG.".strip()
        found.append(SqlError(message, path=path, hint=hint))
    return found


def _misnamed(campaigner: Campaigner, campaign: Campaign, item: Row | None) -> list[AuthoringError]:
    """What the DAG names and is no column of the items; none can be told where there is no item now."""
    if item is None:
        return []
    path = campaigner.erp.query(f"{campaign.name}.items").path
    named = [(name, "marks") for name in campaign.marks or ()]
    named += [(campaign.sections, "sections")] if campaign.sections else []
    return [
        SqlError(
            f"the query gives no column {name!r}, which the DAG names in {where}.", path=path, hint=nearest(name, item)
        )
        for name, where in named
        if name not in item
    ]


def _near_words(campaigner: Campaigner, campaign: Campaign, reasons: list[str]) -> list[str]:
    """Reasons that look like the name of a word and are none, though one is near: readers would read the name."""
    language = campaigner.renderer.language(campaign.name, "")
    words = campaigner.renderer.words(campaign.name, language)
    strange = [reason for reason in reasons if _WORD.fullmatch(reason) and reason not in words]
    near = [(reason, nearest(reason, words)) for reason in strange]
    return [
        f"because is {reason!r}, which is no word: readers would read it so. {meant}"
        for reason, meant in near
        if meant.startswith("Did you mean")
    ]
