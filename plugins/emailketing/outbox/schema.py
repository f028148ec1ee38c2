"""The outbox's tables, as SQLAlchemy metadata; the migrations build the same, and a test holds the two together.

A message is one narrow row in `outbox_message`, and only that row changes with its state. What is large stands apart
and is never rewritten: its bytes in `outbox_content`, the attachments in `outbox_blob` (each once, by its sha256) and
their places in `outbox_attachment`. Every change of state, birth included, is a row of `outbox_history`. The table
`outbox_state` says in words what each state means, for whoever reads the database without this code at hand.

Times are UTC: `timestamptz` in PostgreSQL, a time without zone in MariaDB (DATETIME(6)) and SQLite (text). Text is
compared by its bytes everywhere: keys that differ in case or in a trailing blank are different keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from emailketing.model import LONGEST_LINK, State

#: What each state means, as `outbox_state` tells it.
MEANINGS: Mapping[State, str] = {
    State.HELD: "Waits until a person approves it.",
    State.QUEUED: "Will be sent as soon as next_attempt_at has come; a lease says which process has taken it in hand.",
    State.SENDING: "Given to a connection; at most one message per connection stands here.",
    State.ACCEPTED: "The server took responsibility for it (SMTP 250) at accepted_at.",
    State.REFUSED: "The server will never take it (5xx), or every attempt was used up; code and reason say which.",
    State.UNKNOWN: "Was being sent when the process died or the answer was lost: it may have arrived. With a "
    "next_attempt_at the policy has yet to decide; without one it is left to a person.",
    State.UNADDRESSED: "Final: no usable address; reason says what is wrong with it.",
    State.SUPPRESSED: "Final: this address must not be written to by this class of mailing.",
    State.EXPIRED: "Final: too old to help anybody.",
    State.CANCELLED: "Final: a person took it back.",
}

#: States in which something may still happen; the index that finds them leaves all others out.
OPEN = (State.HELD, State.QUEUED, State.SENDING, State.UNKNOWN)


class Utc(sa.types.TypeDecorator[datetime]):
    """An aware datetime, kept as UTC; a naive one is refused."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[datetime]:
        """The database's own type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(_LOCAL.dialect_impl(dialect))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Into the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no timezone")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Out of the database."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


_LOCAL = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER numbers itself in SQLite
_BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB, "mysql", "mariadb")
_SHA256 = sa.String(64)
_LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
_JSON = sa.JSON(none_as_null=True)

WIDTHS = {
    "key": 700,
    "mailing": 100,
    "document": 300,
    "version": 200,
    "address": 320,
    "edition": 100,
    "content_group": 200,
}
MARIADB: Mapping[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
}

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


state = sa.Table(
    "outbox_state",
    metadata,
    sa.Column("name", _text(20), primary_key=True),
    sa.Column("meaning", sa.String(500), nullable=False),
    sa.Column("may_become", sa.String(200), nullable=False, comment="the states that follow, by act or by time"),
    comment="What the states of a message mean; for readers, the program does not use it.",
    **MARIADB,
)

message = sa.Table(
    "outbox_message",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("key", _text(WIDTHS["key"]), nullable=False, comment="mailing:document:version:channel:address"),
    sa.Column("mailing", _text(WIDTHS["mailing"]), nullable=False),
    sa.Column("document", _text(WIDTHS["document"]), nullable=False, comment="the ERP's word for what was saved"),
    sa.Column("version", _text(WIDTHS["version"]), nullable=False),
    sa.Column("channel", _text(30), nullable=False, comment="email, phone"),
    sa.Column("lane", _text(10), nullable=False, comment="instant, report or bulk"),
    sa.Column("recipient_name", sa.String(300), nullable=False),
    sa.Column("sender", sa.String(WIDTHS["address"]), nullable=False, comment="envelope sender (MAIL FROM)"),
    sa.Column("address", _text(WIDTHS["address"]), nullable=False, comment="envelope recipient (RCPT TO)"),
    sa.Column("language", sa.String(35), nullable=False),
    sa.Column("subject", sa.String(1000), nullable=False),
    sa.Column("message_id", sa.String(500), nullable=False, comment="the Message-ID header; the same at every attempt"),
    sa.Column("on_unknown", _text(10), nullable=False, comment="again or never: the policy for state unknown"),
    sa.Column("state", _text(20), nullable=False, comment="see outbox_state"),
    sa.Column("reason", sa.String(1000), nullable=False, comment="why it stands in this state"),
    sa.Column("attempts", sa.Integer, nullable=False, comment="deliveries begun since it was queued by put or resend"),
    sa.Column("code", sa.Integer, comment="the server's last reply code"),
    sa.Column("event_at", Utc, nullable=False, comment="when the ERP changed the document"),
    sa.Column("created_at", Utc, nullable=False, comment="when the sweep saw it; the Date header"),
    sa.Column("next_attempt_at", Utc, comment="not before this time; NULL when nothing more happens by itself"),
    sa.Column("expires_at", Utc, comment="from here on it helps nobody"),
    sa.Column("lease_owner", _text(100), comment="whose attempt it is, or was while nobody else's"),
    sa.Column("lease_until", Utc, comment="in hand until then; later its owner counts as dead"),
    sa.Column("accepted_at", Utc, comment="when the server answered that it took the message"),
    sa.Column("updated_at", Utc, nullable=False, comment="the last change of state"),
    sa.Column("segments", sa.Integer, comment="text messages that the phone network makes of it; NULL: no text"),
    sa.Column("kind", _text(20), nullable=False, server_default="notification", comment="of its mailing"),
    sa.UniqueConstraint("key"),
    comment="One mailing to one recipient by one channel.",
    **MARIADB,
)


def _among(states: Iterable[State]) -> sa.ColumnElement[bool]:
    """Literals: with parameters no planner would see that the partial index serves."""
    return message.c.state.in_([sa.literal_column(f"'{state}'") for state in states])


_open = _among(OPEN)
sa.Index(
    "outbox_message_open",
    *(message.c.state, message.c.channel, message.c.lane, message.c.next_attempt_at, message.c.id),
    sqlite_where=_open,
    postgresql_where=_open,
)
sa.Index(None, message.c.created_at)


def standing(*states: State) -> sa.ColumnElement[bool]:
    """The condition that a message stands in one of these open states, worded so that the partial index is used.

    SQLite sees that it may only where the index's own condition stands in the query, word for word.
    """
    return sa.and_(_open, _among(states))


content = sa.Table(
    "outbox_content",
    metadata,
    _message_id(primary=True),
    sa.Column("sha256", _SHA256, nullable=False, comment="hex digest of wire"),
    sa.Column("size", sa.BigInteger, nullable=False, comment="bytes of wire"),
    sa.Column("wire", _BYTES, nullable=False, comment="what is sent, less the attachments' bodies"),
    comment="The frozen bytes of a message, written once.",
    **MARIADB,
)

blob = sa.Table(
    "outbox_blob",
    metadata,
    sa.Column("sha256", _text(64), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("last_put_at", Utc, nullable=False, comment="the last put that carried it; guards it against pruning"),
    sa.Column("data", _BYTES, nullable=False),
    comment="Attachments, each stored once however many messages carry it.",
    **MARIADB,
)

attachment = sa.Table(
    "outbox_attachment",
    metadata,
    _message_id(primary=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("offset_in_wire", sa.BigInteger, nullable=False, comment="where in wire its encoded body belongs"),
    sa.Column("sha256", _text(64), sa.ForeignKey("outbox_blob.sha256"), nullable=False, index=True),
    comment="Which blob belongs at which place of which message.",
    **MARIADB,
)

history = sa.Table(
    "outbox_history",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    _message_id(),
    sa.Column("at", Utc, nullable=False),
    sa.Column("from_state", sa.String(20), comment="NULL at birth; equal to to_state where a decision changed nothing"),
    sa.Column("to_state", sa.String(20), nullable=False),
    sa.Column("cause", sa.String(100), nullable=False, comment="what or who changed it"),
    sa.Column("detail", sa.String(1000), nullable=False),
    sa.Index(None, "message"),
    comment="Every change of state of every message, birth included.",
    **MARIADB,
)

cursor = sa.Table(
    "outbox_cursor",
    metadata,
    sa.Column("mailing", _text(WIDTHS["mailing"]), primary_key=True),
    sa.Column("position", Utc, nullable=False, comment="the latest changed_at seen"),
    sa.Column("updated_at", Utc, nullable=False),
    comment="How far each mailing has read the ERP.",
    **MARIADB,
)

baseline = sa.Table(
    "outbox_baseline",
    metadata,
    sa.Column("mailing", _text(WIDTHS["mailing"]), primary_key=True),
    sa.Column("document", _text(WIDTHS["document"]), primary_key=True),
    sa.Column("version", _text(WIDTHS["version"]), primary_key=True),
    sa.Column("seen_at", Utc, nullable=False),
    comment="What stood in the ERP when a mailing looked for the first time: history, of which nobody is told.",
    **MARIADB,
)

epoch = sa.Table(
    "outbox_epoch",
    metadata,
    sa.Column("mailing", _text(WIDTHS["mailing"]), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False, comment="0: the first look; else a restore"),
    sa.Column("since", Utc, nullable=False, comment="the ERP's time; 0: the first cursor, else what is lost"),
    sa.Column("at", Utc, nullable=False, comment="our time of the first look or of the restore"),
    comment="Restores of the ERP: documents told before may be lost there, and their numbers given again.",
    **MARIADB,
)

pause = sa.Table(
    "outbox_pause",
    metadata,
    sa.Column("channel", _text(30), primary_key=True),
    sa.Column("lane", _text(10), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False, comment="of the server as a whole, in a row"),
    sa.Column("since", Utc, nullable=False, comment="the first of them"),
    sa.Column("message", sa.BigInteger, comment="outbox_message.id over which it failed last; NULL: it had no line"),
    sa.Column("paused_until", Utc, comment="nothing is sent before; then one message is tried. NULL: not paused"),
    sa.Column("reason", sa.String(1000), nullable=False, comment="the last failure, in words"),
    comment="Lanes whose server failed as a whole when it was last used; an open lane has no row.",
    **MARIADB,
)

meant = sa.Table(
    "outbox_meant",
    metadata,
    _message_id(primary=True),
    sa.Column("because", sa.String(300), nullable=False, comment="which copy or subscription, and where it stands"),
    comment="Messages to people whom not the document's row names, but a copy or a subscription.",
    **MARIADB,
)

subscription = sa.Table(
    "outbox_subscription",
    metadata,
    sa.Column("mailing", _text(WIDTHS["mailing"]), primary_key=True),
    sa.Column("channel", _text(30), primary_key=True),
    sa.Column("address", _text(WIDTHS["address"]), primary_key=True),
    sa.Column("name", sa.String(300), nullable=False),
    sa.Column("language", sa.String(35), nullable=False),
    sa.Column("is_on", sa.Boolean, nullable=False, comment="false: nothing goes there, whatever the file says"),
    sa.Column("filter", _JSON, comment="which documents, as `where` in the file; NULL: this row only switches"),
    sa.Column("options", _JSON, nullable=False, comment="for those who know them"),
    sa.Column("changed_at", Utc, nullable=False),
    sa.Column("changed_by", sa.String(100), nullable=False),
    comment="Who gets which mailing; a row takes the place of what include/subscriptions.yaml says of the same three.",
    **MARIADB,
)

switch = sa.Table(
    "outbox_switch",
    metadata,
    sa.Column("mailing", _text(WIDTHS["mailing"]), primary_key=True),
    sa.Column("is_on", sa.Boolean, nullable=False),
    sa.Column("changed_at", Utc, nullable=False),
    sa.Column("changed_by", sa.String(100), nullable=False),
    comment="Mailings that a person switched on or off; wins over include/subscriptions.yaml.",
    **MARIADB,
)

provision = sa.Table(
    "outbox_provision",
    metadata,
    sa.Column("name", _text(100), primary_key=True),
    sa.Column("text", _LONG_TEXT, nullable=False),
    sa.Column("read_at", Utc, nullable=False),
    comment="What include/subscriptions.yaml said when it could be read last; holds while it cannot be.",
    **MARIADB,
)

edition = sa.Table(
    "outbox_edition",
    metadata,
    sa.Column("mailing", _text(WIDTHS["mailing"]), primary_key=True),
    sa.Column("edition", _text(WIDTHS["edition"]), primary_key=True),
    sa.Column("content_group", _text(WIDTHS["content_group"]), primary_key=True),
    sa.Column("at", Utc, nullable=False),
    sa.Column("told", _BYTES, nullable=False, comment="JSON, deflated: what tells each item apart, and its value"),
    comment="What each edition of a campaign told each group, so that the next can say what changed.",
    **MARIADB,
)

reader = sa.Table(
    "outbox_reader",
    metadata,
    _message_id(primary=True),
    sa.Column("mailing", _text(WIDTHS["mailing"]), nullable=False),
    sa.Column("person", _text(WIDTHS["document"]), nullable=False, comment="the audience's word for who it is"),
    sa.Column("edition", _text(WIDTHS["edition"]), nullable=False),
    sa.Column("at", Utc, nullable=False, comment="event_at of the message: of which day the edition is"),
    sa.Index(None, "mailing", "person", "at", "message"),
    comment="Whose messages of campaigns are: what a person was sent last is found whatever his cadence was.",
    **MARIADB,
)

coupon = sa.Table(
    "outbox_coupon",
    metadata,
    sa.Column("code", _text(40), primary_key=True),
    sa.Column("mailing", _text(WIDTHS["mailing"]), nullable=False),
    sa.Column("document", _text(WIDTHS["document"]), nullable=False, comment="edition and person"),
    sa.Column("used_at", Utc, nullable=False),
    sa.Column("used_by", sa.String(100), nullable=False, comment="who took it"),
    comment="Coupons that were used; each is taken once.",
    **MARIADB,
)

alert = sa.Table(
    "outbox_alert",
    metadata,
    sa.Column("mailing", _text(WIDTHS["mailing"]), primary_key=True),
    sa.Column("channel", _text(30), primary_key=True),
    sa.Column("address", _text(WIDTHS["address"]), primary_key=True, comment="in small letters"),
    sa.Column("cadence", _text(30), primary_key=True, comment="of the reader's periods"),
    sa.Column("number", sa.Integer, nullable=False, comment="counts the changes: of two looks at once one holds"),
    sa.Column("at", Utc, nullable=False),
    sa.Column("memory", _BYTES, nullable=False, comment="JSON, deflated: what is beyond since when, and what was told"),
    comment="What the alert of a report remembers of a reader, from one look to the next.",
    **MARIADB,
)

measured = sa.Table(
    "outbox_measured",
    metadata,
    _message_id(primary=True),
    sa.Column("reference", _text(32), nullable=False, comment="by what public addresses call the message"),
    sa.Column("opens", sa.Boolean, nullable=False, comment="its opening is counted"),
    sa.Column("clicks", sa.Boolean, nullable=False, comment="the following of its links is counted"),
    sa.UniqueConstraint("reference"),
    comment="Messages of campaigns whose opens or clicks are counted.",
    **MARIADB,
)

response = sa.Table(
    "outbox_response",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    _message_id(),
    sa.Column("what", _text(10), nullable=False, comment="seen: its picture was fetched; went: a link was followed"),
    sa.Column("link", sa.String(LONGEST_LINK), nullable=False, comment="where it led; empty for seen"),
    sa.Column("at", Utc, nullable=False),
    sa.Column("who", _text(10), nullable=False, comment="person or machine, as the request told; time may tell more"),
    sa.Column("reason", sa.String(200), nullable=False, comment="why that is thought"),
    sa.Index(None, "message"),
    comment="What was done with messages that are measured; no address of a network, no user agent.",
    **MARIADB,
)

suppression = sa.Table(
    "outbox_suppression",
    metadata,
    sa.Column("address", _text(WIDTHS["address"]), primary_key=True, comment="in small letters"),
    sa.Column("kind", _text(20), primary_key=True, comment="of mailings that must not be sent there, or all"),
    sa.Column("at", Utc, nullable=False),
    sa.Column("source", sa.String(100), nullable=False, comment="who or what brought it"),
    sa.Column("reason", sa.String(1000), nullable=False),
    comment="Addresses that must not be written to by a kind of mailings.",
    **MARIADB,
)

consent = sa.Table(
    "outbox_consent",
    metadata,
    sa.Column("address", _text(WIDTHS["address"]), primary_key=True, comment="in small letters"),
    sa.Column("kind", _text(20), primary_key=True, comment="of mailings that it allows, or all"),
    sa.Column("given", sa.Boolean, nullable=False, comment="false: withdrawn"),
    sa.Column("at", Utc, nullable=False),
    sa.Column("source", sa.String(100), nullable=False, comment="where the person said so"),
    sa.Column("reason", sa.String(1000), nullable=False),
    comment="Consents that people gave the company outside its ERP, or withdrew.",
    **MARIADB,
)

choice = sa.Table(
    "outbox_choice",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("at", Utc, nullable=False),
    sa.Column("address", _text(WIDTHS["address"]), nullable=False, index=True),
    sa.Column("kind", _text(20), nullable=False),
    sa.Column("act", sa.String(20), nullable=False, comment="suppressed, unsuppressed, consented or withdrawn"),
    sa.Column("source", sa.String(100), nullable=False),
    sa.Column("reason", sa.String(1000), nullable=False),
    comment="Every change of a suppression or a consent; never deleted.",
    **MARIADB,
)
