"""That a reader who may leave is told how: no advertisement is rendered that hides the way out."""

from __future__ import annotations

from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

from emailketing.errors import TemplateError

_HINTS = {
    "mail": "Let body.html.j2 extend _layout/advertising.html.j2, whose foot says it.",
    "text part": 'End text.txt.j2 with {% include "_layout/advertising.txt.j2" %}.',
}


def check(path: Path, variables: Mapping[str, Any], html: str, text: str) -> None:
    """Raise TemplateError where `variables` tell how to leave and a part that is read does not."""
    if "leave" not in variables:
        return
    leave = str(variables["leave"])
    for part, shown in (("mail", unescape(html)), ("text part", text)):
        if shown and leave not in shown:
            raise TemplateError(f"The {part} does not say how to leave.", path=path, hint=_HINTS[part])
