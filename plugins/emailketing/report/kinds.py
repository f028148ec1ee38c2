"""What a column holds: how its values are read exactly, written for a reader, and whether they may be added.

Amounts and numbers are int or Decimal from the database to the paper; a float that a database gives is taken by its
shortest decimal form, once, and nothing is ever computed with it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Context, Decimal, InvalidOperation, localcontext
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from emailketing.hostile import cleaned, one_line

if TYPE_CHECKING:
    from babel import Locale

Exact = int | Decimal

DASH = "–"

#: Enough digits that no sum of amounts is ever rounded.
EXACT = Context(prec=80)

_FURTHEST = 40  # a number with more digits than this before or after its point is no number of a company


class Unreadable(ValueError):
    """A value is not of its column's kind; the message says what it is."""


class Writer(Protocol):
    """Knows how amounts, numbers and dates are written for one reader; the renderer's `Formats` is one."""

    @property
    def locale(self) -> Locale:
        """The reader's language and territory."""

    def amount(self, value: Any, currency: str) -> str:
        """'12.450.000', as many decimals as the currency has."""

    def sign(self, currency: str) -> str:
        """'Gs.'."""

    def number(self, value: Any, decimals: int | None = None) -> str:
        """'1.234,50'."""

    def percent(self, value: Any, decimals: int = 0) -> str:
        """'10 %', from points."""

    def date(self, value: Any) -> str:
        """'22 nov 2026'."""

    def datetime(self, value: Any) -> str:
        """'22 nov 2026, 14:05'."""


def exact(value: Any) -> Exact | None:
    """A number as it is; None for NULL and NaN. Raises Unreadable for what is no number."""
    value = plain(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, bool | date | time):
        raise Unreadable(f"{value!r} is not a number")
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except InvalidOperation:
        raise Unreadable(f"{_shown(value)} is not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > _FURTHEST:
        raise Unreadable(f"{_shown(value)} is not a number that can be printed")
    return number


def plain(value: Any) -> Any:
    """A value as Python has it: numpy's and pandas' types unwrapped, NaN, NaT and '' as None."""
    if hasattr(value, "item") and not isinstance(value, str | bytes):  # numpy
        value = value.item()
    elif hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    # NaN, NaT and Decimal('NaN') alone differ from themselves; a signalling NaN cannot even be compared.
    if isinstance(value, Decimal):
        return None if value.is_nan() else value
    if value is None or type(value).__name__ in {"NAType", "NaTType"} or value != value or value == "":  # noqa: PLR0124
        return None
    return value


def total(values: Iterable[Exact | None]) -> Exact | None:
    """The exact sum of what is there; None when nothing is."""
    there = [value for value in values if value is not None]
    if not there:
        return None
    with localcontext(EXACT):
        return sum(there[1:], there[0])


def ratio(part: Exact | None, whole: Exact | None) -> Decimal | None:
    """`part` in per cent of `whole`; None when there is nothing to divide by."""
    if part is None or not whole:
        return None
    points = EXACT.divide(EXACT.multiply(Decimal(part), Decimal(100)), Decimal(whole))
    return EXACT.quantize(points, Decimal("1e-8"))


class Kind(ABC):
    """The kind of a column. `right` says that it is aligned to the right, `sums` that its values may be added."""

    right: ClassVar[bool] = False
    sums: ClassVar[bool] = False

    @abstractmethod
    def read(self, value: Any) -> Any:
        """The value as this kind keeps it; None for an empty one. Raises Unreadable."""

    def written(self, value: Any, writer: Writer) -> str:
        """A cell in a column whose head tells the unit; a dash for an empty one."""
        return DASH if value is None else self._written(value, writer)

    def told(self, value: Any, writer: Writer) -> str:
        """The value standing alone, with its unit."""
        return self.written(value, writer)

    def unit(self, writer: Writer) -> str:  # noqa: ARG002 kinds with a unit need it
        """What belongs in the head of the column; '' when nothing does."""
        return ""

    @abstractmethod
    def _written(self, value: Any, writer: Writer) -> str: ...


class Numeric(Kind):
    """A kind whose values are exact numbers.

    `good` makes a column one of variances: its numbers carry their sign, and are green or red by what they mean for the
    business. It is up, down or none, or names a column that says so of each row: a fall of costs is good.
    """

    right: ClassVar[bool] = True
    good: ClassVar[str] = ""

    def read(self, value: Any) -> Exact | None:
        """The exact number."""
        return exact(value)

    def written(self, value: Any, writer: Writer) -> str:
        """A number; a variance with its sign."""
        text = super().written(value, writer)
        return signed(value, text) if self.good and value is not None else text

    def told(self, value: Any, writer: Writer) -> str:
        """The number, and its unit after it."""
        unit = self.unit(writer) if value is not None else ""
        return f"{self.written(value, writer)}\u00a0{unit}" if unit else self.written(value, writer)


@dataclass(frozen=True)
class Money(Numeric):
    """Amounts of one currency (ISO 4217). Prices and averages are not to be added: `sums=False`."""

    currency: str
    sums: bool = True  # type: ignore[misc]
    good: str = ""  # type: ignore[misc]

    def unit(self, writer: Writer) -> str:
        """The currency's sign."""
        return writer.sign(self.currency)

    def told(self, value: Any, writer: Writer) -> str:
        """'Gs. 12.450.000'."""
        return f"{self.unit(writer)}\u00a0{self.written(value, writer)}" if value is not None else DASH

    def _written(self, value: Any, writer: Writer) -> str:
        return writer.amount(value, self.currency)


@dataclass(frozen=True)
class Number(Numeric):
    """Quantities. `decimals` None: as many as the finest value needs, at most four.

    `unit_in` names the column that says in which unit each value is; only values of one unit are added.
    """

    decimals: int | None = None
    measure: str = ""  # 'l', 'kg': stands in the column's head
    sums: bool = True  # type: ignore[misc]
    good: str = ""  # type: ignore[misc]
    unit_in: str = ""

    def unit(self, writer: Writer) -> str:  # noqa: ARG002
        """The measure."""
        return self.measure

    def _written(self, value: Any, writer: Writer) -> str:
        return writer.number(value, self.decimals)


class Quotient(Numeric):
    """Kinds that cannot be added, and may say of which two columns they are the quotient: `of=("margin", "sales")`.

    Then sums and totals show the quotient of those columns' sums; where the query does not give the column, every row
    has it reckoned, behind the later of the two.
    """

    of: ClassVar[tuple[str, str] | None] = None

    @abstractmethod
    def quotient(self, part: Exact | None, whole: Exact | None) -> Decimal | None:
        """What `part` is to `whole`; None when there is nothing to divide by."""


@dataclass(frozen=True)
class Percent(Quotient):
    """Percentages in points: 10 is ten per cent. With `good` it is a variance, and `of` names it and its base."""

    decimals: int = 1
    of: tuple[str, str] | None = None  # type: ignore[misc]
    good: str = ""  # type: ignore[misc]

    def quotient(self, part: Exact | None, whole: Exact | None) -> Decimal | None:
        """Per cent; what grows from a loss grows."""
        if self.good and whole is not None:
            whole = Decimal(whole).copy_abs()
        return ratio(part, whole)

    def _written(self, value: Any, writer: Writer) -> str:
        return change(value, writer, self.decimals) if self.good else writer.percent(value, self.decimals)


@dataclass(frozen=True)
class Ratio(Quotient):
    """So much of one column for so much of another: `of=("litres", "km"), times=100, measure="l/100 km"`."""

    decimals: int = 1
    measure: str = ""
    of: tuple[str, str] | None = None  # type: ignore[misc]
    times: int = 1
    good: str = ""  # type: ignore[misc]

    def unit(self, writer: Writer) -> str:  # noqa: ARG002
        """The measure."""
        return self.measure

    def quotient(self, part: Exact | None, whole: Exact | None) -> Decimal | None:
        """The part for `times` of the whole."""
        found = ratio(part, whole)
        return None if found is None else EXACT.divide(EXACT.multiply(found, Decimal(self.times)), Decimal(100))

    def _written(self, value: Any, writer: Writer) -> str:
        return writer.number(value, self.decimals)


@dataclass(frozen=True)
class Date(Kind):
    """Days."""

    def read(self, value: Any) -> date | None:
        """A date from a date, a datetime or ISO text."""
        moment = _moment(value)
        return moment.date() if isinstance(moment, datetime) else moment

    def _written(self, value: Any, writer: Writer) -> str:
        return writer.date(value)


@dataclass(frozen=True)
class DateTime(Kind):
    """Moments, shown to the minute; those with a zone are shown in the company's."""

    def read(self, value: Any) -> datetime | None:
        """A datetime from a datetime, a date or ISO text."""
        moment = _moment(value)
        if moment is None or isinstance(moment, datetime):
            return moment
        return datetime.combine(moment, time())

    def _written(self, value: Any, writer: Writer) -> str:
        return writer.datetime(value)


@dataclass(frozen=True)
class Text(Kind):
    """Words, names, codes and whatever else is shown as it is, on one line."""

    def read(self, value: Any) -> str | None:
        """One line of harmless text."""
        value = plain(value)
        if isinstance(value, Decimal | float) and value == int(value):
            value = int(value)  # 7.0, as some databases give a number that names something
        return None if value is None else one_line(cleaned(str(value))) or None

    def _written(self, value: Any, writer: Writer) -> str:  # noqa: ARG002
        return str(value)


@dataclass(frozen=True)
class Flag(Kind):
    """Yes or no: a tick, or a dash."""

    def read(self, value: Any) -> bool | None:
        """A truth value from true and false or 1 and 0."""
        value = plain(value)
        if value not in (None, 0, 1):
            raise Unreadable(f"{_shown(value)} is neither true nor false")
        return None if value is None else bool(value)

    def _written(self, value: Any, writer: Writer) -> str:  # noqa: ARG002
        return "✓" if value else DASH


@dataclass(frozen=True)
class Account(Text):
    """The names of accounts that stand below one another.

    How deep a row stands comes from the column `level` (0 or 1 for the highest), or, with `code` and `parent`, from
    the codes; then rows are put in order below their parents, and an empty amount of a parent is the sum of its
    children's. A row is a sum, printed bold with a rule above it, when it has rows below it or when the column `sum`
    says so. These columns are not shown, but for `code`.
    """

    level: str = ""
    code: str = ""
    parent: str = ""
    sum: str = ""


def signed(value: Exact, text: str) -> str:
    """A written number with its sign, a plus as well, and a true minus that is as wide."""
    text = minus(text)
    bare = value > 0 and text[:1].isdigit() and any(sign in "123456789" for sign in text)
    return f"+{text}" if bare else text


def minus(text: str) -> str:
    """A written number with a true minus, which is as wide as a plus."""
    return _HYPHEN.sub("\u2212", text, count=1)


_HYPHEN = re.compile(r"-(?=\d)")

#: What grew further was as good as nothing before; the number of its per cents says no more.
_MOST_PERCENT = Decimal(999)


def change(percent: Exact, writer: Writer, decimals: int = 1) -> str:
    """A change in per cent: '+8,1 %', '+120 %', '> +999 %'."""
    percent = Decimal(percent)
    if abs(percent) > _MOST_PERCENT:
        bound = writer.percent(_MOST_PERCENT.copy_sign(percent))
        return f"{'>' if percent > 0 else '<'}\u00a0{signed(percent, bound)}"
    return signed(percent, writer.percent(percent, 0 if abs(percent) >= 100 else decimals))


def _moment(value: Any) -> date | datetime | None:
    value = plain(value)
    if value is None or isinstance(value, date):
        return value
    text = str(value).strip()
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable(f"{_shown(value)} is not a date (expected like 2026-01-31 or 2026-01-31 14:05)") from None


def _shown(value: Any) -> str:
    return repr(one_line(cleaned(str(value)))[:60])
