"""The names of the audiences, without reading who is in them: for declarations, which must cost nothing."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import yaml


def audiences(path: Path) -> list[str] | None:
    """The names of the audiences of include/subscriptions.yaml; None where the file cannot be read."""
    try:
        return list(_named(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeError, yaml.YAMLError, RecursionError):
        return None


@lru_cache(maxsize=4)  # every report of a DAG file asks
def _named(text: str) -> tuple[str, ...]:
    return tuple(_keys(_keys(yaml.compose(text, Loader=yaml.SafeLoader)).get("audiences")))


def _keys(node: yaml.Node | None) -> dict[str, yaml.Node]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {str(key.value): value for key, value in pairs if isinstance(key, yaml.ScalarNode)}
