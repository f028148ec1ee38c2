"""Where tests keep what lives for a moment: in memory, if there is room. A disk that has to keep it costs minutes."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # a machine's own; in a container it may be small
_ROOM = 4 << 30  # bytes; a run of all tests takes about a quarter of it


def use_memory() -> None:
    """Let every temporary folder, of this process and of those that it starts, be in memory; `TMPDIR` overrides it."""
    if "TMPDIR" not in os.environ and _has_room():
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def _has_room() -> bool:
    return os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
