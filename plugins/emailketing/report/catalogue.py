"""A catalogue: the items that a group of people is told, marked against what they were told before, as paper and file.

Pure: rows in, rows and a `Report` out. What tells items apart and what may change of them are columns that the
declaration names; a snapshot holds both, so that the next edition can be compared with this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emailketing.errors import DeclarationError, nearest
from emailketing.hostile import one_line
from emailketing.model import document_text
from emailketing.report.frame import Layout, inferred, split, table
from emailketing.report.kinds import Kind, Money, Unreadable, exact
from emailketing.report.report import Picture, Report, Section

Item = Mapping[str, Any]

#: What an item's `change` says.
NEW, UP, DOWN, OTHER, SAME = "new", "up", "down", "other", ""

#: Columns of items that paper and files never show: they serve the mail, or say which list an item is of.
SILENT = frozenset({"content_group", "picture", "picture_alt", "change"})


@dataclass(frozen=True)
class Compared:
    """Items with `change` and `before` beside their columns; `gone` are those of before that are no more."""

    items: list[dict[str, Any]]
    gone: tuple[str, ...] = ()

    @property
    def changed(self) -> list[dict[str, Any]]:
        """The items that are new or changed."""
        return [item for item in self.items if item["change"]]


def snapshot(items: Iterable[Item], marks: tuple[str, str]) -> dict[str, str]:
    """What is kept of an edition: of each item what tells it apart, and its value."""
    key, value = marks
    return {document_text(item[key]): _plain(item[value]) for item in _checked(items, marks)}


def compared(items: Sequence[Item], marks: tuple[str, str] | None, before: Mapping[str, str] | None) -> Compared:
    """The items against the snapshot of the last edition; None: there was none, and nothing is marked."""
    if marks is None or before is None:
        return Compared([{**item, "change": SAME, "before": None} for item in items])
    key, value = marks
    marked = [
        {**item, **_change(_plain(item[value]), before.get(document_text(item[key])))}
        for item in _checked(items, marks)
    ]
    there = {document_text(item[key]) for item in items}
    return Compared(marked, tuple(each for each in before if each not in there))


@dataclass(frozen=True)
class Look:
    """How a catalogue is laid out. `label` gives a column's head and a change's word by name, or ''."""

    label: Callable[[str], str]
    sections: str = ""
    hide: tuple[str, ...] = ()
    columns: Mapping[str, Kind] = field(default_factory=dict)


def catalogue(items: Sequence[Item], look: Look, title: Report) -> Report:
    """The report with a section for each value of the column `look.sections`, or with one for all.

    Items have a picture by their column `picture`. One that all items of a section share stands beside its heading.
    """
    shown = _shown(items, look)
    layout = _layout(shown, look, look.sections)
    parted = bool(shown and look.sections)
    parts = split(shown, look.sections) if parted else {"": shown}
    pictures = _pictures(split(items, look.sections) if parted else {"": items})
    return _with(title, [Section(str(name), table(rows, layout), **pictures[name]) for name, rows in parts.items()])


def whole(items: Sequence[Item], look: Look, title: Report) -> Report:
    """The same in one table, for files that are sorted and filtered."""
    shown = _shown(items, look)
    return _with(title, [Section(title.what, table(shown, _layout(shown, look)))])


def _pictures(parts: Mapping[Any, Sequence[Item]]) -> dict[Any, dict[str, Any]]:
    """The pictures of each section, beside its heading or beside its rows.

    Where one section has them beside its rows, the rows of all begin as far to the right.
    """
    found = {name: [_picture(item) for item in items] for name, items in parts.items()}
    different = {name: {each.source for each in some if each} for name, some in found.items()}
    own = any(len(sources) > (1 if name else 0) for name, sources in different.items())
    placed: dict[Any, dict[str, Any]] = {}
    for name, some in found.items():
        shared = len(different[name]) == 1 and (len(some) > 1 or not own) and bool(name)
        first = next((each for each in some if each), None)
        rows = (None,) * len(some) if shared else tuple(some)
        placed[name] = {
            "picture": Picture(first.source, str(name)) if shared and first else None,
            "pictures": rows if own else (),
        }
    return placed


def _picture(item: Item) -> Picture | None:
    source = item.get("picture")
    if isinstance(source, memoryview | bytearray):
        source = bytes(source)
    if not source or not isinstance(source, str | bytes):
        return None
    return Picture(source, one_line(item.get("picture_alt") or item.get("description") or ""))


def _with(title: Report, sections: Sequence[Section]) -> Report:
    return Report(
        title.what, title.when, title.made_at, title.who, title.unit, title.message, sections=tuple(sections),
        notes=title.notes,
    )  # fmt: skip


def _shown(items: Sequence[Item], look: Look) -> list[dict[str, Any]]:
    """The items' columns for people: silent ones left out, changes in words, empty columns gone."""
    marked = any(item["change"] for item in items)
    hidden = {*SILENT, *look.hide, *(() if marked else ("before",))}
    empty = {name for name in (items[0] if items else ()) if all(item[name] is None for item in items)}
    rows = []
    for item in items:
        row = {name: value for name, value in item.items() if name not in hidden | empty}
        if marked:
            row["what_changed"] = look.label(f"change_{item['change']}") if item["change"] else None
        rows.append(row)
    return rows


def _layout(rows: Sequence[Item], look: Look, section: str = "") -> Layout:
    names = list(rows[0]) if rows else []
    currency = str(rows[0].get("currency") or "") if rows else ""
    labels = {name: found for name in names if (found := look.label(f"column_{name}"))}
    # By all rows, so that the columns of every section are alike.
    kinds = {name: inferred(name, [row[name] for row in rows], currency) for name in names if name != "currency"}
    if currency and "before" in names:
        kinds["before"] = Money(currency, sums=False)
    kinds |= {name: kind for name, kind in look.columns.items() if name in names}
    hidden = tuple(name for name in (section, "currency" if currency else "") if name in names)
    return Layout(columns=kinds, labels=labels, hide=hidden, total=False)


def _change(value: str, before: str | None) -> dict[str, Any]:
    if before is None:
        return {"change": NEW, "before": None}
    if value == before:
        return {"change": SAME, "before": None}
    try:
        now, then = exact(value), exact(before)
    except Unreadable:  # what is no number only differs
        return {"change": OTHER, "before": None}
    return {"change": UP if (now or 0) > (then or 0) else DOWN, "before": then}


def _plain(value: Any) -> str:
    """A value as a snapshot keeps it: 7, 7.0 and Decimal('7.00') are the same price."""
    try:
        number = exact(value)
    except Unreadable:
        return str(value)
    return "" if number is None else f"{number.normalize():f}" if not isinstance(number, int) else str(number)


def _checked(items: Iterable[Item], marks: tuple[str, str]) -> Iterable[Item]:
    for item in items:
        for name in marks:
            if name not in item:
                raise DeclarationError(f"The items have no column {name!r} to be marked by.", hint=nearest(name, item))
        yield item
