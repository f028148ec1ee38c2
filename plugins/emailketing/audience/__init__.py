"""The audience: who gets a message by a channel, and who does not, with the reason.

Everybody who was meant is in the answer: a person who cannot be reached is an addressee with a reason, never a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emailketing.audience.rows import ADDRESS_COLUMN, Addressee, addressed_by_row
from emailketing.model import Mailing

__all__ = ["ADDRESS_COLUMN", "Addressee", "Audience", "addressed_by_row"]


@dataclass(frozen=True)
class Audience:
    """Says who gets a mailing. Phone numbers without a country code are of `region` (ISO 3166)."""

    region: str = ""

    def addressees(self, mailing: Mailing, row: Mapping[str, Any], channel: str) -> list[Addressee]:  # noqa: ARG002
        """Everybody who is meant by this row of a mailing's query, by this channel."""
        return addressed_by_row(row, channel, self.region)
