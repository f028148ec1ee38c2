"""Campaigns by hand: dry run, check, preview, the edition, coupons, and again to those who failed."""

import json
import re
import shutil
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from demo.catcher import read_log
from emailketing.model import Recipient
from emailketing.outbox import Outbox
from emailketing.road.editions import coupon_of
from tests.desk import PROJECT
from tests.letters import letter
from tests.web_server import WebServer

SECRET = "a secret of the tests, long enough"
LEAVING = {"conn_type": "generic", "login": "salir@petroleradeleste.example", "password": SECRET}


@pytest.fixture
def desk(desk):
    desk.env["AIRFLOW_CONN_UNSUBSCRIBE"] = json.dumps(LEAVING)
    return desk


def choices(desk, name="promotion", *more):
    lines = desk.run("dry-run", name, "--json", *more).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]  # Airflow warns of short secrets


def test_the_dry_run_says_who_and_why_and_what_is_wrong_with_the_mails(desk):
    planned = choices(desk)
    assert {each["gets_it"] for each in planned} == {True, False}
    assert all(each["why"] for each in planned)
    whys = Counter(each["why"].partition(":")[0] for each in planned if not each["gets_it"])
    assert "no consent" in whys
    shown = desk.run("dry-run", "promotion", "--limit", "2")
    assert "gets it" in shown
    assert "bytes of HTML" in shown
    assert "error:" not in shown
    assert desk.rows() == []
    desk.mend("templates/promotion/body.html.j2", 'alt="{{ each.product_group }}"', 'alt=""')
    told = desk.run("dry-run", "promotion", fails=True)
    assert "has no alt text" in told
    assert "must be mended" in told


def test_check_holds_campaigns_against_the_live_erp(desk):
    told = desk.run("check", "promotion", "price_list", "product_presentation", fails=True)  # there is no mail server
    for name in ("promotion", "price_list", "product_presentation"):
        assert re.search(rf"✓ mailing {name}: .*would get it now", told), told
    desk.mend("sql/promotion.sql", "c.email  ", "c.mail  ")
    told = desk.run("check", "promotion", fails=True)
    assert re.search(r"sql/promotion.sql:\d+: the ERP has no column 'mail'", told), told
    desk.mend("sql/promotion.sql", "c.mail  ", "c.email  ")
    desk.mend("templates/promotion/text.txt.j2", '{% include "_layout/advertising.txt.j2" %}', "")
    assert "does not say how to leave" in desk.run("check", "promotion", fails=True)


def test_the_dry_run_shows_everybodys_edition_and_who_is_left_out(desk):
    planned = choices(desk, "price_list")
    assert {len(each["edition"]) for each in planned} == {len("2026-11"), len("2026-W48"), len("2026-11-30")}
    desk.mend("sql/price_list.sql", "c.price_list_cadence  ", "COALESCE(c.price_list_cadence, 'weakly')")
    told = desk.run("dry-run", "price_list", fails=True)
    assert re.search(r"has the cadence 'weakly', which this campaign has not. Did you mean 'weekly'\?", told)
    assert "gets it" in told, "all others are shown"
    desk.mend("sql/price_list.sql", "AS cadence", "AS rhythm")
    told = desk.run("check", "price_list", fails=True)  # there is no mail server
    assert "✗ mailing price_list" in told
    assert "gives no column 'cadence': everybody gets it weekly" in told


def test_the_dry_run_and_check_say_how_many_mails_they_did_not_look_at(desk):
    assert "not looked at" not in desk.run("dry-run", "product_presentation", "--no-links")
    own = "(SELECT q.code FROM products q WHERE q.id = 1 + c.id % 60)"
    desk.mend("sql/product_presentation.sql", "x.code                             AS", f"{own} AS")
    groups = {each["group"] for each in choices(desk, "product_presentation") if each["state"] != "unaddressed"}
    assert len(groups) > 12
    told = desk.run("dry-run", "product_presentation", "--no-links")
    found = re.search(r"(\d+) of (\d+) different mails were not looked at", told)
    assert int(found[2]) - int(found[1]) == 12 == told.count("bytes of HTML")
    assert int(found[2]) >= len(groups)
    told = desk.run("check", "product_presentation", fails=True)  # there is no mail server
    assert f"{found[0]}" in told


def test_names_that_may_be_left_out_and_are_misspelt_are_told(desk):
    dags = shutil.copytree(PROJECT / "dags", desk.folder / "dags")
    dag = dags / "campaigns" / "price_list.py"
    declared = dag.read_text().replace('("code", "price")', '("code", "prize")')
    dag.write_text(declared.replace('"product_group"', '"product_grup"'))
    desk.env["EMAILKETING_DAGS"] = str(dags)
    desk.mend("sql/promotion.sql", "AS consent,", "AS consnt,")
    desk.mend("sql/promotion.sql", "'why_recent'", "'why_recnt'")
    told = desk.run("check", "promotion", "price_list", fails=True)
    assert "promotion.sql: the query gives no column 'consent'." in told, told
    assert "Did you mean 'consnt'?" in told
    assert "price_list.items.sql: the query gives no column 'prize', which the DAG names in marks." in told, told
    assert "no column 'product_grup', which the DAG names in sections.\n    Did you mean 'product_group'?" in told, told
    desk.mend("sql/promotion.sql", "AS consnt,", "AS agreed,")
    desk.mend("sql/promotion.sql", "AS consent_at,", "AS agreed_at,")
    told = desk.run("check", "promotion", fails=True)
    assert "only those get it who gave theirs outside the ERP" in told
    desk.mend("sql/promotion.sql", "AS agreed,", "AS consent,")
    desk.mend("sql/promotion.sql", "AS agreed_at,", "AS consent_at,")
    told = desk.run("check", "promotion", fails=True)
    assert "because is 'why_recnt', which is no word: readers would read it so. Did you mean 'why_recent'?" in told


def test_the_summary_of_a_dry_run_tells_reasons_whole(desk):
    address = next(each["address"] for each in choices(desk) if each["gets_it"])
    desk.run("suppress", address, "--why", "asked by phone")
    told = desk.run("dry-run", "promotion", "--limit", "1")
    assert re.search(r"no .* may go there since \d{4}-\d\d-\d\d \d\d:\d\d", told), told


def test_an_edition_goes_out_once_and_a_coupon_is_good_once(desk):
    planned = [each for each in choices(desk) if each["gets_it"]]
    told = desk.run("campaign", "promotion")
    assert f"{len(planned)} queued" in told
    assert "left alone (has this edition)" in desk.run("campaign", "promotion")
    with desk.mail_server():
        assert f"{len(planned)} accepted" in desk.run("deliver")
    mails, _ = read_log(desk.log)
    assert sorted(mail.recipients[0] for mail in mails) == sorted(each["address"] for each in planned)
    row = desk.rows("--state", "accepted")[0]
    eml = desk.folder / "one.eml"
    desk.run("outbox", "show", row["key"], "--eml", str(eml))
    code = re.search(
        r"(?:Su c=C3=B3digo|Su código|Your code): ([0-9A-Z]{5}-[0-9A-Z]{5})", eml.read_text(errors="replace")
    )[1]
    assert "valid; " in desk.run("coupon", code.lower().replace("-", ""))
    assert row["address"] in desk.run("coupon", code, "--use", "--by", "caja 3")
    assert "by caja 3" in desk.run("coupon", code, "--use", "--by", "caja 4", fails=True)
    assert "is no coupon of ours" in desk.run("coupon", "00000-00000", fails=True)
    rotated = {**LEAVING, "password": "another secret, long enough", "extra": {"former": [SECRET]}}
    assert "by caja 3" in desk.run("coupon", code, fails=True, AIRFLOW_CONN_UNSUBSCRIBE=json.dumps(rotated))


def test_what_failed_is_sent_again_and_nothing_else(desk):
    desk.run("campaign", "promotion")
    edition = choices(desk)[0]["edition"]
    with desk.mail_server():
        desk.run("deliver")
    accepted = len(desk.rows("--state", "accepted"))
    assert "nothing of it failed" in desk.run("outbox", "resend", "--mailing", "promotion", "--why", "x")
    refuse(desk, 3)
    resend = ("outbox", "resend", "--mailing", "promotion", "--why", "the server was wrong", "--edition")
    assert "nothing of it failed" in desk.run(*resend, "2020-01")
    again = desk.run(*resend, edition)
    assert "3 queued again" in again
    with desk.mail_server():
        assert "3 accepted" in desk.run("deliver")
    assert len(desk.rows("--state", "accepted")) == accepted
    assert "Name either a KEY or --mailing" in desk.run("outbox", "resend", "--why", "x", fails=True)


def refuse(desk, count):
    """As if the server had refused so many."""
    some = f"SELECT id FROM outbox_message WHERE state = 'accepted' LIMIT {count}"
    with outbox(desk) as connection:
        connection.exec_driver_sql(f"UPDATE outbox_message SET state = 'refused' WHERE id IN ({some})")


@contextmanager
def outbox(desk):
    engine = sa.create_engine(f"sqlite:///{desk.folder / 'outbox.db'}")
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_preview_and_seed_show_a_mail_before_anybody_gets_it(desk):
    out = desk.folder / "preview"
    assert "as " in desk.run("preview", "price_list", "--out", str(out))
    assert {path.suffix for path in out.iterdir()} >= {".html", ".txt", ".pdf", ".xlsx"}
    with desk.mail_server():
        told = desk.run("dry-run", "product_presentation", "--seed", "jefe@petroleradeleste.example")
    assert "jefe@petroleradeleste.example: 'Nuevo: " in told
    mails, _ = read_log(desk.log)
    assert {mail.recipients for mail in mails} == {("jefe@petroleradeleste.example",)}
    assert all(mail.subject.startswith("[test]") for mail in mails)
    assert desk.rows() == []


def test_other_commands_leave_campaigns_alone(desk):
    assert "promotion" not in desk.run("sweep")
    assert "price_list is a campaign; this is for notifications" in desk.run("sweep", "price_list", fails=True)
    assert "is no campaign" in desk.run("dry-run", "receipt", fails=True)
    assert "Did you mean 'promotion'" in desk.run("campaign", "promotions", fails=True)


def test_who_has_left_or_has_no_bytes_any_more_keeps_nobody_else_from_being_sent_it_again(desk):
    desk.run("campaign", "promotion")
    with desk.mail_server():
        desk.run("deliver")
    refuse(desk, 4)
    leaver, pruned, *others = desk.rows("--state", "refused")
    desk.run("suppress", leaver["address"], "--kind", "campaign", "--why", "asked by phone")
    with outbox(desk) as connection:
        connection.execute(sa.text("DELETE FROM outbox_content WHERE message = :id"), {"id": pruned["id"]})
    told = desk.run("outbox", "resend", "--mailing", "promotion", "--why", "the server was wrong")
    assert "2 queued again" in told
    assert "2 left as they are" in told
    assert re.search(f"{re.escape(leaver['key'])} cannot be sent: .*asked by phone", told)
    assert re.search(f"{re.escape(pruned['key'])} cannot be sent: .*its content was pruned", told)
    assert {row["key"] for row in desk.rows("--state", "queued")} == {row["key"] for row in others}


def test_a_coupon_that_came_by_phone_is_good_though_its_mail_was_never_sent(desk):
    desk.run("campaign", "promotion")
    row = desk.rows("--state", "queued")[0]
    code, now = coupon_of(SECRET.encode(), "promotion", row["document"]), datetime.now(UTC)
    desk.run("outbox", "cancel", row["key"], "--why", "a wrong address")
    assert "never sent" in desk.run("coupon", code, fails=True)
    ledger = Outbox.open(f"sqlite:///{desk.folder / 'outbox.db'}")
    given = {"mailing": "promotion", "channel": "phone", "event_at": now, "created_at": now}
    ledger.put([letter(row["document"], recipient=Recipient("+595981123456"), **given)], {}, now)
    ledger.close()
    assert "valid; " in desk.run("coupon", code)


def test_the_dry_run_tries_the_links_but_none_that_is_a_readers_own(desk):
    foot = "{% endblock %}"
    own = '<a href="http://127.0.0.1:{port}/x?c={{ recipient.coupon | urlencode }}">x</a>'
    with WebServer() as web:
        link = f'<a href="{web.url}/404">x</a>{own.replace("{port}", str(web.port))}'
        body = desk.include / "templates/promotion/body.html.j2"
        body.write_text(link.join(body.read_text().rsplit(foot, 1)).removesuffix("\n") + foot + "\n")
        told = desk.run("dry-run", "promotion", "--limit", "1", fails=True)
        assert "links: 1 tried" in told
        assert f"error: the link '{web.url}/404' leads to 127.0.0.1, which only this house reaches" in told
        assert "/x?c=" not in told.partition("links:")[2]
        assert "links:" not in desk.run("dry-run", "promotion", "--no-links")
        assert web.asked == []
