"""What comes from the ERP is hostile text: it is made harmless here, before a reader, a header or a file sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Two private signs that mark places in a text of ours; no text of the ERP keeps them.
MARKS = "\ue000\ue001"


def one_line(value: Any) -> str:
    """Text with every run of whitespace and control characters made one space: it cannot begin a new line or header."""
    return " ".join(str(value).translate(_CONTROLS).split())


def cleaned(value: Any) -> Any:
    """A value of the ERP without the signs that could mislead a reader or break a format, at any depth.

    Control characters go (line ends stay, as a plain newline), as do lone surrogates and the signs that reverse the
    direction of the text around them, and our own marks.
    """
    if isinstance(value, str):
        if value.isprintable():  # none of the harmful is
            return value
        return value.replace("\r\n", "\n").replace("\r", "\n").translate(_HARMFUL)
    if isinstance(value, Mapping):
        return {key: cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    return value


_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")
_HARMFUL = dict.fromkeys(
    (
        *(code for code in range(32) if chr(code) not in "\n\t"),
        *range(0x7F, 0xA0),
        *range(0x200E, 0x2010),  # direction marks
        *range(0x2028, 0x202F),  # line and paragraph separators, embeddings and overrides
        *range(0x2066, 0x206A),  # isolates
        0xFEFF,
        *map(ord, MARKS),
        *range(0xD800, 0xE000),  # lone surrogates, which no encoding can write
    )
)
