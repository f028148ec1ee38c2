"""The public service: where readers of mails arrive. Nothing else of eMailketing should be reached from outside.

========================  ==============================================================================================
GET  /seen/{token}        a picture of one point; that a mail was opened
GET  /go/{token}?to=…     leads on to a link of a mail, and to none that was not signed here
GET  /leave/{token}       a page with a button. It changes nothing: filters of mails follow every link
POST /leave/{token}       the reader leaves: by that button, or by one click in his mail program (RFC 8058)
GET  /health              whether the service runs
========================  ==============================================================================================

Whatever is not signed gets 404 and writes nothing. Neither the network's address nor the user agent is kept or logged.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emailketing import road
from emailketing.audience import Door, Leaving, Meter
from emailketing.errors import OperationsError
from emailketing.model import GO_PATH, SEEN_PATH, What, masked
from emailketing.outbox import Outbox
from emailketing.road import Clock
from emailketing.web.pages import Pages
from emailketing.web.recording import Recorder

log = logging.getLogger(__name__)

GIF = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # one transparent point

_BODY_READ = 1000  # bytes of a form that are looked at
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}


@dataclass(frozen=True)
class Service:
    """What the public service works with. `outbox` gives the outbox whenever it is needed, or raises."""

    outbox: Callable[[], Outbox]
    door: Door
    meter: Meter
    pages: Pages
    clock: Clock = road.utc_now


def application(service: Service) -> ASGIApp:
    """The public service as an ASGI application; it answers below the path of the public address as well as at /."""
    answers = _Answers(service)

    @asynccontextmanager
    async def running(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await run_in_threadpool(answers.close)

    routes: list[BaseRoute] = [
        Route(f"/{SEEN_PATH}/{{token}}", answers.seen),
        Route(f"/{GO_PATH}/{{token}}", answers.go),
        Route("/leave/{token}", answers.ask),
        Route("/leave/{token}", answers.leave, methods=["POST"]),
        Route("/health", _health),
    ]
    if below := urlsplit(service.meter.base).path.rstrip("/"):
        routes.append(Mount(below, Router(list(routes), redirect_slashes=False)))
    app = Starlette(routes=routes, lifespan=running, exception_handlers={HTTPException: _plain})
    app.router.redirect_slashes = False  # it would lead to the host that the request names, with the token
    return _Guarded(app)


class _Answers:
    def __init__(self, service: Service) -> None:
        self._service, self._recorder = service, Recorder(service.outbox)

    def close(self) -> None:
        """Keep the visits that are in hand."""
        self._recorder.close()

    async def seen(self, request: Request) -> Response:
        """The picture of a mail."""
        try:
            reference = self._service.meter.read_seen(request.path_params["token"])
        except ValueError:
            return PlainTextResponse("Not found", 404)
        self._note(request, reference, What.SEEN)
        return Response(GIF, media_type="image/gif")

    async def go(self, request: Request) -> Response:
        """On to a link."""
        link = request.query_params.get("to", "")
        try:
            reference = self._service.meter.read_go(request.path_params["token"], link)
        except ValueError:
            return self._page(request, "wrong", 404)
        self._note(request, reference, What.WENT, link)
        return RedirectResponse(link, 302)

    async def ask(self, request: Request) -> Response:
        """The page with the button."""
        leaving = self._leaving(request)
        return self._told(request, "ask", leaving) if leaving else self._page(request, "wrong", 404)

    async def leave(self, request: Request) -> Response:
        """The reader leaves."""
        leaving = self._leaving(request)
        if leaving is None:
            return self._page(request, "wrong", 404)
        source = "one click in a mail program" if await _is_one_click(request) else "the public page"
        try:
            await run_in_threadpool(self._leave, request.path_params["token"], source)
        except OperationsError as error:
            log.error("%s could not leave: %s", masked(leaving.address), error.args[0])
            return self._told(request, "trouble", leaving, 503)
        return self._told(request, "done", leaving)

    def _leave(self, token: str, source: str) -> None:
        service = self._service
        road.leave(service.outbox(), service.door, token, source, service.clock())

    def _leaving(self, request: Request) -> Leaving | None:
        try:
            return self._service.door.read(request.path_params["token"])
        except ValueError:
            return None

    def _note(self, request: Request, reference: str, what: What, link: str = "") -> None:
        headers = {name: value[:1000] for name, value in request.headers.items()}
        now = self._service.clock()
        self._recorder.note(road.Visit(reference, what, now, request.method, link, headers))

    def _told(self, request: Request, page: str, leaving: Leaving, status: int = 200) -> Response:
        address = masked(leaving.address).replace("…@", "…\u2060@")  # one word, not to be broken there
        values = {"address": address, "kind": leaving.kind, "mailbox": self._service.door.mailbox}
        return self._page(request, page, status, **values)

    def _page(self, request: Request, page: str, status: int, **values: str) -> Response:
        pages = self._service.pages
        html = pages.write(page, request.headers.get("accept-language", ""), **values)
        return HTMLResponse(html, status, {"content-security-policy": pages.policy, "vary": "accept-language"})


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def _plain(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return PlainTextResponse("Not found" if status == 404 else "Not possible", status)


async def _is_one_click(request: Request) -> bool:
    """Whether a mail program posts this by itself; no more of its form is read than that takes."""
    read = b""
    try:
        async for chunk in request.stream():
            read += chunk[:_BODY_READ]
            if len(read) >= _BODY_READ:
                break
    except ClientDisconnect:
        return False
    return b"List-Unsubscribe" in read


class _Guarded:
    """Adds the headers that every answer has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded)
