"""What the docs tell an analyst to write, written into an empty folder and run as a person would."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from demo import database, schema
from demo.catcher import read_log
from tests.desk import PROJECT, Desk, lend_outbox_dags

NAMED = re.compile(r"^`(?P<path>[a-z_]+/[\w./]+)`\n\n```\w+\n(?P<text>.*?)^```$", re.M | re.S)


def laid_out(doc, folder):
    """Write the files that a page shows below their names; the folder they lie in."""
    files = {match["path"]: match["text"] for match in NAMED.finditer((PROJECT / "docs" / doc).read_text())}
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    lend_outbox_dags(folder / "dags")
    return files


def block(doc, beginning):
    text = (PROJECT / "docs" / doc).read_text()
    return next(each for each in re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S) if each.startswith(beginning))


def desk_of(doc, folder, company, shell):
    """A desk whose include and DAG folders hold what a guide shows, and nothing else."""
    desk, own = Desk(folder, company, shell), folder / "own"
    assert laid_out(doc, own)
    desk.env |= {
        "EMAILKETING_INCLUDE": str(own / "include"),
        "EMAILKETING_DAGS": str(own / "dags"),
        "EMAILKETING_COMPANY__NAME": "Comercial Ñandutí",
        "EMAILKETING_SENDER__ADDRESS": "avisos@nanduti.example",
    }
    return desk


@pytest.fixture
def guide(tmp_path, company, shell):
    desk = desk_of("add-a-notification.md", tmp_path, company, shell)
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


def test_a_folder_without_the_dags_of_the_outbox_is_told(guide):
    dags = Path(guide.env["EMAILKETING_DAGS"])
    (dags / "outbox_prune.py").unlink()
    with guide.mail_server():
        told = guide.run("check", "credit_note", fails=True)
    assert "✗ DAG files" in told
    assert "prunes the outbox" in told
    (dags / "outbox.py").unlink()
    told = guide.run("check", "credit_note", fails=True)
    assert f"No DAG in {dags} tends the outbox" in told
    assert "Copy outbox.py and outbox_prune.py there" in told


@pytest.fixture
def greeting_guide(tmp_path, company, shell):
    """A desk whose folders hold what the guide to greetings shows; one employee was hired on this day."""
    desk, own = Desk(tmp_path, company, shell), tmp_path / "own"
    assert len(laid_out("add-a-greeting.md", own)) == 6
    desk.env |= {
        "EMAILKETING_INCLUDE": str(own / "include"),
        "EMAILKETING_DAGS": str(own / "dags"),
        "EMAILKETING_COMPANY__NAME": "Comercial Ñandutí",
        "EMAILKETING_SENDER__ADDRESS": "avisos@nanduti.example",
    }
    desk.today = datetime.now(ZoneInfo("America/Asuncion")).date()
    with desk.operator.engine.begin() as connection:
        employees = schema.employees
        connection.execute(sa.update(employees).values(hired_on=desk.today + timedelta(days=100)))
        connection.execute(
            sa.update(employees).where(employees.c.id == 1).values(hired_on=desk.today.replace(year=2020))
        )
    return desk


def test_the_anniversary_of_the_guide_is_rehearsed_and_put_for_its_hour(greeting_guide):
    desk = greeting_guide
    assert "✓ greeting work_anniversary" in desk.run("check", "work_anniversary", fails=True)  # no mail server runs
    years = desk.today.year - 2020
    told = desk.run("preview", "work_anniversary", "--document", "1", "--out", str(desk.folder / "preview"))
    assert "¡Feliz aniversario! · " in told
    assert f"{years} años con nosotros" in (desk.folder / "preview" / "text.txt").read_text()
    assert "1 would be greeted" in desk.run("dry-run", "work_anniversary", "--day", str(desk.today))
    assert "1 celebrate, 1 queued" in desk.run("greet", "work_anniversary")
    (row,) = desk.rows("--mailing", "work_anniversary")
    assert (row["document"], row["lane"]) == (f"1:{desk.today.year}", "bulk")


def test_a_slip_is_told_as_the_guide_shows(guide):
    query = Path(guide.env["EMAILKETING_INCLUDE"]) / "sql/credit_note.sql"
    query.write_text(query.read_text().replace("c.email", "c.mail"))
    told = " ".join(guide.run("check", "credit_note", fails=True).split())
    expected = " ".join(block("add-a-notification.md", "include/sql/credit_note.sql:").split())
    assert expected in told, told


@pytest.fixture
def report_guide(tmp_path, company, shell):
    return desk_of("add-a-report.md", tmp_path, company, shell)


def month_of(desk):
    """A month in which the ERP has receipts."""
    with desk.operator.engine.connect() as connection:
        return str(connection.execute(sa.text("SELECT MAX(received_on) FROM receipts")).scalar())[:7]


def test_the_report_of_the_guide_reaches_its_readers(report_guide):
    desk, dag = report_guide, Path(report_guide.env["EMAILKETING_DAGS"]) / "collections.py"
    told = " ".join(desk.run("check", "collections", fails=True).split())
    assert "to bob@company.example: is due at" in told, told
    dag.write_text(dag.read_text().replace("0 7 * * *", "0 7,9 * * *"))
    with desk.mail_server():
        assert "✓ mailing collections: query, words and templates hold against the ERP; readers: 3" in desk.run("check")
        assert "1 queued" in desk.run("look", "collections", "--period", month_of(desk))
        assert "1 told before" in desk.run("look", "collections", "--period", month_of(desk))
        assert "1 accepted" in desk.run("deliver")
    (mail,) = read_log(desk.log)[0]
    assert mail.recipients == ("encarnacion@company.example",)
    assert mail.subject.startswith("Cobranzas · ")


def test_the_report_of_the_guide_is_seen_before_anybody_gets_it(report_guide):
    out = report_guide.folder / "preview"
    month = month_of(report_guide)
    told = report_guide.run("preview", "collections", "--period", month, "--language", "es", "--out", str(out))
    assert "'Cobranzas · " in told
    assert "to the phone: " in told
    assert {path.suffix for path in out.iterdir()} == {".html", ".txt", ".pdf", ".png", ".xlsx", ".csv"}
    assert "Forma de cobro" in (out / "body.html").read_text()
    assert report_guide.rows() == []


def test_a_slip_in_a_report_is_told_as_the_guide_shows(report_guide):
    dag = Path(report_guide.env["EMAILKETING_DAGS"]) / "collections.py"
    dag.write_text(dag.read_text().replace('y="amount"', 'y="amuont"'))
    told = " ".join(report_guide.run("check", "collections", fails=True).split())
    expected = " ".join(block("add-a-report.md", "dags/collections.py:").split())
    assert expected in told, told
