"""Suppressions, consents and the log of both; a message knows of which kind its mailing is."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0007"
down_revision = "0006"

_LOCAL_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_TIME = _LOCAL_TIME.with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_MARIADB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}

metadata = sa.MetaData(naming_convention={"pk": "%(table_name)s_pk", "ix": "%(table_name)s_%(column_0_N_name)s"})


def _text(width: int) -> sa.String:
    """Text that PostgreSQL, too, compares by its bytes."""
    return sa.String(width).with_variant(sa.String(width, collation="C"), "postgresql")


sa.Table(
    "outbox_suppression",
    metadata,
    sa.Column("address", _text(320), primary_key=True, comment="in small letters"),
    sa.Column("kind", _text(20), primary_key=True, comment="of mailings that must not be sent there, or all"),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("source", sa.String(100), nullable=False, comment="who or what brought it"),
    sa.Column("reason", sa.String(1000), nullable=False),
    comment="Addresses that must not be written to by a kind of mailings.",
    **_MARIADB,
)
sa.Table(
    "outbox_consent",
    metadata,
    sa.Column("address", _text(320), primary_key=True, comment="in small letters"),
    sa.Column("kind", _text(20), primary_key=True, comment="of mailings that it allows, or all"),
    sa.Column("given", sa.Boolean, nullable=False, comment="false: withdrawn"),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("source", sa.String(100), nullable=False, comment="where the person said so"),
    sa.Column("reason", sa.String(1000), nullable=False),
    comment="Consents that people gave the company outside its ERP, or withdrew.",
    **_MARIADB,
)
sa.Table(
    "outbox_choice",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("address", _text(320), nullable=False, index=True),
    sa.Column("kind", _text(20), nullable=False),
    sa.Column("act", sa.String(20), nullable=False, comment="suppressed, unsuppressed, consented or withdrawn"),
    sa.Column("source", sa.String(100), nullable=False),
    sa.Column("reason", sa.String(1000), nullable=False),
    comment="Every change of a suppression or a consent; never deleted.",
    **_MARIADB,
)


def upgrade() -> None:
    """Make the tables and the column, where a run that was broken off has not; the lane tells the kind of old ones."""
    bind = op.get_bind()
    metadata.create_all(bind)
    for table in metadata.sorted_tables:
        for index in table.indexes:
            index.create(bind, checkfirst=True)
    if "kind" not in {column["name"] for column in sa.inspect(bind).get_columns("outbox_message")}:
        kind = sa.Column("kind", _text(20), nullable=False, server_default="notification", comment="of its mailing")
        op.add_column("outbox_message", kind)
    op.execute("UPDATE outbox_message SET kind = 'report' WHERE lane = 'report' AND kind = 'notification'")
    op.execute("UPDATE outbox_message SET kind = 'campaign' WHERE lane = 'bulk' AND kind = 'notification'")
