"""What is wrong with a mail before it goes to many: for its readers, and for the filters of their mail.

Pure: a rendered mail in, findings out. An *error* stops a campaign; a *warning* is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from html.parser import HTMLParser
from urllib.parse import parse_qs, urldefrag, urlsplit

from emailketing.model import GO_PATH, Content
from emailketing.render.photos import PICTURES_LIMIT

#: Where Gmail cuts a mail (102 KB), less what a reader's own name may add.
HTML_LIMIT = 100_000
SUBJECT_SHOWN = 60
FEWEST_LETTERS = 120  # a mail of pictures that says less looks empty where pictures are not shown

_SCHEMES = frozenset({"https", "mailto", "tel"})
_WRITTEN = re.compile(r"https?://[^\s<>\"\]}]+", re.IGNORECASE)
_SHOUTING = re.compile(r"[!¡]{2,}|\b[A-ZÁÉÍÓÚÑ]{5,}\b(?:\s+\b[A-ZÁÉÍÓÚÑ]{4,}\b)+|[$€₲]{2,}")


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in words that say what to do."""

    level: Level
    what: str


def findings(content: Content, *, leave: str = "") -> list[Finding]:
    """All that is wrong with a mail. `leave` is its address to leave by, which it must show; '' where it needs none."""
    if content.phone and not (content.html or content.text):  # a text to the phone has its own limits
        return []
    page = _Page(content.seen)
    page.feed(content.html)
    page.close()
    found = [*_subject(content.subject), *_parts(content, page)]
    found += [*_pictures(content, page), *_links(page)]
    if leave and leave not in page.links:
        found.append(_error("the HTML part shows no way to leave: extend _layout/advertising.html.j2"))
    if leave and leave not in content.text:
        found.append(_error("the text part shows no way to leave: end it with _layout/advertising.txt.j2"))
    return list(dict.fromkeys(found))


def web_links(content: Content) -> tuple[str, ...]:
    """The http and https addresses that a content leads to, each once: links of the HTML part, and those in texts."""
    page = _Page("")
    page.feed(content.html)
    page.close()
    written = (_whole(found) for part in (content.text, content.phone) for found in _WRITTEN.findall(part))
    bare = (urldefrag(link.strip()).url for link in (*page.links, *written))
    return tuple(dict.fromkeys(link for link in bare if link.lower().startswith(("http://", "https://"))))


def _whole(link: str) -> str:
    """An address in a text, without the punctuation of the sentence that it stands in."""
    link = link.rstrip(".,;:!?'»”…")
    return link.rstrip(").,") if link.endswith(")") and "(" not in link else link


def _subject(subject: str) -> Iterator[Finding]:
    if not subject:
        yield _error("the subject is empty")
    elif len(subject) > SUBJECT_SHOWN:
        yield _warning(f"the subject has {len(subject)} signs; mail programs show about {SUBJECT_SHOWN}")
    if _SHOUTING.search(subject):
        yield _warning("the subject shouts (capitals, !!, $$), as spam does")


def _parts(content: Content, page: _Page) -> Iterator[Finding]:
    if not content.text.strip():
        yield _error("there is no text part")
    if content.html and len(content.html.encode()) > HTML_LIMIT:
        yield _error(f"the HTML part has {len(content.html.encode()):,} bytes; it is cut at {HTML_LIMIT:,}")
    if page.pictures and page.letters < FEWEST_LETTERS:
        yield _warning(
            f"the mail is all pictures: {page.letters} letters are left where pictures are not shown, "
            f"fewer than {FEWEST_LETTERS}"
        )


def _pictures(content: Content, page: _Page) -> Iterator[Finding]:
    for source, alt in page.pictures:
        if not (alt or "").strip():
            yield _error(f'the picture {source[:60]!r} has no alt text: say in alt="…" what it shows')
        if urlsplit(source).scheme != "cid":
            yield _warning(f"the picture {source[:60]!r} is fetched from the web, and so not shown by most programs")
    inline = sum(len(each.data) for each in content.attachments if each.content_id)
    if inline > PICTURES_LIMIT:
        yield _warning(
            f"the pictures weigh {inline:,} bytes, more than {PICTURES_LIMIT:,}: show fewer, or photo() them"
        )


def _links(page: _Page) -> Iterator[Finding]:
    for target in map(_led_to, page.links):
        scheme = urlsplit(target).scheme.lower()
        if not target.strip() or target.strip() == "#":
            yield _error("a link leads nowhere: its address is empty")
        elif not scheme:
            yield _error(f"the link {target[:60]!r} is relative, and a mail has no page that it could be relative to")
        elif scheme == "http":
            yield _warning(f"the link {target[:60]!r} is not encrypted; write https:")
        elif scheme not in _SCHEMES:
            yield _error(f"the link {target[:60]!r} is of a kind that mail programs do not follow")
        elif scheme == "https" and "." not in urlsplit(target).netloc:
            yield _error(f"the link {target[:60]!r} names no server that the reader could reach")


def _led_to(link: str) -> str:
    """Where a link leads in the end, when its followers are counted on the way."""
    parts = urlsplit(link)
    onward = parse_qs(parts.query).get("to", []) if f"/{GO_PATH}/" in parts.path else []
    return onward[0] if onward else link


class _Page(HTMLParser):
    """Links, pictures and letters of an HTML part."""

    def __init__(self, seen: str) -> None:
        super().__init__(convert_charrefs=True)
        self._seen = seen
        self.links: list[str] = []
        self.pictures: list[tuple[str, str | None]] = []
        self.letters = 0
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag == "img" and not (self._seen and given.get("src") == self._seen):
            self.pictures.append((given.get("src") or "", given.get("alt")))
        if tag in {"style", "script", "title", "head"}:
            self._silent += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "script", "title", "head"}:
            self._silent = max(0, self._silent - 1)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.letters += sum(sign.isalnum() for sign in data)


def _error(what: str) -> Finding:
    return Finding(Level.ERROR, what)


def _warning(what: str) -> Finding:
    return Finding(Level.WARNING, what)
