"""The errors, sorted by who must act.

::

    EmailketingError
    ├── AuthoringError          the analyst: a file of include/ or dags/ is wrong
    │   ├── SqlError            a query: unknown column, missing parameter, broken contract
    │   ├── TemplateError       a template: syntax, missing variable, forbidden URL
    │   └── DeclarationError    a DAG file: unknown mailing, wrong argument
    └── OperationsError         operations: the world outside does not answer
        ├── SettingsError       settings or a connection are missing or malformed
        ├── ErpError            the ERP's database
        ├── OutboxError         the outbox's database
        │   └── IllegalTransition   a message was asked to change to a state it cannot reach
        └── ChannelDown         the mail or phone server as a whole; messages wait

What concerns a single message is never an exception: it is a Receipt or a final state with its reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class EmailketingError(Exception):
    """Something went wrong, and the message says what, where and what to do."""

    who = "the developers of eMailketing"

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n  {self.hint}" if self.hint else message


class AuthoringError(EmailketingError):
    """A file that an analyst wrote cannot be used as it is.

    `path` and `line` (from 1; None when no single line is to blame) say where.
    """

    who = "the author of the file"

    def __init__(
        self, message: str, *, path: Path | str | None = None, line: int | None = None, hint: str = ""
    ) -> None:
        self.path, self.line = path, line
        place = f"{path}:{line}: " if path and line else f"{path}: " if path else ""
        super().__init__(f"{place}{message}", hint=hint)


class SqlError(AuthoringError):
    """A query in include/sql breaks its contract with the ERP or with its mailing."""


class TemplateError(AuthoringError):
    """A template in include/templates cannot be rendered."""


class DeclarationError(AuthoringError):
    """A DAG file declares a mailing that cannot be built."""


class OperationsError(EmailketingError):
    """Something outside this program does not answer as it should."""

    who = "operations"


class SettingsError(OperationsError):
    """A setting or an Airflow Connection is missing or malformed."""


class ErpError(OperationsError):
    """The ERP's database does not answer; the sweep will be repeated."""


class OutboxError(OperationsError):
    """The outbox's database does not answer; nothing was lost, the step will be repeated."""


class IllegalTransition(OutboxError):
    """A message was asked to change into a state that it cannot reach from where it is."""


class ChannelDown(OperationsError):
    """The mail or phone server as a whole cannot be used now; the messages wait in the outbox."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A phrase that helps with a misspelt `name`: the nearest known one, or all of them when few, or ''."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(names)}." if 0 < len(names) <= 30 else ""
