"""What came of a campaign, as a table or as JSON."""

from __future__ import annotations

from typing import Any

import click

from emailketing import road, wiring
from emailketing.console import print_json, table
from emailketing.errors import OperationsError, nearest
from emailketing.model import State
from emailketing.road import Followed, Measured, Results, Tally

_ENDED = (State.ACCEPTED, State.REFUSED, State.UNKNOWN)
_NEVER_SENT = (State.SUPPRESSED, State.UNADDRESSED, State.EXPIRED, State.CANCELLED)
_LINKS_SHOWN = 20
NOT_MEASURED = "not measured"


def show(name: str, edition: str, as_json: bool) -> None:
    """Print what came of an edition of a campaign, or of the latest of each cadence.

    Raises OperationsError where nothing of it is known.
    """
    found = road.results(wiring.outbox(), name, edition)
    if not found:
        raise OperationsError(*_unknown(name, edition))
    if as_json:
        print_json(line for each in found for line in _objects(each))
        return
    for number, each in enumerate(found):
        click.echo("\n" * bool(number), nl=False)
        _print(each)


def _print(found: Results) -> None:
    columns = {"all": found.total, **dict(sorted(found.subjects.items()))}
    click.echo(f"{found.mailing}, edition {found.edition}")
    table(["", *columns], _rows(list(columns.values())))
    if found.links:
        click.echo()
        _print_links(found)


def _unknown(name: str, edition: str) -> tuple[str]:
    outbox = wiring.outbox()
    if edition and (latest := outbox.latest_editions(name)):
        return (f"The outbox has nothing of edition {edition!r} of {name}; its latest: {', '.join(latest)}.",)
    return (f"The outbox has nothing of a campaign {name!r}. {nearest(name, outbox.counts())}".strip(),)


def _rows(tallies: list[Tally]) -> list[list[str]]:
    """A line for each figure that is not zero everywhere, and those that are always told."""
    lines = [("messages", [str(each.messages) for each in tallies])]
    lines += [(state.value, [str(each.states[state]) for each in tallies]) for state in _ENDED]
    lines.append(("waiting", [str(each.waiting) for each in tallies]))
    for state in _NEVER_SENT:
        if any(each.states[state] for each in tallies):
            lines.append((state.value, [str(each.states[state]) for each in tallies]))
    lines.append(("left", [str(each.left) for each in tallies]))
    lines.append(("coupons used", [str(each.coupons) for each in tallies]))
    for name in ("opened", "clicked"):
        measured: list[Measured] = [getattr(each, name) for each in tallies]
        lines.append((f"{name} by persons", [_persons(each) for each in measured]))
        if any(each.of for each in measured):
            lines.append((f"{name} by machines alone", [str(each.machines) if each.of else "" for each in measured]))
    return [[name, *cells] for name, cells in lines]


def _persons(measured: Measured) -> str:
    if measured.rate is None:
        return NOT_MEASURED
    return f"{measured.persons} of {measured.of} ({100 * measured.rate:.1f} %)"


def _print_links(found: Results) -> None:
    links = found.most_followed()
    rows = [[str(each.people), str(each.clicks), str(each.machines), link] for link, each in links[:_LINKS_SHOWN]]
    table(["people", "clicks", "by machines", "link"], rows)
    if len(links) > _LINKS_SHOWN:
        click.echo(f"… and {len(links) - _LINKS_SHOWN} more; --json gives all")


def _objects(found: Results) -> list[dict[str, Any]]:
    named = {"mailing": found.mailing, "edition": found.edition}
    tallies = [(None, found.total), *sorted(found.subjects.items())]
    objects = [{**named, "subject": subject, **_plain(tally)} for subject, tally in tallies]
    return objects + [{**named, "link": link, **_plain_link(each)} for link, each in found.most_followed()]


def _plain(tally: Tally) -> dict[str, Any]:
    return {
        "messages": tally.messages,
        **{state.value: tally.states[state] for state in (*_ENDED, *_NEVER_SENT)},
        "waiting": tally.waiting,
        "left": tally.left,
        "coupons": tally.coupons,
        "opened": _plain_measured(tally.opened),
        "clicked": _plain_measured(tally.clicked),
    }


def _plain_measured(measured: Measured) -> dict[str, Any] | None:
    if measured.rate is None:
        return None
    return {
        "of": measured.of,
        "persons": measured.persons,
        "rate": round(measured.rate, 4),
        "machines_alone": measured.machines,
    }


def _plain_link(followed: Followed) -> dict[str, int]:
    return {"people": followed.people, "clicks": followed.clicks, "machines": followed.machines}
