"""Reports that wait for their period to be complete: held, told late once, and sent as soon as they may be."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from emailketing.errors import SqlError
from emailketing.model import State
from emailketing.report.declaration import Alert
from emailketing.report.periods import Cadence, named
from tests.bureau import opened, parsed

READY = "SELECT COUNT(*) > 0 AS ready FROM closed WHERE day = :start"


@pytest.fixture
def bureau(tmp_path):
    with waiting(tmp_path) as bureau:
        yield bureau


def waiting(folder):
    return _Waiting(folder)


class _Waiting:
    """A bureau whose days are closed by hand; a report waits three hours for it."""

    def __init__(self, folder):
        self._opened = opened(folder)

    def __enter__(self):
        bureau = self._opened.__enter__()
        bureau.write("sql/sales.ready.sql", READY)
        with bureau.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE closed (day DATE)")
        bureau.declare(wait_hours=3)
        bureau.sell("2026-11-24", 500)
        return bureau

    def __exit__(self, *raised):
        return self._opened.__exit__(*raised)


def close(bureau, day):
    with bureau.engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO closed VALUES (:day)"), {"day": day})


def look_after(bureau, **time):
    bureau.clock.sleep(timedelta(**time).total_seconds())
    return bureau.look()


def text(mail):
    return mail.get_body(("plain",)).get_content().replace("\xa0", " ")


def test_what_is_ready_waits_for_nothing(bureau):
    close(bureau, "2026-11-24")
    assert bureau.look().states == {State.QUEUED: 2}
    assert bureau.look().waiting == 0


def test_it_is_held_until_it_is_ready_and_says_until_when(bureau):
    reported = bureau.look()
    assert (reported.states, reported.waiting) == ({State.HELD: 2}, 2)
    assert {row.reason for row in bureau.rows()} == {
        "waits until sales.ready.sql says so; from 2026-11-25 13:00 UTC on its reader is told that it is late"
    }
    reported = look_after(bureau, hours=1)
    assert (reported.states, reported.waiting) == ({}, 2)
    close(bureau, "2026-11-24")
    assert look_after(bureau, hours=1).states == {State.QUEUED: 2}
    assert look_after(bureau, hours=5).states == {}
    assert bureau.told() == [(who, "daily 2026-11-24", "1", "queued") for who in ("bob", "graciela")]
    mail = bureau.mail("bob")
    assert mail["Date"].datetime == bureau.clock.now - timedelta(hours=5)
    assert "500" in text(mail)


def test_from_the_deadline_on_each_reader_is_told_once_that_it_is_late_and_then_gets_it(bureau):
    bureau.write("templates/sales/words.es.yaml", 'title: "Ventas"\nwaiting: "Falta cerrar el día en la caja."\n')
    bureau.look()
    assert look_after(bureau, hours=2, minutes=59).states == {}
    assert look_after(bureau, minutes=1).states == {State.QUEUED: 2}
    for _ in range(3):
        assert look_after(bureau, hours=1).states == {}
    late = {row.address.partition("@")[0]: row for row in bureau.rows() if row.version == "late"}
    assert late["graciela"].subject == "Ventas: demorado · martes, 24 de noviembre de 2026"
    assert late["bob"].subject == "Sales: late · Tuesday, November 24, 2026"
    told = text(parsed(bureau.wire(late["graciela"].key)))
    assert "Falta cerrar el día en la caja. El informe llegará en cuanto esté listo." in told
    assert "not complete yet. The report comes as soon as it is ready." in text(parsed(bureau.wire(late["bob"].key)))
    close(bureau, "2026-11-24")
    assert look_after(bureau, hours=1).states == {State.QUEUED: 2}
    assert [version for *_, version, state in bureau.told() if state == "queued"].count("1") == 2


def test_one_period_waits_and_the_others_do_not(bureau):
    bureau.declare(cadences=(Cadence.DAILY, Cadence.MONTHLY))
    bureau.subscribe("mailing: sales, to: month@company.example, cadence: monthly")
    bureau.clock.set("2026-12-01 07:00")
    close(bureau, "2026-11-30")
    bureau.look()
    close(bureau, "2026-12-01")
    look_after(bureau, days=1)
    assert [
        (document, version, state) for _, document, version, state in bureau.told(address="month@company.example")
    ] == [
        ("monthly 2026-11", "1", "held"),
        ("monthly 2026-11", "late", "queued"),
    ]
    assert [(document, state) for _, document, _, state in bureau.told(address="bob@company.example")] == [
        ("daily 2026-11-30", "queued"),
        ("daily 2026-12-01", "queued"),
    ]


def test_who_looks_for_the_first_time_after_the_deadline_is_told_at_once(bureau):
    bureau.look()
    bureau.clock.set("2026-11-26 19:00")
    bureau.look()
    assert bureau.told(document="daily 2026-11-25", address="bob@company.example") == [
        ("bob", "daily 2026-11-25", "1", "held"),
        ("bob", "daily 2026-11-25", "late", "queued"),
    ]


@pytest.mark.parametrize("said", ["1", "'t'", "'TRUE'"])
def test_readiness_is_said_in_the_words_of_any_database(bureau, said):
    bureau.write("sql/sales.ready.sql", f"SELECT {said} AS ready")
    assert bureau.look().waiting == 0


@pytest.mark.parametrize(
    "said", ["SELECT 0 AS ready", "SELECT NULL AS ready", "SELECT 'f' AS ready", f"{READY} AND 1 = 0"]
)
def test_anything_else_is_not_ready(bureau, said):
    bureau.write("sql/sales.ready.sql", said)
    assert bureau.look().waiting == 2


def test_a_query_without_the_column_is_told_with_the_nearest_name(bureau):
    bureau.write("sql/sales.ready.sql", "SELECT 1 AS raedy")
    with pytest.raises(
        SqlError, match=r"sales\.ready\.sql: the query gives no column 'ready'\.\n.*Did you mean 'raedy'"
    ):
        bureau.look()


def test_what_is_asked_for_waits_as_well(bureau):
    assert bureau.look(named("2026-11-20")).states == {State.HELD: 2}
    close(bureau, "2026-11-20")
    assert bureau.look().waiting == 2  # what is due by itself
    assert [state for *_, state in bureau.told(document="daily 2026-11-20")] == ["queued"] * 2


def test_a_plain_alert_may_wait(bureau):
    bureau.declare(alert=Alert("amount", above=1000))
    bureau.look()
    close(bureau, "2026-11-24")
    assert look_after(bureau, hours=1).states == {State.CANCELLED: 2}


def test_killed_at_any_call_of_the_outbox_the_report_and_its_notice_are_there_once(tmp_path):
    told = {}
    for calls in range(40):
        with waiting(tmp_path / str(calls)) as bureau:
            died = []
            for happens in (lambda: None, lambda: bureau.clock.sleep(4 * 3600), lambda: close(bureau, "2026-11-24")):
                happens()
                died.append(bureau.dies_at(calls))
                bureau.look()
            told[calls] = sorted(bureau.told())
        if calls and not any(died):
            break
    assert calls > 4
    assert [(version, state) for *_, version, state in told[0]] == [("1", "queued"), ("late", "queued")] * 2
    assert all(each == told[0] for each in told.values())
