"""A report whose alert is told at each look, for the tests that kill."""

from datetime import UTC, datetime

from airflow.sdk import DAG

from emailketing.tasks import Alert, mail_report

with DAG("stock", schedule="*/10 * * * *", start_date=datetime(2024, 1, 1, tzinfo=UTC), max_active_runs=1):
    mail_report("stock", to="buyers", alert=Alert("stock", below="least", watch=True, recovery=True))
