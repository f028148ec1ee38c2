"""docker-compose.yaml as Docker would read it: merged, with its variables put in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[1]
FILE = PROJECT / "docker-compose.yaml"

# $$ is a dollar; ${NAME}, with :- or - a default, with :? or ? a message for its want (docs.docker.com, interpolation).
VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<how>:?[-?])(?P<other>[^}]*))?\}|(?P<plain>\w+))")


class MissingVariable(Exception):
    """A variable without which Docker would not start anything."""


def raw() -> dict[str, Any]:
    """The file with its anchors and merges resolved, variables still in it."""
    return yaml.safe_load(FILE.read_text())


def variables() -> dict[str, str | None]:
    """Every variable of the file with its default; None where it must be given."""
    found: dict[str, str | None] = {}
    code = "\n".join(line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#"))
    for match in VARIABLE.finditer(code):
        if name := match["name"] or match["plain"]:
            found[name] = match["other"] if match["how"] in (":-", "-") else None
    return found


def resolved(given: Mapping[str, str]) -> dict[str, Any]:
    """The file with the variables `given` put in. Raises MissingVariable."""
    return _put_in(raw(), given)


def _put_in(node: Any, given: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _put_in(value, given) for key, value in node.items()}
    if isinstance(node, list):
        return [_put_in(value, given) for value in node]
    return VARIABLE.sub(lambda match: _value(match, given), node) if isinstance(node, str) else node


def _value(match: re.Match[str], given: Mapping[str, str]) -> str:
    if match["dollar"]:
        return "$"
    name, how = match["name"] or match["plain"], match["how"] or ""
    value = given.get(name)
    if value is not None and (value or not how.startswith(":")):
        return value
    if how.endswith("?"):
        raise MissingVariable(f"{name}: {match['other']}")
    return match["other"] or ""
