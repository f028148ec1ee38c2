"""The command line, as a person uses it: real processes, a real mail server, connections from the environment.

`desk.run` forks from a process that has made the imports; `desk.cold` is the program from its own start.
"""

import json
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from demo import schema
from demo.catcher import read_log
from tests.desk import PROJECT
from tests.smtp_servers import LOSE_ANSWER, ScriptedServer


def test_from_first_look_to_resend(desk):
    assert "first look" in desk.run("sweep")
    saved = desk.operator.save_purchase_order()
    assert "1 queued" in desk.run("sweep")
    assert "nothing new" in desk.run("sweep")
    with desk.mail_server():
        assert "✓ connection smtp" in desk.run("check", "purchase_order")
        assert "1 accepted" in desk.cold("deliver")
        assert "nothing was due" in desk.run("deliver")
        (row,) = desk.rows()
        assert (row["document"], row["address"], row["state"]) == (saved.document, saved.address, "accepted")
        desk.run("outbox", "resend", row["key"], "--why", "lost by the supplier", "--by", "ana")
        assert desk.rows("--state", "queued")[0]["key"] == row["key"]
        assert "1 accepted" in desk.run("deliver", "--until-empty")
        told = desk.run("outbox", "history", row["key"])
        assert "resent by ana" in told
        assert "lost by the supplier" in told
    mails = read_log(desk.log)[0]
    assert [mail.message_id for mail in mails] == [row["message_id"]] * 2
    assert mails[0].path.read_bytes() == mails[1].path.read_bytes()


def test_a_message_is_shown_with_its_bytes_and_cancelled(desk):
    desk.run("sweep")
    desk.operator.save_purchase_order()
    desk.run("sweep")
    (row,) = desk.rows()
    shown = desk.run("outbox", "show", row["key"], "--eml", str(desk.folder / "order.eml"))
    assert row["message_id"] in shown
    assert b"Subject: " in (desk.folder / "order.eml").read_bytes()
    desk.run("outbox", "cancel", row["key"], "--why", "wrong order")
    assert desk.rows()[0]["state"] == "cancelled"
    assert "cannot become" in desk.run("outbox", "cancel", row["key"], "--why", "again", fails=True)
    assert "There is no message" in desk.run("outbox", "show", "purchase_order:0:1:email:x@y.example", fails=True)


def test_a_preview_sends_nothing_and_a_test_goes_to_oneself(desk):
    saved = desk.operator.save_purchase_order()
    out = desk.folder / "preview"
    told = desk.run("preview", "purchase_order", "--document", saved.document, "--out", str(out), "--language", "en")
    assert f"Purchase order {saved.document}" in told
    assert {path.suffix for path in out.iterdir()} >= {".html", ".txt", ".pdf", ".png"}
    assert "cid:" not in (out / "body.html").read_text()
    with desk.mail_server():
        assert "accepted" in desk.run("send-test", "purchase_order", "--to", "ana@company.example")
    (mail,) = read_log(desk.log)[0]
    assert mail.recipients == ("ana@company.example",)
    assert mail.subject.startswith("[test] ")


def test_a_mail_server_that_is_down_leaves_everything_queued(desk):
    desk.run("sweep")
    desk.operator.save_purchase_order()
    desk.run("sweep")
    told = desk.run("deliver", fails=True)
    assert f"127.0.0.1:{desk.port}" in told
    assert "nothing listens there" in told
    assert desk.rows()[0]["state"] == "queued"
    with desk.mail_server():
        assert "1 accepted" in desk.run("deliver")


def at(server, **settings):
    """The environment of a delivery to this server."""
    url = f"smtp://127.0.0.1:{server.port}/?disable_ssl=true&disable_tls=true"
    return {"AIRFLOW_CONN_SMTP": url} | {
        f"EMAILKETING_DELIVERY__{name.upper()}": str(set_) for name, set_ in settings.items()
    }


def test_until_empty_waits_for_what_the_policy_has_yet_to_decide(desk):
    desk.run("sweep")
    desk.operator.save_purchase_order()
    desk.run("sweep")
    with ScriptedServer({"dot": [LOSE_ANSWER]}) as server:
        told = desk.run("deliver", "--until-empty", **at(server, backoff_s=1))
        assert "1 unknown" in told
        assert "1 accepted" in told
        assert len(server.accepted) == 2, "the lost one had arrived; an order is sent again, same Message-ID"
    (row,) = desk.rows()
    assert (row["state"], row["attempts"]) == ("accepted", 2)


def test_until_empty_does_not_wait_for_people(desk):
    desk.run("sweep")
    held, doubtful = desk.operator.save_purchase_order(), desk.operator.save_purchase_order()
    fails_for_one = f"{{{{ 1 / 0 if document == '{held.document}' }}}}{{{{ company.name }}}}"
    desk.mend("templates/purchase_order/text.txt.j2", "{{ company.name }}", fails_for_one)
    desk.run("sweep", fails=True)
    with ScriptedServer({"dot": [LOSE_ANSWER]}) as server:
        desk.run("deliver", "--until-empty", **at(server, attempts=1))
        assert len(server.accepted) == 1
    assert {row["document"]: row["state"] for row in desk.rows()} == {
        held.document: "held",
        doubtful.document: "unknown",
    }


def test_a_person_settles_what_is_in_doubt(desk):
    desk.run("sweep")
    for _ in range(3):
        desk.operator.save_purchase_order()
    desk.run("sweep")
    with ScriptedServer({"dot": [LOSE_ANSWER] * 3}) as server:
        desk.run("deliver", "--until-empty", "--connections", "3", **at(server, attempts=1, pause_after=9))
        assert server.connections >= 3
        sent, resend, drop = [row["key"] for row in desk.rows("--state", "unknown")]
        assert "Missing option '--why'" in desk.run("outbox", "settle", sent, "sent", fails=True)
        for key, verdict, state in (
            (sent, "sent", "accepted"),
            (resend, "resend", "queued"),
            (drop, "drop", "cancelled"),
        ):
            assert state in desk.run("outbox", "settle", key, verdict, "--why", "she called", "--by", "ana")
            assert desk.rows("--state", state)[0]["key"] == key
        told = [json.loads(line) for line in desk.run("outbox", "history", drop, "--json").splitlines()]
        assert [entry["to_state"] for entry in told] == ["queued", "sending", "unknown", "unknown", "cancelled"]
        assert (told[-1]["cause"], told[-1]["detail"]) == ("settled as drop by ana", "she called")
        assert "there is nothing to settle" in desk.run("outbox", "settle", drop, "sent", "--why", "again", fails=True)
        assert "1 accepted" in desk.run("deliver", **at(server))


def test_the_ledger_is_listed_as_json_by_state_mailing_and_time(desk):
    desk.run("sweep")
    desk.operator.save_purchase_order()
    desk.run("sweep")
    (row,) = desk.rows()
    told = [
        "key",
        "mailing",
        "document",
        "version",
        "channel",
        "address",
        "state",
        "reason",
        "attempts",
        "message_id",
        "created_at",
        "accepted_at",
    ]
    assert {*told, "id", "lane", "subject", "next_attempt_at", "expires_at", "updated_at"} <= row.keys()
    assert row["key"] == ":".join(row[name] for name in ("mailing", "document", "version", "channel", "address"))
    assert (row["state"], row["attempts"], row["accepted_at"]) == ("queued", 0, None)
    shown = json.loads(desk.run("outbox", "show", row["key"], "--json"))
    assert shown == row
    created = datetime.fromisoformat(row["created_at"])
    assert created.utcoffset() == timedelta(0)
    before, after = (f"{created + timedelta(seconds=wait):%Y-%m-%dT%H:%M:%S}" for wait in (-2, 2))
    for filters, found in (
        (["--mailing", row["mailing"]], 1),
        (["--mailing", "another"], 0),
        (["--state", "accepted"], 0),
        (["--state", "queued", "--since", before, "--until", after], 1),
        (["--since", after], 0),
        (["--until", before], 0),
    ):
        assert len(desk.rows(*filters)) == found, filters


@pytest.mark.parametrize("name", ["erp", "emailketing", "smtp"])
def test_a_missing_connection_is_one_clear_error(desk, name):
    variable = f"AIRFLOW_CONN_{name.upper()}"
    del desk.env[variable]
    run = desk.cold if name == "erp" else desk.run
    told = run("check", "purchase_order", fails=True)
    assert f"no Airflow Connection '{name}'" in told
    assert f"{variable}=" in told
    assert "✓ settings" in told


def test_a_misspelt_column_is_told_and_the_rest_is_checked(desk):
    desk.mend("sql/purchase_order.sql", "s.email  ", "s.emial  ")
    for command in (["check", "purchase_order"], ["sweep"], ["preview", "purchase_order"]):
        told = desk.run(*command, fails=True)
        assert "purchase_order.sql:" in told
        assert "no column 'emial'" in told
        assert "Did you mean 'email'?" in told
    with desk.mail_server():
        told = desk.run("check", "purchase_order", "receipt", fails=True)
    assert "✓ mailing receipt" in told
    assert "✓ connection smtp" in told


def test_a_missing_table_is_told(desk):
    desk.mend("sql/purchase_order.lines.sql", "FROM purchase_order_lines l", "FROM purchase_order_line l")
    told = desk.run("check", "purchase_order", fails=True)
    assert "no table 'purchase_order_line'" in told
    assert "Did you mean 'purchase_order_lines'?" in told


def test_a_misspelt_parameter_is_told(desk):
    desk.mend("sql/purchase_order.lines.sql", "IN :documents", "IN :document")
    told = desk.run("check", "purchase_order", fails=True)
    assert "purchase_order.lines.sql:" in told
    assert ":document is not given" in told
    assert "Did you mean 'documents'?" in told


def test_a_template_with_a_syntax_error_is_told_with_its_line(desk):
    desk.mend("templates/purchase_order/text.txt.j2", "{{ company.name }}", "{{ company.name }")
    told = desk.run("check", "purchase_order", fails=True)
    assert "text.txt.j2:" in told
    assert "This is for the author of the file." in told


def test_a_broken_dag_file_is_told_with_its_line(desk):
    dags = desk.folder / "dags"
    dags.mkdir()
    text = (PROJECT / "dags" / "notifications.py").read_text()
    (dags / "notifications.py").write_text(
        text.replace('notification("purchase_order"', 'notification("purchase_oder"')
    )
    told = desk.run("check", fails=True, EMAILKETING_DAGS=str(dags))
    assert "notifications.py:" in told
    assert "Did you mean 'purchase_order'?" in told
    told = desk.run("check", "receipt", fails=True, EMAILKETING_DAGS=str(dags))
    assert "there is no mailing" not in told
    assert "must be mended" in told
    (dags / "notifications.py").write_text("import nothing_of_this_name\n")
    told = desk.run("sweep", fails=True, EMAILKETING_DAGS=str(dags))
    assert "notifications.py:1: ModuleNotFoundError" in told


def test_a_misspelt_setting_and_a_misspelt_mailing_are_told(desk):
    told = desk.run("check", fails=True, EMAILKETING_COMPANY__NAMME="x")
    assert told.count("Did you mean 'name'?") == 1
    assert "Nothing else was looked at, because the settings cannot be read." in told
    for wrong, meant in (
        ("COMPANY_NAME", "COMPANY__NAME"),
        ("SWEP__POLL_S", "SWEEP__POLL_S"),
        ("INCLUD", "INCLUDE"),
        ("SENDERS__ADDRESS", "SENDER__ADDRESS"),
        ("INCLUDE__DAGS", "INCLUDE"),
    ):
        told = desk.run("sweep", fails=True, **{f"EMAILKETING_{wrong}": "2"})
        assert f"EMAILKETING_{wrong}: no such setting. Did you mean 'EMAILKETING_{meant}'?" in told
    of_kubernetes = ("PORT", "WEB_SERVICE_HOST", "WEB_SERVICE_PORT_HTTP", "WEB_PORT_8080_TCP_ADDR")
    desk.env |= {f"EMAILKETING_{name}": "tcp://10.0.0.1:8080" for name in of_kubernetes}
    told = desk.run("check", "purchase_order", fails=True, AIRFLOW_CONN_ERPS="x", AIRFLOW_CONN_WAREHOUSE="x")
    assert "✓ settings" in told
    assert "AIRFLOW_CONN_ERPS is no Connection of eMailketing. Did you mean 'AIRFLOW_CONN_ERP'?" in told
    assert "AIRFLOW_CONN_WAREHOUSE" not in told
    assert "Did you mean 'purchase_order'?" in desk.run("preview", "purchase_ordr", fails=True)


def test_an_address_without_at_is_a_visible_message(desk):
    desk.run("sweep")
    with desk.operator.engine.begin() as connection:
        connection.execute(sa.update(schema.parties).values(email="ventas.proveedor.example"))
        supplier = (
            connection.execute(sa.select(schema.parties.c.id).where(schema.parties.c.is_supplier)).scalars().first()
        )
    desk.operator.save_purchase_order(supplier=supplier)
    assert "1 unaddressed" in desk.run("sweep")
    (row,) = desk.rows("--state", "unaddressed")
    assert "is no e-mail address" in row["reason"]


def test_a_restored_erp_is_told_by_hand_and_its_numbers_are_told_again(desk):
    desk.run("sweep")
    saved = desk.operator.save_purchase_order()
    assert "1 queued" in desk.run("sweep")
    assert "before --at" in desk.run("restored", "--since", "2999-01-01", fails=True)
    assert "purchase_order: noted" in desk.run("restored", "--since", "2026-01-01")
    assert "2026-01-01 03:00:00" in desk.run("restored")
    assert "0 queued" not in desk.run("sweep")
    with desk.operator.engine.begin() as connection:
        later = datetime.now(ZoneInfo("America/Asuncion")).replace(tzinfo=None)
        connection.execute(
            sa.update(schema.purchase_orders)
            .where(schema.purchase_orders.c.number == saved.document)
            .values(changed_at=later, notes="another order")
        )
    assert "1 queued" in desk.run("sweep")
    assert sorted(row["version"] for row in desk.rows()) == ["1", "1+restored1"]


def test_rows_without_a_time_are_told_by_the_check(desk):
    desk.operator.save_purchase_order()
    desk.mend("sql/purchase_order.sql", " o.changed_at ", " NULLIF(o.changed_at, o.changed_at) ")
    with desk.mail_server():
        assert re.search(r"; \d+ rows have no changed_at and are never told", desk.run("check", "purchase_order"))


def test_help_explains_every_command(desk):
    for group in ([], ["outbox"], ["subscriptions"], ["consent"]):
        assert "..." not in desk.run(*group, "--help", COLUMNS="80").partition("Commands:")[2]
    text = desk.run("--help")
    for command in ("check", "preview", "sweep", "deliver", "outbox", "send-test"):
        assert command in text
        assert "Usage" in desk.run(command, "--help")


def test_a_query_that_addresses_nobody_is_told(desk):
    desk.mend("sql/purchase_order.sql", "AS email,", "AS mail,")
    told = desk.run("check", "purchase_order", fails=True)
    assert "gives no column 'email'" in told
    assert "Did you mean 'mail'?" in told


def test_a_wrong_folder_and_an_erp_that_is_not_there_are_told(desk):
    assert "There is no folder" in desk.run("check", fails=True, EMAILKETING_DAGS=str(desk.folder / "nowhere"))
    assert "There is no folder" in desk.run("check", fails=True, EMAILKETING_INCLUDE=str(desk.folder / "nowhere"))
    told = desk.run("sweep", fails=True, AIRFLOW_CONN_ERP=f"sqlite:///{desk.folder / 'no.db'}")
    assert "There is no database file" in told
    assert "which the Airflow Connection 'erp' names" in told
    assert "Add it in Admin" not in told
    assert not (desk.folder / "no.db").exists()


def test_a_message_is_named_by_its_number_too(desk):
    desk.run("sweep")
    desk.operator.save_purchase_order()
    desk.run("sweep")
    (row,) = desk.rows()
    assert row["key"] in desk.run("outbox", "list")
    assert "put" in desk.run("outbox", "history", str(row["id"]))
    assert "There is no message" in desk.run("outbox", "history", "purchase_order:1", fails=True)
