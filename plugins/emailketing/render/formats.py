"""How amounts, numbers and dates are written for a reader: the filters of the templates.

Values come as the ERP's database gives them: Decimal, int, float or text for numbers; date, datetime or ISO text for
dates. A NULL is never guessed at: filters raise `Unformattable`, and a template says `or_dash` where a dash is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import (
    NumberPattern,
    get_currency_name,
    get_currency_precision,
    get_currency_symbol,
    parse_pattern,
)
from jinja2 import Undefined
from num2words import num2words

from emailketing.hostile import one_line

NBSP = "\u00a0"

#: CLDR writes USD as "USD" in some Spanish territories and as a bare "$", which is a peso to many, in English.
SYMBOLS = {"USD": "US$"}

#: Currencies in words as documents of payment name them, where CLDR has another name ("guaraníes paraguayos").
CURRENCY_NAMES = {("es", "PYG"): "guaraníes", ("es", "USD"): "dólares americanos", ("en", "PYG"): "guaranies"}

#: The word between whole units and hundredths.
_AND = {"es": "con", "en": "and", "pt": "e"}

#: Schemes that a link of a mail may have.
LINKS = frozenset({"http", "https", "mailto", "tel"})


class Unformattable(ValueError):
    """A value cannot be written in the asked form; the message says what was given."""


def locale_for(language: str, territory: str = "") -> Locale:
    """The locale of a language in a territory (es + PY: es_PY), or of the bare language, or English."""
    base = language.replace("-", "_")
    for name in (base if "_" in base else f"{base}_{territory}", base.partition("_")[0]):
        try:
            return Locale.parse(name)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


def decimal_of(value: Any) -> Decimal:
    """`value` as an exact Decimal; a float by its shortest decimal form. Raises Unformattable for anything else."""
    _known(value, "a number")
    if isinstance(value, bool):
        raise Unformattable(f"{value!r} is not a number")
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except InvalidOperation:
        raise Unformattable(f"{value!r} is not a number") from None
    if not number.is_finite():
        raise Unformattable(f"{value!r} is not a number that can be printed")
    return number


def moment_of(value: Any) -> date | datetime:
    """`value` as date or datetime; text is read as ISO 8601. Raises Unformattable for anything else."""
    _known(value, "a date")
    if isinstance(value, date):
        return value
    try:
        text = value.strip()
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except (ValueError, AttributeError):
        raise Unformattable(f"{value!r} is not a date (expected like 2026-01-31 or 2026-01-31 14:05)") from None


def _known(value: Any, what: str) -> None:
    if isinstance(value, Undefined):
        str(value)  # raises, and names what is undefined
    if value is None or value == "":
        raise Unformattable(f"{'NULL' if value is None else 'an empty text'} was given where {what} is needed")


def or_dash(value: Any) -> Any:
    """`value`, or a dash where it is NULL or empty; for cells of tables."""
    return "–" if value is None or (isinstance(value, str) and not value.strip()) else value


def shortened(value: Any, length: int = 40) -> str:
    """One line of at most `length` characters, cut at a word where one is near, with an ellipsis."""
    text = one_line(value)
    if len(text) <= length:
        return text
    cut = text[: length - 1].rstrip()
    head = cut.rpartition(" ")[0]
    return f"{head if len(head) > length * 0.6 else cut}…"


def mailto(address: Any, subject: str = "") -> str:
    """A mailto: link; nothing in the address or the subject can add a header to the mail that it opens."""
    target = quote(one_line(address), safe="@+-_.")
    return f"mailto:{target}?subject={quote(one_line(subject), safe='')}" if subject else f"mailto:{target}"


def tel(number: Any) -> str:
    """A tel: link from a telephone number as people write it."""
    return "tel:" + "".join(sign for sign in str(number) if sign in "+0123456789")


def link(url: Any) -> str:
    """`url`, when its scheme is one that a mail may link to (http, https, mailto, tel); else raises Unformattable."""
    text = one_line(url)
    if urlsplit(text).scheme.lower() not in LINKS:
        raise Unformattable(f"{text!r} is no link for a mail; it must begin with https:, http:, mailto: or tel:")
    return text


def places(values: Iterable[Any], most: int = 4) -> int:
    """How many decimals a column of numbers needs, at most `most`, so that their decimal points stand in one line."""
    needed = (decimal_of(value).normalize().as_tuple().exponent for value in values)
    return max((min(most, -each) for each in needed if isinstance(each, int) and each < 0), default=0)


def currency_places(currency: str) -> int:
    """How many decimals amounts of a currency have: 0 for PYG, 2 for USD."""
    return int(get_currency_precision(_code(currency)))


def _code(currency: Any) -> str:
    code = str(currency or "").strip().upper()
    if len(code) != 3 or not (code.isascii() and code.isalpha()):
        raise Unformattable(f"{currency!r} is not a currency code such as PYG or USD")
    return code


def among(values: Iterable[Any]) -> list[Any]:
    """The values that say something: neither NULL nor blank."""
    return [value for value in values if value is not None and str(value).strip()]


def summed(values: Iterable[Any]) -> Decimal:
    """The exact sum of numbers; 0 of none."""
    return sum((decimal_of(value) for value in values), Decimal(0))


def less(value: Any, other: Any) -> Decimal:
    """The exact difference of two numbers."""
    return decimal_of(value) - decimal_of(other)


def shares(values: Iterable[Any]) -> list[int]:
    """How long the bars of some values are, in whole per cent of the longest; a bar of something is never nothing."""
    numbers = [decimal_of(value) for value in values]
    longest = max(map(abs, numbers), default=Decimal(0)) or Decimal(1)
    return [(max(1, round(abs(each) * 100 / longest)) if each else 0) * (-1 if each < 0 else 1) for each in numbers]


@dataclass(frozen=True)
class Formats:
    """The filters for one locale. `timezone` is the zone in which aware times are shown."""

    locale: Locale
    timezone: ZoneInfo

    def money(self, value: Any, currency: str) -> str:
        """An amount with its currency, as many decimals as the currency has: 'Gs. 12.450.000', 'US$ 1.234,50'."""
        return f"{self.sign(currency)}{NBSP}{self.amount(value, currency)}"

    def sign(self, currency: str) -> str:
        """The sign of a currency, for the head of a column: 'Gs.'."""
        code = _code(currency)
        return SYMBOLS.get(code) or str(get_currency_symbol(code, self.locale))

    def amount(self, value: Any, currency: str, more: int = 0) -> str:
        """An amount without its currency's sign, for columns; `more` decimals beyond the currency's where needed."""
        places = currency_places(currency)
        return self._decimal(value, places, places + more)

    def in_words(self, value: Any, currency: str) -> str:
        """An amount as cheques state it: 'guaraníes doce millones', 'dólares americanos cinco con 50/100'."""
        code, language = _code(currency), self.locale.language
        places = currency_places(code)
        number = _rounded(decimal_of(value), places)
        whole, rest = divmod(abs(int(number.scaleb(places))), 10**places)
        name = CURRENCY_NAMES.get((language, code)) or get_currency_name(code, 2, self.locale)
        minus = _spelled(-1, language).removesuffix(_spelled(1, language)) if number < 0 else ""
        hundredths = f" {_AND.get(language, '')} {rest:0{places}}/{10**places}" if places else ""
        return " ".join(f"{name} {minus}{_spelled(whole, language)}{hundredths}".split())

    def number(self, value: Any, decimals: int | None = None) -> str:
        """A number with the locale's separators and exactly `decimals` places, or up to six where none are asked."""
        return self._decimal(value, decimals or 0, 6 if decimals is None else decimals)

    def quantity(self, value: Any) -> str:
        """A quantity with up to four decimals, and no zeros at its end."""
        return self._decimal(value, 0, 4)

    def percent(self, value: Any, decimals: int = 0) -> str:
        """A percentage given in points: 10 is written '10 %'. The sign never stands on the next line."""
        # The language's own habit, not the territory's: CLDR glues the sign in es_PY, Spanish orthography does not.
        pattern = Locale(self.locale.language).percent_formats[None].pattern
        places = pattern.replace("#,##0", "#,##0." + "0" * decimals) if decimals else pattern
        ratio = _rounded(decimal_of(value), decimals) / 100
        return str(_pattern(places).apply(ratio, self.locale, decimal_quantization=False))

    def percent_of(self, value: Any, whole: Any, decimals: int = 0) -> str:
        """What part of `whole` a value is: '45 %', '<1 %' where it is little but something; a dash of nothing."""
        base = decimal_of(whole)
        if not base:
            return str(or_dash(None))
        share = decimal_of(value) * 100 / base
        if share and not _rounded(share, decimals):
            least = self.percent(Decimal(1).scaleb(-decimals), decimals)
            return f"<{least}" if share > 0 else f">−{least}"
        return self.percent(share, decimals)

    def signed_money(self, value: Any, currency: str) -> str:
        """A difference with its sign and currency: 'Gs. −20.000'."""
        return f"{self.sign(currency)}{NBSP}{self.signed_amount(value, currency)}"

    def signed_amount(self, value: Any, currency: str) -> str:
        """A difference with its sign: '−20.000', '+5.000', '0'."""
        number = _rounded(decimal_of(value), currency_places(currency))
        mark = "−" if number < 0 else "+" if number else ""
        return f"{mark}{self.amount(abs(number), currency)}"

    def date(self, value: Any) -> str:
        """A date in its middle form: '22 nov 2026'."""
        return str(format_date(_day(value, self.timezone), "medium", locale=self.locale)).replace(" ", NBSP)

    def long_date(self, value: Any) -> str:
        """A date in words: '22 de noviembre de 2026'."""
        return str(format_date(_day(value, self.timezone), "long", locale=self.locale))

    def datetime(self, value: Any) -> str:
        """Date and time to the minute, 24 hours; an aware time in the company's zone, a naive one as it is."""
        moment = moment_of(value)
        if not isinstance(moment, datetime):
            raise Unformattable(f"{value!r} is a date without a time")
        local = moment.astimezone(self.timezone) if moment.tzinfo else moment
        clock = format_datetime(local.replace(tzinfo=None), "HH:mm", locale=self.locale)
        return f"{self.date(local)}, {clock}"

    def written(self, value: Any) -> Any:
        """A record that knows how it is written (a report, a chart), as these formats write it."""
        return value.written(self)

    def filters(self) -> dict[str, Callable[..., Any]]:
        """All filters by the names under which templates know them."""
        numbers = (self.money, self.sign, self.amount, self.in_words, self.number, self.quantity, self.percent)
        parts = (self.percent_of, self.signed_money, self.signed_amount)
        dates = (self.date, self.long_date, self.datetime, self.written)
        plain = (or_dash, one_line, shortened, mailto, tel, link, among, places, currency_places, summed, less, shares)
        return {each.__name__: each for each in (*numbers, *parts, *dates, *plain)}

    def _decimal(self, value: Any, least: int, most: int) -> str:
        return _written(_rounded(decimal_of(value), most), least, most, self.locale)


def _spelled(number: int, language: str) -> str:
    """A whole number in words. Raises Unformattable where the language has no words for it."""
    try:
        words = str(num2words(number, lang=language))
    except NotImplementedError:
        raise Unformattable(f"amounts cannot be written in words in the language {language!r}") from None
    except OverflowError:
        raise Unformattable(f"{number} is too large to be written in words") from None
    # num2words says "veintiuno mil"; before a noun the word is "un".
    return _ONE.sub(lambda match: "veintiún" if match[1] else "un", words) if language == "es" else words


_ONE = re.compile(r"\b(veinti)?uno(?= (?:mil|\w+ill(?:ón|ones))\b)")


@lru_cache(maxsize=4096)  # one price list, ten thousand readers
def _written(number: Decimal, least: int, most: int, locale: Locale) -> str:
    pattern = f"#,##0.{'0' * least}{'#' * (most - least)}" if most else "#,##0"
    return str(_pattern(pattern).apply(number, locale, decimal_quantization=False))


@cache
def _pattern(pattern: str) -> NumberPattern:
    # Babel's own functions read the pattern anew for every number.
    return parse_pattern(pattern)


def _day(value: Any, zone: ZoneInfo) -> date:
    moment = moment_of(value)
    if not isinstance(moment, datetime):
        return moment
    return (moment.astimezone(zone) if moment.tzinfo else moment).date()


def _rounded(number: Decimal, places: int) -> Decimal:
    # Half up, as an accountant does; adding zero turns a negative zero into a plain one.
    try:
        return number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP) + 0
    except InvalidOperation:
        raise Unformattable(f"{number} has more digits than can be printed") from None
