"""What changed in a record: two images of it, as JSON for which nobody vouches, become fields that a reader compares.

Nothing in an image is an error: what is no JSON is one long value. Secrets are never given away, neither the old nor
the new one: columns named like secrets are hidden at any depth, and so are values that carry one with them. Words for
people ("hidden", "binary") are the template's; a `Value` only says of which kind it is.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from emailketing.hostile import cleaned, one_line
from emailketing.render.formats import Formats, Unformattable

#: Longest value that is shown whole; of a longer one the part around the first difference is.
LONGEST = 140

#: Parts of a column's name that make it a secret, wherever they stand in it.
SECRET_PARTS = (
    *("password", "passwd", "passphrase", "passcode", "contrasena", "contrasenia", "clave", "secret", "token"),
    *("hash", "apikey", "privatekey", "accesskey", "credential"),
)

#: The same, but only as a word of their own: "pin" is one, "shipping" is none.
SECRET_WORDS = frozenset({"pin", "pass", "pwd", "otp", "cvv", "cvc", "salt"})

_NESTED = 4  # levels that become fields of their own; what lies deeper is shown as it is written
_DEEPEST = 20
_CONTEXT = 40  # what is shown of a long value before the first difference
_MASK = "•••"

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{80,}={0,2}")
_HEX = re.compile(r"(?:\\x|0x)?[0-9A-Fa-f]{80,}")
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,")
_NAMED = re.compile(r"(?<!\w)(\w++)[\"'\\\s]*+[:=>]")
_TELLTALE = re.compile(r"://[^/\s:@]*:[^/\s@]+@|PRIVATE KEY-----|(?<!\w)eyJ[\w-]+\.eyJ")


@dataclass(frozen=True, slots=True)
class Value:
    """One side of a changed field.

    kind: *text*; *long*, of which `text` is a part and `size` the number of characters; *binary* of a `size` such as
    '12 KB'; *hidden*, a secret; *yes*, *no*; *empty*, NULL or blank; *absent*, the record has no such field.
    """

    kind: str
    text: str = ""
    size: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that changed; `name` is its column, with keys behind dots where the column holds JSON; '' for a whole
    image that is no record."""

    name: str
    before: Value
    after: Value


_Path = tuple[str, ...]
_ABSENT = object()


class Changes:
    """The filter `changed_fields`, in the words and numbers of one locale."""

    def __init__(self, formats: Formats) -> None:
        self._formats = formats

    def changed_fields(
        self, before: Any, after: Any, unremarked: Iterable[str] = (), secret: Iterable[str] = ()
    ) -> list[Field]:
        """The fields in which two images of a record differ, in their order; an image that is NULL has none.

        `unremarked` columns are left out as long as another one changed; `secret` ones are hidden besides those whose
        names look like it.
        """
        old, new = _leaves(before), _leaves(after)
        changed = [path for path in {**old, **new} if _differ(old.get(path, _ABSENT), new.get(path, _ABSENT))]
        quiet, own = set(unremarked), {_plain(name) for name in secret}
        remarked = [path for path in changed if path[0] not in quiet] or changed
        return [self._field(path, (old.get(path, _ABSENT), new.get(path, _ABSENT)), own) for path in remarked]

    def _field(self, path: _Path, values: tuple[Any, Any], secret: set[str]) -> Field:
        hidden = any(is_secret(part, secret) for part in path)
        kinds = [_kind(value, hidden=hidden) for value in values]
        written = [_written(value, secret) if kind == "text" else "" for kind, value in zip(kinds, values, strict=True)]
        texts = [self._text(path[-1], value) for value in written]
        if texts[0] == texts[1]:  # what differs is lost in the writing
            texts = [_exact(value) for value in written]
        first = _first_difference(*texts)
        sides = zip(kinds, values, texts, strict=True)
        before, after = (self._value(kind, value, text, first) for kind, value, text in sides)
        return Field(one_line(cleaned(".".join(path)))[:80], before, after)

    def _value(self, kind: str, value: Any, text: str, first: int) -> Value:
        if kind == "binary":
            return Value(kind, size=self._size(value))
        if kind == "text" and len(text) > LONGEST:
            return Value("long", _part(text, first), self._formats.number(len(text)))
        return Value(kind, text)

    def _text(self, name: str, value: Any) -> str:
        """A value as its reader writes it."""
        try:
            if isinstance(value, Decimal):
                return _digits(value) if _is_key(name) else self._formats.number(_sane(value))
            if isinstance(value, str) and _DAY.fullmatch(value):
                return self._formats.date(value)
            if isinstance(value, str) and _MOMENT.fullmatch(value):
                return self._formats.datetime(value)
        except (Unformattable, ArithmeticError):  # a thirtieth of February, a number of a thousand digits
            pass
        return one_line(cleaned(str(value)))

    def _size(self, text: str) -> str:
        compact = "".join(text.split())
        size = len(compact) // 2 if _HEX.fullmatch(compact) else len(text)
        if _BASE64.fullmatch(compact) or _DATA_URL.match(compact):
            size = len(compact.partition("base64,")[2] or compact) * 3 // 4
        for unit in ("B", "KB", "MB"):
            if size < 1024 or unit == "MB":
                break
            size = round(size / 1024)
        return f"{self._formats.number(size)}\u00a0{unit}"


def is_secret(name: str, own: Iterable[str] = ()) -> bool:
    """Whether a column's name looks like a secret's; `own` are further names, in small letters without accents."""
    plain = _plain(name)
    joined = plain.replace("_", "")
    words = SECRET_WORDS.intersection(plain.split("_"))
    return bool(words) or plain in own or any(part in joined for part in SECRET_PARTS)


def _plain(name: str) -> str:
    """A name in small letters, without accents and figures, its words parted by one underscore."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", parted) if not unicodedata.combining(sign))
    return re.sub(r"[\W\d_]+", "_", bare.casefold()).strip("_")


def _leaves(image: Any) -> dict[_Path, Any]:
    """The values of an image by their paths, in its order."""
    if image is None:
        return {}
    if isinstance(image, bytes | bytearray | memoryview):
        image = bytes(image).decode("utf-8", "replace")
    if isinstance(image, str):
        image = _parsed(image)
    if not isinstance(image, Mapping):
        return {("",): image}
    return dict(_flat(image, ())) if image else {}


def _parsed(text: str) -> Any:
    """What JSON says, its numbers as Decimal; the text itself where it is none."""
    try:
        return json.loads(text, parse_int=_number, parse_float=_number, parse_constant=str, strict=False)
    except (ValueError, RecursionError):
        return text


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond all bounds
        return text


def _flat(value: Any, path: _Path) -> Iterator[tuple[_Path, Any]]:
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        value = _parsed(value)  # a column of text that holds JSON may hold secrets, too
    if isinstance(value, Mapping) and value and len(path) < _NESTED:
        for key, item in value.items():
            yield from _flat(item, (*path, str(key)))
    else:
        yield path, value


def _differ(old: Any, new: Any) -> bool:
    # True equals 1 for Python, and a field that was added without a value changes nothing for a reader.
    olds, news = ((isinstance(value, bool), None if _blank(value) else value) for value in (old, new))
    try:
        return olds != news
    except RecursionError:  # nested just as deep as can be read
        return True


def _blank(value: Any) -> bool:
    return value is None or value is _ABSENT or (isinstance(value, str) and not value.strip())


def _kind(value: Any, *, hidden: bool) -> str:
    if _blank(value):
        return "absent" if value is _ABSENT else "empty"
    if hidden or (isinstance(value, str) and _tells(value)):
        return "hidden"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "binary" if isinstance(value, str) and _is_binary(value) else "text"


def _tells(text: str) -> bool:
    """Whether a text carries a secret with it, as in "password=…" or an address with a login."""
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    return bool(_TELLTALE.search(plain)) or any(map(is_secret, set(_NAMED.findall(plain))))


def _is_binary(text: str) -> bool:
    compact = "".join(text.split())
    if _HEX.fullmatch(compact) or _DATA_URL.match(compact):
        return True
    if _BASE64.fullmatch(compact):
        return all(any(test(sign) for sign in compact) for test in (str.isupper, str.islower, str.isdigit))
    start = text[:2000]
    odd = sum((unicodedata.category(sign) == "Cc" and not sign.isspace()) or sign == "\ufffd" for sign in start)
    return odd > max(3, len(start) // 10)


def _is_key(name: str) -> bool:
    """Whether a number is a name rather than a quantity: nobody writes id 12.345."""
    return name in {"id", "number", "year"} or name.endswith("_id")


def _sane(number: Decimal) -> Decimal:
    if number.adjusted() > 30:
        raise Unformattable("a number that nobody reads")
    return number


def _digits(number: Decimal) -> str:
    return f"{number:f}" if abs(number.adjusted()) <= 30 else str(number)


def _written(value: Any, secret: Iterable[str]) -> Any:
    """A text or a number as it is; whatever holds others as JSON, its secrets masked."""
    if isinstance(value, str | Decimal):
        return value
    return json.dumps(_masked(value, secret), ensure_ascii=False, default=str)


def _exact(value: Any) -> str:
    """A value with every sign to be seen, spaces as well."""
    signs = (sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in str(value))
    return "".join(signs).replace(" ", "␣")


def _masked(value: Any, secret: Iterable[str], depth: int = 0) -> Any:
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        shown = {key: _MASK if is_secret(str(key), secret) else item for key, item in value.items()}
        return {key: _masked(item, secret, depth + 1) for key, item in shown.items()}
    if isinstance(value, list):
        return [_masked(item, secret, depth + 1) for item in value]
    if isinstance(value, str) and _tells(value):
        return _MASK
    if isinstance(value, Decimal) and abs(value.adjusted()) < 15:
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _part(text: str, first: int) -> str:
    """At most LONGEST characters of a text, so that the one at `first` is among them."""
    start = max(0, min(first - _CONTEXT, len(text) - LONGEST + 1)) if first >= LONGEST - _CONTEXT else 0
    room = LONGEST - (start > 0) - 1
    return f"{'…' if start else ''}{text[start : start + room]}{'…' if start + room < len(text) else ''}"
