"""Lanes are paused while their server is down."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0002"
down_revision = "0001"

_LOCAL_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_TIME = _LOCAL_TIME.with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_MARIADB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}

metadata = sa.MetaData(naming_convention={"pk": "%(table_name)s_pk"})


def _text(width: int) -> sa.String:
    """Text that PostgreSQL, too, compares by its bytes."""
    return sa.String(width).with_variant(sa.String(width, collation="C"), "postgresql")


sa.Table(
    "outbox_pause",
    metadata,
    sa.Column("channel", _text(30), primary_key=True),
    sa.Column("lane", _text(10), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False, comment="of the server as a whole, in a row"),
    sa.Column("since", _TIME, nullable=False, comment="the first of them"),
    sa.Column("message", sa.BigInteger, comment="outbox_message.id over which it failed last; NULL: it had no line"),
    sa.Column("paused_until", _TIME, comment="nothing is sent before; then one message is tried. NULL: not paused"),
    sa.Column("reason", sa.String(1000), nullable=False, comment="the last failure, in words"),
    comment="Lanes whose server failed as a whole when it was last used; an open lane has no row.",
    **_MARIADB,
)


def upgrade() -> None:
    """Make the table, where a run that was broken off has not made it."""
    metadata.create_all(op.get_bind())
