"""The phone catcher inside the test's process, with what it answers under the test's control."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.phone_catcher import Catcher, Gateway, read_log


class Caught:
    """A running gateway: its URL for apprise, and the texts it took."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.answers = gateway.catcher.answers

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self._gateway.port}/texts?:to={{to}}"

    @property
    def port(self) -> int:
        return self._gateway.port

    @property
    def log(self) -> Path:
        return self._gateway.catcher.log

    def texts(self):
        return [(one.to, one.text) for one in read_log(self._gateway.catcher.log)[0]]


@contextmanager
def phone_gateway(answers=None, port: int = 0) -> Iterator[Caught]:
    """A catcher on a free port (or on `port`); `answers` says by number what it answers."""
    with tempfile.TemporaryDirectory() as folder:
        catcher = Catcher(Path(folder) / "texts", Path(folder) / "log", answers if answers is not None else {})
        gateway = Gateway(catcher, ("127.0.0.1", port))
        thread = threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Caught(gateway)
        finally:
            catcher.stopping.set()
            gateway.shutdown()
            gateway.server_close()
            thread.join()
