"""Alembic's way in. `emailketing.outbox.migrate` hands the connection over; there is no other way to run this."""

from alembic import context

from emailketing.outbox.migrate import VERSION_TABLE
from emailketing.outbox.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
