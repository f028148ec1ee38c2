"""Who gets what: subscriptions and switches that people set, and which messages go to somebody because of one."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0004"
down_revision = "0003"

_LOCAL_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_TIME = _LOCAL_TIME.with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
_JSON = sa.JSON(none_as_null=True)
_MARIADB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}

metadata = sa.MetaData(
    naming_convention={"pk": "%(table_name)s_pk", "fk": "%(table_name)s_%(column_0_N_name)s_fk"},
)


def _text(width: int) -> sa.String:
    """Text that PostgreSQL, too, compares by its bytes."""
    return sa.String(width).with_variant(sa.String(width, collation="C"), "postgresql")


sa.Table("outbox_message", metadata, sa.Column("id", _ID, primary_key=True))  # of the first migration

_NEW = (
    sa.Table(
        "outbox_meant",
        metadata,
        sa.Column(
            "message",
            _ID,
            sa.ForeignKey("outbox_message.id", ondelete="CASCADE"),
            primary_key=True,
            nullable=False,
            autoincrement=False,
            comment="outbox_message.id",
        ),
        sa.Column("because", sa.String(300), nullable=False, comment="which copy or subscription, and where it stands"),
        comment="Messages to people whom not the document's row names, but a copy or a subscription.",
        **_MARIADB,
    ),
    sa.Table(
        "outbox_subscription",
        metadata,
        sa.Column("mailing", _text(100), primary_key=True),
        sa.Column("channel", _text(30), primary_key=True),
        sa.Column("address", _text(320), primary_key=True),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("is_on", sa.Boolean, nullable=False, comment="false: nothing goes there, whatever the file says"),
        sa.Column("filter", _JSON, comment="which documents, as `where` in the file; NULL: this row only switches"),
        sa.Column("options", _JSON, nullable=False, comment="for those who know them"),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.Column("changed_by", sa.String(100), nullable=False),
        comment=(
            "Who gets which mailing; a row takes the place of what include/subscriptions.yaml says of the same three."
        ),
        **_MARIADB,
    ),
    sa.Table(
        "outbox_switch",
        metadata,
        sa.Column("mailing", _text(100), primary_key=True),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.Column("changed_by", sa.String(100), nullable=False),
        comment="Mailings that a person switched on or off; wins over include/subscriptions.yaml.",
        **_MARIADB,
    ),
    sa.Table(
        "outbox_provision",
        metadata,
        sa.Column("name", _text(100), primary_key=True),
        sa.Column("text", _LONG_TEXT, nullable=False),
        sa.Column("read_at", _TIME, nullable=False),
        comment="What include/subscriptions.yaml said when it could be read last; holds while it cannot be.",
        **_MARIADB,
    ),
)


def upgrade() -> None:
    """Make the tables, where a run that was broken off has not made them."""
    metadata.create_all(op.get_bind(), tables=_NEW)
