"""The mail's parts: styles into attributes, the text part where none is written, pictures by Content-ID."""

from __future__ import annotations

import mimetypes
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import css_inline
from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig

from emailketing.errors import TemplateError
from emailketing.model import Attachment
from emailketing.render.photos import PICTURES_LIMIT, SHEET_LIMIT, printed, scaled

#: What mail clients show. SVG is not among it.
MAIL_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif"})


_LEAST = 40  # pixels, to see whether a picture can be shown at all


@cache
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)


def inlined(html: str) -> str:
    """The page with its styles in attributes; only media queries stay in a style element."""
    return _inliner().inline(html)


def closed_up(html: str) -> str:
    """The page with each middle dot tied to what follows it and each unit to its number, so that no line parts them."""
    pieces = _TAGS.split(html.replace(" · ", " ·\u00a0"))
    pieces[::2] = [_UNIT.sub("\u00a0", text) for text in pieces[::2]]
    return "".join(pieces)


_TAGS = re.compile(r"(<style\b.*?</style>|<[^>]*>)", re.DOTALL | re.IGNORECASE)
_UNIT = re.compile(r"(?<=[0-9]) (?=(?:l|L|ml|cc|g|kg|t|mm|cm|m|km|un)\b(?!/))")


def derived_text(html: str) -> str:
    """A text part that a person can read, from the HTML part."""
    html = _SMALL_PRINT.sub(r" (\1)", html)
    text = get_text(html, ParserConfig(css=CSS_PROFILES["strict"], display_links=False, display_images=False))
    return tidied(text)


#: A line of small print under what a row is; in a text the row's other cells would stand between, or look like it.
_SMALL_PRINT = re.compile(r'<br>\s*<span class="lines-detail"[^>]*>((?:(?!</?span\b|<br>).)*)</span>', re.DOTALL)


def tidied(text: str) -> str:
    """Text without trailing blanks, without more than one empty line at a time, ending in one newline."""
    text = "\n".join([line.strip() for line in text.splitlines()])
    if "   " in text or "\t" in text:
        text = _GAP.sub("  ", text)
    if "\n\n\n" in text:
        text = _EMPTY_LINES.sub("\n\n", text)
    return text.strip("\n ") + "\n"


_GAP = re.compile(r"(?<=\S)[ \t]{3,}")  # what tables leave behind
_EMPTY_LINES = re.compile(r"\n{3,}")


def read_picture(include: Path, name: str) -> Attachment:
    """A picture file below include/. Raises TemplateError when it is outside, missing, or no picture."""
    path = inside(include, name)
    media_type = mimetypes.guess_type(path.name)[0] or ""
    if not media_type.startswith("image/"):
        raise TemplateError(f"{name!r} is not a picture.", hint="Pictures are PNG, JPEG, GIF or SVG files.")
    return Attachment(path.name, media_type, path.read_bytes())


def inside(include: Path, name: str) -> Path:
    """The real path of a file below include/, symbolic links followed. Raises TemplateError when it is not there."""
    root = include.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise TemplateError(f"{name!r} lies outside the include folder.", hint="Only files below it may be used.")
    if not path.is_file():
        raise TemplateError(f"There is no file {name!r} in {include}.")
    return path


class Pictures:
    """The pictures of one message or one sheet: asked for by templates, each kept once however often it is shown."""

    def __init__(self, include: Path) -> None:
        self._include = include
        self._held: dict[str, Attachment] = {}
        self._small: dict[tuple[str | bytes, int], str] = {}
        self._weight = 0
        #: What `thumbnail` left out, and why.
        self.left_out: list[str] = []

    def held(self) -> tuple[Attachment, ...]:
        """The pictures, in the order in which they were first asked for."""
        return tuple(self._held.values())

    def mail(self, source: str | Attachment) -> str:
        """`picture()` of mail templates: the cid: address of a file below include/ or of a picture in memory.

        For an SVG the PNG of the same name beside it is taken, because mail clients show no SVG.
        """
        picture = source if isinstance(source, Attachment) else self._raster(source)
        if picture.media_type not in MAIL_PICTURES:
            raise TemplateError(f"{picture.filename!r} is of a type that mail clients do not show.", hint="Use PNG.")
        content_id = f"{picture.sha256[:32]}@picture"
        held = Attachment(picture.filename, picture.media_type, picture.data, content_id)
        self._held.setdefault(picture.sha256, held)
        return f"cid:{content_id}"

    def sheet(self, source: str | Attachment) -> str:
        """`picture()` of sheets: an address that only the printer of this sheet understands."""
        picture = source if isinstance(source, Attachment) else read_picture(self._include, source)
        self._held.setdefault(picture.sha256, picture)
        return f"picture:{picture.sha256}/{quote(picture.filename)}"

    def mail_photo(self, source: str | bytes | Attachment, width: int) -> str:
        """`photo()` of mail templates: as `picture()`, of the size that is shown; `source` may be the ERP's bytes.

        Raises TemplateError where the pictures of one mail become too heavy.
        """
        address = self.mail(scaled(self._taken(source), width))
        weight = sum(len(each.data) for each in self._held.values())
        if weight > PICTURES_LIMIT:
            raise TemplateError(
                f"The pictures of this mail weigh {weight:,} bytes, more than {PICTURES_LIMIT:,}.",
                hint="Show fewer, or narrower ones.",
            )
        return address

    def sheet_photo(self, source: str | bytes | Attachment, width: int) -> str:
        """`photo()` of sheets."""
        return self.sheet(scaled(self._taken(source), width))

    def thumbnail(self, source: str | bytes, width: int) -> str:
        """`thumbnail()` of sheets: as `photo()`; '' where it cannot be shown, because a list goes out without it.

        So does what comes last, where all pictures together would be too heavy.
        """
        if (source, width) not in self._small:
            self._small[source, width] = self._thumbnail(source, width)
        return self._small[source, width]

    def _thumbnail(self, source: str | bytes, width: int) -> str:
        if self._weight > SHEET_LIMIT:
            self.left_out.append(f"all pictures weigh more than {SHEET_LIMIT:,} bytes")
            return ""
        try:
            picture = printed(self._taken(source), width)
        except (TemplateError, OSError, ValueError) as error:  # no such file, no picture, a name that is none
            self.left_out.append(str(error.args[0]) if isinstance(error, TemplateError) else str(error))
            return ""
        self._weight += 0 if picture.sha256 in self._held else len(picture.data)
        return self.sheet(picture)

    def there(self, source: Any) -> bool:
        """`has_picture()`: whether there is such a file below include/, or bytes of the ERP, that can be shown."""
        if not source:
            return False
        try:
            return bool(scaled(self._taken(source), _LEAST))
        except (TemplateError, OSError, ValueError):  # outside, not there, no picture, or a name that no file can have
            return False

    def _taken(self, source: str | bytes | Attachment) -> Attachment:
        if isinstance(source, Attachment):
            return source
        if isinstance(source, bytes | bytearray | memoryview):
            return Attachment("picture", "image/png", bytes(source))
        return self._raster(source)

    def _raster(self, name: str) -> Attachment:
        if name.lower().endswith(".svg"):
            name = f"{name[:-4]}.png"
        return read_picture(self._include, name)
