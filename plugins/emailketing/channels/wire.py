"""Frozen e-mail: the bytes of RFC 5322 that will go over the wire, built once.

::

    multipart/mixed
    ├── multipart/related
    │   ├── multipart/alternative
    │   │   ├── text/plain
    │   │   └── text/html
    │   └── inline pictures, by Content-ID
    └── attachments

A level with a single part is left out. The bodies of pictures and attachments are not in the wire but named in
`Frozen.inserts`, because one price list goes to ten thousand people; `assemble` puts them in. Everything depends on
the arguments alone: the time is the envelope's, the boundaries come from the key.
"""

from __future__ import annotations

from binascii import b2a_base64, b2a_qp
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256
from threading import Lock
from typing import NamedTuple

from emailketing.channels import headers
from emailketing.errors import SettingsError
from emailketing.model import (
    ASKS_CONSENT,
    Attachment,
    Content,
    Envelope,
    Frozen,
    Recipient,
    Sender,
    WayOut,
    message_id,
)

_QP_LITERAL = bytes(range(32, 127)) + b"\t\r\n"


class _Blob(NamedTuple):
    sha256: str
    data: bytes


_Part = list[bytes | _Blob]


def compose(envelope: Envelope, content: Content, sender: Sender, to: Recipient | None = None) -> Frozen:
    """The frozen bytes of one message to one recipient; the same arguments give the same bytes.

    `to` stands in its head where that is not the envelope's recipient, such as a gateway that hands the text on.
    Raises SettingsError when the sender's own address cannot be written, and ValueError for an advertisement without a
    way out. A recipient's address that cannot be written is shown as an empty group in To, and the channel refuses the
    message at delivery with the reason.
    """
    key = envelope.key
    head = _head(replace(envelope, recipient=to) if to else envelope, content, sender, key)
    return _frozen([head.encode(), *_body(content, sha256(key.encode()).hexdigest()[:24])])


def assemble(frozen: Frozen) -> bytes:
    """The whole message as it is sent and stored: the wire with every attachment in its place.

    Raises LookupError when an attachment is not among the blobs, ValueError when its bytes are not what was frozen.
    """
    if not frozen.inserts:
        return frozen.wire
    pieces, start = [], 0
    for offset, digest in frozen.inserts:
        pieces += [frozen.wire[start:offset], _ENCODED.get(digest, frozen.blobs)]
        start = offset
    return b"".join([*pieces, frozen.wire[start:]])


def encoded(data: bytes) -> bytes:
    """How a blob stands in the wire: base64 in lines of 76 characters, each ended by CRLF."""
    letters = b2a_base64(data, newline=False)
    lines = [letters[start : start + 76] for start in range(0, len(letters), 76)]
    return b"\r\n".join([*lines, b""])


class EncodedBlobs:
    """The blobs encoded last, by sha256, so that a file for ten thousand recipients is encoded once per process."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._size = most_bytes, 0
        self._blobs: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, digest: str, blobs: Mapping[str, bytes]) -> bytes:
        """The encoded blob with that digest, from here or made from `blobs`. Errors as in `assemble`."""
        with self._lock:
            if digest in self._blobs:
                self._blobs.move_to_end(digest)
                return self._blobs[digest]
        body = encoded(_verified(digest, blobs))
        with self._lock:
            self._remember(digest, body)
        return body

    def _remember(self, digest: str, body: bytes) -> None:
        if digest in self._blobs or len(body) > self._most:
            return
        self._blobs[digest] = body
        self._size += len(body)
        while self._size > self._most:
            self._size -= len(self._blobs.popitem(last=False)[1])


_ENCODED = EncodedBlobs(most_bytes=64 * 2**20)


def _verified(digest: str, blobs: Mapping[str, bytes]) -> bytes:
    if digest not in blobs:
        raise LookupError(f"The attachment {digest[:12]}… is no longer stored.")
    if sha256(blobs[digest]).hexdigest() != digest:
        raise ValueError(f"The attachment {digest[:12]}… is not the one that was frozen: its bytes have changed.")
    return blobs[digest]


def _head(envelope: Envelope, content: Content, sender: Sender, key: str) -> str:
    lines = [
        f"Date: {format_datetime((envelope.not_before or envelope.created_at).astimezone(UTC))}",
        *_sender_lines(sender),
        _to_line(envelope),
        headers.unstructured("Subject", content.subject),
        f"Message-ID: {message_id(key, sender.domain)}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ]
    if language := headers.language(envelope.recipient.language):
        lines.append(f"Content-Language: {language}")
    if envelope.kind in ASKS_CONSENT and envelope.channel == "email":
        lines += _leaving_lines(envelope, content.way_out)
    return "\r\n".join([*lines, ""])


def _leaving_lines(envelope: Envelope, way: WayOut | None) -> list[str]:
    """How to leave, for the reader's mail program (RFC 2369, RFC 8058); and that nobody's holiday need answer."""
    if way is None:
        raise ValueError(f"A mail of kind {envelope.kind} has no way out; nobody may be sent it.")
    written = ",\r\n ".join(f"<{headers.uri(each)}>" for each in (way.https, way.mailto) if each)
    lines = [f"List-Unsubscribe: {written}", "Precedence: bulk"]
    return [*lines, "List-Unsubscribe-Post: List-Unsubscribe=One-Click"] if way.https else lines


@lru_cache(maxsize=64)
def _sender_lines(sender: Sender) -> tuple[str, ...]:
    try:
        lines = [headers.address_line("From", sender.name, sender.address)]
        if sender.reply_to:
            lines.append(headers.address_line("Reply-To", "", sender.reply_to))
    except ValueError as error:
        raise SettingsError(f"The sender {sender.address!r} (replies to {sender.reply_to!r}): {error}") from None
    if not sender.domain.isascii():  # it is also the right side of the Message-ID, which people look up as it stands
        hint = "Write it in its ASCII form, which begins with xn--."
        raise SettingsError(f"The sender's domain {sender.domain!r} has letters beyond ASCII.", hint=hint)
    return tuple(lines)


def _to_line(envelope: Envelope) -> str:
    recipient = envelope.recipient
    try:
        return headers.address_line("To", recipient.name, recipient.address)
    except ValueError:
        return headers.nobody_line("To", recipient.address)


def _body(content: Content, digest: str) -> _Part:
    inline = [file for file in content.attachments if file.content_id and content.html]
    attached = [file for file in content.attachments if not (file.content_id and content.html)]
    texts = _texts(content)
    alternative = _multipart("alternative", f"=_a_{digest}", texts)
    root = "multipart/alternative" if len(texts) > 1 else "text/html"
    related = _multipart(f'related; type="{root}"', f"=_r_{digest}", [alternative, *map(_inline, inline)])
    return _multipart("mixed", f"=_m_{digest}", [related, *map(_attached, attached)])


def _texts(content: Content) -> list[_Part]:
    parts = [("plain", content.text)] if content.text or not content.html else []
    if content.html:
        parts.append(("html", content.html))
    return [_text(subtype, text) for subtype, text in parts]


def _text(subtype: str, text: str) -> _Part:
    data = _with_crlf(text).encode("utf-8", "replace")
    # Two more characters for each byte that is not literal, against a third more for every byte.
    escapes = len(data.translate(None, _QP_LITERAL)) + data.count(b"=")
    name, body = ("base64", encoded(data)) if escapes * 6 > len(data) else ("quoted-printable", b2a_qp(data))
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {name}\r\n\r\n"
    return [head.encode(), body]


def _with_crlf(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.endswith("\n"):
        text += "\n"
    return text.replace("\n", "\r\n")


def _inline(file: Attachment) -> _Part:
    return _file(file, "inline", f"Content-ID: <{headers.content_id(file.content_id)}>\r\n")


def _attached(file: Attachment) -> _Part:
    return _file(file, "attachment", "")


def _file(file: Attachment, disposition: str, more: str) -> _Part:
    return [_file_head(file.filename, file.media_type, disposition, more), _Blob(_digest(file.data), file.data)]


@lru_cache(maxsize=64)
def _file_head(filename: str, media_type: str, disposition: str, more: str) -> bytes:
    name = headers.file_name(filename)
    lines = [
        # RFC 2231 knows no plain form beside the extended one; old programs read the name of the Content-Type instead.
        f"Content-Type: {headers.media_type(media_type)}{headers.parameter('name', headers.ascii_name(name))}",
        f"Content-Disposition: {disposition}{headers.parameter('filename', name)}",
        f"{more}Content-Transfer-Encoding: base64",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@lru_cache(maxsize=16)  # bytes keep their hash, so the same file is digested once
def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _multipart(subtype: str, boundary: str, parts: list[_Part]) -> _Part:
    """The parts under one boundary. None of them can hold it: `=_` never occurs in quoted-printable nor in base64."""
    if len(parts) == 1:
        return parts[0]
    pieces: _Part = [f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n\r\n'.encode()]
    for part in parts:
        pieces += [f"--{boundary}\r\n".encode(), *part, b"\r\n"]
    return [*pieces, f"--{boundary}--\r\n".encode()]


def _frozen(pieces: Iterable[bytes | _Blob]) -> Frozen:
    wire, inserts, blobs, offset = [], [], {}, 0
    for piece in pieces:
        if isinstance(piece, _Blob):
            inserts.append((offset, piece.sha256))
            blobs[piece.sha256] = piece.data
        else:
            wire.append(piece)
            offset += len(piece)
    return Frozen(b"".join(wire), tuple(inserts), blobs)
