"""SMTP servers for tests, on free loopback ports: one that does what a table says, and the real aiosmtpd.

`ScriptedServer` is told, stage by stage, what to do the first, second, … time it gets there::

    ScriptedServer(mail=["451 4.7.1 slow down"], dot=[None, LOSE_ANSWER])

None is the ordinary answer, which is also what follows when a list is used up. Every message for which the server took
responsibility is in `accepted`, whether or not the client came to know.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path

from aiosmtpd.smtp import SMTP as AiosmtpdServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DROP = "<drop>"  # close without a word
RESET = "<reset>"  # close with RST, as a crashed machine or a firewall does
LOSE_ANSWER = "<lose answer>"  # after the dot: take the message, then close without a word
TAKE_AND_STALL = "<take and stall>"  # after the dot: take the message, then say nothing
STAGES = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot", "rset", "idle", "quit")


@dataclass(frozen=True)
class Stall:
    """Say nothing for `seconds`, then answer as usual."""

    seconds: float


@dataclass(frozen=True)
class Drip:
    """Answer as usual, with a rest of `seconds` after every letter."""

    seconds: float


@dataclass(frozen=True)
class Crawl:
    """In the body: rest for `seconds` after every 1,000 lines."""

    seconds: float


@dataclass(frozen=True)
class Accepted:
    """One message as the server took it."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes


class _Gone(Exception):
    """This connection is over."""


@dataclass
class ScriptedServer:
    """A small threaded SMTP server. Use as a context manager; `port` is known inside."""

    script: dict = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    tls_at_once: bool = False
    login: tuple[str, str] | None = None  # user and password, or user and OAuth2 token
    extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8", "SIZE 52428800")
    careless: bool = False  # takes DATA where nobody is to get it, and refuses the message

    def __post_init__(self):
        unknown = set(self.script) - set(STAGES)
        assert not unknown, f"no such stage: {unknown}"
        self.script = {stage: list(actions) for stage, actions in self.script.items()}
        self.accepted: list[Accepted] = []
        self.commands: list[str] = []  # every command line, of all connections, in order
        self.connections = 0
        self._stop = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._listen)
        return self

    def __exit__(self, *_):
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def verbs(self):
        """The commands by their first word, in order."""
        return [line.split(" ", 1)[0].split(":", 1)[0].upper() for line in self.commands]

    def next_action(self, stage):
        actions = self.script.get(stage)
        return actions.pop(0) if actions else None

    def stall(self, seconds):
        self._stop.wait(seconds)

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            self._start(_Conversation(self, sock).hold)


class _Conversation:
    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        self.file = None
        self.secure = False
        self.known = server.login is None
        self.sender, self.recipients = None, []

    def hold(self):
        with contextlib.suppress(_Gone, OSError):
            if self.server.tls_at_once:
                self._encrypt()
            self.file = self.sock.makefile("rb")
            self._act("connect", "220 scripted ESMTP")
            while line := self.file.readline():
                self._command(line.decode("utf-8", "surrogateescape").rstrip("\r\n"))
        if self.file is not None:
            self.file.close()
        with contextlib.suppress(OSError):
            self.sock.close()

    def _command(self, line):
        self.server.commands.append(line)
        verb, _, rest = line.partition(" ")
        handler = getattr(self, f"_on_{verb.lower()}", None)
        if handler is None:
            return self._say("500 5.5.1 what?")
        handler(rest)
        return None

    def _act(self, stage, usual):
        """Do what the script says at this stage; whether the usual answer was given."""
        action = self.server.next_action(stage)
        if action in (DROP, LOSE_ANSWER):
            raise _Gone
        if action == RESET:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raise _Gone
        if isinstance(action, Stall):
            self.server.stall(action.seconds)
        elif isinstance(action, Drip):
            for letter in usual:
                self.sock.sendall(letter.encode())
                self.server.stall(action.seconds)
            usual = "\r"  # the line's end is still to come
        elif isinstance(action, str):
            self._say(action)
            if action.startswith("421") or (action.startswith("554") and stage == "connect"):
                raise _Gone
            return action.startswith(usual[:1])
        self._say(usual)
        return True

    def _say(self, text):
        if text:
            self.sock.sendall(text.encode("utf-8", "surrogateescape") + b"\r\n")

    def _on_ehlo(self, _):
        extensions = list(self.server.extensions)
        if self.server.tls is not None and not self.secure:
            extensions.append("STARTTLS")
        if self.server.login is not None:
            extensions.append("AUTH PLAIN LOGIN XOAUTH2")
        lines = ["scripted", *extensions]
        usual = "\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])
        self._act("ehlo", usual)

    def _on_helo(self, _):
        self._say("250 scripted")

    def _on_starttls(self, _):
        if self._act("starttls", "220 go ahead"):
            self._encrypt()
            self.file.close()
            self.file = self.sock.makefile("rb")

    def _encrypt(self):
        try:
            self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        except (OSError, ValueError):
            raise _Gone from None
        self.secure = True
        self.server._sockets.append(self.sock)

    def _on_auth(self, rest):
        mechanism, _, initial = rest.partition(" ")
        given = self._login(mechanism.upper(), initial)
        if given == self.server.login:
            self.known = self._act("auth", "235 2.7.0 welcome")
        else:
            self._act("auth", "535 5.7.8 authentication failed")

    def _login(self, mechanism, initial):
        if mechanism == "LOGIN":
            user = base64.b64decode(initial or self._challenge("VXNlcm5hbWU6")).decode()
            return user, base64.b64decode(self._challenge("UGFzc3dvcmQ6")).decode()
        text = base64.b64decode(initial or self._challenge("")).decode()
        if mechanism == "XOAUTH2":
            fields = dict(item.split("=", 1) for item in text.split("\1") if item)
            return fields["user"], fields["auth"].removeprefix("Bearer ")
        _, user, password = text.split("\0")
        return user, password

    def _challenge(self, text):
        self._say(f"334 {text}")
        return self.file.readline().rstrip(b"\r\n")

    def _on_mail(self, rest):
        if not self.known:
            return self._say("530 5.7.0 Authentication required")
        if self.sender is not None:
            return self._say("503 5.5.1 nested MAIL command")
        if self._act("mail", "250 2.1.0 ok"):
            self.sender = _path(rest)
        return None

    def _on_rcpt(self, rest):
        if self.sender is None:
            return self._say("503 5.5.1 need MAIL")
        if self._act("rcpt", "250 2.1.5 ok"):
            self.recipients.append(_path(rest))
        return None

    def _on_data(self, _):
        if not self.recipients and not self.server.careless:
            return self._say("503 5.5.1 need RCPT")
        if self._act("data", "354 go ahead"):
            self._dot(self._body())
        return None

    def _body(self):
        action = self.server.next_action("body")
        if action == RESET:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if action in (DROP, RESET):
            raise _Gone
        if isinstance(action, Stall):
            self.server.stall(action.seconds)
        elif isinstance(action, str):
            self._say(action)
            raise _Gone
        lines = []
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                raise _Gone
            lines.append(line.removeprefix(b"."))
            if isinstance(action, Crawl) and len(lines) % 1000 == 0:
                self.server.stall(action.seconds)
        return b"".join(lines)

    def _dot(self, data):
        if not self.recipients:
            return self._say("554 5.5.1 no valid recipients")
        message = Accepted(self.sender, tuple(self.recipients), data)
        self.sender, self.recipients = None, []
        script = self.server.script.get("dot") or [None]
        action = script[0]
        if action == TAKE_AND_STALL:
            script.pop(0)
            self.server.accepted.append(message)
            self.server.stall(60)
            raise _Gone
        if action is None or isinstance(action, Stall) or action == LOSE_ANSWER or action[:1] not in "<45":
            self.server.accepted.append(message)
        self._act("dot", "250 2.0.0 queued")
        match self.server.next_action("idle"):
            case None:
                return None
            case "<drop>":
                raise _Gone
            case text:
                self._say(text)
                raise _Gone

    def _on_rset(self, _):
        self.sender, self.recipients = None, []
        self._act("rset", "250 2.0.0 clean")

    def _on_noop(self, _):
        self._say("250 2.0.0 ok")

    def _on_quit(self, _):
        self._act("quit", "221 2.0.0 bye")
        raise _Gone


def _path(rest):
    return rest.partition("<")[2].partition(">")[0]


class Mailbox:
    """The real aiosmtpd on loopback, keeping what it takes in `accepted`.

    Addresses that begin with "refused" are answered 550, those that begin with "later" 451.
    """

    def __init__(self):
        self.accepted: list[Accepted] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 No such user"
        if address.startswith("later"):
            return "451 4.7.1 Greylisted"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        self.accepted.append(Accepted(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.original_content))
        return "250 2.0.0 OK"

    async def _serve(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connections: set = set()
        server = await self._loop.create_server(lambda: self._protocol(connections), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for protocol in connections:
            if protocol.transport is not None:
                protocol.transport.close()
        await asyncio.sleep(0.01)

    def _protocol(self, connections):
        protocol = AiosmtpdServer(self, hostname="localhost", enable_SMTPUTF8=True, loop=self._loop)
        connections.add(protocol)
        return protocol


def free_port() -> int:
    """A loopback port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate; `path` holds it with its key."""

    path: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.path))


def make_certificate(folder: Path, hosts: tuple[str, ...] = ("localhost",), ended: bool = False) -> Certificate:
    """Make a certificate that lives for a day, or has `ended` yesterday; one for localhost holds its address, too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
    if "localhost" in hosts:
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    begins = dt.datetime.now(dt.UTC) - (dt.timedelta(days=2) if ended else dt.timedelta(hours=1))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return Certificate(path)
