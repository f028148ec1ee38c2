"""Header values of an e-mail, from hostile text to 7-bit lines.

Every value comes from the ERP. What leaves here is one logical line: no CR, LF, NUL or other control, nothing that
turns the reading direction, folded at 76 characters. Only a mailbox whose local part is itself beyond ASCII leaves
the 7 bits (RFC 6531); the channel then asks the server for SMTPUTF8.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import PurePosixPath
from urllib.parse import quote

import idna

WIDTH = 76  # RFC 2047 section 2: a line that holds an encoded word is no longer
NAME_MOST = 120
SUBJECT_MOST = 250  # servers cut or refuse enormous headers (Postfix: header_size_limit), so we cut visibly

# What str.isprintable() refuses and people still write: no-break spaces, joiners in emoji, soft hyphens. They pass.
_BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_TURNING = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb]")
_BROKEN = re.compile(r"[\ud800-\udfff]")

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_PLAIN_PHRASE = re.compile(rf"[{_ATEXT}]+(?: [{_ATEXT}]+)*")
_DOT_ATOM = re.compile(rf"[{_ATEXT}\u00a1-\U0010ffff]+(?:\.[{_ATEXT}\u00a1-\U0010ffff]+)*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?!.{{254}}){_LABEL}(?:\.{_LABEL})*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_URI = re.compile(r"(?:https://|mailto:)[!#-;=?-Z\[\]_a-z~]{1,900}")
_WORD = r"[A-Za-z0-9!#$&^_.+-]{1,80}"
_MEDIA_TYPE = re.compile(rf"(?!message/|multipart/){_WORD}/{_WORD}(?:; ?{_WORD}={_WORD}){{0,3}}", re.IGNORECASE)


def one_line(text: str, most: int = SUBJECT_MOST) -> str:
    """`text` as one harmless line of at most `most` characters; what was cut off shows as an ellipsis."""
    if not text.isprintable():
        text = _BROKEN.sub("\ufffd", _TURNING.sub("", _BREAKING.sub(" ", text)))
    text = text.strip()
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def unstructured(name: str, text: str) -> str:
    """The header line `name: text` for a text that people read, such as a subject."""
    value = one_line(text)
    line = f"{name}: {value}"
    if len(line) <= WIDTH and _plain(value):
        return line
    return f"{name}: {_encoded_words(value, WIDTH - len(name) - 2)}"


@lru_cache(maxsize=64)  # a sender is the same in every message
def address_line(name: str, display: str, address: str) -> str:
    """The header line `name: display <address>`. Raises ValueError as `mailbox` does."""
    box = mailbox(address)
    who = one_line(display, NAME_MOST)
    if not who:
        return f"{name}: {box}"
    phrase = _phrase(who, WIDTH - len(name) - 2)
    last = phrase.rpartition("\n")[2]
    gap = " " if len(name) + len(last) + len(box) + 5 <= WIDTH else "\r\n "
    return f"{name}: {phrase}{gap}<{box}>"


def nobody_line(name: str, display: str) -> str:
    """The header line for an address that cannot be written: an empty group showing what was given (RFC 5322 3.4)."""
    return f"{name}: {_phrase(one_line(display, NAME_MOST) or 'nobody', WIDTH - len(name) - 2)}:;"


@lru_cache(maxsize=1024)
def mailbox(address: str) -> str:
    """An address as headers and the SMTP envelope write it: quoted where needed, its domain as A-labels (IDNA 2008).

    Raises ValueError with the reason, for people, when it cannot be written as exactly one mailbox.
    """
    local, at, domain = address.rpartition("@")
    if not (at and local and domain):
        raise ValueError("The address is not of the form name@domain.")
    if not address.isprintable():
        raise ValueError("The address holds control or invisible characters.")
    if len(local.encode()) > 64:
        raise ValueError("The part before the @ is longer than 64 bytes, more than mail allows.")
    return f"{_local_part(local)}@{_a_labels(domain)}"


def parameter(name: str, value: str) -> str:
    """A MIME parameter as folded lines that begin with ';': quoted when short and ASCII, otherwise as RFC 2231 says."""
    if value.isascii() and len(value) <= 60 and not set('"\\') & set(value):
        return f';\r\n {name}="{value}"'
    segments = _segments(value, 50)
    if len(segments) == 1:
        return f";\r\n {name}*=utf-8''{segments[0]}"
    lines = [f"{name}*{number}*={segment}" for number, segment in enumerate(segments)]
    lines[0] = lines[0].replace("*=", "*=utf-8''", 1)
    return "".join(f";\r\n {line}" for line in lines)


def file_name(text: str) -> str:
    """A file name that is safe to save under on any system; 'attachment' when nothing is left of it."""
    name = re.sub(r'[/\\:*?"<>|]', "_", one_line(text, 1000)).lstrip(". ").rstrip(". ")
    suffix = PurePosixPath(name).suffix[:20]
    if len(name) > 150:
        name = name[: 150 - len(suffix)].rstrip() + suffix
    return name or "attachment"


def ascii_name(name: str) -> str:
    """The nearest ASCII writing of a file name, for old mail programs that know no other."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip()
    return file_name(f"attachment{letters}" if letters.startswith(".") else letters)


def media_type(text: str) -> str:
    """A media type as given if it is one that can be sent as base64, otherwise application/octet-stream."""
    return text if _MEDIA_TYPE.fullmatch(text) else "application/octet-stream"


def content_id(text: str) -> str:
    """A Content-ID without what could end it early; the HTML part refers to it as cid:…"""
    return re.sub(rf"[^{_ATEXT}.@]", "", text)[:200]


def uri(text: str) -> str:
    """A web or mail address that may stand in a header as it is. Raises ValueError for any other."""
    if not _URI.fullmatch(text):
        raise ValueError(f"{one_line(text, 100)!r} is no address that may stand in a header.")
    return text


def language(text: str) -> str:
    """A language tag (RFC 5646) such as es-PY, or '' when `text` is none."""
    tag = text.replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) else ""


def _plain(value: str) -> bool:
    # "=?" would read as an encoded word that somebody else wrote.
    return value.isascii() and "=?" not in value


def _phrase(text: str, room: int) -> str:
    if len(text) > room - 2 or not _plain(text):
        return _encoded_words(text, room)
    if _PLAIN_PHRASE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if len(escaped) <= room - 2 else _encoded_words(text, room)


def _encoded_words(text: str, first: int) -> str:
    """RFC 2047 words (UTF-8, Q), one on each line; `first` is the room on the first line. No character is divided."""
    words: list[str] = []
    word, room = "", first - 12
    for char in text:
        token = _q(char)
        if len(token) > room:
            words.append(word)
            word, room = "", WIDTH - 13
        word += token
        room -= len(token)
    words.append(word)
    return "\r\n ".join([f"=?utf-8?q?{word}?=" for word in words])


@lru_cache(maxsize=1024)
def _q(char: str) -> str:
    # The narrow set that RFC 2047 section 5 (3) allows inside a phrase serves everywhere.
    if char.isascii() and (char.isalnum() or char in "!*+-/"):
        return char
    return "_" if char == " " else "".join([f"={byte:02X}" for byte in char.encode()])


def _segments(value: str, width: int) -> list[str]:
    segments = [""]
    for char in value:
        token = quote(char, safe="!#$&+-.^_`{|}~")
        if len(segments[-1]) + len(token) > width:
            segments.append("")
        segments[-1] += token
    return segments


def _local_part(local: str) -> str:
    if _DOT_ATOM.fullmatch(local) or _QUOTED.fullmatch(local):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _a_labels(domain: str) -> str:
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except UnicodeError:
        raise ValueError(f"The domain {domain!r} is not a valid international domain name.") from None
    if not _DOMAIN.fullmatch(ascii_domain):
        raise ValueError(f"The domain {domain!r} is not a domain name.")
    return ascii_domain
