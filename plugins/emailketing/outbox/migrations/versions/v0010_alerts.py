"""What the alerts of reports remember between looks."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0010"
down_revision = "0009"

_LOCAL_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_TIME = _LOCAL_TIME.with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB, "mysql", "mariadb")
_MARIADB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}

metadata = sa.MetaData(naming_convention={"pk": "%(table_name)s_pk"})


def _text(width: int) -> sa.String:
    """Text that PostgreSQL, too, compares by its bytes."""
    return sa.String(width).with_variant(sa.String(width, collation="C"), "postgresql")


sa.Table(
    "outbox_alert",
    metadata,
    sa.Column("mailing", _text(100), primary_key=True),
    sa.Column("channel", _text(30), primary_key=True),
    sa.Column("address", _text(320), primary_key=True, comment="in small letters"),
    sa.Column("cadence", _text(30), primary_key=True, comment="of the reader's periods"),
    sa.Column("number", sa.Integer, nullable=False, comment="counts the changes: of two looks at once one holds"),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("memory", _BYTES, nullable=False, comment="JSON, deflated: what is beyond since when, and what was told"),
    comment="What the alert of a report remembers of a reader, from one look to the next.",
    **_MARIADB,
)


def upgrade() -> None:
    """Make the table, where a run that was broken off has not."""
    metadata.create_all(op.get_bind())
