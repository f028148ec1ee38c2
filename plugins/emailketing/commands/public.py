"""The public service on the command line: where readers leave, and where what they open and follow is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from emailketing.console import command

if TYPE_CHECKING:
    from socket import socket

    from emailketing.web.public import Service


@click.command(short_help="Serve the page to leave by, and count opens and clicks.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="The port to listen at.")
@command
def public(host: str, port: int) -> None:
    """Answer the readers of mails: they leave by a page, and what they open and follow is counted.

    Put a reverse proxy with TLS in front of it, at the address that the connection `unsubscribe` names. It is the only
    port of eMailketing that should be reached from outside. SIGTERM ends it.
    """
    import signal
    import sys

    import uvicorn

    from emailketing.web.public import application
    from emailketing.web.serving import configured

    app = application(_service())
    # uvicorn gives the signal on when it has ended; by itself that would be death by a signal, not an end.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))

    class Telling(uvicorn.Server):
        async def startup(self, sockets: list[socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                click.echo(_listening(host, self.servers[0].sockets[0].getsockname()[1]), err=True)

    Telling(configured(app, host, port)).run()


def _listening(host: str, port: int) -> str:
    """Where the service listens, by which public address, and what it counts."""
    from emailketing import wiring

    meter = wiring.meter()
    shown = f"[{host}]" if ":" in host else host
    counted = str(meter.measuring).replace("both", "opens and clicks")
    return f"listens on http://{shown}:{port}, for {meter.base}; counts {counted}"


def _service() -> Service:
    """What the service works with; the outbox is opened when it is first needed."""
    from emailketing import settings, wiring
    from emailketing.web.pages import Pages
    from emailketing.web.public import Service

    chosen = settings.load()
    templates = [folder / "templates" for folder in (chosen.include, settings.PROJECT / "include")]
    pages = Pages(templates, chosen.company.model_dump(), chosen.company.language)
    return Service(wiring.outbox, wiring.door(), wiring.meter(), pages)


COMMANDS = (public,)
