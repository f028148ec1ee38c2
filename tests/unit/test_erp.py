"""The ERP is read by named queries, and each mistake in one is told with file and line."""

import sqlite3
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from emailketing import erp as erp_module
from emailketing.erp import Erp
from emailketing.errors import ErpError, SqlError

ASUNCION = ZoneInfo("America/Asuncion")

ORDERS = """-- Orders; mind the :colon in this comment, and 'quotes: too'.
SELECT o.number AS document,
       o.changed_at,
       o.revision AS version,
       'at 12:30' AS remark
FROM orders o
"""


@pytest.fixture
def folder(tmp_path):
    sql = tmp_path / "sql"
    (sql / "purchasing").mkdir(parents=True)
    (sql / "orders.sql").write_text(ORDERS)
    (sql / "purchasing" / "orders.lines.sql").write_text(
        "SELECT document, line, amount FROM order_lines WHERE document IN (:documents) ORDER BY document, line;\n"
    )
    return sql


@pytest.fixture
def engine(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'erp.db'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (number INTEGER, changed_at TEXT, revision INTEGER)"))
        connection.execute(text("CREATE TABLE order_lines (document TEXT, line INTEGER, amount INTEGER)"))
        for number, time in ((1, "2026-03-01 10:00:00"), (2, "2026-03-01 10:05:00.250000"), (3, "2026-03-01 11:00:00")):
            connection.execute(text(f"INSERT INTO orders VALUES ({number}, '{time}', 1)"))
            connection.execute(text(f"INSERT INTO order_lines VALUES ('{number}', 1, {number * 100})"))
    yield engine
    engine.dispose()


@pytest.fixture
def erp(engine, folder):
    return Erp(engine, folder, ASUNCION)


def at(hour, minute=0):
    return datetime(2026, 3, 1, hour, minute, tzinfo=ASUNCION)


MIDNIGHT = at(0)


def changes(erp, name="orders", since=MIDNIGHT):
    with erp.reading() as reader:
        return list(reader.changes(name, since))


def failure(erp, source, name="orders"):
    (erp.folder / f"{name}.sql").write_text(source)
    with pytest.raises(SqlError) as caught:
        changes(erp, name)
    return str(caught.value)


def test_changes_come_oldest_first_with_aware_times(erp):
    found = changes(erp, since=at(10, 5))
    assert [row["document"] for row in found] == [2, 3]
    assert found[0]["changed_at"] == datetime(2026, 3, 1, 13, 5, 0, 250000, tzinfo=UTC)
    assert found[0]["remark"] == "at 12:30"


def test_an_order_and_a_semicolon_at_the_end_of_a_query_do_no_harm(erp, folder):
    (folder / "orders.sql").write_text(f"{ORDERS}ORDER BY 1 DESC;\n")
    assert [row["document"] for row in changes(erp)] == [1, 2, 3]


def until(erp, moment, since=MIDNIGHT):
    with erp.reading() as reader:
        return [row["document"] for row in reader.changes("orders", since, moment)]


def test_changes_can_end_at_a_time_which_is_still_among_them(erp):
    assert until(erp, at(10, 4)) == [1]
    assert until(erp, at(10)) == [1]
    assert until(erp, at(10, 5) + timedelta(milliseconds=250)) == [1, 2]
    assert until(erp, at(10, 5) + timedelta(milliseconds=249)) == [1]
    assert until(erp, at(11), since=at(10, 30)) == [3]
    assert until(erp, at(9)) == []


def test_in_the_hour_that_comes_twice_nothing_of_later_is_among_them(engine, folder):
    madrid = ZoneInfo("Europe/Madrid")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM orders"))
        for number, minute in ((1, 10), (2, 50)):
            connection.execute(text(f"INSERT INTO orders VALUES ({number}, '2026-10-25 02:{minute}:00', 1)"))
    erp = Erp(engine, folder, madrid)
    since = datetime(2026, 10, 24, tzinfo=UTC)
    assert until(erp, datetime(2026, 10, 25, 0, 30, tzinfo=UTC), since) == [1]
    assert until(erp, datetime(2026, 10, 25, 2, tzinfo=UTC), since) == [1, 2]


def test_lines_of_many_documents_are_one_query(erp):
    with erp.reading() as reader:
        assert reader.lines("orders", [1, 3]) == {
            "1": [{"document": "1", "line": 1, "amount": 100}],
            "3": [{"document": "3", "line": 1, "amount": 300}],
        }


def test_a_mailing_without_lines_has_none(erp):
    (erp.folder / "closing.sql").write_text(ORDERS)
    with erp.reading() as reader:
        assert reader.lines("closing", ["1"]) == {}


def test_a_look_counts_and_tells_the_newest(erp):
    look = erp.look("orders", at(10, 5))
    assert (look.count, look.newest) == (2, at(11).astimezone(UTC))
    assert erp.look("orders", at(12)).newest is None


def test_a_look_tells_the_newest_that_is_not_dated_in_the_future(erp):
    look = erp.look("orders", at(9))
    assert look.newest_past == look.newest
    with erp.reading() as reader:
        past = reader.look("orders", at(9), at(10, 59)).newest_past
        assert past == at(10, 5).replace(microsecond=250_000).astimezone(UTC)
        assert reader.look("orders", at(10, 45), at(10, 59)).newest_past is None


def test_rows_without_a_time_are_counted(erp):
    with erp.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET changed_at = NULL WHERE number = 3")
    with erp.reading() as reader:
        assert reader.undated("orders") == 1
        assert reader.latest("orders")["document"] == 2


def test_documents_are_found_whenever_they_changed(erp):
    with erp.reading() as reader:
        assert sorted(row["document"] for row in reader.documents("orders", ["3", "1"])) == [1, 3]


def test_the_newest_row_comes_first_for_previews(erp):
    with erp.reading() as reader:
        assert reader.latest("orders")["document"] == 3


def test_a_query_may_take_since_itself(erp):
    (erp.folder / "own.sql").write_text(ORDERS + " WHERE o.changed_at >= :since")
    assert [row["document"] for row in changes(erp, "own", at(11))] == [3]
    with erp.reading() as reader:
        assert reader.latest("own")["document"] == 3
        assert "remark" in reader.check("own")


def test_a_query_cannot_write(erp, engine):
    (erp.folder / "evil.sql").write_text("DELETE FROM orders RETURNING number AS document")
    with erp.reading() as reader, pytest.raises(SqlError, match="readonly"):
        list(reader.rows("evil"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar() == 3


def test_values_are_bound_and_never_part_of_the_statement(erp):
    (erp.folder / "one.sql").write_text("SELECT number FROM orders WHERE number = :number")
    with erp.reading() as reader:
        assert list(reader.rows("one", number="1 OR 1=1")) == []


def test_an_empty_list_matches_nothing(erp):
    (erp.folder / "some.sql").write_text("SELECT number FROM orders WHERE number IN :numbers")
    with erp.reading() as reader:
        assert list(reader.rows("some", numbers=[])) == []
        assert list(reader.rows("some", numbers=(1, 2))) == [{"number": 1}, {"number": 2}]


def test_a_misspelt_column_is_told_with_line_and_nearest_name(erp):
    message = failure(erp, ORDERS.replace("o.changed_at", "o.chnaged_at AS changed_at"))
    assert "orders.sql:3: the ERP has no column 'chnaged_at'" in message
    assert "Did you mean 'changed_at'?" in message


def test_a_missing_table_is_told_with_line_and_nearest_name(erp):
    message = failure(erp, ORDERS.replace("FROM orders", "FROM oders"))
    assert "orders.sql:6: the ERP has no table 'oders'" in message
    assert "Did you mean 'orders'?" in message


def test_a_syntax_error_is_told_with_its_line(erp):
    assert "orders.sql:6: syntax error near" in failure(erp, ORDERS.replace("FROM orders o", "FROMM orders"))


def test_a_query_without_the_contracts_columns_is_told(erp):
    message = failure(erp, ORDERS.replace("AS document", "AS documnt"))
    assert "the query gives no column 'document'" in message
    assert "Did you mean 'documnt'?" in message
    message = failure(erp, ORDERS.replace("o.changed_at", "o.changed_at AS changed"))
    assert "the query gives no column 'changed_at'" in message


def test_a_parameter_that_nobody_gives_is_told_with_its_line(erp):
    message = failure(erp, ORDERS + "WHERE o.changed_at >= :sinze")
    assert "orders.sql:7: parameter :sinze is not given" in message
    assert "Did you mean 'since'?" in message


def test_an_unknown_query_is_told_with_the_nearest_name(erp):
    with erp.reading() as reader, pytest.raises(SqlError, match="Did you mean 'orders'"):
        list(reader.rows("order"))


def test_a_database_that_does_not_answer_is_operations_affair(folder, tmp_path):
    erp = Erp(create_engine(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}"), folder, ASUNCION)
    with pytest.raises(ErpError, match="does not answer"):
        changes(erp)


def test_the_hour_that_comes_twice_is_read_whole(engine, folder):
    """At the end of summer time the clock of Santiago goes from 24:00 back to 23:00."""
    erp = Erp(engine, folder, ZoneInfo("America/Santiago"))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO orders VALUES (9, '2026-04-04 23:05:00', 1)"))
    just_before = datetime(2026, 4, 5, 2, 59, tzinfo=UTC)  # 23:59, the first time
    assert [row["document"] for row in changes(erp, since=just_before)] == [9]


def test_an_unusable_time_comes_as_it_is(erp, engine):
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO orders VALUES (8, 'yesterday', 1)"))
    assert changes(erp)[-1]["changed_at"] == "yesterday"


@pytest.mark.parametrize(
    "text_of_error", ["database is locked", "file is not a database", "disk I/O error", "database or disk is full"]
)
def test_what_passes_by_itself_is_operations_affair(erp, text_of_error):
    original = sqlite3.OperationalError(text_of_error)
    error = OperationalError("SELECT 1", {}, original)
    assert erp_module._passes(error)
    assert not erp_module._passes(OperationalError("SELECT 1", {}, sqlite3.OperationalError("no such column: x")))


def test_lines_are_found_whatever_type_the_document_has(erp, engine):
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO orders VALUES (7.0, '2026-03-01 12:00:00', 1)"))
        connection.execute(text("INSERT INTO order_lines VALUES (' 7 ', 1, 70)"))
    (erp.folder / "purchasing" / "orders.lines.sql").write_text(
        "SELECT document, line, amount FROM order_lines WHERE TRIM(document) IN :documents"
    )
    with erp.reading() as reader:
        assert list(reader.lines("orders", ["7"])) == ["7"]
        assert [row["document"] for row in reader.documents("orders", ["7"])] == [7]


def test_one_unusable_time_does_not_blind_a_look(erp, engine):
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO orders VALUES (8, 'n/a', 1)"))
    assert erp.look("orders", MIDNIGHT).count == 4


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_servers_refuse_to_write_and_complain_clearly(kind, folder, request):
    engine = create_engine(request.getfixturevalue(f"{kind}_url"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (number INTEGER, changed_at TIMESTAMP, revision INTEGER)"))
        connection.execute(text("INSERT INTO orders VALUES (1, '2026-03-01 10:00:00', 1)"))
        connection.execute(text("CREATE SEQUENCE counter"))
    request.addfinalizer(engine.dispose)
    erp = Erp(engine, folder, ASUNCION)
    assert [row["document"] for row in changes(erp)] == [1]
    assert "no column 'chnaged_at'" in failure(erp, ORDERS.replace("o.changed_at", "o.chnaged_at AS changed_at"))
    assert "orders.sql:6: the ERP has no table 'oders'" in failure(erp, ORDERS.replace("FROM orders", "FROM oders"))
    assert "orders.sql:6: syntax error near" in failure(erp, ORDERS.replace("FROM orders o", "FROMM orders"))
    (folder / "evil.sql").write_text({"postgres": "SELECT nextval('counter')", "mariadb": "DELETE FROM orders"}[kind])
    with erp.reading() as reader, pytest.raises(SqlError, match=r"(?i)read.only"):
        list(reader.rows("evil"))
