"""Restores of the ERP are remembered, and how far back a mailing's cursor may be set."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0006"
down_revision = "0004"

_LOCAL_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_TIME = _LOCAL_TIME.with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_MARIADB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}

metadata = sa.MetaData(naming_convention={"pk": "%(table_name)s_pk"})

sa.Table(
    "outbox_epoch",
    metadata,
    sa.Column("mailing", sa.String(100).with_variant(sa.String(100, collation="C"), "postgresql"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False, comment="0: the first look; else a restore"),
    sa.Column("since", _TIME, nullable=False, comment="the ERP's time; 0: the first cursor, else what is lost"),
    sa.Column("at", _TIME, nullable=False, comment="our time of the first look or of the restore"),
    comment="Restores of the ERP: documents told before may be lost there, and their numbers given again.",
    **_MARIADB,
)

_STANDING = """
    INSERT INTO outbox_epoch (mailing, number, since, at)
    SELECT c.mailing, 0, c.position, c.updated_at FROM outbox_cursor c
    WHERE NOT EXISTS (SELECT 1 FROM outbox_epoch e WHERE e.mailing = c.mailing)
"""


def upgrade() -> None:
    """Make the table, where a run that was broken off has not; a mailing that has looked begins where it stands."""
    metadata.create_all(op.get_bind())
    op.execute(_STANDING)
