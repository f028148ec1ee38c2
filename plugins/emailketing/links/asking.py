"""Asks links whether they lead somewhere: HEAD, and GET where HEAD does not please; only the head of an answer is read.

Links are hostile text. A name is looked up once for each hop, all addresses it has must be `allowed`, and the
connection is made to the very addresses that were checked, so that a name which means another one a moment later
(DNS rebinding) leads nowhere else. Cookies and credentials are not sent. The standard library's client, because a
connected socket can be put under it; others look names up by themselves.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urljoin, urlsplit

import idna

from emailketing.links.answers import Answer, How
from emailketing.links.places import outside

AT_ONCE = 8
REDIRECTS = 5
TIMEOUT_S = 5.0  # for a link with all its redirects

_PORTS = {"http": 80, "https": 443}
_HEADERS = {"User-Agent": "eMailketing (tries the links of a mail)", "Accept": "*/*", "Connection": "close"}
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN})

_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})

_T = TypeVar("_T")

#: Family and address of a socket; the IP address stands first.
Place = tuple[int, tuple[str, ...]]


def lookup(host: str, port: int) -> list[Place]:
    """The addresses of a name. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


class _Failed(Exception):
    """A link that was not answered."""

    def __init__(self, how: How, detail: str = "") -> None:
        self.how, self.detail = how, detail
        super().__init__(how)


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a link leads, as a server is asked for it."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, link: str) -> _Target:
        """Raises _Failed."""
        try:
            parts = urlsplit(link)
            port = parts.port or _PORTS[parts.scheme]
            host = _ascii(parts.hostname or "")
        except (ValueError, UnicodeError):
            raise _Failed(How.MALFORMED) from None
        except KeyError:
            raise _Failed(How.ELSEWHERE) from None
        if not host or not set(host).isdisjoint("/\\@ \t\r\n"):
            raise _Failed(How.MALFORMED)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]")
        return cls(parts.scheme == "https", host, port, f"{path}?{query}" if query else path)

    @property
    def headers(self) -> dict[str, str]:
        """The head of a request, with the server's name as it calls itself."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == _PORTS["https" if self.secure else "http"]
        return {"Host": name if usual else f"{name}:{self.port}", **_HEADERS}


def _ascii(host: str) -> str:
    return host if host.isascii() else idna.encode(host, uts46=True).decode()


class Asker:
    """Asks links, some at once. `allowed` says of an IP address whether it may be asked, at one of `ports` alone."""

    def __init__(
        self,
        *,
        allowed: Callable[[str], bool] = outside,
        ports: Container[int] = frozenset(_PORTS.values()),
        lookup: Callable[[str, int], Sequence[Place]] = lookup,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._allowed, self._ports, self._lookup, self._timeout_s = allowed, ports, lookup, timeout_s
        self._tls = tls or ssl.create_default_context()

    def ask_all(self, links: Sequence[str]) -> list[Answer]:
        """The answer of each http(s) link, in their order."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self.ask, links))

    def ask(self, link: str) -> Answer:
        """What comes of asking one link. Nothing is raised for what the other side does."""
        deadline, here = time.monotonic() + self._timeout_s, link
        for _ in range(REDIRECTS + 1):
            try:
                target = _Target.of(here)
                status, onward = self._answer(target, self._places(target, deadline), deadline)
            except _Failed as failed:
                return Answer(link, failed.how, failed.detail, last=here)
            if not onward:
                return Answer(link, How.ANSWERED, status=status, last=here)
            here = _joined(here, onward)
        return Answer(link, How.CIRCLE, f"more than {REDIRECTS} times")

    def _places(self, target: _Target, deadline: float) -> Sequence[Place]:
        """Where the name leads. Raises _Failed, also where one address of several, or the port, is not allowed."""
        try:
            found = _within(deadline - time.monotonic(), lambda: self._lookup(target.host, target.port))
        except UnicodeError:
            raise _Failed(How.MALFORMED) from None
        except OSError as error:
            raise _unknown(error, target.host) from None
        for _, address in found:
            if not self._allowed(address[0]):
                raise _Failed(How.INSIDE, address[0])
        if target.port not in self._ports:
            raise _Failed(How.OTHER_PORT, str(target.port))
        return found

    def _answer(self, target: _Target, places: Sequence[Place], deadline: float) -> tuple[int, str]:
        """Status and, of a redirect, the address that it names."""
        with suppress(_Silent):
            status, onward = self._ask("HEAD", target, places, deadline)
            if status < 400:
                return status, onward
        return self._ask("GET", target, places, deadline)

    def _ask(self, method: str, target: _Target, places: Sequence[Place], deadline: float) -> tuple[int, str]:
        try:
            with closing(_connected(places, deadline)) as plain:
                sock = self._encrypted(plain, target) if target.secure else plain
                with closing(sock), _no_longer_than(sock, deadline):
                    return _exchanged(sock, method, target)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _failed(error, late=time.monotonic() >= deadline) from None

    def _encrypted(self, plain: socket.socket, target: _Target) -> socket.socket:
        return self._tls.wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False)


class _Silent(_Failed):
    """The server broke off, or spoke no HTTP, as some do when they are asked for a head alone."""


def _connected(places: Sequence[Place], deadline: float) -> socket.socket:
    """A connection to the first of these that takes one. Raises OSError."""
    error = OSError(errno.EADDRNOTAVAIL, "no address")
    for family, address in places:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            sock.connect(address)
        except OSError as failed:
            sock.close()
            error = failed
        else:
            return sock
    raise error


def _exchanged(sock: socket.socket, method: str, target: _Target) -> tuple[int, str]:
    if isinstance(sock, ssl.SSLSocket):
        sock.do_handshake()
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = sock
    connection.request(method, target.path, headers=target.headers)
    with closing(connection.getresponse()) as response:
        onward = response.getheader("Location") or "" if 300 <= response.status < 400 else ""
        return response.status, onward


@contextmanager
def _no_longer_than(sock: socket.socket, deadline: float) -> Iterator[None]:
    """Shut a connection at its deadline: a server that gives a byte now and then would never time out by itself."""
    timer = threading.Timer(max(deadline - time.monotonic(), 0), _shut, (sock,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _within(seconds: float, act: Callable[[], _T]) -> _T:
    """What `act` gives, or TimeoutError: the system's look-up of names knows no limit of its own."""
    future = Future[_T]()

    def run() -> None:
        try:
            future.set_result(act())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result(max(seconds, 0))


def _joined(here: str, onward: str) -> str:
    """The address that a redirect names; servers write other letters than ASCII as UTF-8, against the standard."""
    with suppress(UnicodeError):
        onward = onward.encode("latin-1").decode("utf-8")
    try:
        return urljoin(here, onward.strip())
    except ValueError:
        return onward


def _unknown(error: OSError, host: str) -> _Failed:
    if isinstance(error, TimeoutError):
        return _Failed(How.LATE)
    if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_NAME:
        return _Failed(How.NO_HOST, host)
    return _Failed(How.AWAY, f"{host} cannot be looked up: {error.strerror or error}")


def _failed(error: Exception, *, late: bool) -> _Failed:
    """What a failure on the line means, from the most particular to the rest."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _Failed(How.CERTIFICATE, error.verify_message)
    if late or isinstance(error, TimeoutError):
        return _Failed(How.LATE)
    if isinstance(error, ConnectionRefusedError):
        return _Failed(How.CLOSED)
    if isinstance(error, OSError) and error.errno in _NO_ROUTE:
        return _Failed(How.AWAY, str(error.strerror))
    if isinstance(error, ssl.SSLError):
        return _Failed(How.NO_TLS, error.reason or "")
    return _Silent(How.NO_HTTP)
