"""A report in the words of its readers, as each channel carries it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from emailketing.errors import AuthoringError, DeclarationError
from emailketing.model import Attachment, Content, Recipient
from emailketing.report import files
from emailketing.report.composing import Material, Voice, compose, notice
from emailketing.report.declaration import FORMATS, ReportMailing
from emailketing.report.naming import Words
from emailketing.report.periods import Period
from emailketing.report.report import Report
from emailketing.road.reporter import Reporter

T = TypeVar("T")

_PRINTED = 500  # a longer listing that a mail cannot show whole travels as a workbook


@dataclass(frozen=True)
class Notice:
    """What is told of a report instead of its figures, at a time: that it is late, or that its alert is over."""

    period: Period
    about: str
    at: datetime


class Made:
    """A report in one language and with some files, rendered for each channel when it is first asked for."""

    def __init__(
        self, reporter: Reporter, mailing: ReportMailing, report: Report, language: str, formats: Sequence[str] = ()
    ) -> None:
        self._reporter, self._mailing, self._language, self._formats = reporter, mailing, language, formats
        self._writer = reporter.renderer.formats(language)
        self.report = report
        self._contents: dict[str, Content] = {}

    @classmethod
    def of(
        cls, reporter: Reporter, mailing: ReportMailing, material: Material, language: str, formats: Sequence[str]
    ) -> Made:
        """The report that is made of what was read."""
        report = placed(mailing, lambda: compose(mailing, material, voiced(reporter, mailing, language)))
        return cls(reporter, mailing, report, language, formats)

    @classmethod
    def notice(cls, reporter: Reporter, mailing: ReportMailing, told: Notice, language: str) -> Made:
        """What is told instead of a report."""
        voice = voiced(reporter, mailing, language)
        return cls(reporter, mailing, notice(mailing, told.period, told.at, voice, told.about), language)

    def content(self, channel: str = "") -> Content:
        """What a channel carries; without one all of it, for people who look at it."""
        if channel not in self._contents:
            self._contents[channel] = self._content(channel)
        return self._contents[channel]

    def proof(self, *, files: bool) -> None:
        """Make what readers get, to see whether it can be made: mail, text and paper, and with `files` the others.

        Raises AuthoringError.
        """
        variables, reader = {"report": self.report}, Recipient("", "", self._language)
        self._reporter.renderer.proof.render(self._mailing.name, variables, reader)
        for _ in self._files(FORMATS if files else ()):
            pass

    def _content(self, channel: str) -> Content:
        formats = self._formats if channel else FORMATS
        if not formats and channel != "phone":
            formats = _needed(self.report, self._writer)
        variables, reader = {"report": self.report}, Recipient("", "", self._language)
        renderer = self._reporter.renderer
        content = renderer.render(self._mailing.name, variables, reader, channel, sheet="pdf" in formats)
        if channel == "phone":
            return content
        return replace(content, attachments=(*content.attachments, *self._files(formats)))

    def _files(self, formats: Sequence[str]) -> Iterator[Attachment]:
        house = self._reporter.house
        if "xlsx" in formats:
            yield placed(self._mailing, lambda: files.xlsx(self.report, self._writer, house.name, house.zone))
        if "csv" in formats:
            yield from files.csvs(self.report, self._writer)


def voiced(reporter: Reporter, mailing: ReportMailing, language: str) -> Voice:
    """The words of a report in a language. Raises AuthoringError with their file."""
    renderer = reporter.renderer
    try:
        words = Words.of(mailing.name, renderer.said(mailing.name, language))
    except DeclarationError as error:
        path = renderer.words_file(mailing.name, language)
        raise AuthoringError(str(error.args[0]), path=path, hint=error.hint) from None
    return Voice(words, renderer.formats(language), reporter.house.currency)


def _needed(report: Report, writer: Any) -> tuple[str, ...]:
    """The file that has to travel where the mail cannot show all rows, and so says that a file has them."""
    counts = [section.count for section in report.written(writer).sections if not section.is_whole(section.shown)]
    return (("pdf",) if max(counts) <= _PRINTED else ("xlsx",)) if counts else ()


def placed(mailing: ReportMailing, act: Callable[[], T]) -> T:
    """What `act` gives; a mistake in the declaration is told with its line in the DAG file."""
    try:
        return act()
    except DeclarationError as error:
        raise located(mailing, error) from None


def located(mailing: ReportMailing, error: DeclarationError) -> DeclarationError:
    """A mistake in a declaration, with the line of the DAG file on which the wrong name stands."""
    if error.path is not None:
        return error
    named = re.search(r"'([^']*)'", str(error.args[0]))
    line = _line_of(named[1], mailing) if named else mailing.line
    return DeclarationError(str(error.args[0]), path=mailing.path or None, line=line, hint=error.hint)


def _line_of(name: str, mailing: ReportMailing) -> int:
    with suppress(OSError):
        lines = Path(mailing.path).read_text(encoding="utf-8").splitlines()
        for number, text in enumerate(lines[mailing.line - 1 :], mailing.line):
            if f'"{name}"' in text or f"'{name}'" in text:
                return number
    return mailing.line
