"""smtplib sending ready bytes on one connection: what the line itself allows."""

from __future__ import annotations

import os
import smtplib

import letter
from frozen import frozen

_ready: list[tuple[str, bytes]] = []


def prepare(count: int) -> None:
    _ready[:] = [(letter.address(number), frozen(number)[1].wire) for number in range(count)]


def run() -> int:
    with smtplib.SMTP("127.0.0.1", int(os.environ["BENCH_SMTP_PORT"]), "localhost") as line:
        for address, data in _ready:
            line.sendmail(letter.SENDER, [address], data)
    return len(_ready)
