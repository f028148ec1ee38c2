"""The pages that readers of mails see, in their language: from include/templates/_public, like any mail's templates."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from emailketing.model import ASKS_CONSENT

FOLDER = "_public"
LANGUAGES = ("es", "en")


class Pages:
    """Writes pages for one company. The first of `templates` that has the folder `_public` gives them."""

    def __init__(self, templates: Sequence[Path], company: Mapping[str, Any], language: str) -> None:
        folder = next(path / FOLDER for path in templates if (path / FOLDER / "page.html.j2").is_file())
        self._company, self._language = company, language.partition("_")[0].lower()
        self._words = {each: yaml.safe_load((folder / f"words.{each}.yaml").read_text("utf-8")) for each in LANGUAGES}
        self._style = (folder / "page.css").read_text("utf-8")
        environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._page = environment.get_template("page.html.j2")
        digest = base64.b64encode(sha256(self._style.encode()).digest()).decode()
        #: What a page may do: show itself, by the one style that stands in it, and send its form to where it came from.
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )

    def write(self, page: str, accept_language: str, **values: str) -> str:
        """The HTML of a page (ask, done, trouble or wrong) in the language that its reader's browser asks for."""
        language = self.language(accept_language)
        words = self._words[language]
        title, text = (words[f"{page}_{part}"] for part in ("title", "text"))
        told = {"company": self._company["name"], **values}
        if kind := values.get("kind"):
            told["kind"] = words[f"kind_{kind}"]
        return self._page.render(
            language=language,
            company=self._company,
            style=self._style,
            title=title.format_map(told),
            text=text.format_map(told),
            note=_note(words, page, values.get("kind", "")).format_map(told),
            button=words["button"] if page in {"ask", "trouble"} else "",
        )

    def language(self, accept_language: str) -> str:
        """The language of ours that a browser prefers (RFC 9110, 12.5.4), else the company's, else the first."""
        wanted = [_weighed(each) for each in accept_language[:500].split(",")]
        for _, language in sorted(wanted, key=lambda each: -each[0]):
            if language in LANGUAGES:
                return language
        return self._language if self._language in LANGUAGES else LANGUAGES[0]


def _note(words: Mapping[str, str], page: str, kind: str) -> str:
    """What is said in small print; of what goes on only where advertising alone ends."""
    return "" if page == "ask" and kind not in ASKS_CONSENT else words.get(f"{page}_note", "")


def _weighed(entry: str) -> tuple[float, str]:
    """How much a language is preferred; 'es-PY;q=0.9' is (0.9, 'es')."""
    name, _, weight = entry.strip().lower().partition(";q=")
    try:
        return (float(weight) if weight else 1.0), name.partition("-")[0]
    except ValueError:
        return 0.0, ""
