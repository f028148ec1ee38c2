"""A report as files to work with: one workbook with a sheet for each section, or a CSV for each."""

from __future__ import annotations

import re
import unicodedata
from zoneinfo import ZoneInfo

from emailketing.model import Attachment
from emailketing.report.kinds import Writer
from emailketing.report.report import FigureText, Report, Written
from emailketing.report.workbook import Dialect, Properties, Sheet, csv_file, workbook

#: Longest file name without its type: every file system and mail client takes it.
_LONGEST = 110


def xlsx(report: Report, writer: Writer, author: str, zone: ZoneInfo) -> Attachment:
    """The workbook of a report: all rows of its sections, and a last sheet with its words and figures.

    `author` is the company, `zone` the one in which moments are shown.
    """
    written = report.written(writer)
    sheets = [Sheet(_title(written, place), section.table) for place, section in enumerate(report.sections)]
    title = f"{written.what}, {written.when}"
    words = [written.message, written.who or author, written.titled, written.when, *written.notes]
    facts = {figure.label: _fact(figure) for figure in written.figures}
    properties = Properties(title, author, report.made_at, zone, words, facts)
    return workbook(sheets, properties, writer, _file_name(title, "xlsx"))


def csvs(report: Report, writer: Writer, dialect: Dialect | None = None) -> list[Attachment]:
    """A CSV for each section."""
    written = report.written(writer)
    title = f"{written.what}, {written.when}"
    several = len(report.sections) > 1
    return [
        csv_file(section.table, _file_name(f"{title} {_title(written, place)}" if several else title, "csv"), dialect)
        for place, section in enumerate(report.sections)
    ]


def _title(written: Written, place: int) -> str:
    return written.sections[place].title or written.what


def _fact(figure: FigureText) -> str:
    told = ", ".join(f"{each.text} {each.base}" for each in figure.variances)
    return f"{figure.full} ({told})" if told else figure.full


def _file_name(title: str, suffix: str) -> str:
    """A title as a file's name: no separator, control or direction sign."""
    printable = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in title)
    name = " ".join(re.sub(r'[\\/:*?"<>|]+', "-", printable).split())[:_LONGEST].strip(" .-")
    return f"{name or 'report'}.{suffix}"
