"""What the docs tell an analyst to write, written into an empty folder and run as a person would."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from demo import database
from demo.catcher import read_log
from tests.desk import PROJECT, Desk

NAMED = re.compile(r"^`(?P<path>[a-z_]+/[\w./]+)`\n\n```\w+\n(?P<text>.*?)^```$", re.M | re.S)


def laid_out(doc, folder):
    """Write the files that a page shows below their names; the folder they lie in."""
    files = {match["path"]: match["text"] for match in NAMED.finditer((PROJECT / "docs" / doc).read_text())}
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return files


def block(doc, beginning):
    text = (PROJECT / "docs" / doc).read_text()
    return next(each for each in re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S) if each.startswith(beginning))


@pytest.fixture
def guide(tmp_path, company, shell):
    """A desk whose include and DAG folders hold what the guide shows, and nothing else."""
    desk, own = Desk(tmp_path, company, shell), tmp_path / "own"
    assert len(laid_out("add-a-notification.md", own)) == 7
    desk.env |= {
        "EMAILKETING_INCLUDE": str(own / "include"),
        "EMAILKETING_DAGS": str(own / "dags"),
        "EMAILKETING_COMPANY__NAME": "Comercial Ñandutí",
        "EMAILKETING_SENDER__ADDRESS": "avisos@nanduti.example",
    }
    with desk.operator.engine.begin() as connection:
        for statement in block("add-a-notification.md", "CREATE TABLE").split(";\n"):
            if statement.strip():
                connection.execute(sa.text(statement))
    return desk


def test_the_credit_note_of_the_guide_reaches_the_customer(guide):
    assert "first look" in guide.run("sweep")
    parties = [each for each in guide.operator.parties if each["is_customer"] and each["language"] == "es"]
    customer = next(each for each in parties if each["email"] and "@" in each["email"])
    with guide.operator.engine.begin() as connection:
        saved_at = database.local(guide.operator.clock())
        note = {"customer": customer["id"], "at": saved_at, "day": saved_at.date()}
        insert = "INSERT INTO credit_notes VALUES ('NC-77', :customer, :day, 'Devolución', 'PYG', 1250000, 1, :at)"
        connection.execute(sa.text(insert), note)
        connection.execute(sa.text("INSERT INTO credit_note_lines VALUES ('NC-77', 1, 'Aceite 15W-40', 2, 1250000)"))
    with guide.mail_server():
        assert "✓ mailing credit_note" in guide.run("check", "credit_note")
        assert "1 queued" in guide.run("sweep")
        assert "1 accepted" in guide.run("deliver")
    (mail,) = read_log(guide.log)[0]
    assert mail.subject == "Nota de crédito NC-77 · Gs. 1.250.000"
    assert mail.recipients == (customer["email"],)
    (row,) = guide.rows("--mailing", "credit_note")
    assert row["state"] == "accepted"


def test_a_slip_is_told_as_the_guide_shows(guide):
    query = Path(guide.env["EMAILKETING_INCLUDE"]) / "sql/credit_note.sql"
    query.write_text(query.read_text().replace("c.email", "c.mail"))
    told = " ".join(guide.run("check", "credit_note", fails=True).split())
    expected = " ".join(block("add-a-notification.md", "include/sql/credit_note.sql:").split())
    assert expected in told, told
