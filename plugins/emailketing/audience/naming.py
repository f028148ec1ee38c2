"""The names of the audiences, without reading who is in them: for declarations, which must cost nothing."""

from __future__ import annotations

from pathlib import Path

import yaml


def audiences(path: Path) -> list[str] | None:
    """The names of the audiences of include/subscriptions.yaml; None where the file cannot be read."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        return []
    except (OSError, UnicodeError, yaml.YAMLError, RecursionError):
        return None
    return list(_keys(_keys(root).get("audiences")))


def _keys(node: yaml.Node | None) -> dict[str, yaml.Node]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {str(key.value): value for key, value in pairs if isinstance(key, yaml.ScalarNode)}
