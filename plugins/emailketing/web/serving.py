"""How the public service speaks HTTP: what anybody may send it is bounded, in size and in time.

A proxy stands before it, for TLS and against those who come by thousands; what is bounded here holds without one, too.
"""

from __future__ import annotations

import asyncio

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

#: Seconds within which a connection has to send a whole request: the first, and each one after an answer.
PATIENCE_S = 10.0

#: Bytes of a request's head. The longest link that is counted takes 24,000, if each of its signs takes twelve.
LONGEST_HEAD = 32 * 1024

_AT_ONCE = 500  # connections
_LAST_ANSWERS_S = 5  # of the requests that are under way when it ends


class Patient(H11Protocol):
    """HTTP/1.1 on one connection, which is broken off when `patience_s` pass without a whole request."""

    patience_s = PATIENCE_S
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_anew()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        if self._deadline:
            self._deadline.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait_anew()
        super().on_response_complete()

    def _wait_anew(self) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self.patience_s, self._end_what_is_not_said)

    def _end_what_is_not_said(self) -> None:
        asked_in_full = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        if asked_in_full:  # then it is we who are slow
            self._wait_anew()
        else:
            self.transport.abort()


def configured(app: ASGIApp, host: str, port: int, patience_s: float = PATIENCE_S) -> uvicorn.Config:
    """How `app` is served: by HTTP/1.1 alone, without a log of who came."""

    class Within(Patient):
        pass

    Within.patience_s = patience_s
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Within,
        ws="none",
        h11_max_incomplete_event_size=LONGEST_HEAD,
        log_level="warning",
        access_log=False,  # it would hold networks' addresses and tokens
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_AT_ONCE,
        timeout_graceful_shutdown=_LAST_ANSWERS_S,
    )
