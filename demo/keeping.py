"""What both catchers keep: files that are on the disk before anybody is told so, and logs of one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_durably(unfinished: Path, kept: Path, data: bytes) -> None:
    """Write a new file to the disk as `unfinished`, then give it its name. Raises OSError when it cannot be kept."""
    with unfinished.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(kept)
    _sync_folder(kept.parent)


def append(log: Path, fields: Mapping[str, Any]) -> None:
    """Add one line to a log, in one write, so that lines of several threads do not mix."""
    line = json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def whole_lines(log: Path, start: int) -> tuple[list[dict[str, Any]], int]:
    """The lines of a log from the byte `start` on, and where to go on reading.

    A log that does not exist yet is empty. A line that is still being written is left for the next reading.
    """
    if not log.exists():
        return [], start
    with log.open("rb") as file:
        file.seek(start)
        whole, newline, _ = file.read().rpartition(b"\n")
    return [json.loads(line) for line in (whole + newline).splitlines()], start + len(whole + newline)


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that who reads it finds all of it, or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(text)
    unfinished.replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
