"""Editions of campaigns are kept, and coupons that were used."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0009"
down_revision = "0007"

_LOCAL_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_TIME = _LOCAL_TIME.with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB, "mysql", "mariadb")
_MARIADB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}

metadata = sa.MetaData(naming_convention={"pk": "%(table_name)s_pk"})


def _text(width: int) -> sa.String:
    """Text that PostgreSQL, too, compares by its bytes."""
    return sa.String(width).with_variant(sa.String(width, collation="C"), "postgresql")


sa.Table(
    "outbox_edition",
    metadata,
    sa.Column("mailing", _text(100), primary_key=True),
    sa.Column("edition", _text(100), primary_key=True),
    sa.Column("content_group", _text(200), primary_key=True),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("told", _BYTES, nullable=False, comment="JSON, deflated: what tells each item apart, and its value"),
    comment="What each edition of a campaign told each group, so that the next can say what changed.",
    **_MARIADB,
)
sa.Table(
    "outbox_coupon",
    metadata,
    sa.Column("code", _text(40), primary_key=True),
    sa.Column("mailing", _text(100), nullable=False),
    sa.Column("document", _text(300), nullable=False, comment="edition and person"),
    sa.Column("used_at", _TIME, nullable=False),
    sa.Column("used_by", sa.String(100), nullable=False, comment="who took it"),
    comment="Coupons that were used; each is taken once.",
    **_MARIADB,
)


def upgrade() -> None:
    """Make the tables, where a run that was broken off has not."""
    metadata.create_all(op.get_bind())
