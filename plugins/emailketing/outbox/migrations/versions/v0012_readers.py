"""Whose messages of campaigns are; what an edition told is found by its day, whatever its cadence was."""

import re
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0012"
down_revision = "0011"

_LOCAL_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_TIME = _LOCAL_TIME.with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_MARIADB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
    }
)


def _text(width: int) -> sa.String:
    """Text that PostgreSQL, too, compares by its bytes."""
    return sa.String(width).with_variant(sa.String(width, collation="C"), "postgresql")


_MESSAGE = sa.Table(
    "outbox_message",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    *(sa.Column(name, sa.String) for name in ("mailing", "document", "kind")),
    sa.Column("event_at", _TIME),
)  # is there already
_READER = sa.Table(
    "outbox_reader",
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
    sa.Column("mailing", _text(100), nullable=False),
    sa.Column("person", _text(300), nullable=False, comment="the audience's word for who it is"),
    sa.Column("edition", _text(100), nullable=False),
    sa.Column("at", _TIME, nullable=False, comment="event_at of the message: of which day the edition is"),
    sa.Index(None, "mailing", "person", "at", "message"),
    comment="Whose messages of campaigns are: what a person was sent last is found whatever his cadence was.",
    **_MARIADB,
)
_EDITION = sa.table(
    "outbox_edition", sa.column("mailing"), sa.column("edition"), sa.column("content_group"), sa.column("at", _TIME)
)


def upgrade() -> None:
    """Each step does what a run that was broken off has left."""
    metadata.create_all(op.get_bind())
    _name_readers(op.get_bind())
    _name_editions_by_day(op.get_bind())


def _name_readers(connection: sa.Connection) -> None:
    """A campaign's document is the edition and the person, with a colon between them."""
    columns, document = _MESSAGE.c, _MESSAGE.c.document
    colon = getattr(sa.func, "strpos" if connection.dialect.name == "postgresql" else "instr")(document, ":")
    edition, person = sa.func.substr(document, 1, colon - 1), sa.func.substr(document, colon + 1)
    known = sa.exists().where(_READER.c.message == columns.id)
    rows = sa.select(columns.id, columns.mailing, person, edition, columns.event_at).where(
        columns.kind == "campaign", colon > 1, colon <= 101, ~known
    )
    connection.execute(sa.insert(_READER).from_select(["message", "mailing", "person", "edition", "at"], rows))


def _name_editions_by_day(connection: sa.Connection) -> None:
    """They were named '2026-03', '2026-W10' or 'once'. Where a day has its own, or two had it, the first stands."""
    names = connection.execute(sa.select(_EDITION.c.edition).distinct()).scalars()
    old = [name for name in names if not _DAY.fullmatch(name)]
    if not old:
        return
    rows = sa.select(_EDITION).where(_EDITION.c.edition.in_(old)).order_by(_EDITION.c.at)
    for row in connection.execute(rows).all():
        mine, day = _of_group(row, row.edition), f"{_utc(row.at):%Y-%m-%d}"
        taken = sa.select(sa.literal(1)).select_from(_EDITION).where(*_of_group(row, day))
        if connection.execute(taken).scalar():
            connection.execute(sa.delete(_EDITION).where(*mine))
        else:
            connection.execute(sa.update(_EDITION).where(*mine).values(edition=day))


def _of_group(row: sa.Row[Any], edition: str) -> tuple[sa.ColumnElement[bool], ...]:
    columns = _EDITION.c
    return columns.mailing == row.mailing, columns.edition == edition, columns.content_group == row.content_group


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at
