"""Filters: which documents somebody wants to hear of, by the columns of the mailing's query.

`{branch: "001", difference: {not: 0}, total: {at_least: 5000000}, table_name: [price*, customer*]}`: every column named
must hold. A value stands for itself, a list for any of its values, `not` for none of them. Text is compared without
regard to upper and lower case, and may hold the wildcards `*`, `?` and `[…]`; numbers are compared as numbers, however
the database gives them. NULL is nothing: neither equal to a value nor at least or at most anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from emailketing.errors import nearest
from emailketing.model import document_text

Value = str | Decimal | bool | None

_NUMBER = re.compile(r"[+-]?(0|[1-9]\d{0,30})(\.\d{1,30})?", re.ASCII)  # not 007, which is a code
_WILD = re.compile(r"[*?\[]")
_OPERATORS = ("not", "at_least", "at_most")
_TRUE = {"1", "t", "true", "y", "yes", "s", "si", "sí"}


@dataclass(frozen=True, slots=True)
class Condition:
    """What one column must hold; `line` is where it stands in its file, 0 where it stands in no file."""

    column: str
    any_of: tuple[Value, ...] = ()
    none_of: tuple[Value, ...] = ()
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    line: int = field(default=0, compare=False)

    def holds(self, value: Any) -> bool:
        """Whether a column's value is as wanted."""
        if self.any_of and not any(_same(value, wanted) for wanted in self.any_of):
            return False
        if any(_same(value, wanted) for wanted in self.none_of):
            return False
        return not self._compares or self._within(number_of(value))

    def misfit(self, row: Mapping[str, Any]) -> str:
        """Why this condition can never hold for rows like this one; '' when it can."""
        if self.column not in row:
            return f"the query gives no column {self.column!r}. {nearest(self.column, row)}".rstrip()
        value = row[self.column]
        if self._compares and value is not None and number_of(value) is None:
            return f"at_least and at_most compare numbers, but {self.column} is {str(value)[:60]!r}."
        return ""

    @property
    def _compares(self) -> bool:
        return self.at_least is not None or self.at_most is not None

    def _within(self, number: Decimal | None) -> bool:
        if number is None or (self.at_least is not None and number < self.at_least):
            return False
        return self.at_most is None or number <= self.at_most


@dataclass(frozen=True, slots=True)
class Filter:
    """The documents somebody wants to hear of; without a condition all of them."""

    conditions: tuple[Condition, ...] = ()

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a document is one of them. A column that the row does not have is never as wanted."""
        return all(each.column in row and each.holds(row[each.column]) for each in self.conditions)

    def misfits(self, row: Mapping[str, Any]) -> Iterator[tuple[Condition, str]]:
        """The conditions that can never hold for rows like this one, and why."""
        return ((each, why) for each in self.conditions if (why := each.misfit(row)))

    def plain(self) -> dict[str, Any]:
        """The filter as it is written, in the types of JSON."""
        return {each.column: _written(each) for each in self.conditions}


EVERYTHING = Filter()


def parsed(where: Mapping[str, Any]) -> Filter:
    """A filter from its written form. Raises ValueError, for people."""
    return Filter(tuple(condition(column, wanted) for column, wanted in where.items()))


def condition(column: str, wanted: Any, line: int = 0) -> Condition:
    """What is wanted of one column, from its written form. Raises ValueError, for people."""
    if not isinstance(wanted, Mapping):
        return Condition(column, any_of=_values(column, wanted), line=line)
    for operator in wanted:
        if operator not in _OPERATORS:
            raise ValueError(f"{column}: there is no comparison {operator!r}. {nearest(str(operator), _OPERATORS)}")
    if not wanted:
        raise ValueError(f"{column}: nothing is wanted of it. Known: {', '.join(_OPERATORS)}.")
    return Condition(
        column,
        none_of=_values(column, wanted["not"]) if "not" in wanted else (),
        at_least=_limit(column, "at_least", wanted),
        at_most=_limit(column, "at_most", wanted),
        line=line,
    )


def scalar(text: str, *, quoted: bool) -> Value:
    """A value as somebody wrote it: in quotes it is text; 001 is text, too, because 1 is another code."""
    if quoted:
        return text
    if text in {"", "~"} or text.lower() == "null":
        return None
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    return Decimal(text) if _NUMBER.fullmatch(text) else text


def number_of(value: Any) -> Decimal | None:
    """A column's value as a number, whatever type the database gives; None when it is none."""
    if isinstance(value, bool | int):
        return Decimal(int(value))
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    return None


def _same(value: Any, wanted: Value) -> bool:
    if wanted is None or value is None:
        return wanted is None and value is None
    if isinstance(wanted, bool):
        return (value.strip().lower() in _TRUE if isinstance(value, str) else bool(value)) is wanted
    if isinstance(wanted, Decimal):
        return number_of(value) == wanted
    text, pattern = _text(value).casefold(), wanted.casefold()
    return text == pattern or (_WILD.search(pattern) is not None and fnmatchcase(text, pattern))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    finite = not isinstance(value, float | Decimal) or Decimal(value).is_finite()
    return document_text(value) if finite else str(value)


def _values(column: str, wanted: Any) -> tuple[Value, ...]:
    values = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    if not values:
        raise ValueError(f"{column}: the list is empty, so nothing would ever be meant.")
    return tuple(_value(column, each) for each in values)


def _value(column: str, wanted: Any) -> Value:
    if wanted is None or isinstance(wanted, str | bool | Decimal):
        return wanted
    if isinstance(wanted, int | float):
        return Decimal(repr(wanted))
    raise ValueError(f"{column}: expected a value or a list of values, such as 001 or [001, 002].")


def _limit(column: str, operator: str, wanted: Mapping[str, Any]) -> Decimal | None:
    if operator not in wanted:
        return None
    number = None if isinstance(wanted[operator], bool) else number_of(wanted[operator])
    if number is None:
        raise ValueError(
            f"{column}: {operator} wants a number without signs of thousands, such as 5000000 or 0.5, "
            f"not {str(wanted[operator])[:60]!r}."
        )
    return number


def _written(each: Condition) -> Any:
    if each.any_of:
        return _list(each.any_of)
    limits = {name: _json(limit) for name in _OPERATORS[1:] if (limit := getattr(each, name)) is not None}
    return ({"not": _list(each.none_of)} if each.none_of else {}) | limits


def _list(values: tuple[Value, ...]) -> Any:
    return _json(values[0]) if len(values) == 1 else [_json(value) for value in values]


def _json(value: Value) -> Any:
    if not isinstance(value, Decimal):
        return value
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else str(value)
