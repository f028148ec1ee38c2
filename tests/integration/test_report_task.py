"""The task of a report's DAG as Airflow runs it, on a real ERP and outbox: today's run, a backfill, one by hand."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import AirflowFailException

from emailketing import road, settings, tasks, wiring
from emailketing.model import Lane, State
from emailketing.outbox import Filter

CACHED = (settings.load, wiring.erp, wiring.outbox, wiring.renderer, wiring.calendar, wiring._lines)
NOW = datetime(2026, 11, 25, 10, 5, tzinfo=UTC)  # 07:05 in Asunción

FILE = '''"""What customers paid."""
from airflow.sdk import DAG
from emailketing.tasks import mail_report

with DAG("paid", schedule="0 7 * * *", doc_md=__doc__, tags=["report"], default_args={"owner": "treasury"}) as dag:
    mail = mail_report("paid", to="management", cadence=["daily", "monthly"], attach="xlsx")
'''
QUERY = """SELECT r.method, SUM(r.total) AS amount FROM receipts r
WHERE r.received_on >= :start AND r.received_on < :end GROUP BY r.method"""


@pytest.fixture
def task(desk, monkeypatch):
    """The task, with the desk's connections and a clock that stands at five past seven."""
    for name in ("AIRFLOW_CONN_ERP", "AIRFLOW_CONN_EMAILKETING", "AIRFLOW_CONN_SMTP", "EMAILKETING_INCLUDE"):
        monkeypatch.setenv(name, desk.env[name])
    monkeypatch.setattr(wiring, "utc_now", lambda: NOW)
    for each in CACHED:
        each.cache_clear()
    (desk.include / "sql" / "paid.sql").write_text(QUERY)
    dags = desk.folder / "dags"
    dags.mkdir()
    (dags / "paid.py").write_text(FILE)
    yield tasks.ReportOperator(task_id="mail", mailing=tasks.declared(dags)["paid"])
    wiring.outbox().close()
    wiring.erp().engine.dispose()
    for each in CACHED:
        each.cache_clear()


def run(kind="scheduled", about=NOW, **conf):
    return {"dag_run": SimpleNamespace(run_type=DagRunType(kind), logical_date=about, conf=conf), "params": {}}


def documents():
    return sorted({row.document for row in wiring.outbox().messages(Filter()) if row.state is State.QUEUED})


def test_a_run_puts_what_is_due_and_a_repeated_one_nothing(task):
    assert task.execute(run()) == {"queued": 2}
    assert task.execute(run()) == {}
    assert task.execute(run("manual", None)) == {}
    assert documents() == ["daily 2026-11-24"]


def test_a_run_for_a_past_time_sends_nothing_unless_it_is_asked_to(task):
    past = NOW - timedelta(days=3)
    assert task.execute(run("backfill", past)) == {}
    assert task.execute(run("manual", past)) == {}
    assert task.execute(run("manual", None, period="2026-10")) == {}
    assert documents() == []
    assert task.execute(run("backfill", past, send=True)) == {"queued": 2}
    assert task.execute(run("manual", None, period="2026-11-20", send=True)) == {"queued": 2}
    assert documents() == ["daily 2026-11-20", "daily 2026-11-21"]


def test_a_scheduled_run_that_is_cleared_long_after_is_a_look_like_any_other(task):
    assert task.execute(run("scheduled", NOW - timedelta(days=30))) == {"queued": 2}
    assert documents() == ["daily 2026-11-24"]


def test_what_an_author_must_mend_fails_the_task_when_all_else_is_told(task, desk):
    file = desk.include / "subscriptions.yaml"
    file.write_text(file.read_text() + "  - {mailing: paid, to: ana@company.example, cadence: weekly}\n")
    with pytest.raises(AirflowFailException, match=r"subscriptions\.yaml:\d+: paid is not made weekly"):
        task.execute(run())
    assert documents() == ["daily 2026-11-24"]


def test_airflow_repeats_it_where_the_author_said_nothing(task):
    assert (task.retries, task.retry_delay) == (2, timedelta(minutes=2))


def test_airflow_repeats_it_as_the_dag_or_the_task_says(task):
    with DAG("paid", schedule=None, default_args={"retries": 0, "retry_delay": timedelta(minutes=9)}):
        by_dag = tasks.ReportOperator(task_id="by_dag", mailing=task.mailing)
        own = tasks.ReportOperator(task_id="own", mailing=task.mailing, retries=5)
    assert (by_dag.retries, by_dag.retry_delay) == (0, timedelta(minutes=9))
    assert (own.retries, own.retry_delay) == (5, timedelta(minutes=9))


def test_the_lane_of_reports_is_sent_by_the_outbox(task, desk):
    task.execute(run())
    with desk.mail_server():
        assert road.deliver(wiring.carrier(), Lane.REPORT).outcomes == {"accepted": 2}
