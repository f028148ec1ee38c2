"""Tables as files: XLSX with real numbers, dates and formulas, and CSV; always with all rows.

What is written is never a formula of somebody else's: text stays text, whatever sign it begins with.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from babel.numbers import get_currency_precision

from emailketing.errors import DeclarationError
from emailketing.hostile import cleaned, one_line
from emailketing.model import Attachment
from emailketing.report.frame import Column, Line, Style, Table
from emailketing.report.kinds import Date, DateTime, Flag, Kind, Money, Number, Numeric, Percent, Ratio, Writer
from emailketing.report.words import words

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

#: A sheet's rows; no program reads more.
MOST_ROWS = 1_048_576

#: Excel keeps fifteen digits of a number; what has more is written as text, so that none is lost.
_DIGITS = 15

_WIDTHS = range(8, 61)
_SAMPLE = 500  # rows that are measured for a column's width


@dataclass(frozen=True)
class Sheet:
    """One sheet of a workbook: a table and the name that stands on its tab."""

    name: str
    table: Table


@dataclass(frozen=True)
class Properties:
    """What a workbook says of itself; `made_at` is the same for the same report, so that its bytes are."""

    title: str
    author: str
    made_at: datetime
    zone: ZoneInfo
    notes: Sequence[str] = ()  # lines of the last sheet: title, message, figures
    facts: Mapping[str, str] = field(default_factory=dict)


def workbook(sheets: Sequence[Sheet], properties: Properties, writer: Writer, filename: str) -> Attachment:
    """The sheets as one XLSX file.

    Row 1 is the head, frozen and with filters; totals at the foot are formulas that follow the filters and carry their
    values, so that a viewer that does not calculate shows them. Raises DeclarationError where a table has more rows
    than a sheet can hold.
    """
    import xlsxwriter

    for sheet in sheets:
        _fits(sheet.table)
    out = io.BytesIO()
    # Rows go to a temporary file one by one: memory does not grow with them.
    book = xlsxwriter.Workbook(out, {"constant_memory": True})
    try:
        book.set_properties(_described(properties))
        _written(book, sheets, properties, writer)
    finally:
        book.close()  # and its temporary files go
    return Attachment(filename, XLSX, out.getvalue())


def _fits(table: Table) -> None:
    if len(table.lines) + 2 > MOST_ROWS:
        raise DeclarationError(
            f"A sheet holds {MOST_ROWS - 2:,} rows, and this table has {len(table.lines):,}.",
            hint="Attach it as CSV, or ask for a shorter period.",
        )


def _described(properties: Properties) -> dict[str, Any]:
    created = properties.made_at.astimezone(properties.zone).replace(tzinfo=None)
    author = properties.author
    return {"title": properties.title, "author": author, "company": author, "created": created}


def _written(book: Any, sheets: Sequence[Sheet], properties: Properties, writer: Writer) -> None:
    summary = [words(writer.locale)["summary"]] if properties.notes else []
    names = sheet_names([*(sheet.name for sheet in sheets), *summary])
    formats = _Formats(book, writer.locale.language)
    for sheet, name in zip(sheets, names, strict=False):
        _Page(book.add_worksheet(name), sheet.table, formats, writer, properties).write()
    if properties.notes:
        _notes(book.add_worksheet(names[-1]), formats, properties)


def sheet_names(wanted: Iterable[str]) -> list[str]:
    """Names that Excel takes: at most 31 signs, none of []:*?/\\, no apostrophe at an end, no two alike."""
    found: list[str] = []
    for name in wanted:
        base = re.sub(r"[\[\]:*?/\\]+", " ", one_line(cleaned(name)))
        base = " ".join(base.split())[:31].strip("' ") or "-"
        if base.lower() == "history":  # reserved
            base = f"{base} 1"
        taken = {each.lower() for each in found}
        tries = (f"{base[: 31 - len(f' ({number})')]} ({number})" for number in range(2, 10_000))
        found.append(base if base.lower() not in taken else next(each for each in tries if each.lower() not in taken))
    return found


class _Formats:
    """The cell formats of one workbook, each made once."""

    def __init__(self, book: Any, language: str) -> None:
        self._book, self._language = book, language
        self._made: dict[tuple[Any, ...], Any] = {}

    def head(self, column: Column) -> Any:
        """The format of a column's head."""
        align = "right" if column.kind.right else "left"
        return self._format(bold=True, bottom=2, text_wrap=True, valign="bottom", align=align)

    def cell(self, kind: Kind, style: Style, level: int = 0, *, quoted: bool = False) -> Any:
        """The format of a cell by what it holds and what its line is."""
        look: dict[str, Any] = {"num_format": self._pattern(kind), "valign": "top"}
        if style is not Style.ROW:
            look |= {"bold": True, "top": 2 if style is Style.TOTAL else 1}
        if level:
            look["indent"] = min(level, 15)
        if quoted:
            look["quote_prefix"] = True
        return self._format(**look)

    def plain(self, **look: Any) -> Any:
        """Any other format."""
        return self._format(**look)

    def _pattern(self, kind: Kind) -> str:
        spanish = self._language == "es"
        match kind:
            case Money():
                return _number_pattern(get_currency_precision(kind.currency), kind)
            case Number() | Ratio():
                return _number_pattern(kind.decimals or 0, kind)
            case Percent():
                return _number_pattern(kind.decimals, kind, "%")
            case Date():
                return "dd/mm/yyyy" if spanish else "yyyy-mm-dd"
            case DateTime():
                return "dd/mm/yyyy hh:mm" if spanish else "yyyy-mm-dd hh:mm"
            case _:
                return "General"

    def _format(self, **look: Any) -> Any:
        key = tuple(sorted(look.items()))
        if key not in self._made:
            self._made[key] = self._book.add_format(look)
        return self._made[key]


def _number_pattern(decimals: int, kind: Numeric, unit: str = "") -> str:
    """How numbers are shown; variances with their sign."""
    pattern = f"#,##0.{'0' * decimals}{unit}" if decimals else f"#,##0{unit}"
    return f"+{pattern};-{pattern};{pattern}" if kind.good else pattern


class _Page:
    """One sheet in the making."""

    def __init__(self, sheet: Any, table: Table, formats: _Formats, writer: Writer, properties: Properties) -> None:
        self._sheet, self._table, self._formats = sheet, table, formats
        self._writer, self._properties = writer, properties
        self._words = words(writer.locale)
        self._label = next((place for place, column in enumerate(table.columns) if not column.kind.right), None)

    def write(self) -> None:
        table = self._table
        self._set_up()
        for place, column in enumerate(table.columns):
            unit = column.kind.unit(self._writer)
            head = f"{column.label}, {unit}" if unit else column.label
            self._sheet.write_string(0, place, head, self._formats.head(column))
        first: list[int] = [1]  # for each depth of groups the row on which the open group began
        for row, line in enumerate(table.lines, 1):
            self._line(row, line, first)
        if table.total:
            self._sum_line(len(table.lines) + 1, table.total, 1)

    def _set_up(self) -> None:
        sheet, table = self._sheet, self._table
        sheet.freeze_panes(1, 0)
        if table.columns and table.lines:
            sheet.autofilter(0, 0, len(table.lines), len(table.columns) - 1)
        for place, column in enumerate(table.columns):
            sheet.set_column(place, place, self._width(place, column))
        sheet.set_paper(9)  # A4
        if sum(self._width(place, column) for place, column in enumerate(table.columns)) > 90:
            sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_margins(left=0.6, right=0.6, top=0.8, bottom=0.7)
        title = self._properties.title.replace("&", "&&")[:200]
        sheet.set_header(f'&L&"-,Bold"{title}')
        sheet.set_footer(f"&L{self._properties.author.replace('&', '&&')[:120]}&R{self._words['page']} &P / &N")

    def _width(self, place: int, column: Column) -> float:
        lines = [*self._table.lines[:_SAMPLE], *([self._table.total] if self._table.total else [])]
        shown = [column.kind.written(line.cells[place], self._writer) for line in lines]
        indent = max((line.level for line in lines), default=0) if place == self._label else 0
        # A long head is broken over two lines before it widens a column of short values.
        head = max((len(word) for word in column.label.split()), default=0)
        widest = max([head, len(column.label) // 2, *map(len, shown)]) + 3 + indent
        return float(min(max(widest, _WIDTHS.start), _WIDTHS.stop))

    def _line(self, row: int, line: Line, first: list[int]) -> None:
        if line.style is Style.SUBTOTAL:
            depth = line.level
            self._sum_line(row, line, first[depth] if depth < len(first) else first[-1])
            # The next group of this depth begins below; the groups within it as well.
            first[depth:] = [row + 1] * max(len(self._table.group_by) - depth, 1)
            return
        while len(first) < len(self._table.group_by):
            first.append(row)
        for place, (column, value) in enumerate(zip(self._table.columns, line.cells, strict=True)):
            level = line.level if place == self._label else 0
            self._cell(row, place, value, column.kind, line.style, level)

    def _sum_line(self, row: int, line: Line, first: int) -> None:
        for place, (column, value) in enumerate(zip(self._table.columns, line.cells, strict=True)):
            form = self._formats.cell(column.kind, line.style)
            if column.kind.sums and value is not None and not _too_long(value) and row > first:
                self._sheet.write_formula(row, place, _subtotal(place, first, row - 1), form, _float(value))
            elif place == self._label:
                name = f"{self._words['total']} {value}" if value is not None else self._words["total"]
                self._sheet.write_string(row, place, name, form)
            else:
                self._cell(row, place, value, column.kind, line.style, 0)

    def _cell(self, row: int, place: int, value: Any, kind: Kind, style: Style, level: int) -> None:
        form = self._formats.cell(kind, style, level)
        if value is None:
            self._sheet.write_blank(row, place, None, form)
        elif isinstance(kind, Numeric) and not _too_long(value):
            self._sheet.write_number(row, place, _float(value, kind), form)
        elif isinstance(kind, Flag):
            self._sheet.write_boolean(row, place, value, form)
        elif isinstance(value, date):
            self._moment(row, place, value, form)
        else:
            text = str(value)
            quoted = self._formats.cell(kind, style, level, quoted=True) if text[:1] in _FORMULA_SIGNS else form
            self._sheet.write_string(row, place, text[:32_767], quoted)

    def _moment(self, row: int, place: int, value: date, form: Any) -> None:
        """A date as Excel's number; those before its calendar begins are written as text."""
        if isinstance(value, datetime) and value.tzinfo:
            value = value.astimezone(self._properties.zone).replace(tzinfo=None)
        if value.year < 1900:
            self._sheet.write_string(row, place, value.isoformat(), form)
        else:
            self._sheet.write_datetime(row, place, value, form)


_FORMULA_SIGNS = frozenset("=+-@\t\r")


def _subtotal(place: int, first: int, last: int) -> str:
    """SUBTOTAL leaves out what a filter hides and the subtotals of groups within."""
    from xlsxwriter.utility import xl_rowcol_to_cell

    return f"=SUBTOTAL(109,{xl_rowcol_to_cell(first, place)}:{xl_rowcol_to_cell(last, place)})"


def _float(value: Any, kind: Kind | None = None) -> float | int:
    """A number as Excel keeps it; percentages as the ratios they are."""
    if isinstance(kind, Percent):
        return float(Decimal(value) / 100)
    return value if isinstance(value, int) else float(value)


def _too_long(value: Any) -> bool:
    digits = Decimal(value).normalize().as_tuple().digits
    return len(digits) > _DIGITS


def _notes(sheet: Any, formats: _Formats, properties: Properties) -> None:
    """The sheet of words: what the report is, what it says, its figures."""
    sheet.set_column(0, 0, 44)
    sheet.set_column(1, 1, 60)
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    for row, text in enumerate(properties.notes):
        sheet.write_string(row, 0, text, formats.plain(bold=row == 0))
    for place, (name, value) in enumerate(properties.facts.items(), len(properties.notes) + 1):
        sheet.write_string(place, 0, name, formats.plain(valign="top"))
        sheet.write_string(place, 1, value, formats.plain(valign="top", text_wrap=True))


@dataclass(frozen=True)
class Dialect:
    """How a CSV is written: `separator`, `decimal` point or comma, a byte order mark for Excel.

    `safe` puts an apostrophe before text that a spreadsheet would take for a formula.
    """

    separator: str = ","
    decimal: str = "."
    bom: bool = True
    safe: bool = True

    def __post_init__(self) -> None:
        if len(self.separator) != 1 or self.separator in '"\r\n':
            raise DeclarationError(f"{self.separator!r} cannot part the columns of a CSV.", hint="Use , or ; or a tab.")
        if self.decimal not in (".", ",") or self.decimal == self.separator == ",":
            raise DeclarationError("The decimal sign is . or , and no separator.", hint="Use ; to part the columns.")


def csv_file(table: Table, filename: str, dialect: Dialect | None = None) -> Attachment:
    """All rows of a table as CSV (RFC 4180, UTF-8): the head, then the rows, without subtotals and total."""
    chosen = dialect or Dialect()
    out = io.StringIO(newline="")
    rows = csv.writer(out, delimiter=chosen.separator, lineterminator="\r\n")
    rows.writerow([_csv_text(column.label, chosen) for column in table.columns])
    rows.writerows(_csv_rows(table, chosen))
    encoded = out.getvalue().encode("utf-8-sig" if chosen.bom else "utf-8")
    return Attachment(filename, "text/csv", encoded)


def _csv_rows(table: Table, dialect: Dialect) -> Iterator[list[str]]:
    for line in table.lines:
        if line.style is not Style.SUBTOTAL:
            yield [_csv_cell(value, dialect) for value in line.cells]


def _csv_cell(value: Any, dialect: Dialect) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case int() | Decimal():
            return f"{value:f}".replace(".", dialect.decimal) if isinstance(value, Decimal) else str(value)
        case datetime():
            return value.isoformat(" ", "seconds")
        case date():
            return value.isoformat()
        case _:
            return _csv_text(str(value), dialect)


def _csv_text(text: str, dialect: Dialect) -> str:
    return f"'{text}" if dialect.safe and text[:1] in _FORMULA_SIGNS else text
