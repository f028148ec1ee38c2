"""A sheet to draw on, by matplotlib, without pyplot and its global state.

One unit is a pixel of the mail (or of the page at 96 to the inch); y runs downwards. The same shapes give the same
bytes on the same machine: no dates, no random ids. Importing this takes about a second.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle, Wedge
from matplotlib.textpath import text_to_path

logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

INK, RULE, GROUND = "#1c2730", "#c9d3d9", "#ffffff"

_SETTINGS = {"svg.hashsalt": "emailketing", "svg.fonttype": "path", "hatch.linewidth": 1.4}


class Canvas:
    """A sheet in pixels; what is drawn on it is kept until it is known how high it becomes."""

    def __init__(self, width: float, font: float, ground: str = GROUND) -> None:
        self.width, self.font, self.height = width, font, 0.0
        self.field = width * 0.38  # the height of columns and lines
        self._ground = ground
        self._shapes: list[Callable[[Any], None]] = []

    def png(self, ratio: float) -> bytes:
        """The canvas as PNG with `ratio` pixels for each of its own."""
        return self._printed(FigureCanvasAgg, "png", {"Software": None}, ratio)

    def svg(self) -> bytes:
        """The canvas as SVG."""
        return self._printed(FigureCanvasSVG, "svg", {"Date": None, "Creator": None}, 1)

    def _printed(self, backend: Any, form: str, metadata: dict[str, None], ratio: float) -> bytes:
        figure = Figure(figsize=(self.width / 72, self.height / 72), dpi=72, facecolor=self._ground)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        for draw in self._shapes:
            draw(axes)
        out = io.BytesIO()
        with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # a sign that no font has is drawn as a box
            backend(figure).print_figure(out, format=form, dpi=72 * ratio, metadata=metadata, facecolor=self._ground)
        return out.getvalue()

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Text whose middle is at y; `align` left, right or center, `bold`, `color`, `size` times the font."""
        size = self.font * style.get("size", 1)
        properties = _properties(style.get("bold", False), size)
        color, align = style.get("color", INK), style.get("align", "left")
        self._shapes.append(
            lambda axes: axes.text(
                x, y, text, fontproperties=properties, color=color, ha=align, va="center_baseline", parse_math=False
            )
        )

    def bar(self, x: float, y: float, width: float, height: float, **style: Any) -> None:
        """A rectangle; negative widths and heights are turned round."""
        shape = Rectangle(
            (min(x, x + width), min(y, y + height)),
            abs(width),
            abs(height),
            facecolor=style.get("color", INK),
            edgecolor=style.get("edge", "none"),
            linewidth=style.get("line", 0),
            hatch=style.get("hatch"),
        )
        self._shapes.append(lambda axes: axes.add_patch(shape))

    def line(self, points: Iterable[tuple[float, float]], **style: Any) -> None:
        """A line through points."""
        xs, ys = zip(*points, strict=True)
        look = {"color": RULE, "linewidth": 1, "solid_capstyle": "round", "solid_joinstyle": "round", **style}
        self._shapes.append(lambda axes: axes.add_line(Line2D(xs, ys, **look)))

    def wedge(self, centre: tuple[float, float], radius: float, angles: tuple[float, float], color: str) -> None:
        """A part of a ring, from one angle to another, clockwise from the top in degrees."""
        shape = Wedge(
            centre, radius, angles[0] - 90, angles[1] - 90, width=radius * 0.42,
            facecolor=color, edgecolor=GROUND, linewidth=2,
        )  # fmt: skip
        self._shapes.append(lambda axes: axes.add_patch(shape))

    def wide(self, text: str, *, bold: bool = False, size: float = 1) -> float:
        """How many pixels a text takes."""
        return _width(text, bold, self.font * size) if text else 0.0

    def widest(self, texts: Iterable[str], **style: Any) -> float:
        """How many pixels the widest of some texts takes."""
        return max((self.wide(text, **style) for text in texts), default=0.0)

    def cut(self, text: str, width: float, **style: Any) -> str:
        """The text, or as much of it as fits, with an ellipsis."""
        if self.wide(text, **style) <= width:
            return text
        while text and self.wide(f"{text}…", **style) > width:
            text = text[:-1].rstrip()
        return f"{text}…"


@cache
def _family() -> tuple[str, ...]:
    there = {font.name for font in fontManager.ttflist}
    return tuple(name for name in ("Inter", "Liberation Sans", "DejaVu Sans") if name in there)


@cache
def _properties(bold: bool, size: float) -> FontProperties:
    return FontProperties(family=list(_family()), weight=600 if bold else 400, size=size)


@cache
def _width(text: str, bold: bool, size: float) -> float:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        width, _, _ = text_to_path.get_text_width_height_descent(text, _properties(bold, size), ismath=False)
    return float(width)
