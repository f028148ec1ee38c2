"""Charts drawn in the house style: each kind has a painter that puts its plot on a canvas.

Importing this imports matplotlib, which takes about a second; `charts` does so when a picture is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor, log10
from typing import Any

from emailketing.report.canvas import GROUND, INK, Canvas
from emailketing.report.charts import ChartKind, Drawing, Role, Series, stacks
from emailketing.report.kinds import Exact, signed
from emailketing.report.variance import Good, Mood, Variance

QUIET = "#4d5b66"
ACTUAL, PREVIOUS = "#2b3a44", "#b3bfc7"
MOODS = {Mood.GOOD: "#0a7350", Mood.BAD: "#b5331f", Mood.EVEN: QUIET}

#: Told apart by their lightness as well, so that they survive a print in grey and any kind of colour blindness.
PARTS = ("#22303a", "#0f8390", "#93a4ae", "#8ed0d6", "#d9e1e5")

#: Pixels of a picture for a pixel of its canvas, in mail.
_MAIL_RATIO = 2.3


@dataclass(frozen=True)
class Medium:
    """Where a chart is seen: the width of its canvas and the size of its type, in pixels."""

    width: float
    font: float
    height: float  # of a field of columns or lines, as a part of the width


#: Shown 536 px wide in a mail and 288 px wide on a small phone; between the two the type stays legible.
MAIL = Medium(466, 15, 0.38)

#: The width of a page without its margins.
PAPER = Medium(664, 11.5, 0.2)


def png(drawing: Drawing) -> bytes:
    """The chart as PNG, on white, so that a dark mail does not swallow it."""
    return _drawn(drawing, MAIL).png(_MAIL_RATIO)


def svg(drawing: Drawing) -> bytes:
    """The chart as SVG, its letters as outlines."""
    return _drawn(drawing, PAPER).svg()


def _drawn(drawing: Drawing, medium: Medium) -> Canvas:
    canvas = Canvas(medium.width, medium.font)
    canvas.field = medium.width * medium.height
    _painter(drawing)(canvas, drawing)
    return canvas


def spark_png(values: Sequence[Exact | None]) -> bytes:
    """A small course, 120 x 32, twice its size, transparent: its middle grey is seen on light and dark."""
    return _spark(values).png(2)


def spark_svg(values: Sequence[Exact | None]) -> bytes:
    """A small course for paper."""
    return _spark(values).svg()


def _painter(drawing: Drawing) -> Callable[[Canvas, Drawing], None]:
    plot = drawing.plot
    match plot.kind:
        case ChartKind.LINE:
            return _lines
        case ChartKind.WATERFALL:
            return _waterfall
        case ChartKind.STACKED:
            return _stacked_columns if plot.over_time else _stacked_bars
        case ChartKind.SHARE if len(plot.labels) <= 3 and all((value or 0) >= 0 for value in plot.actual.values):
            return _ring
        case _:
            return _columns if plot.over_time else _bars


def _head(canvas: Canvas, drawing: Drawing, key: Sequence[tuple[str, Series]] = ()) -> None:
    """The title, and under it the unit, said once, and the series where their look does not say what they are."""
    if drawing.title:
        canvas.height += canvas.font * 0.9
        for line in _wrapped(canvas, drawing.title):
            canvas.text(0, canvas.height, line, bold=True)
            canvas.height += canvas.font * 1.35
    unit = drawing.scale.unit(drawing.writer)
    x, y = 0.0, canvas.height + canvas.font * (0.1 if drawing.title else 0.8)
    if unit:
        canvas.text(x, y, unit, color=QUIET, size=0.9)
        x = canvas.wide(unit, size=0.9) + canvas.font * 1.2
    for color, series in key:
        name = canvas.cut(drawing.name(series), canvas.width * 0.45, size=0.9)
        wide = canvas.wide(name, size=0.9) + canvas.font * 2.1
        if x and x + wide - canvas.font > canvas.width:
            x, y = 0.0, y + canvas.font * 1.4
        _swatch(canvas, x, y, color, series.role)
        canvas.text(x + canvas.font, y, name, color=QUIET, size=0.9)
        x += wide
    canvas.height = y + canvas.font * 1.3 if unit or key else canvas.height


def _wrapped(canvas: Canvas, title: str) -> list[str]:
    """A title on at most two lines."""
    first, rest = "", title.split()
    while rest and canvas.wide(f"{first} {rest[0]}".strip(), bold=True) <= canvas.width:
        first = f"{first} {rest.pop(0)}".strip()
    lines = [first, " ".join(rest)] if first else [" ".join(rest)]
    return [canvas.cut(line, canvas.width, bold=True) for line in lines if line]


def _swatch(canvas: Canvas, x: float, y: float, color: str, role: Role) -> None:
    side = canvas.font * 0.68
    canvas.bar(x, y - side / 2, side, side, **_look(role, color))


def _look(role: Role, color: str = ACTUAL) -> dict[str, Any]:
    """How a role is painted: solid, lighter, outlined, hatched."""
    match role:
        case Role.PREVIOUS:
            return {"color": PREVIOUS}
        case Role.PLAN:
            return {"color": "none", "edge": ACTUAL, "line": 1.2}
        case Role.FORECAST:
            return {"color": GROUND, "edge": ACTUAL, "line": 1.0, "hatch": "////"}
        case _:
            return {"color": color}


def _key(drawing: Drawing) -> list[tuple[str, Series]]:
    series = drawing.plot.series
    return [(ACTUAL, each) for each in series] if len(series) > 1 else []


class _Span:
    """Numbers to pixels between two places; bars begin at zero, so zero always lies between."""

    def __init__(self, values: Iterable[Exact | None], start: float, end: float, *, zero: bool = True) -> None:
        there = [float(value) for value in values if value is not None]
        lowest, highest = min(there, default=0.0), max(there, default=0.0)
        if zero:
            lowest, highest = min(lowest, 0.0), max(highest, 0.0)
        if lowest == highest:
            room = max(1.0, abs(lowest) / 100)  # one more is lost in a float of sixteen digits
            lowest, highest = lowest - room, highest + room
        self.lowest, self.highest, self._start, self._end = lowest, highest, start, end

    def at(self, value: Exact | float | None) -> float:
        """The pixel of a number."""
        part = (float(value or 0) - self.lowest) / (self.highest - self.lowest)
        return self._start + part * (self._end - self._start)


def _all(series: Iterable[Series]) -> list[Exact | None]:
    return [value for each in series for value in each.values]


def _variances(drawing: Drawing) -> list[tuple[str, str]]:
    """The variance of each label, written, with its colour."""
    return [_varied(each, drawing) for each in drawing.plot.compared()]


def _varied(against: Variance | None, drawing: Drawing) -> tuple[str, str]:
    return (drawing.varied(against), MOODS[against.mood]) if against else ("", QUIET)


@dataclass(frozen=True)
class _Rows:
    """The columns of a chart whose categories run down: labels, bars between `start` and `end`, a note at the right."""

    labels: list[str]
    span: _Span
    step: float

    @classmethod
    def fitting(cls, canvas: Canvas, drawing: Drawing, values: Sequence[Exact | None], notes: Sequence[str]) -> _Rows:
        """As wide as labels and numbers leave room for."""
        labels = [canvas.cut(label, canvas.width * 0.38) for label in drawing.labels]
        gap = canvas.font * 0.7
        numbers = canvas.widest([_number(drawing, value) for value in values], size=0.95)
        note = canvas.widest(notes, size=0.95, bold=True)
        start = canvas.widest(labels) + gap
        end = canvas.width - numbers - gap * 0.6 - (note + gap if note else 0)
        if any((value or 0) < 0 for value in values):
            start += numbers + gap * 0.4
            end += numbers if all((value or 0) <= 0 for value in values) else 0
        return cls(labels, _Span(values, start, max(end, start + 20)), canvas.font * 2.05)

    def label(self, canvas: Canvas, place: int, y: float, *, bold: bool = False) -> None:
        canvas.text(0, y, self.labels[place], bold=bold)


def _number(drawing: Drawing, value: Exact | None) -> str:
    return "–" if value is None else drawing.number(value)


def _at_end(canvas: Canvas, rows: _Rows, y: float, ends: Iterable[Exact | None], text: str) -> None:
    """A number behind the longest of a row's bars; left of it where they are negative."""
    there = [value for value in ends if value is not None] or [0]
    gap = canvas.font * 0.4
    if min(there) < 0 and max(there) <= 0:
        canvas.text(rows.span.at(min(there)) - gap, y, text, align="right", size=0.95)
    else:
        canvas.text(rows.span.at(max(there)) + gap, y, text, size=0.95)


def _zero(canvas: Canvas, rows: _Rows, top: float) -> None:
    canvas.line([(rows.span.at(0), top), (rows.span.at(0), canvas.height)], color=INK, linewidth=1.2)


def _bars(canvas: Canvas, drawing: Drawing) -> None:
    plot = drawing.plot
    notes = [(share, QUIET) for share in drawing.shares()] if plot.kind is ChartKind.SHARE else _variances(drawing)
    _head(canvas, drawing, _key(drawing))
    rows = _Rows.fitting(canvas, drawing, _all(plot.series), [text for text, _ in notes])
    top = canvas.height
    for place in range(len(plot.labels)):
        y = canvas.height + rows.step / 2
        rows.label(canvas, place, y)
        _bar_of(canvas, rows, y, [(each, each.values[place]) for each in plot.series])
        value = plot.actual.values[place]
        _at_end(canvas, rows, y, [each.values[place] for each in plot.series], _number(drawing, value))
        canvas.text(canvas.width, y, notes[place][0], color=notes[place][1], bold=True, align="right", size=0.95)
        canvas.height += rows.step
    _zero(canvas, rows, top)
    canvas.height += canvas.font * 0.5


def _bar_of(canvas: Canvas, rows: _Rows, y: float, values: Sequence[tuple[Series, Exact | None]]) -> None:
    """The bars of one category: the one before behind and a little above, the plan as an outline around."""
    thick = canvas.font * 0.95
    order = {Role.PREVIOUS: 0, Role.FORECAST: 1, Role.ACTUAL: 2, Role.PART: 2, Role.PLAN: 3}
    shifted = {Role.PREVIOUS: -0.3, Role.PLAN: 0.0}
    for series, value in sorted(values, key=lambda each: order[each[0].role]):
        if value is not None:
            high = thick * (1.35 if series.role is Role.PLAN else 1)
            middle = y + thick * shifted.get(series.role, 0.1 if len(values) > 1 else 0)
            zero = rows.span.at(0)
            canvas.bar(zero, middle - high / 2, rows.span.at(value) - zero, high, **_look(series.role))


def _waterfall(canvas: Canvas, drawing: Drawing) -> None:
    plot = drawing.plot
    steps = _steps(plot.actual.values, plot.sums)
    _head(canvas, drawing)
    texts = [_stepped(drawing, value, is_sum) for value, is_sum in zip(plot.actual.values, plot.sums, strict=True)]
    numbers = canvas.widest(texts, size=0.95, bold=True) + canvas.font * 0.8
    labels = [canvas.cut(label, canvas.width * 0.4) for label in drawing.labels]
    start = canvas.widest(labels, bold=True) + canvas.font * 0.7
    span = _Span([each for step in steps for each in step], start, canvas.width - numbers)
    rows = _Rows(labels, span, canvas.font * 1.95)
    top, thick = canvas.height, canvas.font * 1.05
    for place, (before, after) in enumerate(steps):
        y, is_sum = canvas.height + rows.step / 2, plot.sums[place]
        if is_sum:
            canvas.line([(0, y - rows.step / 2), (canvas.width, y - rows.step / 2)])
        rows.label(canvas, place, y, bold=is_sum)
        color = ACTUAL if is_sum else _step_color(after - before, plot.good)
        canvas.bar(span.at(before), y - thick / 2, span.at(after) - span.at(before), thick, color=color)
        if place + 1 < len(steps):
            below = y + thick / 2
            canvas.line([(span.at(after), below), (span.at(after), below + rows.step - thick)], color=QUIET)
        canvas.text(
            canvas.width, y, texts[place], bold=is_sum, align="right", size=0.95, color=INK if is_sum else color
        )
        canvas.height += rows.step
    _zero(canvas, rows, top)
    canvas.height += canvas.font * 0.5


def _steps(values: Sequence[Exact | None], sums: Sequence[bool]) -> list[tuple[Any, Any]]:
    """From where to where each bar of a waterfall goes."""
    found, level = [], 0 * (values[0] or 0)
    for value, is_sum in zip(values, sums, strict=True):
        before = 0 if is_sum else level
        level = (value or 0) if is_sum else level + (value or 0)
        found.append((before, level))
    return found


def _stepped(drawing: Drawing, value: Exact | None, is_sum: bool) -> str:
    text = _number(drawing, value)
    return text if is_sum or value is None else signed(value, text)


def _step_color(change: Any, good: Good) -> str:
    if good is Good.NONE or not change:
        return PREVIOUS
    return MOODS[Mood.GOOD if (change > 0) == (good is Good.UP) else Mood.BAD]


def _stacked_bars(canvas: Canvas, drawing: Drawing) -> None:
    plot = drawing.plot
    _head(canvas, drawing, list(zip(PARTS, plot.series, strict=False)))
    sums = stacks(plot)
    lows = [_sign_sum(plot.series, place, -1) for place in range(len(plot.labels))]
    rows = _Rows.fitting(canvas, drawing, [*sums, *lows], [])
    top, thick = canvas.height, canvas.font * 1.15
    for place in range(len(plot.labels)):
        y = canvas.height + rows.step / 2
        rows.label(canvas, place, y)
        for start, end, color in _segments(plot.series, place):
            canvas.bar(rows.span.at(start), y - thick / 2, rows.span.at(end) - rows.span.at(start), thick,
                       color=color, edge=GROUND, line=1)  # fmt: skip
        high = _sign_sum(plot.series, place, 1)
        _at_end(canvas, rows, y, [high] if high else [lows[place]], _number(drawing, sums[place]))
        canvas.height += rows.step
    _zero(canvas, rows, top)
    canvas.height += canvas.font * 0.5


def _segments(series: Sequence[Series], place: int) -> list[tuple[Any, Any, str]]:
    """The parts of one stacked bar: what is positive to one side of zero, what is negative to the other."""
    found, up, down = [], 0.0, 0.0
    for color, each in zip(PARTS, series, strict=False):
        value = float(each.values[place] or 0)
        start = up if value >= 0 else down
        up, down = (up + value, down) if value >= 0 else (up, down + value)
        if value:
            found.append((start, start + value, color))
    return found


def _sign_sum(series: Sequence[Series], place: int, sign: int) -> Exact:
    return sum((each.values[place] or 0 for each in series if (each.values[place] or 0) * sign > 0), start=0)


class _Steps:
    """The places of days from left to right, and the labels under them, as many as there is room for."""

    def __init__(self, canvas: Canvas, drawing: Drawing, start: float, end: float) -> None:
        self.count = len(drawing.plot.labels)
        self.step = (end - start) / max(self.count, 1)
        self._start, self._labels = start, drawing.labels
        room = canvas.widest(drawing.labels, size=0.9) + canvas.font * 0.7
        self._every = max(1, -(-int(room) // max(int(self.step), 1)))

    def at(self, place: int) -> float:
        """The middle of a day."""
        return self._start + self.step * (place + 0.5)

    def labels(self, canvas: Canvas, y: float) -> None:
        """Labels, counted back from the last day, which is what the reader asks for."""
        for place in range(self.count - 1, -1, -self._every):
            half = canvas.wide(self._labels[place], size=0.9) / 2
            x = min(max(self.at(place), half), canvas.width - half)
            canvas.text(x, y, self._labels[place], align="center", color=QUIET, size=0.9)


def _columns(canvas: Canvas, drawing: Drawing) -> None:
    plot = drawing.plot
    _head(canvas, drawing, _key(drawing))
    notes = _variances(drawing)
    steps = _Steps(canvas, drawing, 0, canvas.width)
    numbers = [_number(drawing, value) for value in plot.actual.values]
    all_fit = canvas.widest(numbers, size=0.9) <= steps.step * 0.96
    notes_fit = (
        all_fit and any(text for text, _ in notes) and canvas.widest([t for t, _ in notes], size=0.85) <= steps.step
    )
    top = canvas.height + canvas.font * (2.7 if notes_fit else 1.4)
    negative = any((value or 0) < 0 for value in _all(plot.series))
    bottom = top + canvas.field
    span = _Span(_all(plot.series), bottom - (canvas.font * 1.3 if negative else 0), top)
    for place in range(steps.count):
        _column_of(canvas, span, steps, place, [(each, each.values[place]) for each in plot.series])
        if all_fit or place in _extremes(plot.actual.values):
            highest = max((float(each.values[place] or 0) for each in plot.series), default=0)
            below = float(plot.actual.values[place] or 0) < 0
            y = span.at(plot.actual.values[place] if below else highest) + canvas.font * (0.75 if below else -0.7)
            x = _within(canvas, steps.at(place), canvas.wide(numbers[place], size=0.9))
            canvas.text(x, y, numbers[place], align="center", size=0.9)
            if notes_fit:
                canvas.text(x, min(y, span.at(0)) - canvas.font * 1.25, notes[place][0], align="center",
                            size=0.85, bold=True, color=notes[place][1])  # fmt: skip
    canvas.line([(0, span.at(0)), (canvas.width, span.at(0))], color=INK, linewidth=1.2)
    steps.labels(canvas, bottom + canvas.font * 0.9)
    canvas.height = bottom + canvas.font * 1.8


def _column_of(
    canvas: Canvas, span: _Span, steps: _Steps, place: int, values: Sequence[tuple[Series, Exact | None]]
) -> None:
    wide = steps.step * (0.5 if len(values) > 1 else 0.66)
    order = {Role.PREVIOUS: 0, Role.FORECAST: 1, Role.ACTUAL: 2, Role.PART: 2, Role.PLAN: 3}
    for series, value in sorted(values, key=lambda each: order[each[0].role]):
        if value is not None:
            shift = -0.16 if series.role is Role.PREVIOUS else 0.04 if len(values) > 1 else 0.0
            broad = wide * (1.25 if series.role is Role.PLAN else 1)
            x = steps.at(place) + steps.step * shift - broad / 2
            canvas.bar(x, span.at(0), broad, span.at(value) - span.at(0), **_look(series.role))


def _extremes(values: Sequence[Exact | None]) -> set[int]:
    """The places of the last value, and of the highest where it is not beside it."""
    there = [place for place, value in enumerate(values) if value is not None]
    if not there:
        return set()
    highest = max(there, key=lambda place: values[place] or 0)
    return {there[-1]} | ({highest} if there[-1] - highest > len(values) / 8 else set())


def _within(canvas: Canvas, x: float, wide: float) -> float:
    return min(max(x, wide / 2), canvas.width - wide / 2)


def _stacked_columns(canvas: Canvas, drawing: Drawing) -> None:
    plot = drawing.plot
    _head(canvas, drawing)
    names = [canvas.cut(drawing.name(each), canvas.width * 0.3, size=0.9) for each in plot.series]
    end = canvas.width - canvas.widest(names, size=0.9) - canvas.font * 1.6
    steps = _Steps(canvas, drawing, 0, end)
    sums = stacks(plot)
    top = canvas.height + canvas.font * 1.4
    bottom = top + canvas.field
    places = range(steps.count)
    span = _Span([_sign_sum(plot.series, place, sign) for place in places for sign in (1, -1)], bottom, top)
    numbers = [_number(drawing, value) for value in sums]
    all_fit = canvas.widest(numbers, size=0.9) <= steps.step * 0.96
    for place in places:
        for start, stop, color in _segments(plot.series, place):
            canvas.bar(steps.at(place) - steps.step * 0.35, span.at(start), steps.step * 0.7,
                       span.at(stop) - span.at(start), color=color, edge=GROUND, line=0.8)  # fmt: skip
        if all_fit or place in _extremes(sums):
            y = span.at(_sign_sum(plot.series, place, 1)) - canvas.font * 0.7
            canvas.text(_within(canvas, steps.at(place), canvas.wide(numbers[place], size=0.9)), y, numbers[place],
                        align="center", size=0.9)  # fmt: skip
    canvas.line([(0, span.at(0)), (end, span.at(0))], color=INK, linewidth=1.2)
    _part_names(canvas, names, _middles(plot.series, span), end, (top, bottom))
    steps.labels(canvas, bottom + canvas.font * 0.9)
    canvas.height = bottom + canvas.font * 1.8


def _middles(series: Sequence[Series], span: _Span) -> list[float]:
    """Where the last bar shows each part, from the bottom up; a part that it lacks stands on the one below."""
    found, level = [], 0.0
    for each in series:
        value = float(each.values[-1] or 0)
        found.append(span.at(level + value / 2))
        level += max(value, 0)
    return found


def _part_names(
    canvas: Canvas, names: Sequence[str], middles: Sequence[float], x: float, ends: tuple[float, float]
) -> None:
    for color, name, y in zip(PARTS, names, _spread(middles, canvas.font * 1.25, ends), strict=False):
        _swatch(canvas, x + canvas.font * 0.4, y, color, Role.PART)
        canvas.text(x + canvas.font * 1.4, y, name, size=0.9)


def _spread(wanted: Sequence[float], apart: float, ends: tuple[float, float]) -> list[float]:
    """Places as near as may be to those wanted, at least so far from one another, within the ends if they fit."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    found = [0.0] * len(wanted)
    lowest = ends[0]
    for place in order:
        found[place] = max(wanted[place], lowest)
        lowest = found[place] + apart
    highest = max(ends[1], ends[0] + apart * (len(wanted) - 1))
    for place in reversed(order):
        found[place] = min(found[place], highest)
        highest = found[place] - apart
    return found


def _lines(canvas: Canvas, drawing: Drawing) -> None:
    plot = drawing.plot
    _head(canvas, drawing)
    shown = [each for each in plot.series if any(value is not None for value in each.values)]
    ends = [_last(each) for each in shown]
    names = [canvas.cut(drawing.name(each), canvas.width * 0.26, size=0.9) if len(shown) > 1 else "" for each in shown]
    numbers = [_number(drawing, each.values[place]) for each, place in zip(shown, ends, strict=True)]
    right = max(canvas.widest(names, size=0.9), canvas.widest(numbers, bold=True)) + canvas.font * 0.8
    top, bottom = canvas.height + canvas.font * 0.9, canvas.height + canvas.font + canvas.field * 1.1
    values = [float(value) for value in _all(shown) if value is not None]
    near_zero = min(values) <= 0.6 * max(values) or min(values) < 0
    span = _Span(_all(shown), bottom, top, zero=near_zero)
    left = _grid(canvas, drawing, span, canvas.width - right)
    steps = _Steps(canvas, drawing, left, canvas.width - right)
    for series in sorted(shown, key=lambda each: each.role is Role.ACTUAL):
        _course(canvas, span, steps, series)
    room = canvas.font * (2.7 if any(names) else 1.3)
    heights = _spread(
        [span.at(each.values[place]) for each, place in zip(shown, ends, strict=True)], room, (top, bottom)
    )
    for series, name, number, y in zip(shown, names, numbers, heights, strict=True):
        actual = series.role is Role.ACTUAL
        x = canvas.width - right + canvas.font * 0.7
        canvas.text(x, y - (canvas.font * 0.6 if name else 0), number, bold=actual, color=INK if actual else QUIET)
        canvas.text(x, y + canvas.font * 0.6, name, size=0.9, color=QUIET)
    steps.labels(canvas, bottom + canvas.font * 1.1)
    canvas.height = bottom + canvas.font * 2


def _last(series: Series) -> int:
    return max(place for place, value in enumerate(series.values) if value is not None)


def _grid(canvas: Canvas, drawing: Drawing, span: _Span, end: float) -> float:
    """A few quiet rules with their numbers at the left; gives the room that the numbers take."""
    marks = _marks(span.lowest, span.highest)
    texts = [drawing.number(mark) for mark in marks]
    left = canvas.widest(texts, size=0.85) + canvas.font * 0.6
    for mark, text in zip(marks, texts, strict=True):
        canvas.line([(left, span.at(mark)), (end, span.at(mark))], linewidth=0.8)
        canvas.text(left - canvas.font * 0.5, span.at(mark), text, align="right", size=0.85, color=QUIET)
    if span.lowest < 0 < span.highest:
        canvas.line([(left, span.at(0)), (end, span.at(0))], color=INK, linewidth=1.2)
    return left


def _marks(lowest: float, highest: float) -> list[Decimal]:
    """Two to five round numbers between the two."""
    rough = (highest - lowest) / 4
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return [Decimal(str(round(number * step, 10))) for number in range(ceil(lowest / step), floor(highest / step) + 1)]


def _course(canvas: Canvas, span: _Span, steps: _Steps, series: Series) -> None:
    """A line, broken where values are missing."""
    looks: dict[Role, dict[str, Any]] = {
        Role.PREVIOUS: {"color": PREVIOUS, "linewidth": 2.2},
        Role.PLAN: {"color": ACTUAL, "linewidth": 1.1},
        Role.FORECAST: {"color": ACTUAL, "linewidth": 2, "linestyle": (0, (3, 2))},
    }
    look = looks.get(series.role, {"color": ACTUAL, "linewidth": 2.8})
    run: list[tuple[float, float]] = []
    for place, value in enumerate((*series.values, None)):
        if value is not None:
            run.append((steps.at(place), span.at(value)))
        elif run:
            marker = {"marker": "o", "markersize": 4} if len(run) == 1 else {}
            canvas.line(run, **look, **marker)
            run = []
    if series.role is Role.ACTUAL:
        place = _last(series)
        canvas.line([(steps.at(place), span.at(series.values[place]))], color=ACTUAL, marker="o", markersize=6)


def _ring(canvas: Canvas, drawing: Drawing) -> None:
    plot = drawing.plot
    _head(canvas, drawing)
    radius = canvas.field * 0.4
    whole, angle = float(sum(value or 0 for value in plot.actual.values)), 0.0
    centre = (radius + 4, canvas.height + radius + canvas.font * 0.4)
    shares, middle = drawing.shares(), (len(plot.labels) - 1) / 2
    x, numbers = radius * 2 + canvas.font * 2, [_number(drawing, value) for value in plot.actual.values]
    right = min(canvas.width, x + canvas.font * 30)  # on a wide page numbers stay near what they are of
    end = right - canvas.widest(shares, bold=True) - canvas.font * 0.8
    room = end - x - canvas.font * 1.8 - canvas.widest(numbers)
    for place, value in enumerate(plot.actual.values):
        part = float(value or 0) / whole * 360
        canvas.wedge(centre, radius, (angle, angle + part), PARTS[place])
        angle += part
        y = centre[1] + (place - middle) * canvas.font * 1.9
        _swatch(canvas, x, y, PARTS[place], Role.PART)
        canvas.text(x + canvas.font * 1.1, y, canvas.cut(drawing.labels[place], room))
        canvas.text(
            canvas.width - canvas.wide("100 %", bold=True) - canvas.font * 0.8, y, numbers[place], align="right"
        )
        canvas.text(right, y, shares[place], bold=True, align="right")
    canvas.height = centre[1] + radius + canvas.font * 0.8


def _spark(values: Sequence[Exact | None]) -> Canvas:
    canvas = Canvas(120, 10, ground="none")
    canvas.height = 32
    there = [(place, value) for place, value in enumerate(values) if value is not None]
    span = _Span([value for _, value in there], 27, 5, zero=False)
    step = 108 / max(len(values) - 1, 1)
    points = [(6 + place * step, span.at(value)) for place, value in there]
    if points:
        canvas.line(points, color="#7d8d98", linewidth=2)
        canvas.line(points[-1:], color="#0f8390", marker="o", markersize=6)
    return canvas
