"""Texts as the phone network counts them: GSM-7 or UCS-2, in segments, and cut to what may be paid for.

A text whose every sign is in the GSM 7-bit alphabet (3GPP TS 23.038, 6.2.1) takes one segment for 160 septets and, when
it is longer, one for each 153; signs of the extension table take two septets. One sign outside it, and the whole text
is sent as UCS-2: 70 and 67 units of 16 bits. No sign is divided between two segments, whatever it takes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("^{}\\[~]|€")

GSM7_ALONE, GSM7_LINKED = 160, 153
UCS2_ALONE, UCS2_LINKED = 70, 67

#: What is written in place of a sign outside the alphabet, where its decomposition does not say it.
REPLACEMENTS = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4\u0060\u02bc\u2039\u203a", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2022\u00b7\u25cf", "-"),
    **{"₲": "Gs.", "©": "(c)", "®": "(R)", "×": "x", "÷": "/", "\u2044": "/", "°": "o", "→": "->", "←": "<-"},
    **{"≤": "<=", "≥": ">=", "≠": "<>", "±": "+-", "¢": "c", "đ": "d", "ð": "d", "ł": "l", "Ł": "L", "œ": "oe"},
    **{"Œ": "OE", "þ": "th", "ı": "i", "µ": "u", "μ": "u"},
}

_ELLIPSIS = {True: "...", False: "…"}  # by whether the text is GSM-7: the sign itself would make it UCS-2

_LINES = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_UNSEEN_SIGNS = r"\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
_CONTROLS = re.compile(rf"[\x00-\x08\x0e-\x1f\x7f-\x9f{_UNSEEN_SIGNS}]")
_BROKEN = re.compile(r"[\ud800-\udfff]")
_BLANKS = re.compile(r"[\t\xa0\u2000-\u200a\u202f\u205f\u3000 ]+")


class Alphabet(StrEnum):
    """What becomes of a sign outside GSM-7: it is written in another way, or the text is sent as UCS-2."""

    GSM7 = "gsm7"
    UNICODE = "unicode"


@dataclass(frozen=True, slots=True)
class Wording:
    """How texts are written: in which alphabet, and in how many segments at most."""

    alphabet: Alphabet = Alphabet.GSM7
    segments: int = 3

    def text(self, raw: str) -> str:
        """`raw` as it will be sent: without idle blanks, in the alphabet, visibly cut where it is too long."""
        text = tidied(unicodedata.normalize("NFC", raw))
        if self.alphabet is Alphabet.GSM7:
            text = tidied(transliterated(text))
        return shortened(text, self.segments)


def tidied(text: str) -> str:
    """Without control signs, signs that turn the reading direction, and blanks that nobody sees but everybody pays."""
    text = _BROKEN.sub("\ufffd", _CONTROLS.sub("", _LINES.sub("\n", text)))
    lines = [_BLANKS.sub(" ", line).strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def encodable(text: str) -> bool:
    """Whether every sign is in the GSM 7-bit alphabet or its extension."""
    return all(sign in BASIC or sign in EXTENSION for sign in text)


def transliterated(text: str) -> str:
    """`text` in the GSM 7-bit alphabet: á is a, ₲ is Gs., pictures are left out, what cannot be written is '?'."""
    return "".join([_in_gsm7(sign) for sign in text])


def segments(text: str) -> int:
    """How many segments the network makes of `text`; 0 of nothing."""
    gsm7 = encodable(text)
    width, alone, linked = (_septets, GSM7_ALONE, GSM7_LINKED) if gsm7 else (_units, UCS2_ALONE, UCS2_LINKED)
    if sum(map(width, text)) <= alone:
        return 1 if text else 0
    return _linked(text, width, linked)


def shortened(text: str, most: int) -> str:
    """`text`, or as much of it as `most` segments take, cut behind a word and ended by an ellipsis."""
    if segments(text) <= most:
        return text
    ellipsis = _ELLIPSIS[encodable(text)]
    least, end = 0, len(text)
    while end - least > 1:  # segments never grow fewer with length, so halving finds the longest that fits
        middle = (least + end) // 2
        least, end = (middle, end) if segments(text[:middle] + ellipsis) <= most else (least, middle)
    return text[: _word_end(text, least)].rstrip(" \n,;:-") + ellipsis


def _word_end(text: str, end: int) -> int:
    """Where the last whole word before `end` ends; `end` itself within a word that fills half of the text."""
    if text[end : end + 1].isspace():
        return end
    blank = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end))
    if blank > end // 2:
        return blank
    while end > 1 and (unicodedata.combining(text[end]) or text[end] in _JOINING or text[end - 1] == "\u200d"):
        end -= 1  # a sign and its accent, or the parts of one picture, stay together
    return end


_JOINING = frozenset("\u200d\ufe0e\ufe0f\u20e3") | {chr(number) for number in range(0x1F3FB, 0x1F400)}


def _linked(text: str, width: Callable[[str], int], room: int) -> int:
    count, left = 1, room
    for sign in text:
        taken = width(sign)
        if taken > left:
            count, left = count + 1, room
        left -= taken
    return count


def _septets(sign: str) -> int:
    return 2 if sign in EXTENSION else 1


def _units(sign: str) -> int:
    return 2 if sign > "\uffff" else 1


def _in_gsm7(sign: str) -> str:
    if sign in BASIC or sign in EXTENSION:
        return sign
    if sign in REPLACEMENTS:
        return REPLACEMENTS[sign]
    plain = "".join([part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part)])
    if plain != sign:
        return "".join(map(_in_gsm7, plain))
    return "" if unicodedata.category(sign) in _UNSEEN or sign in _JOINING else "?"


_UNSEEN = frozenset({"So", "Sk", "Cf", "Mn", "Me"})  # pictures, and signs that only shape others
