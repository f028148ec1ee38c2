"""The files of a mailing's template folder: which part there is, in which language, and the words beside them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from emailketing.errors import TemplateError, nearest

#: The parts that a mailing may have, and the type of each.
PARTS = {"subject": "txt", "text": "txt", "phone": "txt", "body": "html", "sheet": "html"}

LAYOUT = "_layout"

#: The folder whose parts serve a report that has none of its own.
REPORT = "_report"

_TICK_NS = 1_000_000_000  # file systems keep times by the clock's tick, some by the second

_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FILE = re.compile(r"(?P<part>[a-z]+)(\.(?P<language>[A-Za-z_]+))?\.(?P<kind>txt|html)\.j2")


def normalised(language: str) -> str:
    """A language as file names have it ('ES-py' becomes 'es_PY'); '' for what is no language at all."""
    head, _, tail = language.strip().replace("-", "_").partition("_")
    name = f"{head.lower()}_{tail.upper()}" if tail else head.lower()
    return name if _LANGUAGE.fullmatch(name) else ""


class Words:
    """Labels by name, as templates see them (`t.total`). It has no attributes of its own that a label could meet."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels

    def __getitem__(self, name: str) -> str:
        return self._labels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)


class Folder:
    """The template folder of one mailing below include/templates.

    Raises TemplateError when there is no such folder. Where `templates` has no layout of its own, that of `shared`
    serves; with `default`, the name of a folder, words and those of `parts` that the mailing lacks, come from there. If
    it is all parts the mailing needs no folder at all.
    """

    def __init__(
        self, templates: Path, mailing: str, shared: Path, default: str = "", parts: Collection[str] = ()
    ) -> None:
        self.mailing, self.templates, self.path = mailing, templates, templates / mailing
        self.layout = _first(templates, shared, LAYOUT)
        stock = _first(templates, shared, default) if default else None
        self._is_report = stock is not None
        if stock and set(parts) == set(PARTS) and not self.path.is_dir():
            self.path = stock
        self._layers = tuple(str(each) for each in dict.fromkeys((self.layout, stock or self.path, self.path)))
        if not _NAME.fullmatch(mailing) or not self.path.is_dir():
            raise TemplateError(
                f"There is no template folder for the mailing {mailing!r}.",
                path=templates,
                hint=nearest(mailing, mailings(templates)),
            )
        self._seen_ns = time.time_ns()
        self._changed = self._changes()
        files = [each for layer in self._layers[1:] for each in sorted(Path(layer).iterdir())]
        lent = [each for each in files if each.parent == self.path or _lends(each.name, parts)]
        self._found = {each.name: each for each in lent}
        self._names = sorted(self._found)
        self._languages: dict[tuple[str, str, str], str] = {}
        self._parts: dict[tuple[str, str, str], str | None] = {}
        self._words: dict[str, tuple[list[int | None], Mapping[str, str]]] = {}

    def stale(self) -> bool:
        """Whether files may have come or gone since the folder was listed."""
        # A change within the clock's tick in which it was listed leaves no other time: trust no listing so fresh.
        fresh = any(changed is None or self._seen_ns - changed < _TICK_NS for changed in self._changed)
        return fresh or self._changed != self._changes()

    def _changes(self) -> list[int | None]:
        return [_changed_ns(str(folder)) for folder in (self.templates, *self._layers[1:])]

    def files(self) -> list[Path]:
        """Every template of the folder, in order."""
        return [self._found[name] for name in self._names if name.endswith(".j2")]

    def languages(self) -> list[str]:
        """The languages for which the folder has a part or words."""
        found = {match["language"] for name in self._names if (match := _FILE.fullmatch(name)) and match["language"]}
        found.update(name.split(".")[1] for name in self._names if _is_words(name))
        return sorted(found)

    def language(self, wanted: str, company: str, territory: str) -> str:
        """The language in which a message will be written, given the one that the recipient wants.

        His own, with the territory and without; else the company's; else any that the folder has. A folder that names
        no language at all is in the company's.
        """
        asked = (wanted, company, territory)
        if asked not in self._languages:
            self._languages[asked] = self._language(*asked)
        return self._languages[asked]

    def _language(self, wanted: str, company: str, territory: str) -> str:
        there = self.languages()
        order = [*_steps(normalised(wanted), territory), *_steps(normalised(company), territory)]
        best = next((each for each in order if each in there), there[0] if there else company)
        return best or "en"

    def part(self, name: str, language: str, company: str) -> str | None:
        """The loader's name of the template of a part: es_PY, es, no suffix, the company's language, any; or None."""
        asked = (name, language, company)
        if asked not in self._parts:
            self._parts[asked] = self._part(*asked)
        return self._parts[asked]

    def _part(self, name: str, language: str, company: str) -> str | None:
        kind = PARTS[name]
        own = [f"{name}.{each}.{kind}.j2" for each in _steps(language, "")]
        order = [*own, f"{name}.{kind}.j2", f"{name}.{company}.{kind}.j2"]
        any_language = [each for each in self._names if re.fullmatch(rf"{name}\.[A-Za-z_]+\.{kind}\.j2", each)]
        found = next((each for each in [*order, *any_language] if each in self._names), None)
        return f"{self._found[found].parent.name}/{found}" if found else None

    def words(self, language: str) -> Mapping[str, str]:
        """The labels for a language: those of the layout, of the default if there is one, and the mailing's own on top.

        In each, the bare language's stand under the territory's. Files that change are read again.
        """
        files = [f"{folder}/words.{each}.yaml" for folder in self._layers for each in reversed(_steps(language, ""))]
        changed = [_changed_ns(file) for file in files]
        if language not in self._words or self._words[language][0] != changed:
            found = [Path(file) for file, ns in zip(files, changed, strict=True) if ns is not None]
            labels = [_labels(path, lists=self._is_report and path.parent == self.path) for path in found]
            self._words[language] = (changed, {name: text for each in labels for name, text in each.items()})
        return self._words[language][1]

    def said(self, language: str) -> Mapping[str, Any]:
        """All that the mailing's own words say in a language, lists of words included; not those of the layouts."""
        if self.path.name != self.mailing:  # nothing but the default
            return {}
        found: dict[str, Any] = {}
        for each in reversed(_steps(language, "")):
            for name, item in _read(self.path / f"words.{each}.yaml").items():
                old = found.get(name)
                found[name] = {**old, **item} if isinstance(old, dict) and isinstance(item, dict) else item
        return found


def _lends(name: str, parts: Collection[str]) -> bool:
    """Whether a file of the default serves where only these parts do; its words speak a language only with all."""
    if set(parts) == set(PARTS):
        return True
    found = _FILE.fullmatch(name)
    return found is not None and found["part"] in parts


def _first(templates: Path, shared: Path, name: str) -> Path:
    """The folder `name` of the own templates, or else of the shared ones."""
    return next((each / name for each in (templates, shared) if (each / name).is_dir()), shared / name)


def mailings(templates: Path) -> list[str]:
    """The mailings that have a template folder."""
    if not templates.is_dir():
        return []
    return sorted(each.name for each in templates.iterdir() if each.is_dir() and _NAME.fullmatch(each.name))


def _changed_ns(file: str) -> int | None:
    """When a file was changed last, in nanoseconds; None when there is none."""
    try:
        return os.stat(file).st_mtime_ns  # noqa: PTH116 a Path costs more than the call, and this is once a message
    except OSError:
        return None


def _is_words(name: str) -> bool:
    return re.fullmatch(r"words\.[A-Za-z_]+\.yaml", name) is not None


def _steps(language: str, territory: str) -> list[str]:
    """From the most to the least special: es_PY, es."""
    base = language.partition("_")[0]
    own = language if "_" in language else f"{language}_{territory}" if territory else ""
    return [each for each in dict.fromkeys((own, base)) if each and language]


def _labels(path: Path, *, lists: bool = False) -> dict[str, str]:
    """The labels of a file; with `lists` it may hold lists of words beside them, which are none."""
    found = _read(path)
    items = [item for item in found.values() if not (lists and isinstance(item, dict))]
    if not all(isinstance(item, str) for item in (*found, *items)):
        raise TemplateError("Words must be lines of the form 'name: \"text\"'.", path=path)
    return {name: item for name, item in found.items() if isinstance(item, str)}


def _read(path: Path) -> dict[str, Any]:
    try:
        found: Any = _parsed(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise TemplateError(
            f"These words cannot be read: {problem}.", path=path, line=mark.line + 1 if mark else None
        ) from None
    if not isinstance(found, dict):
        raise TemplateError("Words must be lines of the form 'name: \"text\"'.", path=path)
    return found


def _parsed(text: str) -> Any:
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:  # libyaml is quick, and says less well what is wrong and where
        return yaml.safe_load(text)
