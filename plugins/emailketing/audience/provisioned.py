"""include/subscriptions.yaml: who gets what, as it is provided by a file. Each mistake is told with its line.

What is wrong is left out and told; everything else holds. A file that is no YAML at all is `unreadable`: then what it
said when it could be read last holds, or nothing can be said at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import yaml

from emailketing.audience.addresses import usable
from emailketing.audience.filters import EVERYTHING, Condition, Filter, condition, scalar
from emailketing.audience.rows import ADDRESS_COLUMN
from emailketing.errors import AuthoringError, nearest

T = TypeVar("T")

CHANNELS = tuple(ADDRESS_COLUMN)

COPY, SUBSCRIPTION = "copy", "subscription"

#: How somebody wants a report: when, about which period, as which files. What each may say is the report's affair.
SCHEDULE = ("cadence", "at", "timezone", "day", "business", "shift", "period", "format")

_PERSON = ("name", *CHANNELS, "language")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z]{2,4}|[_-]\d{3})?")
_PHONE = re.compile(r"\+?\d[\d ()./-]{4,}")
_PATTERN = re.compile(r"[\w*?\[\].!-]+")
_DEEPEST = 20  # levels of an `options`


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody named in the file, with his addresses by channel."""

    addresses: Mapping[str, str]
    name: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One address's place in the audience of the mailings whose names fit `mailing`, a name or wildcards.

    `source` says where that is written; `line` is its line in the file, 0 in the database, and `lines` are those of its
    options. `asked` means that the channel was asked for, not only that the person has an address for it.
    """

    mailing: str
    channel: str
    address: str
    name: str = ""
    language: str = ""
    filter: Filter = EVERYTHING
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: str = SUBSCRIPTION
    source: str = ""
    line: int = 0
    asked: bool = False
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)

    @property
    def because(self) -> str:
        """Why a document goes to this address, in words."""
        return f"{self.kind} by {self.source}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in who gets what; `mailings` are the names or wildcards that it concerns, all of them when empty."""

    error: AuthoringError
    mailings: tuple[str, ...] = ()

    def concerns(self, mailing: str) -> bool:
        """Whether this mailing may miss somebody for it."""
        return not self.mailings or any(fnmatchcase(mailing, pattern) for pattern in self.mailings)


@dataclass(frozen=True, slots=True)
class Rule:
    """What the file says of a mailing as a whole; None where it says nothing."""

    line: int
    on: bool = True
    channels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What the file says. `audiences` are people by the name of an audience."""

    path: Path = Path("subscriptions.yaml")
    rules: Mapping[str, Rule] = field(default_factory=dict)
    members: tuple[Member, ...] = ()
    audiences: Mapping[str, tuple[Person, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    unreadable: AuthoringError | None = None

    @property
    def short(self) -> str:
        """The file's name for ledgers and tables."""
        return short(self.path)


def short(path: Path) -> str:
    """A path as people know it: include/subscriptions.yaml, wherever include is."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def read(path: Path, region: str = "") -> tuple[str, Provisioned]:
    """The text of the file at `path`, and what it says; nothing when there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "", Provisioned(path)
    except (OSError, UnicodeError) as error:
        return "", _unreadable(path, f"the file cannot be read: {error}.", None)
    return text, said(path, text, region)


def said(path: Path, text: str, region: str = "") -> Provisioned:
    """What `text` says, as of the file at `path`; phone numbers without a country code are of `region` (ISO 3166)."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unreadable(path, f"this is no YAML: {error.problem or error.context}.", mark.line + 1 if mark else None)
    except (yaml.YAMLError, RecursionError) as error:
        return _unreadable(path, f"this is no YAML: {' '.join(str(error).split())}.", None)
    return _Reading(path, region).all_of(root)


def filter_of(text: str) -> Filter:
    """A filter as somebody wrote it by itself. Raises AuthoringError."""
    return _alone("where", text, _filter)


def options_of(text: str) -> dict[str, Any]:
    """Options as somebody wrote them by themselves. Raises AuthoringError."""
    return _alone("options", text, _options)


def usable_language(text: str) -> str:
    """The language as given. Raises AuthoringError for what cannot be one."""
    if text and not _LANGUAGE.fullmatch(text):
        raise AuthoringError(f"{text!r} is no language.", hint="Write es, en, es_PY …")
    return text


def _alone(what: str, text: str, act: Callable[[yaml.Node], T]) -> T:
    try:
        return act(yaml.compose(text, Loader=yaml.SafeLoader) or yaml.MappingNode("", []))
    except yaml.YAMLError as error:
        raise AuthoringError(f"{what}: this is no YAML: {' '.join(str(error).split())}") from None
    except _Wrong as wrong:
        raise AuthoringError(f"{what}: {wrong}", hint=wrong.hint) from None


def _unreadable(path: Path, message: str, line: int | None) -> Provisioned:
    hint = "What it said when it could be read last holds meanwhile; where that is not known, all mailings wait."
    return Provisioned(path, unreadable=AuthoringError(message, path=path, line=line, hint=hint))


class _Wrong(Exception):
    """Something of the file that cannot be used, for the author."""

    def __init__(self, node: yaml.Node, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.node, self.hint = node, hint


class _Reading:
    """One reading of the file: goes through its nodes, which know their lines, and gathers what is wrong."""

    def __init__(self, path: Path, region: str) -> None:
        self._path, self._region = path, region
        self._problems: list[Problem] = []
        self._concerned: tuple[str, ...] = ()  # by the entry that is being read
        self._rules: dict[str, Rule] = {}
        self._audiences: dict[str, tuple[Person, ...]] = {}
        self._members: list[Member] = []

    def all_of(self, root: yaml.Node | None) -> Provisioned:
        """What the whole file says."""
        parts: dict[str, yaml.Node] = {}
        if root is not None:
            with self._told():
                parts = self._fields(root, ("mailings", "audiences", "subscriptions"), "part", lenient=True)
        for name, node in self._named(parts.get("audiences")):
            with self._told():
                self._audiences[name] = tuple(self._people(node, nested=False))
        for name, node in self._named(parts.get("mailings")):
            with self._told(name):
                self._mailing(name, node)
        for node in self._listed(parts.get("subscriptions"), "subscriptions"):
            with self._told():
                self._subscription(node)
        return Provisioned(self._path, self._rules, tuple(self._members), self._audiences, tuple(self._problems))

    # What the three parts hold

    def _mailing(self, name: str, node: yaml.Node) -> None:
        fields = self._fields(node, ("on", "channels", "copies"), "setting", lenient=True)
        rule = Rule(line_of(node))
        if "on" in fields:
            with self._told(name):
                rule = replace(rule, on=_flag(fields["on"]), line=line_of(fields["on"]))
        if "channels" in fields:
            with self._told(name):
                rule = replace(rule, channels=_channels(fields["channels"]))
        self._rules[name] = rule
        copies = fields.get("copies")
        if copies is None or (isinstance(copies, yaml.SequenceNode) and not copies.value):
            return
        for person in self._people(copies):
            self._place((name,), person, None, Member("", "", "", kind=COPY, line=line_of(copies)))

    def _subscription(self, node: yaml.Node) -> None:
        fields = self._fields(node, ("mailing", "to", "channels", "where", "options", *SCHEDULE), "setting")
        for needed in ("mailing", "to"):
            if needed not in fields:
                raise _Wrong(node, f"the subscription has no {needed!r}.", f"It needs mailing and to: {_FORM}")
        self._concerned = names = tuple(_pattern(each) for each in _items(fields["mailing"]))
        channels = _channels(fields["channels"]) if "channels" in fields else None
        place = Member(
            "",
            "",
            "",
            filter=_filter(fields["where"]) if "where" in fields else EVERYTHING,
            options=_options(fields["options"]) if "options" in fields else {},
            line=line_of(node),
        )
        wishes = {name: _plain(each, _json_scalar) for name, each in _of(fields, SCHEDULE)}
        lines = {name: line_of(each) for name, each in _of(fields, SCHEDULE)}
        place = replace(place, options={**place.options, **wishes}, lines=lines)
        for person in self._people(fields["to"]):
            if channels and not set(channels) & set(person.addresses):
                who = person.name or next(iter(person.addresses.values()))
                self._tell(_Wrong(fields["channels"], f"{who} has no address for {' or '.join(channels)}."))
            self._place(names, person, channels, place)

    def _place(self, mailings: Sequence[str], person: Person, channels: Sequence[str] | None, like: Member) -> None:
        """A place in each of the mailings, by each channel that is asked for, or for which there is an address."""
        source = f"{short(self._path)}:{like.line}"
        like = replace(like, name=person.name, language=person.language, source=source, asked=channels is not None)
        for mailing in mailings:
            for channel in channels or person.addresses:
                if address := person.addresses.get(channel):
                    self._members.append(replace(like, mailing=mailing, channel=channel, address=address))

    # People

    def _people(self, node: yaml.Node, *, nested: bool = True) -> Iterator[Person]:
        """The people whom a node names: an address, an audience (where `nested`), a person, or a list of these."""
        for each in _items(node):
            with self._told(*self._concerned):
                yield from self._person(each, nested)

    def _person(self, node: yaml.Node, nested: bool) -> Sequence[Person]:
        if isinstance(node, yaml.MappingNode):
            return [self._described(node)]
        text = _text(node, "a person")
        if "@" in text:
            return [Person({"email": self._usable("email", node)})]
        if _PHONE.fullmatch(text):
            return [Person({"phone": self._usable("phone", node)})]
        if nested and text in self._audiences:
            return self._audiences[text]
        hint = nearest(text, self._audiences) if nested else f"A person is an address, or {_ONE}"
        raise _Wrong(node, f"there is no audience {text!r}." if nested else f"{text!r} is no address.", hint)

    def _described(self, node: yaml.Node) -> Person:
        fields = self._fields(node, _PERSON, "setting")
        addresses = {channel: self._usable(channel, each) for channel, each in _of(fields, CHANNELS)}
        if not addresses:
            raise _Wrong(node, "this person has no address.", f"A person is {_ONE}")
        language = _text(fields["language"], "a language") if "language" in fields else ""
        if language and not _LANGUAGE.fullmatch(language):
            raise _Wrong(fields["language"], f"{language!r} is no language.", "Write es, en, es_PY …")
        name = " ".join(_text(fields["name"], "a name").split()) if "name" in fields else ""
        return Person(addresses, name, language)

    def _usable(self, channel: str, node: yaml.Node) -> str:
        try:
            return usable(channel, _text(node, channel), self._region)
        except ValueError as problem:
            raise _Wrong(node, str(problem)) from None

    # Nodes

    def _fields(self, node: yaml.Node, known: Sequence[str], what: str, *, lenient: bool = False) -> dict[str, Any]:
        """The fields of a mapping by name. An unknown one spoils all of it, or is told and passed by if `lenient`."""
        fields: dict[str, yaml.Node] = {}
        for key, value in _pairs(node):
            name = key.value if isinstance(key, yaml.ScalarNode) else "…"
            wrong = None
            if name not in known:
                wrong = _Wrong(key, f"there is no {what} {name!r} here.", nearest(str(name), known))
            elif name in fields:
                wrong = _Wrong(key, f"{name} stands here twice.")
            if wrong and not lenient:
                raise wrong
            if wrong:
                self._tell(wrong)
            else:
                fields[name] = value
        return fields

    def _named(self, node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
        """The entries of a part whose keys are names, each name once."""
        seen = set[str]()
        with self._told():
            for key, value in _pairs(node) if node is not None and not _is_empty(node) else ():
                name = _text(key, "a name")
                if name in seen:
                    self._tell(_Wrong(key, f"{name} stands here twice; the first is used."))
                elif not re.fullmatch(r"[\w.-]+", name):
                    self._tell(_Wrong(key, f"{name!r} is no name.", "Names are letters, digits and _ ; no wildcards."))
                else:
                    seen.add(name)
                    yield name, value

    def _listed(self, node: yaml.Node | None, what: str) -> Sequence[yaml.Node]:
        if node is None or _is_empty(node):
            return []
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self._tell(_Wrong(node, f"{what} is a list; each entry begins with '- '.", _FORM))
        return []

    @contextmanager
    def _told(self, *mailings: str) -> Iterator[None]:
        """Whatever is wrong within is told, as concerning these mailings, and left out."""
        before, self._concerned = self._concerned, mailings
        try:
            yield
        except _Wrong as wrong:
            self._tell(wrong)
        finally:
            self._concerned = before

    def _tell(self, wrong: _Wrong) -> None:
        error = AuthoringError(str(wrong), path=self._path, line=line_of(wrong.node), hint=wrong.hint)
        self._problems.append(Problem(error, self._concerned))


_FORM = "- {mailing: cash_closing, to: {name: Ana, email: ana@company.example}}"
_ONE = "{name: …, email: …, phone: …, language: …} with at least one of email and phone."


def line_of(node: yaml.Node) -> int:
    """The line, from 1, on which a node begins."""
    return int(node.start_mark.line) + 1


def _pairs(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise _Wrong(node, "expected 'name: value' lines here.")
    return list(node.value)


def _items(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        if not node.value:
            raise _Wrong(node, "this list is empty.")
        return list(node.value)
    return [node]


def _of(fields: Mapping[str, yaml.Node], names: Sequence[str]) -> list[tuple[str, yaml.Node]]:
    return [(name, fields[name]) for name in names if name in fields]


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value in {"", "~", "null"}


def _text(node: yaml.Node, what: str) -> str:
    text = node.value.strip() if isinstance(node, yaml.ScalarNode) else ""
    if not text:
        raise _Wrong(node, f"expected {what} here.")
    return str(text)


def _flag(node: yaml.Node) -> bool:
    text = _text(node, "true or false").lower()
    if text not in {"true", "yes", "on", "false", "no", "off"}:
        raise _Wrong(node, f"{text!r} is neither true nor false.")
    return text in {"true", "yes", "on"}


def _pattern(node: yaml.Node) -> str:
    text = _text(node, "a mailing")
    if not _PATTERN.fullmatch(text):
        raise _Wrong(node, f"{text!r} is no mailing.", "A mailing is a name, or wildcards such as sales_* or '*'.")
    return text


def _channels(node: yaml.Node) -> tuple[str, ...]:
    channels = [(_text(each, "a channel"), each) for each in _items(node)]
    for channel, each in channels:
        if channel not in CHANNELS:
            raise _Wrong(each, f"there is no channel {channel!r}.", nearest(channel, CHANNELS))
    return tuple(dict.fromkeys(channel for channel, _ in channels))


def _filter(node: yaml.Node) -> Filter:
    pairs = [(_text(key, "a column"), key, value) for key, value in _pairs(node)]
    columns = [column for column, _, _ in pairs]
    for column, key, _ in pairs:
        if columns.count(column) > 1:
            raise _Wrong(key, f"{column} stands here twice.", "Several values of a column are a list: [a, b].")
    return Filter(tuple(_condition(column, key, value) for column, key, value in pairs))


def _condition(column: str, key: yaml.Node, value: yaml.Node) -> Condition:
    try:
        return condition(column, _plain(value, _scalar), line_of(key))
    except ValueError as problem:
        raise _Wrong(key, str(problem)) from None


def _options(node: yaml.Node) -> dict[str, Any]:
    _pairs(node)
    options: dict[str, Any] = _plain(node, _json_scalar)
    return options


def _scalar(node: yaml.Node) -> Any:
    return scalar(str(node.value), quoted=getattr(node, "style", None) is not None)


def _json_scalar(node: yaml.Node) -> Any:
    value = _scalar(node)
    if value is None or isinstance(value, bool | str):
        return value
    return int(value) if value == value.to_integral_value() else float(value)


def _plain(node: yaml.Node, scalar_of: Callable[[yaml.Node], Any], depth: int = 0) -> Any:
    """A node as plain values. Anchors may make it endless, so there is a deepest level."""
    if depth > _DEEPEST:
        raise _Wrong(node, f"this goes deeper than {_DEEPEST} levels.")
    if isinstance(node, yaml.MappingNode):
        return {_text(key, "a name"): _plain(value, scalar_of, depth + 1) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(each, scalar_of, depth + 1) for each in node.value]
    return scalar_of(node)
