"""Declarations: what the DAG files declare is gathered here, and what they declare wrongly is told with its line."""

from __future__ import annotations

import contextlib
import inspect
import re
import runpy
import traceback
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from emailketing.errors import AuthoringError, DeclarationError, SettingsError, nearest
from emailketing.model import Mailing

#: The channels by which a mailing may go.
CHANNELS = ("email", "phone")


@dataclass
class Declarations:
    """What DAG files declare: mailings, and which of the outbox's own tasks some DAG does."""

    mailings: list[Mailing] = field(default_factory=list)
    chores: set[str] = field(default_factory=set)


_declaring: ContextVar[Declarations] = ContextVar("declaring", default=Declarations())  # noqa: B039 nobody reads it


def declare(*mailings: Mailing) -> None:
    """Make the mailings known to `declared`, which is executing the DAG file."""
    _declaring.get().mailings.extend(mailings)


def declare_chore(name: str) -> None:
    """Make known to `declarations` that a DAG does this task of the outbox."""
    _declaring.get().chores.add(name)


def declared(folder: Path) -> dict[str, Mailing]:
    """Every mailing that the DAG files below `folder` declare, by name, without a running Airflow.

    Raises DeclarationError with file and line for a file that cannot be imported.
    """
    return {mailing.name: mailing for mailing in declarations(folder).mailings}


def declarations(folder: Path) -> Declarations:
    """All that the DAG files below `folder` declare. Raises as `declared` does."""
    if not folder.is_dir():
        raise SettingsError(f"There is no folder {folder}.", hint="EMAILKETING_DAGS names the folder of the DAG files.")
    found = Declarations()
    token = _declaring.set(found)
    try:
        for path in sorted(folder.rglob("*.py")):
            _execute(path)
    finally:
        _declaring.reset(token)
    return found


def _execute(path: Path) -> None:
    try:
        runpy.run_path(str(path))
    except Exception as error:
        if isinstance(error, AuthoringError) and error.path is not None:
            raise
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = frames[-1].lineno if frames else getattr(error, "lineno", None)
        if isinstance(error, AuthoringError):  # of a kind or a chart, which know nothing of the file that builds them
            raise DeclarationError(str(error.args[0]), path=path, line=line, hint=error.hint) from None
        raise DeclarationError(
            f"{type(error).__name__}: {error}", path=path, line=line, hint=_meant_argument(error)
        ) from error


def _meant_argument(error: Exception) -> str:
    """The nearest argument, where one of ours was given one that it has not."""
    from emailketing import tasks

    found = re.search(r"(\w+)\(\) got an unexpected keyword argument '(\w+)'", str(error))
    function = getattr(tasks, found[1], None) if found else None
    return nearest(found[2], inspect.signature(function).parameters) if found and callable(function) else ""


def known(what: str, name: str, names: Iterable[str]) -> None:
    """Raise DeclarationError, with the line of the DAG file, unless `name` is one of `names`."""
    names = list(names)
    if name not in names:
        refuse(f"there is no {what} {name!r}.", nearest(name, names))


def refuse(problem: str, hint: str) -> NoReturn:
    """Raise DeclarationError with the line of the DAG file that is being executed."""
    frame = _caller()
    raise DeclarationError(problem, path=frame.filename, line=frame.lineno, hint=hint)


@contextlib.contextmanager
def placed() -> Iterator[traceback.FrameSummary]:
    """Within, a DeclarationError that knows no place is given the line of the DAG file; gives that line."""
    frame = _caller()
    try:
        yield frame
    except DeclarationError as error:
        if error.path is not None:
            raise
        problem = str(error.args[0])
        raise DeclarationError(problem, path=frame.filename, line=frame.lineno, hint=error.hint) from None


def _caller() -> traceback.FrameSummary:
    """The line of the DAG file that is being executed."""
    ours = (str(Path(__file__).parents[1]), contextlib.__file__)
    return next(frame for frame in reversed(traceback.extract_stack()) if not frame.filename.startswith(ours))
