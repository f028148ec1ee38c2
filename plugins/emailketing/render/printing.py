"""Sheets on paper: HTML to PDF by WeasyPrint. Importing this takes about a second, so it is done at the first sheet."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from weasyprint import HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from emailketing.errors import TemplateError
from emailketing.model import Attachment
from emailketing.render.mail import inside

#: Longest file name, without its ".pdf": every file system and mail client takes it.
NAME_LENGTH = 120

#: Tagged for screen readers, by the rules of PDF/UA.
_OPTIONS = {"pdf_variant": "pdf/ua-1", "pdf_tags": True}


class Printer:
    """Writes PDFs, and remembers the last ones: a document for ten recipients is written once.

    The same HTML and pictures give the same bytes. Not for use by several threads at once.
    """

    def __init__(self, include: Path, *, remember: int = 32) -> None:
        self._include, self._remember = include, remember
        self._written: OrderedDict[str, Attachment] = OrderedDict()

    def write(self, html: str, pictures: Iterable[Attachment] = ()) -> Attachment:
        """The PDF of a sheet, named by its title.

        Pictures are addressed in the HTML by their sha256, so that equal HTML means equal PDF. Raises TemplateError
        for an address that is neither a file below include/ nor one of `pictures`.
        """
        key = sha256(html.encode()).hexdigest()
        if key not in self._written:
            self._written[key] = self._write(html, pictures)
        self._written.move_to_end(key)
        while len(self._written) > self._remember:
            self._written.popitem(last=False)
        return self._written[key]

    def proofread(self, html: str, pictures: Iterable[Attachment] = ()) -> None:
        """Raise TemplateError for an address that `write` would refuse, without laying the sheet out."""
        fetcher = _Fetcher(self._include, {picture.sha256: picture for picture in pictures})
        page = _Addresses()
        page.feed(html)
        page.close()
        for address in page.found:
            fetcher.fetch(urljoin(f"{self._include.resolve().as_uri()}/", address))

    def _write(self, html: str, pictures: Iterable[Attachment]) -> Attachment:
        fetcher = _Fetcher(self._include, {picture.sha256: picture for picture in pictures})
        base = f"{self._include.resolve().as_uri()}/"
        try:
            document = HTML(string=_breakable(html), base_url=base, url_fetcher=fetcher).render(
                font_config=FontConfiguration(), **_OPTIONS
            )
            data = document.write_pdf(**_OPTIONS)
        except FatalURLFetchingError as error:
            raise fetcher.refused or TemplateError(str(error)) from None
        except Exception as error:
            raise TemplateError(f"The sheet cannot be laid out: {type(error).__name__}: {error}") from error
        if fetcher.refused:
            raise fetcher.refused
        return Attachment(file_name(document.metadata.title or ""), "application/pdf", data)


def _breakable(html: str) -> str:
    """The HTML with places to break in very long words: without them the layout's time grows with their square."""
    head, body, rest = html.partition("<body")
    text = re.compile(r">[^<]+")
    return head + body + text.sub(lambda match: _LONG_WORD.sub("\\g<0>\u200b", match[0]), rest)


_LONG_WORD = re.compile(r"[^\s<>&;\u200b]{60}")


_FETCHED = {"img": "src", "image": "href", "link": "href", "object": "data", "embed": "src", "input": "src"}
_IN_STYLES = re.compile(r"""(?:url\(|@import\s+(?!url\())\s*(?:"([^"]*)"|'([^']*)'|([^"')\s;]+))""", re.IGNORECASE)


class _Addresses(HTMLParser):
    """What a sheet asks for when it is laid out: pictures, style sheets, fonts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        given = {name.removeprefix("xlink:"): value or "" for name, value in attrs}
        self.found += filter(None, [given.get(_FETCHED.get(tag, ""), "")])
        self._read_style(given.get("style", ""))

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 the library's signature
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self._read_style(data)

    def _read_style(self, style: str) -> None:
        addresses = map("".join, _IN_STYLES.findall(style))
        self.found += [address for address in addresses if address and not address.startswith("#")]


class _Fetcher(URLFetcher):  # type: ignore[misc]
    """Gives WeasyPrint the files below include/ and the sheet's own pictures, and nothing else in the world."""

    def __init__(self, include: Path, pictures: dict[str, Attachment]) -> None:
        super().__init__(fail_on_errors=True, allowed_protocols=())
        self._include, self._pictures = include, pictures
        # Kept, because WeasyPrint goes on without a picture that an SVG asked for in vain.
        self.refused: TemplateError | None = None

    def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:  # noqa: ARG002 the library's
        """The bytes behind an address. Raises TemplateError for everything outside."""
        try:
            return self._read(url)
        except TemplateError as error:
            self.refused = self.refused or error
            raise

    def _read(self, url: str) -> URLFetcherResponse:
        parts = urlsplit(url)
        if parts.scheme == "picture" and (held := self._pictures.get(parts.path.partition("/")[0])):
            return URLFetcherResponse(url, held.data, {"Content-Type": held.media_type})
        if parts.scheme != "file" or parts.netloc:
            raise TemplateError(
                f"A sheet asks for {url[:120]!r}; nothing is fetched from outside.",
                hint="Put the file below include/ and name it as in picture('assets/logo.svg').",
            )
        path = inside(self._include, unquote(parts.path))
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return URLFetcherResponse(url, path.read_bytes(), {"Content-Type": media_type})


def file_name(title: str) -> str:
    """A title as the name of a PDF file: no separator, control or direction sign, at most 120 characters."""
    printable = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in title)
    plain = re.sub(r'[\\/:*?"<>|]+', "-", printable)
    name = " ".join(plain.split())[:NAME_LENGTH].strip(" .-")
    return f"{name or 'documento'}.pdf"
