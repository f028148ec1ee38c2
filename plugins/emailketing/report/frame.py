"""Rows of the ERP become a table: kinds, subtotals, totals and levels of accounts, exact to the last digit.

`table(rows)` needs nothing more: kinds are inferred from values and names. A `Layout` says what is meant where that is
not enough. What cannot be meant is a DeclarationError that names the nearest right column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from emailketing.errors import DeclarationError, nearest
from emailketing.report.folding import folded, largest_first, reckoned
from emailketing.report.kinds import (
    Account,
    Date,
    DateTime,
    Exact,
    Flag,
    Kind,
    Money,
    Number,
    Numeric,
    Percent,
    Quotient,
    Text,
    Unreadable,
    exact,
    plain,
    total,
)
from emailketing.report.variance import Good, Mood, mood

Rows = Iterable[Mapping[str, Any]]


class Style(StrEnum):
    """What a line of a table is."""

    ROW = "row"
    SUM = "sum"  # an account that is the sum of others
    SUBTOTAL = "subtotal"  # the sum of a group, after its rows
    TOTAL = "total"  # of the whole table, at its foot


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in the query, its head, and what it holds."""

    name: str
    label: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table, a cell for each column; None is an empty cell.

    `level` is the depth of an account or a group, from 0. `moods` says of each cell what its variance means for the
    business, None where it is no variance; () where the table has none. `aside` are the cells of columns not shown.
    """

    cells: tuple[Any, ...]
    style: Style = Style.ROW
    level: int = 0
    moods: tuple[Mood | None, ...] = ()
    aside: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Layout:
    """How rows are to be read.

    `columns` declares kinds by name; the rest is inferred. `labels` are heads; without one a name is made readable.
    `currency` is that of amounts whose kind is inferred, where no column `currency` tells. `group_by` names columns
    whose equal values are brought together, each group with a subtotal. `hide` names columns that are not shown; a
    chart may draw them. `brief` names those that a narrow screen shows of a line beside what it is and its amount;
    None all. `total` None: a total where columns can be added and no accounts are there.

    `fold` adds up rows that are alike in the words and days they show. `largest` names the column by whose size rows
    and groups stand, the largest first. Of more rows than `most` paper shows so many, and the others as one; workbooks
    have all.
    """

    columns: Mapping[str, Kind] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""
    group_by: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    total: bool | None = None
    brief: tuple[str, ...] | None = None
    fold: bool = False
    largest: str = ""
    most: int | None = None


@dataclass(frozen=True)
class Table:
    """A typed table. `lines` holds rows, with the subtotals of groups behind them; `total` is the foot, or None.

    `aside` are the columns that are not shown; `brief` and `most` are those of the layout.
    """

    columns: tuple[Column, ...]
    lines: tuple[Line, ...] = ()
    total: Line | None = None
    group_by: tuple[str, ...] = ()
    aside: tuple[Column, ...] = ()
    brief: tuple[str, ...] | None = None
    most: int | None = None

    def __bool__(self) -> bool:
        return bool(self.lines)

    def index(self, name: str) -> int:
        """The place of a column. Raises DeclarationError with the nearest name."""
        names = [column.name for column in self.columns]
        _known([name], names)
        return names.index(name)

    def column(self, name: str) -> Column:
        """A column, shown or not. Raises DeclarationError with the nearest name."""
        there = (*self.columns, *self.aside)
        _known([name], [column.name for column in there])
        return next(column for column in there if column.name == name)

    def kind(self, name: str) -> Kind:
        """The kind of a column, shown or not."""
        return self.column(name).kind

    def cell(self, name: str) -> Callable[[Line], Any]:
        """What takes the cell of a column, shown or not, from a line that came from the ERP."""
        column = self.column(name)
        if column in self.columns:
            place = self.columns.index(column)
            return lambda line: line.cells[place]
        place = self.aside.index(column)
        return lambda line: line.aside[place]

    def values(self, name: str) -> list[Any]:
        """A column's values, of rows and of sums of accounts, without subtotals and total."""
        place = self.index(name)
        return [line.cells[place] for line in self.rows()]

    def rows(self) -> list[Line]:
        """The lines that came from the ERP."""
        return [line for line in self.lines if line.style is not Style.SUBTOTAL]

    def sum(self, name: str) -> Exact | None:
        """The exact sum of a column that can be added; of accounts, only those that are no sums of others."""
        place = self.index(name)
        return total(line.cells[place] for line in self.lines if line.style is Style.ROW)

    def others(self) -> tuple[Line, ...]:
        """The rows that paper shows as one."""
        few = self.most is None or self.group_by or len(self.lines) <= self.most + 1
        return () if few else self.lines[self.most :]

    def summed(self, lines: Sequence[Line]) -> Line:
        """Some rows as one."""
        return _summed(self, lines, Style.ROW)


def table(source: Any, layout: Layout | None = None, names: Sequence[str] = ()) -> Table:
    """The table of rows (mappings by column name) or of a pandas DataFrame.

    `names` are the columns, so that a table without a row has them, too.
    A DataFrame with NULLs in a column of whole numbers has turned them into floats; where amounts go beyond 2**53 give
    rows, or `dataframe(rows)`, which keeps every value as it is.
    """
    rows = _rows(source)
    return _Reading(rows, layout or Layout(), names or _names(source, rows)).table()


def dataframe(rows: Rows) -> Any:
    """A pandas DataFrame that leaves every value as it is: no Decimal and no whole number becomes a float."""
    import pandas

    return pandas.DataFrame(list(rows), dtype=object)


def split(source: Any, by: str) -> dict[Any, list[Mapping[str, Any]]]:
    """The rows by the value of one column, in the order in which values first come: amounts by currency, say."""
    parts: dict[Any, list[Mapping[str, Any]]] = {}
    for row in _rows(source):
        _known([by], row)
        parts.setdefault(plain(row[by]), []).append(row)
    return parts


class _Reading:
    """One pass from rows to a table."""

    def __init__(self, rows: list[Mapping[str, Any]], layout: Layout, names: Sequence[str]) -> None:
        self._rows, self._layout = rows, layout
        given = list(names) or [name for name in layout.columns if not _named_by(layout.columns[name])]
        self._reckoned = [name for name in layout.columns if name not in given and _is_quotient(layout.columns[name])]
        self._names = _with_quotients(given, {name: layout.columns[name] for name in self._reckoned})
        if names:
            said = (*layout.columns, *layout.labels, *layout.group_by, *layout.hide, *(layout.brief or ()))
            _known([*said, *filter(None, [layout.largest])], self._names)
        self._kinds = {name: self._kind(name) for name in self._names}
        self._account = next((item for item in self._kinds.items() if isinstance(item[1], Account)), None)
        for name, kind in self._kinds.items():
            _known(_named_by(kind), self._names)
            self._of_numbers(name, kind)

    def table(self) -> Table:
        rows = self._prepared([self._read(number, row) for number, row in enumerate(self._rows, 1)])
        lines = self._accounts(rows) if self._account else [(row, Style.ROW, 0) for row in rows]
        hidden = {*self._layout.hide, *self._carriers()}
        every = [
            Column(name, self._layout.labels.get(name) or readable(name), self._fitted(name, rows))
            for name in self._names
        ]
        columns = tuple(column for column in every if column.name not in hidden)
        aside = tuple(column for column in every if column.name in hidden)
        read = tuple(self._line(columns, aside, *line) for line in lines)
        layout = self._layout
        return self._with_sums(Table(columns, read, None, layout.group_by, aside, layout.brief, layout.most))

    def _prepared(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows as they are shown: alike ones added up, quotients reckoned, the largest first."""
        layout, quotients = self._layout, self._reckoned
        if layout.fold:
            hidden = {*layout.hide, *self._carriers()}
            rows = folded(rows, self._kinds, [name for name in self._names if name not in hidden])
            quotients = [name for name, kind in self._kinds.items() if _is_quotient(kind)]
        if quotients:
            rows = reckoned(rows, self._kinds, quotients)
        return largest_first(rows, layout.largest, layout.group_by) if layout.largest else rows

    def _of_numbers(self, name: str, kind: Kind) -> None:
        for part in kind.of or () if isinstance(kind, Quotient) else ():
            if self._rows and not isinstance(self._kinds[part], Numeric):
                raise DeclarationError(
                    f"Column {name!r} is reckoned from {part!r}, which is read as {type(self._kinds[part]).__name__}.",
                    hint=f"Declare {part!r} as Number or Money.",
                )

    def _kind(self, name: str) -> Kind:
        if name in self._layout.columns:
            return self._layout.columns[name]
        return inferred(name, [row.get(name) for row in self._rows], self._currency(name))

    def _currency(self, name: str) -> str:
        column = next((each for each in self._names if each.lower() in {"currency", "moneda"}), "")
        found = sorted({str(row[column]).strip() for row in self._rows if plain(row.get(column)) is not None})
        if len(found) > 1 and name != column and _MONEY.search(name):
            raise DeclarationError(
                f"Column {name!r} holds amounts in {' and '.join(found)}, which cannot stand under one total.",
                hint=f"Make a section for each currency, as split(rows, {column!r}) parts them.",
            )
        return found[0] if found else self._layout.currency

    def _read(self, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
        cells = {}
        for name, kind in self._kinds.items():
            try:
                cells[name] = kind.read(row.get(name))
            except Unreadable as error:
                raise DeclarationError(
                    f"Row {number}, column {name!r}: {error}.",
                    hint=f"It is declared as {type(kind).__name__}; declare another kind, or mend the query.",
                ) from None
        return cells

    def _fitted(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Kind:
        """The column's kind, with as many decimals as its values need."""
        kind = self._kinds[name]
        if isinstance(kind, Number) and kind.decimals is None:
            return replace(kind, decimals=max((_places(row[name]) for row in rows), default=0))
        return kind

    def _carriers(self) -> list[str]:
        """Columns that only say something about others: the currency that stands in the head, an account's depth."""
        currency = [name for name in self._names if name.lower() in {"currency", "moneda"}]
        told = [name for name in currency if any(isinstance(kind, Money) for kind in self._kinds.values())]
        _, kind = self._account or ("", None)
        own = [kind.level, kind.parent, kind.sum] if isinstance(kind, Account) else []
        judged = [_judge(each) for each in self._kinds.values()]
        return [name for name in (*told, *own, *judged) if name and name not in self._layout.columns]

    def _line(
        self, columns: Sequence[Column], aside: Sequence[Column], row: Mapping[str, Any], style: Style, level: int
    ) -> Line:
        cells, rest = (tuple([row[column.name] for column in some]) for some in (columns, aside))
        return Line(cells, style, level, _moods(columns, cells, row), rest)

    def _accounts(self, rows: list[dict[str, Any]]) -> list[tuple[dict[str, Any], Style, int]]:
        _, kind = self._account or ("", Account())
        if not isinstance(kind, Account):
            return []
        if kind.code and kind.parent:
            summed = [each for each, other in self._kinds.items() if other.sums]
            lines = _tree(rows, kind, summed)
        else:
            depths = [int(exact(row[kind.level]) or 0) if kind.level else 0 for row in rows]
            top = min(depths, default=0)
            lines = [(row, depth - top) for row, depth in zip(rows, depths, strict=True)]
        return [
            (row, Style.SUM if _is_sum(row, kind, level, following) else Style.ROW, level)
            for (row, level), following in zip(lines, [*(each for _, each in lines[1:]), 0], strict=False)
        ]

    def _with_sums(self, whole: Table) -> Table:
        groups = self._layout.group_by
        lines = tuple(_grouped(whole, list(whole.lines), groups, 0)) if groups else whole.lines
        addable = any(column.kind.sums for column in whole.columns)
        wanted = self._layout.total if self._layout.total is not None else addable and self._account is None
        foot = _summed(whole, whole.lines, Style.TOTAL) if wanted and whole.lines else None
        return replace(whole, lines=lines, total=foot)


def _grouped(whole: Table, lines: Sequence[Line], groups: Sequence[str], depth: int) -> Iterator[Line]:
    """The lines brought together by the first group, and within it by the next, each with its subtotal behind it."""
    if not groups:
        yield from lines
        return
    place = whole.index(groups[0])
    parts: dict[Any, list[Line]] = {}
    for line in lines:
        parts.setdefault(line.cells[place], []).append(line)
    for value, part in parts.items():
        yield from _grouped(whole, part, groups[1:], depth + 1)
        subtotal = _summed(whole, part, Style.SUBTOTAL)
        cells = list(subtotal.cells)
        cells[place] = value
        yield replace(subtotal, cells=tuple(cells), level=depth)


def _summed(whole: Table, lines: Sequence[Line], style: Style) -> Line:
    """The line under some lines: sums where values can be added, ratios of sums where they are declared."""
    own = [line for line in lines if line.style is Style.ROW]
    cells = tuple(_sum_of(whole, column, own) for column in whole.columns)
    return Line(cells, style, moods=_moods(whole.columns, cells, {}))


def _sum_of(whole: Table, column: Column, lines: Sequence[Line]) -> Any:
    """What some lines come to in a column; None where they come to nothing."""
    if column.kind.sums:
        unit = column.kind.unit_in if isinstance(column.kind, Number) else ""
        mixed = unit and len(set(map(whole.cell(unit), lines))) > 1
        return None if mixed else total(map(whole.cell(column.name), lines))
    if isinstance(column.kind, Quotient) and column.kind.of:
        return column.kind.quotient(*(total(map(whole.cell(name), lines)) for name in column.kind.of))
    return None


def _moods(columns: Sequence[Column], cells: Sequence[Any], row: Mapping[str, Any]) -> tuple[Mood | None, ...]:
    """What the variances of a line mean; () where no column holds any."""
    ways = [_way(column, row) for column in columns]
    if not any(ways):
        return ()
    return tuple(
        None if way is None or value is None else mood(value, way) for way, value in zip(ways, cells, strict=True)
    )


def _way(column: Column, row: Mapping[str, Any]) -> Good | None:
    """Which way is good for a column of variances: its own word, or that of the row; of sums of rows, none."""
    if not isinstance(column.kind, Numeric) or not column.kind.good:
        return None
    judge = _judge(column.kind)
    word = (row.get(judge) or Good.NONE) if judge else column.kind.good
    if word not in list(Good):
        hint = nearest(str(word), [each.value for each in Good])
        raise DeclarationError(f"Column {judge!r} says {word!r}, where up, down or none is expected.", hint=hint)
    return Good(word)


def _judge(kind: Kind) -> str:
    """The column that says of each row which way is good; '' where the kind says it itself."""
    return kind.good if isinstance(kind, Numeric) and kind.good not in list(Good) else ""


def _tree(rows: list[dict[str, Any]], kind: Account, summed: Sequence[str]) -> list[tuple[dict[str, Any], int]]:
    """The accounts in order below their parents, each with its depth; empty sums filled from below."""
    codes = [row[kind.code] for row in rows]
    _told_apart(codes)
    known = set(codes)
    children: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        children.setdefault(row[kind.parent] if row[kind.parent] in known else None, []).append(row)
    found: list[tuple[dict[str, Any], int]] = []

    def visit(row: dict[str, Any], depth: int) -> dict[str, Any]:
        place = len(found)
        found.append((row, depth))
        below = [visit(child, depth + 1) for child in children.get(row[kind.code], [])]
        for each in summed if below else ():
            if row[each] is None:
                row = {**row, each: total(child[each] for child in below)}
        found[place] = (row, depth)
        return row

    for row in children.get(None, []):
        visit(row, 0)
    if lost := known - {row[kind.code] for row, _ in found}:
        raise DeclarationError(f"Account {min(map(str, lost))!r} stands below itself by the column {kind.parent!r}.")
    return found


def _told_apart(codes: Sequence[Any]) -> None:
    seen: set[Any] = set()
    for code in codes:
        if code in seen:
            raise DeclarationError(f"The account {code!r} comes twice.", hint="Give one row for each account.")
        seen.add(code)


def _is_sum(row: Mapping[str, Any], kind: Account, level: int, following: int) -> bool:
    return bool(exact(row[kind.sum])) if kind.sum else following > level


def inferred(name: str, values: Iterable[Any], currency: str = "") -> Kind:
    """The kind of a column by its values and, where those leave it open, by its name."""
    there = [value for value in map(plain, values) if value is not None]
    if not there:
        return Text()
    if all(isinstance(value, bool) for value in there):
        return Flag()
    if all(isinstance(value, int | Decimal | float) and not isinstance(value, bool) for value in there):
        return _number_kind(name, currency)
    if all(isinstance(value, date) or _ISO.fullmatch(str(value)) for value in there):
        return _time_kind(there)
    return Text()


def _number_kind(name: str, currency: str) -> Kind:
    if _PERCENT.search(name):
        return Percent()
    if _NAMING.search(name):
        return Text()
    sums = not _NOT_ADDED.search(name)
    if currency and _MONEY.search(name) and not _QUANTITY.search(name):
        return Money(currency, sums=sums)
    return Number(sums=sums)


def _time_kind(values: Sequence[Any]) -> Kind:
    moments = [value if isinstance(value, date) else datetime.fromisoformat(str(value).strip()) for value in values]
    # A day that a database keeps as a moment stands at midnight, without a zone.
    days = all(not isinstance(each, datetime) or (each.tzinfo is None and not any(_clock(each))) for each in moments)
    return Date() if days else DateTime()


def _clock(moment: datetime) -> tuple[int, ...]:
    return moment.hour, moment.minute, moment.second, moment.microsecond


def _parts(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|[_\W])(?:{'|'.join(words)})(?:$|[_\W])", re.IGNORECASE)


_PERCENT = _parts("pct", "percent", "percentage", "porcentaje", "%")
_NAMING = _parts(
    "id", "code", "codigo", "código", "number", "numero", "número", "nro", "no", "document", "documento", "year",
    "año", "anio", "month", "mes", "week", "semana", "day", "dia", "día", "ruc", "phone", "telefono", "plate",
    "position", "line"
)  # fmt: skip
_QUANTITY = _parts(
    "count", "quantity", "qty", "cantidad", "litres", "liters", "litros", "kg", "kilos", "km", "units", "unidades",
    "hours", "horas", "days", "dias", "días"
)  # fmt: skip
_NOT_ADDED = _parts(
    "price", "precio", "unit", "unitario", "average", "avg", "promedio", "rate", "tasa", "level", "min", "max"
)
_MONEY = _parts(
    "amount", "total", "subtotal", "price", "cost", "balance", "sales", "revenue", "debit", "credit", "paid", "due",
    "budget", "net", "gross", "income", "expense", "value", "profit", "margin", "tax", "importe", "monto", "precio",
    "costo", "saldo", "venta", "ventas", "debe", "haber", "pagado", "ingreso", "ingresos", "egreso", "egresos",
    "presupuesto", "valor", "utilidad", "margen", "iva", "previous", "plan", "forecast"
)  # fmt: skip
_ISO = re.compile(r"\s*\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?\s*")


def readable(name: str) -> str:
    """A column's name as a head: 'branch_name' is 'Branch name'; a name with capitals or spaces stays as it is."""
    if name != name.lower() or " " in name:
        return name
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _places(value: Any) -> int:
    if not isinstance(value, Decimal):
        return 0
    exponent = value.normalize().as_tuple().exponent
    return min(4, -exponent) if isinstance(exponent, int) and exponent < 0 else 0


def _named_by(kind: Kind) -> list[str]:
    """The other columns that a kind names."""
    if isinstance(kind, Account):
        return [name for name in (kind.level, kind.code, kind.parent, kind.sum) if name]
    unit = kind.unit_in if isinstance(kind, Number) else ""
    return [*(kind.of or () if isinstance(kind, Quotient) else ()), *filter(None, [_judge(kind), unit])]


def _is_quotient(kind: Kind) -> bool:
    return isinstance(kind, Quotient) and kind.of is not None


def _with_quotients(names: Sequence[str], quotients: Mapping[str, Kind]) -> list[str]:
    """The columns, with each that is reckoned behind the later of the two it is made of."""
    found = list(names)
    for name, kind in quotients.items():
        places = [found.index(each) for each in _named_by(kind) if each in found]
        found.insert(max(places, default=len(found) - 1) + 1, name)
    return found


def _known(names: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            raise DeclarationError(f"The query gives no column {name!r}.", hint=nearest(name, known))


def _rows(source: Any) -> list[Mapping[str, Any]]:
    if hasattr(source, "itertuples"):  # a DataFrame
        columns = [source[name].tolist() for name in source.columns]
        names = _names(source, ())
        return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]
    return list(source)


def _names(source: Any, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(name) for name in (source.columns if hasattr(source, "itertuples") else rows[0] if rows else ())]
