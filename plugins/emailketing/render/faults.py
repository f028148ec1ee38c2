"""What went wrong in a template, told to its author: which file, which line, which name was meant."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateNotFound, TemplateSyntaxError, UndefinedError
from jinja2.utils import missing

from emailketing.errors import TemplateError, nearest
from emailketing.render.folder import Words
from emailketing.render.formats import Unformattable


class MissingName(UndefinedError):
    """A template used a name that does not exist; `owner` is what it was looked for in (None: the variables)."""

    def __init__(self, message: str, *, name: str | None, owner: Any) -> None:
        super().__init__(message)
        self.name, self.owner = name, owner


class Missing(StrictUndefined):
    """An undefined value that remembers which name was looked for, and where."""

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: Any = None,  # noqa: ARG002 jinja's signature
    ) -> None:
        owner = None if obj is missing else obj
        super().__init__(hint, obj, name, partial(MissingName, name=name, owner=owner))  # type: ignore[arg-type]


def told(error: Exception, templates: Path, variables: Mapping[str, Any], filters: Iterable[str] = ()) -> TemplateError:
    """The TemplateError for whatever a template raised while it was read or rendered."""
    if isinstance(error, TemplateError):
        return error
    if isinstance(error, TemplateSyntaxError):
        return _syntax(error, filters)
    frames = _frames(error, templates)
    path, line = frames[-1] if frames else (templates, None)
    message, hint = _message(error, variables, _source(path, line))
    called = [f"Called from {place.relative_to(templates)}:{at}." for place, at in frames[-2:-1] if place != path]
    return TemplateError(message, path=path, line=line, hint=" ".join(filter(None, (hint, *called))))


def _syntax(error: TemplateSyntaxError, filters: Iterable[str]) -> TemplateError:
    named = re.search(r"No (?:filter|test) named '(\w+)'", error.message or "")
    hint = nearest(named[1], filters) if named else ""
    return TemplateError(error.message or "Syntax error.", path=error.filename, line=error.lineno, hint=hint)


def _message(error: Exception, variables: Mapping[str, Any], source: str) -> tuple[str, str]:
    if isinstance(error, MissingName):
        return _missing(error, variables)
    if isinstance(error, TemplateNotFound):
        return f"There is no template {error.name!r}.", ""
    if isinstance(error, Unformattable):
        return f"{error}{_culprits(source, variables)}.", " ".join([*_remedy(error, source, variables), *_line(source)])
    if isinstance(error, TypeError) and (words := _formatted_words(error, source, variables)):
        return f"{error}: {words}", " ".join(_line(source))
    return f"{type(error).__name__}: {error}", " ".join(_line(source))


def _line(source: str) -> list[str]:
    return [f"The line reads: {source}"] if source else []


def _remedy(error: Unformattable, source: str, variables: Mapping[str, Any]) -> list[str]:
    """What to write where a filter was given NULL; `or_dash` behind a filter is the obvious thing, and fails."""
    if not str(error).startswith("NULL was given"):
        return []
    piped = re.findall(r"([a-z_][\w.]*)\s*\|\s*([a-z_]+)", source)
    null = [pair for pair in piped if variables.get(pair[0], 0) is None]
    name, act = next(iter([*null, *piped]), ("value", "filter"))
    return [f"Write {{{{ {name} | {act} if {name} is not none else '–' }}}}; or_dash behind a filter comes too late."]


def _formatted_words(error: TypeError, source: str, variables: Mapping[str, Any]) -> str:
    """The words of the line that are formatted, where one has more or fewer places (%s) than it is given values."""
    labels = variables.get("t")
    if not isinstance(labels, Words) or not re.search("not (all|enough) arguments", str(error)):
        return ""
    names = [name for name in re.findall(r"\bt\.(\w+)\s*\|\s*format\b", source) if name in list(labels)]
    language = str(variables.get("language", "")).partition("-")[0]
    told = ", ".join(f"{name}: {labels[name]!r}" for name in dict.fromkeys(names))
    return f"see the places (%s) in words.{language}.yaml, {told}." if told else ""


def _missing(error: MissingName, variables: Mapping[str, Any]) -> tuple[str, str]:
    name = str(error.name)
    if unexported := re.search(r"the template '(.+?)' .*does not export the requested name", str(error)):
        return f"There is no macro {name!r} in {unexported[1]}.", ""
    if error.owner is None:
        return f"{name!r} is undefined.", nearest(name, variables)
    if isinstance(error.owner, Words):
        return f"There is no word {name!r} in words.<language>.yaml.", nearest(name, error.owner)
    known = list(error.owner) if isinstance(error.owner, Mapping) else _public(error.owner)
    return f"There is no {name!r} here.", nearest(name, map(str, known))


def _public(owner: Any) -> list[str]:
    return [name for name in dir(owner) if not name.startswith("_")]


def _culprits(source: str, variables: Mapping[str, Any]) -> str:
    """Which of the variables that the line uses are NULL."""
    empty = [name for name in dict.fromkeys(re.findall(r"\w+", source)) if variables.get(name, 0) is None]
    return f" ({', '.join(empty)} is NULL)" if empty else ""


def _frames(error: Exception, templates: Path) -> list[tuple[Path, int | None]]:
    """The lines of templates that were being rendered, outermost first; jinja rewrites tracebacks to name them."""
    stack = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    return [(path, line) for path, line in stack if path.suffix == ".j2" and path.is_relative_to(templates)]


def _source(path: Path, line: int | None) -> str:
    if line is None or not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[line - 1].strip()[:160] if 0 < line <= len(lines) else ""
