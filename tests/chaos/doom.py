"""A process that kills itself (SIGKILL) at the n-th point of its work.

A point stands before and after every SQL statement, before and after every commit, before and after everything that is
written to a socket, and after every answer of the mail server. With n = 0 nobody dies, and the points are counted.
"""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import threading
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from emailketing.channels.smtp import _Line
from emailketing.outbox.prepared import OnServer, Prepared

_lock, _passed = threading.Lock(), [0]


def install(point: int, count: str | None = None) -> None:
    """Die at `point` (from 1). `count` names a file that is told how many points were passed."""

    def pass_by(*_: object, **__: object) -> None:
        with _lock:
            _passed[0] += 1
            if _passed[0] == point:
                os.kill(os.getpid(), signal.SIGKILL)
            if count and not point:
                Path(count).write_text(str(_passed[0]))

    sa.event.listen(sa.Engine, "before_cursor_execute", pass_by)
    sa.event.listen(sa.Engine, "after_cursor_execute", pass_by)
    for holder, name in (
        (DefaultDialect, "do_commit"),
        (Prepared, "run"),
        (OnServer, "run"),
        (socket.socket, "sendall"),
        (smtplib.SMTP, "getreply"),
        (_Line, "answer"),
    ):
        _surround(holder, name, pass_by)


def _surround(holder, name: str, pass_by) -> None:
    original = getattr(holder, name)

    def surrounded(*args, **kwargs):
        pass_by()
        result = original(*args, **kwargs)
        pass_by()
        return result

    setattr(holder, name, surrounded)
