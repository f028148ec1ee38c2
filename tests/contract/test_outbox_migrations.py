"""The outbox's tables are the sum of its migrations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from emailketing.errors import OutboxError
from emailketing.model import Kind
from emailketing.outbox import Outbox, connect_outbox
from emailketing.outbox.migrate import VERSION_TABLE
from emailketing.outbox.schema import metadata
from tests.letters import NOW, letter
from tests.processes import FRESH


@pytest.fixture
def engine(database_url):
    engine = connect_outbox(database_url)
    yield engine
    engine.dispose()


def test_the_migrations_build_what_the_schema_says(engine):
    Outbox(engine).migrate()
    migrated = definitions(engine)
    with engine.execution_options(writes=True).begin() as connection:
        metadata.drop_all(connection)
        assert definitions(engine, connection) == {}
        metadata.create_all(connection)
        declared = definitions(engine, connection)
    assert set(declared) == set(metadata.tables)
    assert migrated == declared


def test_alembic_finds_nothing_to_migrate(engine):
    Outbox(engine).migrate()
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_migrating_again_changes_nothing(engine):
    outbox = Outbox(engine)
    outbox.migrate()
    before = definitions(engine)
    outbox.migrate()
    assert definitions(engine) == before


def test_processes_that_start_at_once_migrate_once(database_url):
    with FRESH.Pool(3) as pool:
        assert pool.map(_open, [database_url] * 3, chunksize=1) == [{}] * 3


def _open(url):
    outbox = Outbox.open(url)
    try:
        return outbox.counts()
    finally:
        outbox.close()


def test_a_migration_that_was_broken_off_is_finished(mariadb_url):
    engine = connect_outbox(mariadb_url)
    outbox = Outbox(engine)
    outbox.migrate()
    before = definitions(engine)
    with engine.begin() as connection:
        for table in ("outbox_baseline", "outbox_history", VERSION_TABLE):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("DROP INDEX outbox_message_open ON outbox_message")
    outbox.migrate()
    assert definitions(engine) == before
    outbox.close()


def test_whose_messages_of_campaigns_are_is_found_in_an_outbox_of_a_former_version(engine):
    outbox = Outbox(engine)
    outbox.migrate()
    campaign, others = [f"2026-W{week}:C:{week}" for week in range(10, 15)], ["2026:1", "2026-W10:seed:1:es"]
    outbox.put([letter(document, kind=Kind.CAMPAIGN) for document in campaign], {}, NOW)
    outbox.put([letter(document, kind=Kind.REPORT) for document in others], {}, NOW)
    rows = sa.select(metadata.tables["outbox_reader"]).order_by("message")
    with engine.connect() as connection:
        put = connection.execute(rows).all()
    assert [(row.person, row.edition) for row in put] == [(f"C:{week}", f"2026-W{week}") for week in range(10, 15)]
    for lost in ("DROP TABLE outbox_reader", "DELETE FROM outbox_reader WHERE person > 'C:12'"):
        with engine.execution_options(writes=True).begin() as connection:
            connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0011'")
            connection.exec_driver_sql(lost)
        outbox.migrate()
        with engine.connect() as connection:
            assert connection.execute(rows).all() == put


def test_what_editions_told_is_named_by_its_day(engine):
    outbox = Outbox(engine)
    outbox.migrate()
    first, later = datetime(2026, 3, 2, 12, tzinfo=UTC), datetime(2026, 3, 2, 13, tzinfo=UTC)
    kept = [("prices", "2026-03", first), ("prices", "2026-W10", later), ("prices", "2026-03-03", later)]
    for mailing, name, when in (*kept, ("offer", "once", first), ("offer", "2026-02", first - timedelta(28))):
        outbox.keep_edition(mailing, name, {"1": {"named": name}}, when)
    outbox.keep_edition("prices", "2026-W10", {"2": {"named": "2026-W10"}}, later)
    named = {"2026-03-02": {"1": "2026-03", "2": "2026-W10"}, "2026-03-03": {"1": "2026-03-03"}}
    for _ in range(2):
        with engine.execution_options(writes=True).begin() as connection:
            connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0011'")
        outbox.migrate()
        days = {*named, "2026-02-02", "2026-03", "2026-W10", "once"}
        assert outbox.kept("prices", days, {"1", "2"}) == {(day, group) for day in named for group in named[day]}
        assert outbox.kept("offer", days, {"1"}) == {("2026-02-02", "1"), ("2026-03-02", "1")}
        for day, groups in named.items():
            assert {group: outbox.edition("prices", day, group)["named"] for group in groups} == groups


def test_tables_of_a_newer_version_are_left_alone(engine):
    outbox = Outbox(engine)
    outbox.migrate()
    with engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(OutboxError, match="newer version"):
        outbox.migrate()


def definitions(engine, connection=None):
    """Each table of the outbox as its database describes it, comments and collations included."""
    if connection is None:
        with engine.connect() as own:
            return definitions(engine, own)
    names = [name for name in sa.inspect(connection).get_table_names() if name != VERSION_TABLE]
    return {name: _DESCRIBED[engine.dialect.name](connection, name) for name in names}


def _sqlite(connection, name):
    # Not the table's own SQL: what a migration adds stands behind the constraints there.
    told = [connection.exec_driver_sql(f"PRAGMA {what}({name})").all() for what in ("table_xinfo", "foreign_key_list")]
    indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? ORDER BY name"
    named = connection.exec_driver_sql(indexes, (name,)).all()
    columns = [connection.exec_driver_sql(f"PRAGMA index_xinfo({index})").all() for index, _ in named]
    constraints = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).scalar()
    return [told, named, columns, sorted(re.findall(r"CONSTRAINT [^,\n]+", constraints))]


def _mariadb(connection, name):
    sql = connection.exec_driver_sql(f"SHOW CREATE TABLE {name}").one()[1]
    return sorted(line.rstrip(",") for line in re.sub(r" AUTO_INCREMENT=\d+", "", sql).splitlines())


def _postgresql(connection, name):
    columns = """
        SELECT column_name, data_type, udt_name, character_maximum_length, collation_name, is_nullable, column_default,
               col_description((%(name)s::text)::regclass, ordinal_position::int)
        FROM information_schema.columns WHERE table_name = %(name)s::text ORDER BY ordinal_position"""
    indexes = "SELECT indexdef FROM pg_indexes WHERE tablename = %(name)s::text ORDER BY 1"
    constraints = """
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = (%(name)s::text)::regclass ORDER BY 1"""
    comment = "SELECT obj_description((%(name)s::text)::regclass)"
    return [connection.exec_driver_sql(sql, {"name": name}).all() for sql in (columns, indexes, constraints, comment)]


_DESCRIBED = {"sqlite": _sqlite, "mysql": _mariadb, "postgresql": _postgresql}
