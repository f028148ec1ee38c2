"""The outbox's first tables.

A migration is frozen: it builds what `schema` said when it was written, and does not ask what it says today.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0001"
down_revision = None

_LOCAL_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_TIME = _LOCAL_TIME.with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB, "mysql", "mariadb")
_SHA256 = sa.String(64)
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


sa.Table(
    "outbox_state",
    metadata,
    sa.Column("name", _text(20), primary_key=True),
    sa.Column("meaning", sa.String(500), nullable=False),
    sa.Column("may_become", sa.String(200), nullable=False, comment="the states that follow, by act or by time"),
    comment="What the states of a message mean; for readers, the program does not use it.",
    **_MARIADB,
)

message = sa.Table(
    "outbox_message",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("key", _text(700), nullable=False, comment="mailing:document:version:channel:address"),
    sa.Column("mailing", _text(100), nullable=False),
    sa.Column("document", _text(300), nullable=False, comment="the ERP's word for what was saved"),
    sa.Column("version", _text(200), nullable=False),
    sa.Column("channel", _text(30), nullable=False, comment="email, phone"),
    sa.Column("lane", _text(10), nullable=False, comment="instant, report or bulk"),
    sa.Column("recipient_name", sa.String(300), nullable=False),
    sa.Column("sender", sa.String(320), nullable=False, comment="envelope sender (MAIL FROM)"),
    sa.Column("address", _text(320), nullable=False, comment="envelope recipient (RCPT TO)"),
    sa.Column("language", sa.String(35), nullable=False),
    sa.Column("subject", sa.String(1000), nullable=False),
    sa.Column("message_id", sa.String(500), nullable=False, comment="the Message-ID header; the same at every attempt"),
    sa.Column("on_unknown", _text(10), nullable=False, comment="again or never: the policy for state unknown"),
    sa.Column("state", _text(20), nullable=False, comment="see outbox_state"),
    sa.Column("reason", sa.String(1000), nullable=False, comment="why it stands in this state"),
    sa.Column("attempts", sa.Integer, nullable=False, comment="deliveries begun since it was queued by put or resend"),
    sa.Column("code", sa.Integer, comment="the server's last reply code"),
    sa.Column("event_at", _TIME, nullable=False, comment="when the ERP changed the document"),
    sa.Column("created_at", _TIME, nullable=False, comment="when the sweep saw it; the Date header"),
    sa.Column("next_attempt_at", _TIME, comment="not before this time; NULL when nothing more happens by itself"),
    sa.Column("expires_at", _TIME, comment="from here on it helps nobody"),
    sa.Column("lease_owner", _text(100), comment="whose attempt it is, or was while nobody else's"),
    sa.Column("lease_until", _TIME, comment="in hand until then; later its owner counts as dead"),
    sa.Column("accepted_at", _TIME, comment="when the server answered that it took the message"),
    sa.Column("updated_at", _TIME, nullable=False, comment="the last change of state"),
    sa.UniqueConstraint("key"),
    comment="One mailing to one recipient by one channel.",
    **_MARIADB,
)
_open = message.c.state.in_([sa.literal_column(f"'{name}'") for name in ("held", "queued", "sending", "unknown")])
sa.Index(
    "outbox_message_open",
    *(message.c.state, message.c.channel, message.c.lane, message.c.next_attempt_at, message.c.id),
    sqlite_where=_open,
    postgresql_where=_open,
)
sa.Index(None, message.c.created_at)

sa.Table(
    "outbox_content",
    metadata,
    _message_id(primary=True),
    sa.Column("sha256", _SHA256, nullable=False, comment="hex digest of wire"),
    sa.Column("size", sa.BigInteger, nullable=False, comment="bytes of wire"),
    sa.Column("wire", _BYTES, nullable=False, comment="what is sent, less the attachments' bodies"),
    comment="The frozen bytes of a message, written once.",
    **_MARIADB,
)

sa.Table(
    "outbox_blob",
    metadata,
    sa.Column("sha256", _text(64), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("last_put_at", _TIME, nullable=False, comment="the last put that carried it; guards it against pruning"),
    sa.Column("data", _BYTES, nullable=False),
    comment="Attachments, each stored once however many messages carry it.",
    **_MARIADB,
)

sa.Table(
    "outbox_attachment",
    metadata,
    _message_id(primary=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("offset_in_wire", sa.BigInteger, nullable=False, comment="where in wire its encoded body belongs"),
    sa.Column("sha256", _text(64), sa.ForeignKey("outbox_blob.sha256"), nullable=False, index=True),
    comment="Which blob belongs at which place of which message.",
    **_MARIADB,
)

sa.Table(
    "outbox_history",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    _message_id(),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("from_state", sa.String(20), comment="NULL at birth; equal to to_state where a decision changed nothing"),
    sa.Column("to_state", sa.String(20), nullable=False),
    sa.Column("cause", sa.String(100), nullable=False, comment="what or who changed it"),
    sa.Column("detail", sa.String(1000), nullable=False),
    sa.Index(None, "message"),
    comment="Every change of state of every message, birth included.",
    **_MARIADB,
)

sa.Table(
    "outbox_cursor",
    metadata,
    sa.Column("mailing", _text(100), primary_key=True),
    sa.Column("position", _TIME, nullable=False, comment="the latest changed_at seen"),
    sa.Column("updated_at", _TIME, nullable=False),
    comment="How far each mailing has read the ERP.",
    **_MARIADB,
)

sa.Table(
    "outbox_baseline",
    metadata,
    sa.Column("mailing", _text(100), primary_key=True),
    sa.Column("document", _text(300), primary_key=True),
    sa.Column("version", _text(200), primary_key=True),
    sa.Column("seen_at", _TIME, nullable=False),
    comment="What stood in the ERP when a mailing looked for the first time: history, of which nobody is told.",
    **_MARIADB,
)


def upgrade() -> None:
    """Make the tables; MariaDB, which commits at each, may have made some of them in a run that was broken off."""
    bind = op.get_bind()
    metadata.create_all(bind)
    for table in metadata.sorted_tables:
        for index in table.indexes:
            index.create(bind, checkfirst=True)
