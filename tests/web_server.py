"""A web server on a free loopback port, whose pages do what their names say; it remembers what it was asked."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebServer:
    """A context manager; `url` is known inside. `redirects` are further pages that lead elsewhere."""

    def __init__(self, redirects: dict[str, str] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.redirects, self.tls = redirects or {}, tls
        self.asked: list[tuple[str, str]] = []  # method and path, in order
        self.hosts: list[str] = []
        self.most_at_once = 0
        self.stop = threading.Event()
        self._lock, self._busy = threading.Lock(), 0

    def __enter__(self) -> WebServer:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._pages())
        self._server.daemon_threads = False
        if self.tls:
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def methods(self, path: str) -> list[str]:
        return [method for method, asked in self.asked if asked == path]

    def note(self, method: str, path: str, host: str) -> None:
        with self._lock:
            self.asked.append((method, path))
            self.hosts.append(host)

    def nap(self) -> None:
        with self._lock:
            self._busy += 1
            self.most_at_once = max(self.most_at_once, self._busy)
        self.stop.wait(0.1)
        with self._lock:
            self._busy -= 1

    def _pages(self) -> type[BaseHTTPRequestHandler]:
        class Pages(_Pages):
            web = self

        return Pages


class _Pages(BaseHTTPRequestHandler):
    """/404 answers 404; /405-then-200 answers 405 to HEAD; /slow, /drip and /mute wait; /go/n redirects n times."""

    web: WebServer

    def do_HEAD(self) -> None:
        self.web.note(self.command, self.path, self.headers["Host"])
        self._answer(self.path.strip("/").partition("?")[0])

    do_GET = do_HEAD

    def _answer(self, page: str) -> None:
        head, _, rest = page.partition("-then-")
        if page in self.web.redirects:
            self._say(302, self.web.redirects[page])
        elif page.startswith("go/"):
            self._say(301, f"/go/{int(page[3:]) - 1}" if page != "go/1" else "/200")
        elif page in {"slow", "drip", "mute", "nap"}:
            self._linger(page)
        elif rest:
            self._say(int(head if self.command == "HEAD" else rest))
        else:
            self._say(int(page))

    def _linger(self, page: str) -> None:
        if page == "nap":
            self.web.nap()
            self._say(200)
        if page == "slow":
            self.web.stop.wait(20)
        while page == "drip" and not self.web.stop.wait(0.05):
            try:
                self.wfile.write(b"H")
            except OSError:
                return
        self.close_connection = True

    def _say(self, status: int, onward: str = "") -> None:
        self.send_response(status)
        if onward:
            self.send_header("Location", onward)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_) -> None:
        pass
