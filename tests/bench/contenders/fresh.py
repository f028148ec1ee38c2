"""A new and empty outbox for every run, on the database that the environment names; and our delivery on it."""

from __future__ import annotations

import os
import smtplib
import uuid
from pathlib import Path

import sqlalchemy as sa

from emailketing import road
from emailketing.channels.smtp import Smtp
from emailketing.outbox import Backoff, Outbox
from emailketing.settings import Delivery

PORT = int(os.environ["BENCH_SMTP_PORT"])
FOLDER = Path(os.environ["BENCH_FOLDER"])
_SET = Delivery()
_old: list[Outbox] = []


def outbox() -> Outbox:
    """A new one; the one before is closed and deleted."""
    while _old:
        _old.pop().close()
    server = os.environ.get("BENCH_POSTGRES")
    _old.append(Outbox.open(_on_postgres(server) if server else _on_sqlite()))
    return _old[0]


def _on_sqlite() -> str:
    for file in FOLDER.glob("outbox-*"):
        file.unlink()
    return f"sqlite:///{FOLDER / f'outbox-{uuid.uuid4().hex}.db'}"


def _on_postgres(server: str) -> sa.URL:
    administration = sa.create_engine(server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS bench WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE bench")
    return sa.make_url(server).set(database="bench")


def carrier(outbox: Outbox) -> road.Carrier:
    """Delivery over the real channel, as the settings' defaults have it."""
    backoff = Backoff(_SET.attempts, _SET.backoff_s, _SET.backoff_most_s)
    return road.Carrier(outbox, {"email": channel}, backoff, _SET.batch, _SET.lease_s)


def channel() -> Smtp:
    """A channel to the sink."""
    return Smtp(lambda: smtplib.SMTP("127.0.0.1", PORT, "localhost", timeout=30), timeout_s=_SET.timeout_s)
