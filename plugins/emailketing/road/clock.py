"""The time, which everybody on the road is handed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)
