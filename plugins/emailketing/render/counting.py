"""A mail whose opens and clicks are counted: its links go by us, and a picture of one point stands at its end. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import unescape
from html.parser import HTMLParser
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emailketing.errors import TemplateError
from emailketing.hostile import MARKS
from emailketing.model import LONGEST_LINK

#: The variable that says what is counted of a mail: opens, clicks or both.
VARIABLE = "we_count"

_ATTRIBUTE = re.compile(r"""(?P<name>[^\s"'<>/=]+)(?:\s*=\s*(?:"(?P<value>[^"]*)"|'[^']*'|[^\s"'>]+))?""")
_MARKED = re.compile(f"[{MARKS}]|%EE%80%8[01]", re.IGNORECASE)


def counted(html: str, seen: str, go: Callable[[str], str] | None) -> str:
    """A page as css_inline writes it, its web links replaced by `go(link)`, with the picture `seen` where it ends.

    What holds a reader's own value stays as it is: it differs for each, and so does the way out. `seen` '' and `go`
    None leave their part out.
    """
    if go is not None:
        html = _with_links(html, go)
    if not seen:
        return html
    body, end, rest = html.rpartition("</body>")
    picture = f'<img src="{seen}" alt="" width="1" height="1" style="display: block; border: 0">'
    return f"{body}{picture}{end}{rest}" if end else f"{html}{picture}"


def check(path: Path, variables: Mapping[str, Any], html: str) -> None:
    """Raise TemplateError where a mail is counted and does not say so."""
    if not (what := variables.get(VARIABLE)) or not html:
        return
    if str(variables["t"][f"{VARIABLE}_{what}"]) not in unescape(html):
        raise TemplateError(
            "The mail does not say that its opens or clicks are counted.",
            path=path,
            hint="Let body.html.j2 extend _layout/advertising.html.j2, whose foot says it.",
        )


def _with_links(html: str, go: Callable[[str], str]) -> str:
    found = _Links(html)
    found.feed(html)
    found.close()
    pieces, end = list[str](), 0
    for start, stop, link in found.links:
        pieces += [html[end:start], go(link)]
        end = stop
    return "".join([*pieces, html[end:]])


class _Links(HTMLParser):
    """Finds the web links of a page: where the address begins and ends, and what it is."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self._lines = [0, *accumulate(len(line) + 1 for line in html.split("\n"))]
        self.links: list[tuple[int, int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 the library's signature
        text = self.get_starttag_text()
        if tag != "a" or text is None:
            return
        line, column = self.getpos()
        for match in _ATTRIBUTE.finditer(text, len("<a")):
            if match["name"].lower() == "href" and match["value"] is not None:
                self._take(self._lines[line - 1] + column, match)
                return

    def _take(self, start: int, match: re.Match[str]) -> None:
        link = unescape(match["value"]).strip()
        if len(link) <= LONGEST_LINK and _is_web(link) and not _MARKED.search(link):
            self.links.append((start + match.start("value"), start + match.end("value"), link))


def _is_web(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    return parts.scheme.lower() in {"http", "https"} and bool(parts.netloc) and link.isprintable()
