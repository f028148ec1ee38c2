"""A scheduled report in a real Airflow: its DAG looks each minute, and what is due reaches a mailbox, once."""

import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from demo.build import build
from demo.catcher import read_log
from demo.local_airflow import LocalAirflow
from demo.stage import Stage, answers, free_ports

PROJECT = Path(__file__).parents[2]

DAG = '''"""What customers paid."""
from datetime import UTC, datetime
from airflow.sdk import DAG
from emailketing.report.charts import Chart
from emailketing.report.kinds import Money
from emailketing.tasks import mail_report

with DAG("paid", schedule="* * * * *", doc_md=__doc__, tags=["report"], default_args={{"owner": "treasury"}}):
    mail_report(
        "paid",
        to="management",
        at="{at}",
        attach=["pdf", "xlsx"],
        columns={{"amount": Money("PYG")}},
        chart=Chart("bar", x="method", y="amount"),
    )
'''
QUERY = """SELECT r.method, SUM(r.total) AS amount FROM receipts r
WHERE r.received_on >= :start AND r.received_on < :end GROUP BY r.method"""


def test_a_report_is_mailed_by_its_dag_when_its_hour_has_come(tmp_path):
    include, dags, log = tmp_path / "include", tmp_path / "dags", tmp_path / "mail.jsonl"
    shutil.copytree(PROJECT / "include", include)
    (include / "sql" / "paid.sql").write_text(QUERY)
    dags.mkdir()
    now = datetime.now(ZoneInfo("America/Asuncion"))
    midnight = now.replace(hour=0, minute=0)
    (dags / "paid.py").write_text(DAG.format(at=f"{max(midnight, now - timedelta(minutes=10)):%H:%M}"))
    shutil.copy(PROJECT / "dags" / "outbox.py", dags)
    build(f"sqlite:///{tmp_path / 'erp.db'}", scale=0.02)
    (port,) = free_ports(1)
    connections = {
        "erp": f"sqlite:///{tmp_path / 'erp.db'}",
        "emailketing": f"sqlite:///{tmp_path / 'outbox.db'}",
        "smtp": f"smtp://127.0.0.1:{port}/?disable_ssl=true&disable_tls=true",
    }
    with Stage(PROJECT / "var" / "test-reports") as stage:
        command = [sys.executable, "-m", "demo.catcher", "--port", str(port), "--maildir", str(tmp_path / "mail")]
        stage.start("mail", [*command, "--log", str(log)])
        stage.wait("the mail server", lambda: answers(port), at_most_s=30)
        airflow = LocalAirflow(stage, connections, dags=dags, env={"EMAILKETING_INCLUDE": str(include)})
        airflow.start(["paid", "outbox"])
        stage.wait("the report", lambda: log.exists() and len(read_log(log)[0]) >= 2, at_most_s=200)
        airflow.wait_for("paid", "mail", "success", at_most_s=90)
        mails = read_log(log)[0]
    assert sorted(mail.recipients[0].partition("@")[0] for mail in mails) == ["direccion", "gerencia"]
    assert len({mail.message_id for mail in mails}) == 2
    data = mails[0].path.read_bytes()
    assert b".xlsx" in data
    assert b"application/pdf" in data
