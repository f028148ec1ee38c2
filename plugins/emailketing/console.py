"""What the commands of the command line share: how errors are told, options that many take, tables and JSON."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import Any

import click

from emailketing.errors import EmailketingError

OK, BAD, NOTE = click.style("✓", fg="green"), click.style("✗", fg="red"), click.style("·", fg="yellow")


class Problem(click.ClickException):
    """An error of eMailketing, told on the command line to the one who must act."""

    exit_code = 1

    def __init__(self, error: EmailketingError) -> None:
        self.who = error.who
        super().__init__(str(error))

    def show(self, file: Any = None) -> None:
        """Print the error and who must act."""
        click.echo(f"{BAD} {self.format_message()}\n  This is for {self.who}.", err=True, file=file)


@contextmanager
def telling() -> Iterator[None]:
    """Turn an error of eMailketing, or of a file, into one that click tells plainly."""
    try:
        yield
    except EmailketingError as error:
        raise Problem(error) from error
    except OSError as error:
        if error.filename is None:
            raise
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error


def command(function: Callable[..., Any]) -> Callable[..., Any]:
    """A command whose errors are told plainly, without a traceback."""

    @wraps(function)
    def told(*args: Any, **kwargs: Any) -> Any:
        with telling():
            return function(*args, **kwargs)

    return told


as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
why = click.option("--why", required=True, help="The reason; kept in the history.")
by = click.option("--by", default=getpass.getuser, show_default="your login", help="Who decides.")


def print_json(rows: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line."""
    for row in rows:
        click.echo(json.dumps(row, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def cell(value: Any) -> str:
    """A value as a table shows it."""
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else "" if value is None else str(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table for people; where nothing is in it, say so."""
    if not rows:
        click.echo("nothing there")
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(*columns, box=None, header_style="bold", padding=(0, 2, 0, 0))
    for row in rows:
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 220, markup=False, emoji=False).print(shown)
