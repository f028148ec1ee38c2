"""E-mail by SMTP: frozen bytes over one line, and for each message what the server answered.

The body is written first and the final dot by itself: as long as the dot has not been handed to the kernel, no server
can have accepted the message, and a broken line means *later*, not *unknown*. A server that knows PIPELINING (RFC 2920)
is given MAIL, RCPT and DATA of a message in one piece, so that its answers come while the outbox notes the message as
being sent; nothing of two messages is ever under way, so it is always clear which one an answer belongs to.
"""

from __future__ import annotations

import select
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple, NoReturn

from emailketing import channels
from emailketing.channels import wire
from emailketing.channels.headers import mailbox, one_line
from emailketing.errors import ChannelDown
from emailketing.model import Claim, Content, Envelope, Frozen, Outcome, Receipt, Sender

CHUNK = 65536  # each piece has its own time-out, so a big message over a slow line is no failure in itself
REASON_MOST = 500
_ANSWER_MOST = 65536  # bytes of one answer, all its lines; one that goes on for longer has no end

# 5xx replies that blame the server's or our set-up, not the message: it waits, and operations are told.
_SET_UP_CODES = frozenset({503, 530, 534, 535, 538})
_SET_UP_STATUS = ("5.3.2", "5.7.8", "5.7.9", "5.7.10", "5.7.11", "5.7.13", "5.7.14")


# 4xx replies of a server that takes no mail at all now: 421 is its farewell, the others are of RFC 3463, "mail system
# full" and "system not accepting network messages".
_SERVER_STATUS = ("4.3.1", "4.3.2")


class _Reply(NamedTuple):
    code: int
    text: str

    @property
    def blames_the_set_up(self) -> bool:
        return self.code in _SET_UP_CODES or (self.code >= 500 and self.status in _SET_UP_STATUS)

    @property
    def blames_the_server(self) -> bool:
        if self.code == 421 or self.code // 100 not in (2, 4, 5):
            return True
        return self.blames_the_set_up or (self.code < 500 and self.status in _SERVER_STATUS)

    @property
    def status(self) -> str:
        return self.text.split(" ", 1)[0]

    def __str__(self) -> str:
        return f"{self.code} {self.text}" if self.code > 0 else f"no SMTP answer: {self.text!r}"


class _BrokenError(Exception):
    """The line broke or the server took too long, which `slow` says."""

    slow = False


class _EndedIdleError(_BrokenError):
    """The server had ended the line before it heard of this message: its farewell came, or nothing, for an answer."""


class _Parcel(NamedTuple):
    sender: str
    recipient: str
    data: bytes
    beyond_ascii: bool


class _Announced(NamedTuple):
    claim: Claim
    parcel: _Parcel


class Smtp:
    """The e-mail channel over one SMTP connection; not for use by several threads at once.

    `connect` gives a client that is connected, greeted, under TLS and logged in as the server wants it, or raises what
    smtplib, ssl and socket raise. `timeout_s` is the patience for one answer; after the final dot it is four times as
    long, because giving up there leaves the message unknown (RFC 5321 4.5.3.2.6 asks for ten minutes). `server` names
    the server for people, as host:port. `clock` gives the time of a receipt.
    """

    name = "email"

    def __init__(
        self,
        connect: Callable[[], smtplib.SMTP],
        *,
        timeout_s: float = 30.0,
        server: str = "the mail server",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connect, self._timeout_s, self._server, self._clock = connect, timeout_s, server, clock
        self._line: _Line | None = None
        self._announced: _Announced | None = None
        self._suspect: str | None = None  # the sender for whom a fresh line would not do

    def freeze(self, envelope: Envelope, content: Content, sender: Sender) -> Frozen:
        """The frozen e-mail, as `wire.compose` makes it."""
        return wire.compose(envelope, content, sender)

    def open(self) -> None:
        """Make sure of a usable line. A line that is open costs one look at its socket, no command.

        Raises ChannelDown, which says what was tried, what was answered and what operations can do.
        """
        if self._line is not None and self._announced is None and self._line.usable():
            return
        self._drop()
        self._line = self._opened()

    def announce(self, claim: Claim) -> None:
        """See `Channel.announce`: MAIL, RCPT and DATA in one write, where the server knows PIPELINING."""
        line = self._line
        if line is None or not line.pipelines or self._announced is not None:
            return
        with suppress(LookupError, ValueError, _BrokenError):  # `deliver` meets it again, and tells
            parcel = _parcel(claim)
            if not line.unable(parcel):
                self._announced = _Announced(claim, parcel)
                line.announce(parcel)

    def deliver(self, claim: Claim) -> Receipt:
        """Send one message and tell what became of it. Never raises for what the server does."""
        announced, self._announced = self._announced, None
        if announced is not None and announced.claim is not claim:
            self._drop()  # after DATA there is no other way back
            announced = None
        try:
            parcel = announced.parcel if announced else _parcel(claim)
        except (LookupError, ValueError) as error:
            return self._receipt(Outcome.REFUSED, reason=str(error.args[0]))
        try:
            return self._conversed(parcel, announced is not None)
        except _BrokenError as error:
            self._drop()
            return self._receipt(Outcome.LATER, reason=str(error), server_failed=True)
        except BaseException:  # such as the signal that ends a task: nothing more may be said on this line
            self._drop()
            raise

    def close(self) -> None:
        """Take leave of the server and close the line; without effect when it is closed."""
        if self._announced is not None:  # what the server hears now is the message, up to the end of the line
            self._drop()
        line, self._line = self._line, None
        if line is not None:
            line.leave()

    def _opened(self) -> _Line:
        try:
            line = _Line.over(self._connect, self._timeout_s)
        except (OSError, UnicodeError) as error:
            self._down(*_explained(error))
        if self._suspect is not None:
            self._probe(line, self._suspect)
        return line

    def _probe(self, line: _Line, sender: str) -> None:
        """Ask what was turned away last time before another message is tried on it."""
        try:
            reply = line.ask(f"MAIL FROM:<{sender}>")
            if not reply.blames_the_set_up and reply.code != 421:
                self._suspect = None
                line.ask("RSET")
                return
        except _BrokenError as error:
            line.drop()
            self._down(str(error), "Ask the server's administrator what its log says.")
        line.drop()
        self._down(f"it answered {reply} to MAIL FROM:<{sender}>", _SET_UP_HINT)

    def _down(self, what: str, hint: str) -> NoReturn:
        message = f"No mail can be sent over {self._server}: {one_line(what, REASON_MOST)}."
        raise ChannelDown(message, hint=hint) from None  # the cause may hold the password

    def _conversed(self, parcel: _Parcel, announced: bool) -> Receipt:
        """The conversation; begun anew, once, where the server had ended the line while it was idle.

        `open` looks for that, but the end may come in the same moment in which the message is announced.
        """
        try:
            return self._converse(parcel, announced)
        except _EndedIdleError as error:
            self._drop()
            began = time.monotonic()
            try:
                self.open()
            except ChannelDown:
                raise _BrokenError(f"{error}, and there was no other") from None
            if time.monotonic() - began > self._timeout_s:  # the message's lease counts on one answer's patience
                raise _BrokenError(f"{error}, and the next one was slow to come") from None
            return self._converse(parcel, announced=False)

    def _converse(self, parcel: _Parcel, announced: bool) -> Receipt:
        line = self._line
        if line is None:
            return self._receipt(Outcome.LATER, reason="No line to the server is open.", server_failed=True)
        if problem := line.unable(parcel):
            return self._receipt(Outcome.REFUSED, reason=problem)
        commands = line.commands(parcel)
        for place, (command, expected) in enumerate(commands, start=1):
            asked = line.first_asked if place == 1 else line.asked
            reply = asked(command, announced)
            if reply.code // 100 != expected:
                unheard = len(commands) - place if announced else 0
                return self._turned_away(line, command, reply, parcel, unheard)
        if early := line.hand_over(parcel.data):
            self._drop()
            return self._judged("before the message was complete", early, Outcome.LATER)
        return self._settled(line)

    def _settled(self, line: _Line) -> Receipt:
        """What follows the final dot."""
        try:
            reply = line.verdict()
        except _BrokenError as error:
            self._drop()
            return self._receipt(Outcome.UNKNOWN, reason=f"The message was complete, then {error}", server_failed=True)
        if reply.code // 100 not in (2, 4, 5) or reply.code == 421 or reply.blames_the_set_up:
            self._drop()
        if reply.code // 100 == 2:
            return self._receipt(Outcome.ACCEPTED, reply.code, reply.text)
        return self._judged("after the message", reply, Outcome.UNKNOWN)

    def _turned_away(self, line: _Line, command: str, reply: _Reply, parcel: _Parcel, unheard: int) -> Receipt:
        if reply.code == 421 or reply.blames_the_set_up or reply.code // 100 not in (4, 5):
            self._suspect = parcel.sender if reply.blames_the_set_up else None
            self._drop()
        elif not line.cleared(unheard):
            self._drop()
        return self._judged(f"to {command.partition(':')[0]}", reply, Outcome.LATER)

    def _judged(self, when: str, reply: _Reply, otherwise: Outcome) -> Receipt:
        outcome = {4: Outcome.LATER, 5: Outcome.REFUSED}.get(reply.code // 100, otherwise)
        if reply.blames_the_set_up:
            outcome = Outcome.LATER
        code, reason = reply.code if reply.code > 0 else None, f"The server answered {when}: {reply}"
        return self._receipt(outcome, code, reason, reply.blames_the_server)

    def _receipt(
        self, outcome: Outcome, code: int | None = None, reason: str = "", server_failed: bool = False
    ) -> Receipt:
        return Receipt(outcome, self._clock(), code, one_line(reason, REASON_MOST), server_failed)

    def _drop(self) -> None:
        self._announced = None
        line, self._line = self._line, None
        if line is not None:
            line.drop()


class _Line:
    """One connection, spoken to command by command."""

    def __init__(self, client: smtplib.SMTP, timeout_s: float) -> None:
        if client.sock is None:
            raise smtplib.SMTPServerDisconnected("the connection was closed at once")
        self._client, self._timeout_s = client, timeout_s
        self._sock: socket.socket = client.sock
        self._sock.settimeout(timeout_s)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)
        self._heard = b""  # received, and not yet read as an answer
        client.ehlo_or_helo_if_needed()
        self._extensions: dict[str, str] = client.esmtp_features
        self.pipelines = "pipelining" in self._extensions
        self._used = False  # whether a message was begun on it

    @classmethod
    def over(cls, connect: Callable[[], smtplib.SMTP], timeout_s: float) -> _Line:
        client = connect()
        try:
            return cls(client, timeout_s)
        except BaseException:
            client.close()
            raise

    def usable(self) -> bool:
        """Whether nothing has come unasked: the server's farewell (421) or the end of the line."""
        return not self._heard and not self._poll.poll(0)

    def unable(self, parcel: _Parcel) -> str:
        """Why this server can never carry the parcel; '' when it can."""
        most = self._extensions.get("size", "")
        if most.isdecimal() and 0 < int(most) < len(parcel.data):
            return f"The message has {len(parcel.data)} bytes; the server takes at most {most}."
        if parcel.beyond_ascii and "smtputf8" not in self._extensions:
            return "An address has letters beyond ASCII before its @, and the server cannot carry that (SMTPUTF8)."
        return ""

    def commands(self, parcel: _Parcel) -> list[tuple[str, int]]:
        """The commands before the body, each with the first digit of the answer that lets it go on."""
        options = f" SIZE={len(parcel.data)}" if "size" in self._extensions else ""
        if parcel.beyond_ascii:
            options += " BODY=8BITMIME SMTPUTF8" if "8bitmime" in self._extensions else " SMTPUTF8"
        return [(f"MAIL FROM:<{parcel.sender}>{options}", 2), (f"RCPT TO:<{parcel.recipient}>", 2), ("DATA", 3)]

    def announce(self, parcel: _Parcel) -> None:
        """Say all commands before the body at once; their answers are for `answer` to get."""
        self._write("".join([f"{command}\r\n" for command, _ in self.commands(parcel)]).encode())

    def asked(self, command: str, announced: bool) -> _Reply:
        """The answer to a command, which is said now unless it was announced."""
        return self.answer() if announced else self.ask(command)

    def first_asked(self, command: str, announced: bool) -> _Reply:
        """The answer to a message's first command. Raises _EndedIdleError where the line had ended before it."""
        used, self._used = self._used, True
        try:
            reply = self.asked(command, announced)
        except _BrokenError as error:
            if used and not error.slow:
                raise _EndedIdleError(str(error)) from None
            raise
        if used and reply.code == 421:
            raise _EndedIdleError(f"The server ended the line: {reply}")
        return reply

    def ask(self, command: str) -> _Reply:
        self._write(f"{command}\r\n".encode())
        return self.answer()

    def hand_over(self, data: bytes) -> _Reply | None:
        """Write the body and the final dot. What the server says before the dot comes back, and no dot is sent."""
        view = memoryview(_dotted(data))
        until = time.monotonic() + self._timeout_s + len(view) / channels.SLOWEST
        try:
            for start in range(0, len(view), CHUNK):
                if time.monotonic() > until:
                    raise _BrokenError(f"the line was too slow: {start} of {len(view)} bytes had gone")
                self._write(view[start : start + CHUNK])
        except _BrokenError:
            if self.usable():
                raise
            return self.answer()  # a server that has had enough says so and closes
        if not isinstance(self._sock, ssl.SSLSocket) and not self.usable():  # TLS has messages of its own
            return self.answer()
        self._write(b".\r\n")
        return None

    def verdict(self) -> _Reply:
        self._sock.settimeout(4 * self._timeout_s)
        reply = self.answer(4 * self._timeout_s)
        self._sock.settimeout(self._timeout_s)
        return reply

    def cleared(self, unheard: int) -> bool:
        """Forget the transaction that failed; whether the line may be used again. So many answers are still to come."""
        try:
            further = [self.answer() for _ in range(unheard)]
            if further and further[-1].code // 100 == 3:
                # DATA passes although the only RCPT did not: a message to nobody ends it, says RFC 2920 (3.1).
                # Where MAIL did not, there may be a recipient: close, and there is no message.
                if unheard > 1:
                    return False
                self.ask(".")
            return self.ask("RSET").code == 250
        except _BrokenError:
            return False

    def leave(self) -> None:
        with suppress(OSError, _BrokenError):
            self._sock.settimeout(min(2.0, self._timeout_s))
            self.ask("QUIT")
        self.drop()

    def drop(self) -> None:
        with suppress(OSError):
            self._client.close()

    def _write(self, data: bytes | memoryview) -> None:
        # Not smtplib's send(): it closes the socket on failure, and the server's last words with it.
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise _BrokenError(f"the line broke while writing: {_said(error)}") from None

    def answer(self, patience_s: float = 0.0) -> _Reply:
        """The server's next answer, all its lines; `patience_s` where that for one answer does not do.

        Not smtplib's getreply(): it would listen without end to a server that talks without end.
        """
        until, size, texts = time.monotonic() + (patience_s or self._timeout_s), 0, []
        while True:
            line = self._next_line(until)
            texts.append(line[4:].strip() if line[:3].isdigit() else line.strip())
            if line[3:4] != b"-" or not line[:3].isdigit():
                break
            size += len(line)
            if size > _ANSWER_MOST:
                raise _BrokenError(_ENDLESS)
        code = int(line[:3]) if line[:3].isdigit() else -1
        return _Reply(code, one_line(b" ".join(texts).decode("utf-8", "replace"), REASON_MOST))

    def _next_line(self, until: float) -> bytes:
        while (end := self._heard.find(b"\n") + 1) == 0:
            if len(self._heard) > _ANSWER_MOST:
                raise _BrokenError(_ENDLESS)
            self._heard += self._receive(until)
        line, self._heard = self._heard[:end], self._heard[end:]
        return line

    def _receive(self, until: float) -> bytes:
        try:
            if time.monotonic() > until:
                raise TimeoutError("timed out")
            piece = self._sock.recv(4096)
        except OSError as error:
            broken = _BrokenError(f"the line broke while waiting for the answer: {_said(error)}")
            broken.slow = isinstance(error, TimeoutError)
            raise broken from None
        if not piece:
            raise _BrokenError("the server closed the line instead of answering")
        return piece


_ENDLESS = "the server's answer had no end"


def _parcel(claim: Claim) -> _Parcel:
    data = wire.assemble(claim.frozen)
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    sender, recipient = mailbox(claim.sender) if claim.sender else "", mailbox(claim.address)
    return _Parcel(sender, recipient, data, not (recipient.isascii() and sender.isascii() and data.isascii()))


def _dotted(data: bytes) -> bytes:
    """With a second dot where a line begins with one (RFC 5321 4.5.2)."""
    if data.startswith(b"."):
        data = b"." + data
    # Looked for from the end: the same answer as `in`, in a fifth of the time.
    return data.replace(b"\n.", b"\n..") if data.rfind(b"\n.") >= 0 else data


def _said(error: BaseException) -> str:
    text = error.args[-1] if error.args else ""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return one_line(text or type(error).__name__, REASON_MOST)


_SET_UP_HINT = "Check login, password and TLS of the Airflow Connection, and that the server lets this sender send."

_EXPLANATIONS: tuple[tuple[type[BaseException], str, str], ...] = (
    (smtplib.SMTPAuthenticationError, "it refused the login", "Check login and password, or the OAuth2 token."),
    (smtplib.SMTPNotSupportedError, "it lacks what the Connection asks for", "Set disable_tls or leave out the login."),
    (smtplib.SMTPConnectError, "it greeted with", "It turns this machine away or is shutting down; see its log."),
    (smtplib.SMTPHeloError, "it refused our EHLO", "See the server's log for why it refuses this machine's name."),
    (
        smtplib.SMTPServerDisconnected,
        "it closed the line",
        "Is TLS from the start (disable_ssl) set as its port wants?",
    ),
    (
        ssl.SSLCertVerificationError,
        "its certificate is not trusted",
        "Renew it, trust its authority, or use its name.",
    ),
    (ssl.SSLError, "TLS failed", "Set disable_ssl for STARTTLS (port 587), or disable_tls for TLS at once (port 465)."),
    (socket.gaierror, "its name is unknown", "Check the host of the Airflow Connection, and the name server."),
    (ConnectionRefusedError, "nothing listens there", "Start the server, or check host and port of the Connection."),
    (TimeoutError, "it did not answer in time", "Check host, port and firewall."),
    (
        smtplib.SMTPException,
        "SMTP failed",
        "Check login and TLS of the Airflow Connection against what the server offers.",
    ),
    (UnicodeError, "login, password or host cannot be written in ASCII", "smtplib sends ASCII only; change them."),
)


def _explained(error: BaseException) -> tuple[str, str]:
    """What happened and what to do, for operations. The text of a UnicodeError is left out: it quotes the password."""
    for kind, what, hint in _EXPLANATIONS:
        if isinstance(error, kind):
            return (what if kind is UnicodeError else f"{what} ({_detail(error)})"), hint
    return _detail(error), "Check host, port and network."


def _detail(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return one_line(error.verify_message.rstrip("."), REASON_MOST)
    code = f"{error.smtp_code} " if isinstance(error, smtplib.SMTPResponseException) else ""
    return f"{code}{_said(error)}"
