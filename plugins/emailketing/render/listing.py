"""Long listings on paper: a row whose cells all fit is one line of text, its columns aligned by spaces.

Laying out a page costs by the box, and a cell is a box: a row of five cells takes some six milliseconds, a line of text
less than one. So the cells of a row are measured beforehand and set apart by spaces of known widths. A row that cannot
be one line, because a cell is too wide or its letters join, is left to the template, which makes boxes of its cells.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from weasyprint import HTML
from weasyprint.text.fonts import FontConfiguration

#: Spaces from the widest to the narrowest: em, en, a third, thin and hair.
_SPACES = "\u2003\u2002\u2004\u2009\u200a"

#: Signs of one kind are measured together, so that rounding does not matter.
_TIMES = 16

#: How the letters of a line must be set, so that its width is the sum of theirs.
PLAIN = "white-space: pre; font-kerning: none; font-variant-ligatures: none; font-variant-numeric: tabular-nums"

_PX_PER_MM = 96 / 25.4

#: Room for the pictures of rows, as _report/sheet.css has it.
PICTURE_MM = 12


class Head(Protocol):
    """What a listing asks of a column's head: `width` in per cent of the page's, `right` for numbers."""

    @property
    def width(self) -> float:
        """Per cent of the width."""

    @property
    def right(self) -> bool:
        """Whether its cells are aligned to the right."""


class Ruler:
    """Knows how wide each sign is printed in `font`, a CSS font; asks the printer for those that it has not met."""

    def __init__(self, font: str) -> None:
        self._font = font
        self._widths: dict[str, float] = {}

    def learn(self, texts: Iterable[str]) -> None:
        """Measure the signs of some texts."""
        new = sorted({sign for text in texts for sign in text}.union(_SPACES) - self._widths.keys())
        plain = [sign for sign in new if _stands_alone(sign)]
        if plain:
            self._widths.update(zip(plain, self._measured(plain), strict=True))

    def width(self, text: str) -> float | None:
        """The width in pixels; None where it is more than the sum of its signs."""
        try:
            return sum([self._widths[sign] for sign in text])
        except KeyError:
            return None

    def space(self, width: float) -> str:
        """Spaces that are together as wide as may be told apart."""
        found = []
        for sign in _SPACES:
            one = self._widths[sign]
            count = int(width / one + (0.5 if sign == _SPACES[-1] else 0))
            found.append(sign * count)
            width -= count * one
        return "".join(found)

    def _measured(self, signs: Sequence[str]) -> list[float]:
        lines = [f'<div>{f"&#{ord(sign)};" * _TIMES}<a id="s{place}"></a></div>' for place, sign in enumerate(signs)]
        style = f"@page {{ size: 2000px 30000px; margin: 0 }} html {{ font: {self._font} }} div {{ {PLAIN} }}"
        html = f"<style>{style} body {{ margin: 0 }}</style>{''.join(lines)}"
        pages = HTML(string=html).render(font_config=FontConfiguration()).pages
        places = {name: box[0] for page in pages for name, box in page.anchors.items()}
        return [places[f"s{place}"] / _TIMES for place in range(len(signs))]


class Listing:
    """Sets rows as lines of text between margins that are `width_mm` apart; cells stand `gap_mm` apart.

    Rows with pictures begin `PICTURE_MM` further to the right.
    """

    def __init__(self, ruler: Ruler, width_mm: float, gap_mm: float) -> None:
        self._ruler, self._width, self._gap = ruler, width_mm * _PX_PER_MM, gap_mm * _PX_PER_MM

    def __call__(self, section: Any) -> Iterator[tuple[Any, str]]:
        """The lines of a section of a report, each with its one line of text, or '' where it has to be boxes."""
        lines = list(section.lines())
        self._ruler.learn(text for line in lines for text in line.texts)
        width = self._width - (PICTURE_MM * _PX_PER_MM if section.pictured else 0)
        for line in lines:
            yield line, "" if line.style != "row" or line.level else self.run(section.heads, line.texts, width)

    def run(self, heads: Sequence[Head], texts: Sequence[str], width: float = 0) -> str:
        """Some cells as one line, of all the width if no other is given; '' where they cannot be."""
        line, at, column = "", 0.0, 0.0
        width = width or self._width
        for place, (head, text) in enumerate(zip(heads, texts, strict=True)):
            start = column + (self._gap if place else 0)
            column += head.width / 100 * width
            wide = self._ruler.width(text)
            if wide is None or start + wide > column + 0.1:
                return ""
            if text:
                begin = column - wide if head.right else start
                space = self._ruler.space(max(begin - at, 0))
                # What the spaces really take is known, so that no rounding adds up.
                at += (self._ruler.width(space) or 0) + wide
                line += space + text
        return line


def _stands_alone(sign: str) -> bool:
    """Whether a sign is set by itself, from left to right."""
    return unicodedata.category(sign)[0] not in "MC" and unicodedata.bidirectional(sign) not in {"R", "AL"}


def listing(font: str = '9pt/1.4 Inter, "Liberation Sans", sans-serif') -> Callable[[Any], Iterator[tuple[Any, str]]]:
    """The listing of sheets in the house's typeface: A4 with the margins of _layout/sheet.css."""
    return Listing(Ruler(font), width_mm=210 - 16 - 18, gap_mm=2)
