"""Messages of campaigns that are measured, and what was done with them."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0011"
down_revision = "0010"

_LOCAL_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_TIME = _LOCAL_TIME.with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_MARIADB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_unique",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
    }
)


def _text(width: int) -> sa.String:
    """Text that PostgreSQL, too, compares by its bytes."""
    return sa.String(width).with_variant(sa.String(width, collation="C"), "postgresql")


def _message_id(primary: bool = False) -> sa.Column[int]:
    return sa.Column(
        "message",
        _ID,
        sa.ForeignKey("outbox_message.id", ondelete="CASCADE"),
        primary_key=primary,
        nullable=False,
        autoincrement=False,
        comment="outbox_message.id",
    )


sa.Table("outbox_message", metadata, sa.Column("id", _ID, primary_key=True))  # is there already
sa.Table(
    "outbox_measured",
    metadata,
    _message_id(primary=True),
    sa.Column("reference", _text(32), nullable=False, comment="by what public addresses call the message"),
    sa.Column("opens", sa.Boolean, nullable=False, comment="its opening is counted"),
    sa.Column("clicks", sa.Boolean, nullable=False, comment="the following of its links is counted"),
    sa.UniqueConstraint("reference"),
    comment="Messages of campaigns whose opens or clicks are counted.",
    **_MARIADB,
)
sa.Table(
    "outbox_response",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    _message_id(),
    sa.Column("what", _text(10), nullable=False, comment="seen: its picture was fetched; went: a link was followed"),
    sa.Column("link", sa.String(2000), nullable=False, comment="where it led; empty for seen"),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("who", _text(10), nullable=False, comment="person or machine, as the request told; time may tell more"),
    sa.Column("reason", sa.String(200), nullable=False, comment="why that is thought"),
    sa.Index(None, "message"),
    comment="What was done with messages that are measured; no address of a network, no user agent.",
    **_MARIADB,
)


def upgrade() -> None:
    """Make the tables, where a run that was broken off has not."""
    metadata.create_all(op.get_bind())
