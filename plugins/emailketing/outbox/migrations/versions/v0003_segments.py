"""A text message's row says how many segments the phone network makes of it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column, where a run that was broken off has not added it."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("outbox_message")}
    if "segments" not in there:
        comment = "text messages that the phone network makes of it; NULL: no text"
        op.add_column("outbox_message", sa.Column("segments", sa.Integer, comment=comment))
