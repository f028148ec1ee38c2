"""Hostile and broken input on the whole road: one clear error or one message with its reason; all else goes on."""

from __future__ import annotations

import random
import re
import resource
import smtplib
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from email import policy
from email.header import decode_header, make_header
from email.parser import BytesParser
from email.utils import parseaddr

import pytest
import sqlalchemy as sa

from demo import schema
from emailketing import road
from emailketing.channels.smtp import Smtp
from emailketing.errors import ErpError, OutboxError
from emailketing.model import Outcome, Sender, State
from emailketing.outbox import Outbox
from tests.post_office import PostOffice
from tests.smtp_servers import ScriptedServer
from tests.town import ORDER, Town

MEGABYTE = 2**20
SQL, SUBJECT = "sql/purchase_order.sql", "templates/purchase_order/subject.txt.j2"


def change(town, table, column, value, **where):
    """Write something into the ERP that its screens would never save."""
    condition = [table.c[name] == wanted for name, wanted in where.items()]
    with town.engine.begin() as connection:
        connection.execute(sa.update(table).where(*condition).values({column: value}))


def saved_for(town, **party):
    """An order for a supplier whose record is then changed."""
    saved = town.operator.save_purchase_order()
    with town.engine.connect() as connection:
        query = sa.select(schema.purchase_orders.c.supplier_id).where(schema.purchase_orders.c.number == saved.document)
        supplier = connection.execute(query).scalar_one()
    for column, value in party.items():
        change(town, schema.parties, column, value, id=supplier)
    return saved


def by_document(town):
    return {row.document: row for row in town.rows()}


def give_sql(town, old, new):
    good = town.read(SQL)
    assert old in good
    town.write(SQL, good.replace(old, new))
    return good


# Two rows with the same key


def test_of_two_rows_with_the_same_key_the_first_is_sent_and_the_author_is_told(town):
    saved = [town.operator.save_purchase_order() for _ in range(2)]
    good = town.read(SQL)
    twice = f"SELECT * FROM (\n{good}\n) one WHERE document = '{saved[0].document}'".replace("o.notes", "'second'")
    town.write(SQL, f"SELECT * FROM (\n{good}\n) all_rows UNION ALL SELECT * FROM (\n{twice}\n) again")
    town.write("templates/purchase_order/text.txt.j2", "{{ notes | or_dash }}")
    swept = town.sweep()
    assert swept.states == {State.QUEUED: 2}
    (problem,) = swept.problems
    assert f"purchase_order.sql: document '{saved[0].document}', version '1', comes in several rows" in problem
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 2}
    assert not any("second" in text_of(one.data) for one in town.channel.delivered)
    again = town.sweep()
    assert (again.new, again.problems) == (0, [])


def test_an_address_that_a_row_names_twice_gets_one_message_and_no_complaint(town):
    saved_for(town, email="ana@example.com; ana@EXAMPLE.com")
    swept = town.sweep()
    assert (swept.states, swept.problems) == ({State.QUEUED: 1}, [])


def text_of(data):
    return mail_of(data).get_body(("plain",)).get_content()


def mail_of(data):
    return BytesParser(policy=policy.default).parsebytes(data)


# What people, and worse, write into the ERP's fields


@pytest.mark.parametrize(
    "address",
    [
        "ana@example.com\r\nBcc: everybody@example.com",
        "ana@exam\nple.com",
        "ana@example.com\nDATA",
        "ana\u2028@example.com",
        "ana@example.com>\r\nRCPT TO:<eve@example.com",
    ],
)
def test_an_address_with_a_line_break_is_never_written_to_and_the_rest_goes_out(town, address):
    bad, good = saved_for(town, email=address), town.operator.save_purchase_order()
    if good.address == address:
        pytest.fail("the same supplier")
    assert town.sweep().states == {State.UNADDRESSED: 1, State.QUEUED: 1}
    row = by_document(town)[bad.document]
    assert "line break" in row.reason
    assert "\n" not in row.address + row.reason
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 1}
    assert [one.address for one in town.channel.delivered] == [good.address]


@pytest.mark.parametrize(
    "name",
    [
        'Ana "La Jefa" <ana@evil.example>, Bob',
        "Almacén «Ñandutí» 🛢️🇵🇾 & Cía.",
        "<script>alert(1)</script>",
        "=?utf-8?q?Bob?=\r\nBcc: eve@evil.example",
        "{{ 7 * 7 }} {% raw %}",
    ],
)
def test_any_name_travels_to_the_recipient_as_it_is_and_does_no_harm(printing_town, name):
    town = printing_town
    saved = saved_for(town, name=name)
    town.sweep()
    with ScriptedServer() as server:
        assert by_smtp(town, server).outcomes == {Outcome.ACCEPTED: 1}
    (message,) = server.accepted
    assert message.recipients == (saved.address,)
    mail = mail_of(message.data)
    assert [each.addr_spec for each in mail["To"].addresses] == [saved.address]
    assert name_in(message.data) == " ".join(name.split())
    assert mail["Bcc"] is None
    assert "<script" not in mail.get_body(("html",)).get_content()
    assert "49" not in mail["Subject"].split("·")[0].replace(saved.document, "")


def name_in(data):
    """As RFC 2047 6.2 reads it; policy.default of Python 3.11 leaves the folds between encoded words."""
    display, _ = parseaddr(BytesParser(policy=policy.compat32).parsebytes(data)["To"])
    return str(make_header(decode_header(display)))


def by_smtp(town, server, **login):
    """Deliver over a real conversation; with `user` and `password` after a login."""

    def connect():
        client = smtplib.SMTP("127.0.0.1", server.port, "localhost", timeout=60)
        try:
            if login:
                client.login(**login)
        except BaseException:
            client.close()
            raise
        return client

    def channel():
        return Smtp(connect, timeout_s=60, server=f"127.0.0.1:{server.port}", clock=town.clock)

    return road.deliver(replace(town.carrier, channels={"email": channel}))


def test_a_null_where_the_template_needs_a_value_holds_its_message_and_names_the_column(town):
    saved = [town.operator.save_purchase_order() for _ in range(2)]
    good = give_sql(
        town,
        "o.total                            AS total",
        f"CASE WHEN o.number <> '{saved[0].document}' THEN o.total END AS total",
    )
    swept = town.sweep()
    assert swept.states == {State.HELD: 1, State.QUEUED: 1}
    held = by_document(town)[saved[0].document]
    assert "total is NULL" in held.reason
    assert re.search(r"purchase_order/\w+\.\w+\.j2:\d+: ", held.reason)
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 1}
    town.write(SQL, good)
    assert road.mend(town.sweeper, ORDER).states == {State.QUEUED: 1}
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 1}


POISON = {
    "a division by zero": "{{ 1 // 0 }}",
    "a type that does not fit": "{{ total + 'x' }}",
    "an endless recursion": "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    "a filter that fails": "{{ 'x' | money('no currency') }}",
    "a name that is not there": "{{ totl }}",
    "a picture that is not there": "{{ picture('assets/none.png') }}",
    "an infinite number": "{{ (1e308 * 10) | int }}",
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_a_row_that_makes_the_template_fail_never_blocks_the_rest(town, poison):
    saved = [town.operator.save_purchase_order() for _ in range(3)]
    page = "templates/purchase_order/text.txt.j2"
    good = town.read(page)
    town.write(page, f"{{% if document == '{saved[1].document}' %}}{poison}{{% endif %}}{good}")
    swept = town.sweep()
    assert swept.states == {State.QUEUED: 2, State.HELD: 1}
    assert len(swept.problems) == 1
    assert "text.txt.j2:" in by_document(town)[saved[1].document].reason
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 2}
    town.write(page, good)
    assert road.mend(town.sweeper, ORDER).states == {State.QUEUED: 1}
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 1}


def test_a_library_that_stumbles_over_one_row_holds_that_message_only(town, caplog):
    """What no template is to blame for: here the freezing of one message fails."""
    saved = [town.operator.save_purchase_order() for _ in range(3)]
    freeze = town.channel.freeze

    def stumbling(envelope, content, sender):
        if envelope.document == saved[1].document:
            raise RuntimeError("a bug in a library")
        return freeze(envelope, content, sender)

    town.channel.freeze = stumbling
    swept = town.sweep()
    assert swept.states == {State.QUEUED: 2, State.HELD: 1}
    assert "RuntimeError: a bug in a library" in by_document(town)[saved[1].document].reason
    assert "Traceback" in caplog.text
    town.channel.freeze = freeze
    assert road.mend(town.sweeper, ORDER).states == {State.QUEUED: 1}
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 3}


def test_a_sender_that_cannot_be_written_holds_the_messages_until_the_setting_is_mended(town):
    town.operator.save_purchase_order()
    wrong = replace(town.sweeper, sender=Sender("avisos at petrolera.example"))
    swept = road.sweep(wrong, ORDER)
    assert swept.states == {State.HELD: 1}
    assert "The sender 'avisos at petrolera.example'" in swept.problems[0]
    assert road.mend(town.sweeper, ORDER).states == {State.QUEUED: 1}
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 1}


@pytest.mark.parametrize("when", ["9999-12-31T23:59:59", "9999-12-31T00:00:00"])
def test_a_document_dated_at_the_end_of_time_hides_nothing(town, when):
    strange = town.operator.save_purchase_order()
    change(town, schema.purchase_orders, "changed_at", datetime.fromisoformat(when), number=strange.document)
    town.operator.save_purchase_order()
    assert town.sweep().states == {State.QUEUED: 2}
    town.operator.save_purchase_order()
    assert town.sweep().states == {State.QUEUED: 1}
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 3}


# 30 MB


def heavy(town):
    """An order whose mail shows a picture of 30 MB; it is random, so that nothing compresses it."""
    picture = random.Random(1).randbytes(30 * MEGABYTE)
    (town.include / "assets" / "huge.png").write_bytes(picture)
    page = "templates/purchase_order/body.html.j2"
    good = town.read(page)
    heavy, light = town.operator.save_purchase_order(), town.operator.save_purchase_order()
    shown = f"{{% if document == '{heavy.document}' %}}<img src=\"{{{{ picture('assets/huge.png') }}}}\">{{% endif %}}"
    town.write(page, good.replace("{% block content %}", f"{{% block content %}}{shown}", 1))
    return heavy, light, picture


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def test_thirty_megabytes_travel_from_the_template_to_the_mailbox(town):
    heavy_order, _, picture = heavy(town)
    began, before = time.monotonic(), peak_mb()
    assert town.sweep().states == {State.QUEUED: 2}
    with ScriptedServer() as server:
        assert by_smtp(town, server).outcomes == {Outcome.ACCEPTED: 2}
    taken_s, grown = time.monotonic() - began, peak_mb() - before
    print(f"30 MB: {taken_s:.1f} s, {grown} MB of memory")
    assert taken_s < 180
    assert grown < 600
    (mail,) = [mail_of(one.data) for one in server.accepted if len(one.data) > 30 * MEGABYTE]
    (shown,) = [part for part in mail.walk() if part.get_filename() == "huge.png"]
    assert shown.get_payload(decode=True) == picture
    assert heavy_order.document in mail["Subject"]


def test_thirty_megabytes_too_much_for_the_server_are_refused_with_the_reason_and_the_rest_goes_out(town):
    heavy_order, light, _ = heavy(town)
    town.sweep()
    with ScriptedServer(extensions=("SIZE 10485760",)) as server:
        assert by_smtp(town, server).outcomes == {Outcome.REFUSED: 1, Outcome.ACCEPTED: 1}
    rows = by_document(town)
    assert rows[light.document].state is State.ACCEPTED
    assert rows[heavy_order.document].state is State.REFUSED
    assert "the server takes at most 10485760" in rows[heavy_order.document].reason


def test_thirty_megabytes_too_much_for_the_outboxs_database_are_held_until_it_takes_them(
    tmp_path, include, mariadb_server
):
    with mariadb_server.database() as url:
        town = Town(f"sqlite:///{tmp_path / 'erp.db'}", url, include)
        try:
            town.sweep()
            heavy_order, _, _ = heavy(town)
            swept = town.sweep()
            assert swept.states == {State.HELD: 1, State.QUEUED: 1}
            assert "max_allowed_packet is 16,777,216" in swept.problems[0]
            assert "max_allowed_packet" in by_document(town)[heavy_order.document].reason
            assert town.deliver().outcomes == {Outcome.ACCEPTED: 1}
            assert road.mend(town.sweeper, ORDER).states == {}
            with packets_of(mariadb_server, 64 * MEGABYTE):
                town.outbox.close()  # a connection keeps the limit with which it began
                assert road.mend(town.sweeper, ORDER).states == {State.QUEUED: 1}
                assert town.deliver().outcomes == {Outcome.ACCEPTED: 1}
            assert len(town.channel.delivered[-1].data) > 40 * MEGABYTE
        finally:
            town.close()


class packets_of:
    """The server takes statements of so many bytes, for connections that begin now."""

    def __init__(self, server, size):
        self._server, self._size = server, size

    def __enter__(self):
        self._server._run(f"SET GLOBAL max_allowed_packet = {self._size}")

    def __exit__(self, *_):
        self._server._run(f"SET GLOBAL max_allowed_packet = {16 * MEGABYTE}")


# A wrong password


def test_a_wrong_password_for_the_mail_server_is_told_and_shown_to_nobody(town, caplog):
    town.operator.save_purchase_order()
    town.sweep()
    with ScriptedServer(login=("avisos", "right")) as server:
        wrong = {"user": "avisos", "password": "wr0ng-secret"}
        done = [by_smtp(town, server, **wrong) for _ in range(4)]
        assert "it refused the login (535 5.7.8 authentication failed)" in done[0].down
        assert "Check login and password" in done[0].down
        assert "is paused until" in done[-1].down
        assert all(one.outcomes == {} for one in done)
        (row,) = town.rows()
        assert (row.state, row.attempts) == (State.QUEUED, 0)
        told = [caplog.text, str(row), *(one.down for one in done), *map(str, town.outbox.pauses())]
        assert "wr0ng" not in " ".join(told)
        assert not any("wr0ng" in line for line in server.commands)
        town.clock.sleep(11)
        assert by_smtp(town, server, user="avisos", password="right").outcomes == {Outcome.ACCEPTED: 1}


@pytest.mark.parametrize("what", ["erp", "outbox"])
def test_a_wrong_password_for_a_database_is_told_and_shown_to_nobody(town, mariadb_url, what, caplog):
    town.operator.save_purchase_order()
    url = sa.make_url(mariadb_url).set(password="wr0ng-secret")
    if what == "erp":
        erp = town.sweeper.erp.__class__(sa.create_engine(url), town.include / "sql", town.sweeper.erp.zone)
        with pytest.raises(ErpError) as caught:
            road.sweep(replace(town.sweeper, erp=erp), ORDER)
    else:
        with pytest.raises(OutboxError) as caught:
            Outbox.open(url)
    assert "Access denied for user 'test'" in str(caught.value)
    assert "wr0ng" not in str(caught.value) + caplog.text
    assert town.sweep().new == 1


# A full disk


class Disk:
    """The outbox's file may grow by so many pages, as on a disk that is nearly full; None is room enough."""

    def __init__(self, outbox):
        self._engine, self._most = outbox._database.engine, 2**30
        sa.event.listen(self._engine, "checkout", lambda connection, *_: self._limit(connection))

    def leave(self, pages):
        with self._engine.connect() as connection:
            used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        self._most = 2**30 if pages is None else used + pages

    def _limit(self, connection):
        connection.cursor().execute(f"PRAGMA max_page_count = {self._most}").fetchone()


def test_a_full_disk_loses_nothing_and_all_goes_on_when_there_is_room(town):
    disk = Disk(town.outbox)
    before = town.outbox.cursor("purchase_order")
    saved = [town.operator.save_purchase_order() for _ in range(3)]
    disk.leave(pages=2)
    for _ in range(2):
        with pytest.raises(OutboxError, match=r"database or disk is full\n  Its disk is full; make room"):
            town.sweep()
        assert (town.rows(), town.outbox.cursor("purchase_order")) == ([], before)
    disk.leave(pages=None)
    assert town.sweep().states == {State.QUEUED: 3}
    assert town.deliver().outcomes == {Outcome.ACCEPTED: 3}
    assert {row.document for row in town.rows()} == {one.document for one in saved}


#: A query that needs room on the server's disk, and what leaves too little of it, or enough again.
ROOM = {
    "postgres": (
        "SELECT DISTINCT repeat(md5(x::text), 8) w FROM generate_series(1, 50000) x ORDER BY 1",
        ["ALTER ROLE test SET temp_file_limit = '100kB'"],
        ["ALTER ROLE test RESET temp_file_limit"],
    ),
    "mariadb": (
        "SELECT DISTINCT REPEAT(MD5(seq), 8) w FROM seq_1_to_20000",
        ["SET GLOBAL tmp_disk_table_size = 65536", "SET GLOBAL tmp_memory_table_size = 16384"],
        ["SET GLOBAL tmp_disk_table_size = DEFAULT", "SET GLOBAL tmp_memory_table_size = DEFAULT"],
    ),
}


@pytest.mark.parametrize("name", ROOM)
def test_an_erp_without_room_for_its_temporary_files_is_told_to_operations_and_nothing_is_lost(
    request, tmp_path, include, sqlite_url, name
):
    server, (query, little, enough) = request.getfixturevalue(f"{name}_server"), ROOM[name]
    with server.database() as url:
        town = Town(url, sqlite_url, include)
        town.sweep()
        town.write(
            SQL, f"SELECT good.* FROM ({town.read(SQL)}) good JOIN (SELECT count(*) n FROM ({query}) x) y ON n > 0"
        )
        saved, before = town.operator.save_purchase_order(), town.outbox.cursor("purchase_order")
        try:
            _as_administrator(town, server, little)
            with pytest.raises(ErpError, match=r"temp_file_limit|is full"):
                town.sweep()
            assert (town.rows(), town.outbox.cursor("purchase_order")) == ([], before)
        finally:
            _as_administrator(town, server, enough)
        assert town.sweep().states == {State.QUEUED: 1}
        assert [row.document for row in town.rows()] == [saved.document]
        town.close()


def _as_administrator(town, server, statements):
    for statement in statements:
        server._run(statement)
    town.sweeper.erp.engine.dispose()  # a connection keeps the limits with which it began


def test_a_disk_that_fills_up_in_mid_delivery_loses_nothing_and_sends_nothing_twice(sqlite_url, caplog):
    with ScriptedServer() as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*map(str, range(200)))
        disk, room = Disk(post.outbox), None

        def fill_up(_claim, _receipt):
            nonlocal room
            if len(server.accepted) == 20:
                disk.leave(pages=0)
                room = threading.Timer(1.0, disk.leave, [None])
                room.start()

        post.carrier = replace(post.carrier, told=fill_up)
        while any(row.state is not State.ACCEPTED for row in post.rows().values()):
            with suppress(OutboxError):  # nothing was begun that could not be written down
                post.deliver()
        room.join()
        subjects = [message.recipients for message in server.accepted]
        assert len(subjects) == len(set(subjects)) == 200
        assert {post.tale(document)[-1] for document in post.rows()} == {"accepted"}
        assert "the outbox does not answer; the receipt of message" in caplog.text
