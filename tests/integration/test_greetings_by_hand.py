"""Greetings by the command line and by Airflow's task, as people and the scheduler use them."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import AirflowFailException

from demo import schema
from demo.catcher import read_log
from demo.stage import free_ports
from emailketing import settings, tasks, wiring
from emailketing.errors import DeclarationError
from emailketing.greetings import Leap
from emailketing.model import Kind, State


@pytest.fixture
def party(desk):
    """A desk on a day that is the birthday of exactly one customer, who consents."""
    silent = next(port for port in free_ports(2) if port != desk.port)  # nobody answers there
    phone = {"conn_type": "apprise", "extra": {"url": f"json://127.0.0.1:{silent}/?:to={{to}}"}}
    desk.env["AIRFLOW_CONN_PHONE"] = json.dumps(phone)
    today = datetime.now(ZoneInfo("America/Asuncion")).date()
    parties = schema.parties
    with desk.operator.engine.begin() as connection:
        connection.execute(sa.update(parties).values(birthday=None))
        people = sa.select(parties.c.id).where(~parties.c.is_company, parties.c.is_customer).order_by(parties.c.id)
        chosen, other = connection.execute(people).scalars().all()[-2:]
        values = {"birthday": today.replace(year=1980), "language": "es", "phone": "+595981123456"}
        for number, consent in ((chosen, True), (other, False)):
            more = {"email": f"p{number}@correo.example", "name": f"Persona {number}", "consent": consent}
            connection.execute(sa.update(parties).where(parties.c.id == number).values(**values, **more))
    desk.chosen, desk.other, desk.today = chosen, other, today
    return desk


def test_checked_previewed_rehearsed_and_sent(party):
    told = party.run("check", "birthday", "christmas", "new_year", "mothers_day", "friendship_day", fails=True)
    assert "✓ greeting birthday: query and templates hold against the ERP" in told
    assert "✓ greeting christmas: query and templates hold against the ERP; the next one on" in told
    out = party.folder / "preview"
    told = party.run("preview", "birthday", "--document", str(party.chosen), "--out", str(out))
    assert f"'¡Feliz cumpleaños! · Persona {party.chosen}'" in told
    assert {"birthday.png", "body.html", "phone.txt", "subject.txt", "text.txt"} <= {
        each.name for each in out.iterdir()
    }
    told = party.run("dry-run", "birthday")
    assert f"p{party.chosen}@correo.example" in told
    assert "2 celebrate" in told
    assert "2 would be greeted" in told
    assert "2 not allowed" in told
    assert "no consent: the ERP says no" in told
    assert party.rows("--mailing", "birthday") == []
    told = party.run("greet", "birthday")
    assert "2 celebrate, 2 queued, 2 suppressed" in told
    assert "nothing new" in party.run("greet", "birthday")
    rows = {(row["channel"], row["state"]) for row in party.rows("--mailing", "birthday")}
    assert rows == {(channel, state) for channel in ("email", "phone") for state in ("queued", "suppressed")}


def test_a_greeting_is_no_notification_and_says_so(party):
    assert "birthday is a greeting; this is for notifications" in party.run("sweep", "birthday", fails=True)
    assert "receipt is a notification; this is for greetings" in party.run("greet", "receipt", fails=True)


def test_a_wrong_column_is_told_by_check(party):
    party.mend("sql/birthday.sql", "AS day", "AS dia")
    party.mend("sql/christmas.sql", "p.email ", "p.mail ")
    told = party.run("check", "birthday", "christmas", fails=True)
    assert "birthday.sql: the query gives no column 'day'" in told
    assert "christmas.sql:7: the ERP has no column 'mail'" in told


CACHED = (settings.load, wiring.erp, wiring.outbox, wiring.renderer, wiring.door, wiring.calendar, wiring._lines)


@pytest.fixture
def task(party, monkeypatch):
    """The task `birthday` of dags/greetings.py, in this process, with the party's connections."""
    for name, value in party.env.items():
        if name.startswith(("AIRFLOW_CONN", "EMAILKETING")):
            monkeypatch.setenv(name, value)
    for each in CACHED:
        each.cache_clear()
    greeting = tasks.declared(settings.load().dags)["birthday"]
    yield tasks.GreetOperator(task_id="birthday", greeting=greeting)
    wiring.outbox().close()
    wiring.erp().engine.dispose()
    for each in CACHED:
        each.cache_clear()


def run(*, ago=timedelta(0), kind="scheduled", conf=None):
    moment = datetime.now(UTC) - ago
    return {"dag_run": SimpleNamespace(logical_date=moment, run_after=moment, run_type=DagRunType(kind), conf=conf)}


def test_the_task_puts_what_the_outbox_then_sends(party, task):
    assert task.execute(run()) == {"queued": 2, "suppressed": 2}
    assert task.execute(run()) == {}
    waits = wiring.outbox().messages()[0]
    with sa.create_engine(party.env["AIRFLOW_CONN_EMAILKETING"]).begin() as connection:  # as if it were nine o'clock
        connection.execute(sa.text("UPDATE outbox_message SET next_attempt_at = created_at WHERE state = 'queued'"))
    with party.mail_server():
        told = party.run("deliver", "--lane", "bulk")
    assert "phone:+595981123456: later:  No connection to the gateway: nothing listens there" in told
    (mail,) = read_log(party.log)[0]
    assert mail.recipients == (f"p{party.chosen}@correo.example",)
    assert waits.expires_at.astimezone(ZoneInfo("America/Asuncion")).date() == party.today + timedelta(days=3)


@pytest.mark.parametrize("past", [{"kind": "backfill"}, {"ago": timedelta(days=2)}], ids=["backfill", "repeated"])
def test_a_run_of_the_past_greets_nobody_unless_somebody_asks(task, past):
    assert task.execute(run(**past)) == {}
    assert wiring.outbox().messages() == []
    assert task.execute(run(**past, conf={"send": "no"})) == {}
    assert task.execute(run(**past, conf={"send": "yes"})) == {"queued": 2, "suppressed": 2}


def test_what_an_author_must_mend_fails_the_task_when_the_rest_is_put(party, task):
    party.mend("templates/birthday/phone.txt.j2", "t.phone", "t.fone")
    with pytest.raises(AirflowFailException, match=r"phone\.txt\.j2:2"):
        task.execute(run())
    states = sorted(row.state for row in wiring.outbox().messages())
    assert states == [State.HELD, State.QUEUED, State.SUPPRESSED, State.SUPPRESSED]


DAG = '''"""Ours."""

from datetime import timedelta

from airflow.sdk import DAG

from emailketing.tasks import greet, greeting

with DAG("ours", schedule="@daily", doc_md=__doc__):
    greet({})
'''


@pytest.mark.parametrize(
    ("declaration", "told"),
    [
        ('greeting("birthdy")', "Did you mean 'birthday'?"),
        ('greeting("christmas", on="25-12")', "There is no day '25-12'"),
        ('greeting("christmas", on="secnd sunday of may")', "Did you mean 'second'?"),
        ('greeting("christmas", on="Navidad")', "Did you mean 'Día de la Navidad'?"),
        ('greeting("birthday", at="9h")', 'Write it like "09:00".'),
        ('greeting("birthday", leap="03-02")', "Did you mean '03-01'?"),
        ('greeting("birthday", grace=timedelta(hours=5))', "late by whole days"),
        ('greeting("birthday", channels=["mail"])', "Did you mean 'email'?"),
    ],
)
def test_a_wrong_declaration_is_told_with_file_and_line(tmp_path, declaration, told):
    (tmp_path / "ours.py").write_text(DAG.format(declaration))
    with pytest.raises(DeclarationError) as raised:
        tasks.declared(tmp_path)
    assert f"{tmp_path / 'ours.py'}:10: " in str(raised.value)
    assert told in str(raised.value)


def test_what_is_declared_is_known(tmp_path):
    words = 'greeting("christmas", on="Día de la Navidad", at="7:30", grace=timedelta(days=1), leap="03-01")'
    (tmp_path / "ours.py").write_text(DAG.format(words))
    (greeting,) = tasks.declared(tmp_path).values()
    assert (greeting.name, greeting.kind, greeting.on) == ("christmas", Kind.GREETING, "Día de la Navidad")
    assert (greeting.when.at.hour, greeting.when.at.minute, greeting.when.grace_days) == (7, 30, 1)
    assert greeting.when.leap is Leap.AFTER
