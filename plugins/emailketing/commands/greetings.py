"""The command line about special dates: look by hand, rehearse a day, check and preview a greeting."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from emailketing import settings
from emailketing.console import BAD, Problem, command, print_json, table
from emailketing.errors import AuthoringError, OperationsError, nearest
from emailketing.greetings import Greeting
from emailketing.model import Content, Recipient

if TYPE_CHECKING:
    from emailketing.road import Greeted


@click.command(short_help="Put the greetings of the day into the outbox.")
@click.argument("names", nargs=-1, metavar="[GREETING]...")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), help="See to what was due since this day; else since the last look."
)
@command
def greet(names: Sequence[str], since: datetime | None) -> None:
    """Look once for whom a special date concerns, and put their greetings into the outbox for their hour.

    The first look begins with today. Looking again is always safe: nobody is greeted twice a year.
    """
    from emailketing import road, tasks, wiring

    greeter = wiring.greeter()
    begin = since.replace(tzinfo=greeter.zone) if since else None
    problems: list[str] = []
    for greeting in _greetings(names):
        greeted = road.greet(greeter, greeting, begin)
        click.echo(f"{greeting.name}: {tasks.told_greeted(greeted)}")
        problems += greeted.problems
    for problem in problems:
        Problem(AuthoringError(problem)).show()
    if problems:
        sys.exit(1)


def _greetings(names: Sequence[str]) -> list[Greeting]:
    """The greetings of these names, or all, that the DAG files declare."""
    from emailketing import tasks

    declared = tasks.declared(settings.load().dags)
    known = {name: each for name, each in declared.items() if isinstance(each, Greeting)}
    for name in names:
        if name not in known:
            there = f"{name} is a {declared[name].kind}" if name in declared else f"there is no {name!r}"
            raise click.BadParameter(f"{there}; this is for greetings. {nearest(name, known)}")
    return [known[name] for name in names or known]


def named(name: str) -> Greeting | None:
    """The greeting of that name; None where another mailing has it, or none."""
    from emailketing import tasks

    found = tasks.declared(settings.load().dags).get(name)
    return found if isinstance(found, Greeting) else None


def rehearse(greeting: Greeting, day: datetime | None, limit: int, as_json: bool) -> None:
    """Print who would be greeted on a day and who would not; so many lines of a table, or everybody as JSON."""
    from emailketing import road, wiring

    greeter = wiring.greeter()
    chosen = day.date() if day else road.next_day(greeter, greeting)
    rehearsal = road.rehearse(greeter, greeting, chosen)
    if as_json:
        print_json(map(asdict, rehearsal.verdicts))
        return
    shown: list[list[str]] = []
    counts = Counter[str]()
    for each in rehearsal.verdicts:
        counts[each.stands] += 1
        if len(shown) < limit:
            shown.append(list(astuple(each)))
    table(["document", "name", "channel", "address", "stands", "because"], shown)
    if counts.total() > len(shown):
        click.echo(f"… and {counts.total() - len(shown)} more; --limit or --json shows them")
    _tell_rehearsed(rehearsal.greeted, chosen, counts)


def _tell_rehearsed(greeted: Greeted, day: date, counts: Counter[str]) -> None:
    dayless = f", {greeted.dayless} have no day in the ERP" if greeted.dayless else ""
    click.echo(f"{day}: {greeted.people} people{dayless}, {greeted.due} celebrate")
    for stands, count in counts.most_common():
        click.echo(f"{count:>7} {stands}")
    for problem in greeted.problems:
        click.echo(f"{BAD} {problem}")


def check(greeting: Greeting) -> Callable[[], str]:
    """What `check` does of a greeting."""

    def act() -> str:
        from emailketing import road, wiring

        greeter = wiring.greeter()
        if problems := road.check_greeting(greeter, greeting):
            raise problems[0] if len(problems) == 1 else AuthoringError("\n".join(map(str, problems)))
        off = greeter.tools.audience.now().off(greeting.name)
        person = road.example(greeter, greeting)
        next_one = f"; the next one on {person.one.day}" if person and greeting.when.occasion else ""
        return f"{f'{off}: nobody is greeted; ' if off else ''}query and templates hold against the ERP{next_one}"

    return act


def rendered(greeting: Greeting, document: str, language: str, channel: str) -> tuple[Content, Recipient]:
    """What `preview` and `send-test` show of a greeting, and as whom."""
    from emailketing import road, wiring

    greeter = wiring.greeter()
    person = road.example(greeter, greeting, document)
    if person is None:
        who = f"no {document!r}" if document else "nobody"
        raise OperationsError(f"The query of {greeting.name} gives {who} who could be greeted.")
    recipient = road.as_greeted(greeter, greeting, person, channel)
    recipient = replace(recipient, language=language or recipient.language)
    return road.greeting_content(greeter, greeting, person, recipient, channel), recipient


COMMANDS = (greet,)
