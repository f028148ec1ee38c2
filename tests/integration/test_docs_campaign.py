"""The campaign of docs/add-a-campaign.md, written into an empty folder and run as a person would."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from demo import database
from demo.catcher import read_log
from tests.desk import Desk
from tests.integration.test_docs_examples import block, laid_out

GUIDE = "add-a-campaign.md"


@pytest.fixture
def guide(tmp_path, company, shell):
    """A desk whose include and DAG folders hold what the guide shows, and an ERP with goods to be cleared."""
    desk, own = Desk(tmp_path, company, shell), tmp_path / "own"
    assert len(laid_out(GUIDE, own)) == 8
    desk.env |= {
        "EMAILKETING_INCLUDE": str(own / "include"),
        "EMAILKETING_DAGS": str(own / "dags"),
        "EMAILKETING_COMPANY__NAME": "Comercial Ñandutí",
        "EMAILKETING_SENDER__ADDRESS": "avisos@nanduti.example",
    }
    until = database.local(desk.operator.clock()).date() + timedelta(days=20)
    with desk.operator.engine.begin() as connection:
        for statement in block(GUIDE, "CREATE TABLE").split(";\n"):
            if statement.strip():
                connection.execute(sa.text(statement))
        goods = "INSERT INTO clearances VALUES (:branch, :code, :what, 'PYG', 90000, 70000, :until)"
        for branch in (1, 2):
            values = {"branch": branch, "code": f"X-{branch}", "what": f"Aceite {branch} l", "until": until}
            connection.execute(sa.text(goods), values)
        places = "INSERT INTO customer_branches SELECT id, 1 + id % 2, 7 FROM parties WHERE is_customer"
        connection.execute(sa.text(places))
        connection.execute(sa.text("UPDATE sales SET sold_on = :day"), {"day": until - timedelta(days=40)})
    return desk


def test_the_clearance_of_the_guide_reaches_the_customers_once_each(guide):
    lines = guide.run("dry-run", "clearance", "--json").splitlines()
    planned = [json.loads(line) for line in lines if line.startswith("{")]
    wanted = {each["address"] for each in planned if each["gets_it"]}
    assert wanted
    assert {each["group"] for each in planned} == {"1", "2"}
    with guide.mail_server():
        assert "✓ mailing clearance: queries and templates hold" in guide.run("check", "clearance")
        assert f"{len(wanted)} queued" in guide.run("campaign", "clearance")
        assert "queued" not in guide.run("campaign", "clearance")
        assert f"{len(wanted)} accepted" in guide.run("deliver")
    mails = read_log(guide.log)[0]
    assert {mail.recipients[0] for mail in mails} == wanted
    assert {re.sub(r"\d", "#", mail.subject[:9]) for mail in mails} >= {"Aceite # ", "Rebajas e"}


def test_with_a_pdf_and_no_text_of_its_own_the_text_comes_from_the_mail_and_says_how_to_leave(guide):
    dag = Path(guide.env["EMAILKETING_DAGS"]) / "campaigns/clearance.py"
    dag.write_text(dag.read_text().replace('attach=["xlsx"]', 'attach=["pdf"]'))
    told = guide.run("check", "clearance", fails=True)  # no mail server is there
    assert "✓ mailing clearance" in told, told
    out = guide.folder / "preview"
    guide.run("preview", "clearance", "--out", str(out))
    assert ".pdf" in {path.suffix for path in out.iterdir()}
    text = (out / "text.txt").read_text()
    assert "mailto:leave@company.example" in text
    assert "ya nos visitó" in text or "you have visited us" in text


def test_a_slip_is_told_as_the_guide_shows(guide):
    body = Path(guide.env["EMAILKETING_INCLUDE"]) / "templates/clearance/body.html.j2"
    body.write_text(body.read_text().replace("recipient.visits", "recipient.visit"))
    told = " ".join(guide.run("check", "clearance", fails=True).split())
    expected = " ".join(block(GUIDE, "include/templates/clearance/body.html.j2:").split())
    assert expected in told, told
