"""One rendering for many readers: places for what is each reader's own, filled in later, escaped as each part needs.

A template prints `recipient.name` and gets a mark between two signs that no text of the ERP keeps (`hostile.MARKS`).
Marks survive `format`, `~` and the house's filters; whatever would decide by a value that is not known yet, or change a
mark, is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, wraps
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from emailketing.errors import TemplateError
from emailketing.hostile import MARKS, cleaned, one_line
from emailketing.model import Attachment, Content, Measuring
from emailketing.render.counting import counted
from emailketing.render.formats import Unformattable
from emailketing.render.lint import web_links

#: What templates see beside `recipient` and is each reader's own; `leave` is an address that we made ourselves.
OWN = ("why", "leave")

#: By what a mail's opens and clicks are counted; no column has such a name, and no template can print it.
SEEN, GO = "where it is seen", "where links go by"

TRUSTED = frozenset({"leave", SEEN, GO})

LONGEST = 500  # signs of one value; more is no name, no code and no address

_BEGIN, _END = MARKS[0], MARKS[1]
_MARK = re.compile(f"(?:{_BEGIN}|(?P<quoted>%EE%80%80))aZ(?P<place>\\d+)(?:{_END}|%EE%80%81)")
_LEFT = re.compile(f"[{MARKS}]|%EE%80%8[01]", re.IGNORECASE)

Step = tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]


class Places:
    """The places of one rendering, numbered as templates print them."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = tuple(names)
        self.known: list[Placeholder] = []

    def recipient(self, refused: str = "") -> Personal:
        """What templates see as `recipient`; `refused` says why it may not be printed here."""
        return Personal(self, refused)

    def own(self, refused: str = "") -> dict[str, Placeholder]:
        """What else is each reader's own, by the names under which templates see it."""
        return {name: self.place(name, refused=refused) for name in OWN if name in self.names}

    def place(self, name: str, steps: tuple[Step, ...] = (), refused: str = "") -> Placeholder:
        """A new place for a value."""
        found = Placeholder(self, len(self.known), name, steps, refused)
        self.known.append(found)
        return found


class Personal:
    """`recipient`, as templates see it where they are rendered once for many."""

    def __init__(self, places: Places, refused: str) -> None:
        self._places, self._refused = places, refused

    def __getitem__(self, name: str) -> Placeholder:
        if name not in self._places.names:
            raise KeyError(name)
        return self._places.place(name, refused=self._refused)

    def __dir__(self) -> list[str]:
        return list(self._places.names)


class Placeholder:
    """A value that is each reader's own. It can be printed and formatted, and nothing else."""

    def __init__(self, places: Places, number: int, name: str, steps: tuple[Step, ...], refused: str) -> None:
        self._places, self._number, self._name, self._steps, self._refused = places, number, name, steps, refused

    def then(self, act: Callable[..., Any], args: tuple[Any, ...], more: Mapping[str, Any]) -> Placeholder:
        """The place of what a filter makes of the value when it is known."""
        return self._places.place(self._name, (*self._steps, (act, args, more)), self._refused)

    def text(self, values: Mapping[str, Any]) -> str:
        """What is written here for a reader with these values. Raises Unformattable."""
        value = values[self._name]
        if isinstance(value, str) and not self.trusted:
            value = one_line(cleaned(value))[:LONGEST]
        for act, args, more in self._steps:
            value = act(value, *args, **more)
        if value is None:
            raise Unformattable(f"{self.told} is NULL for this reader; write '| or_dash', or give a text in the query")
        return str(value)

    @property
    def trusted(self) -> bool:
        """Whether it may stand in an attribute of a tag."""
        return self._name in TRUSTED

    @property
    def told(self) -> str:
        """Its name as templates write it."""
        return self._name if self._name in OWN else f"recipient.{self._name}"

    def __str__(self) -> str:
        if self._refused:
            raise Unformattable(f"{self.told} is each reader's own, and {self._refused}")
        return f"{_BEGIN}aZ{self._number}{_END}"

    __html__ = __str__
    __hash__ = object.__hash__

    def _refuse(self, *_: Any) -> NoReturn:
        raise Unformattable(
            f"{self.told} is filled in when all else is written, once for all readers, so nothing can be decided or "
            "computed by it; let the query give a column of the content_group, or the words themselves"
        )

    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse  # type: ignore[assignment]
    __len__ = __getitem__ = __contains__ = __int__ = __float__ = __index__ = _refuse
    __add__ = __radd__ = __sub__ = __mul__ = __mod__ = _refuse


def deferring(filters: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """The filters, put off where they are given a value that is not known yet."""
    return {name: _deferring(act) for name, act in filters.items()}


def _deferring(act: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(act)
    def deferred(value: Any, *args: Any, **more: Any) -> Any:
        return value.then(act, args, more) if isinstance(value, Placeholder) else act(value, *args, **more)

    return deferred


class Shared:
    """What many readers get, with places for what is each one's own. Attachments are the same for all."""

    def __init__(self, content: Content, places: Places, path: Path) -> None:
        """Raises TemplateError where a mark was changed, or stands where no value can be made harmless."""
        self.content, self._places, self._path = content, places, path
        self._refuse_attributes(content.html)
        self._parts = {name: self._pieces(getattr(content, name)) for name in ("subject", "text", "html", "phone")}

    @cached_property
    def links(self) -> tuple[str, ...]:
        """The web addresses that are shown to all readers; those that hold what is one reader's own are left out."""
        return tuple(link for link in web_links(self.content) if not _MARK.search(link))

    def with_files(self, files: Sequence[Attachment]) -> Shared:
        """The same with further attachments, which are everybody's."""
        self.content = replace(self.content, attachments=(*self.content.attachments, *files))
        return self

    def counting(self, measuring: Measuring) -> Shared:
        """The same with addresses by which opens and clicks are counted; `filled` then wants SEEN and GO, too.

        SEEN is the address of the picture, GO a function that gives the address by which a link goes.
        """
        seen = str(self._places.place(SEEN)) if measuring.opens else ""
        html = counted(self.content.html, seen, self._going if measuring.clicks else None)
        counting = Shared(replace(self.content, html=html), self._places, self._path)
        counting.links = self.links  # where they lead in the end
        return counting

    def _going(self, link: str) -> str:
        return str(self._places.place(GO, ((_led, (link,), {}),)))

    def filled(self, values: Mapping[str, Any]) -> Content:
        """What one reader gets. `values` holds every name that the places were made with."""
        try:
            filled = {name: self._filled(name, pieces, values) for name, pieces in self._parts.items()}
        except (Unformattable, TypeError, ValueError) as error:
            raise TemplateError(f"{error}.", path=self._path) from None
        subject, text, html, phone = filled["subject"], filled["text"], filled["html"], filled["phone"]
        return replace(self.content, subject=subject, text=text, html=html, phone=phone)

    def _filled(self, part: str, pieces: Sequence[str | tuple[Placeholder, bool]], values: Mapping[str, Any]) -> str:
        return "".join([each if isinstance(each, str) else _escaped(part, *each, values) for each in pieces])

    def _pieces(self, text: str) -> list[str | tuple[Placeholder, bool]]:
        pieces: list[str | tuple[Placeholder, bool]] = []
        start = 0
        for match in _MARK.finditer(text):
            pieces += [text[start : match.start()], (self._places.known[int(match["place"])], bool(match["quoted"]))]
            start = match.end()
        pieces.append(text[start:])
        if any(_LEFT.search(each) for each in pieces if isinstance(each, str)):
            raise TemplateError(
                "What is filled in for each reader was changed by a filter, such as upper or truncate.",
                path=self._path,
                hint="Print recipient.<column> as it is, or let the query give the text as it is to stand.",
            )
        return pieces

    def _refuse_attributes(self, html: str) -> None:
        found = _Attributes()
        found.feed(html)
        for number in found.places:
            place = self._places.known[number]
            if not place.trusted:
                raise TemplateError(
                    f"{place.told} stands within a tag, where what it holds could do harm.",
                    path=self._path,
                    hint="Print it as text; as a part of an address write it with '| urlencode'.",
                )


class _Attributes(HTMLParser):
    """Finds the places that stand in attributes of tags, in styles or in scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[int] = []
        self._code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._code = tag in {"style", "script"}
        for _, value in attrs:
            self._find(value or "")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 the library's signature
        self._code = False

    def handle_data(self, data: str) -> None:
        if self._code:
            self._find(data)

    def _find(self, text: str) -> None:
        self.places += [int(match["place"]) for match in _MARK.finditer(text) if not match["quoted"]]


def _led(go: Callable[[str], str], link: str) -> str:
    return go(link)


def _escaped(part: str, place: Placeholder, quoted: bool, values: Mapping[str, Any]) -> str:
    text = place.text(values)
    if quoted:
        return quote(text, safe="")
    return escape(text) if part == "html" else text
