"""One mailing, for the tests that kill."""

from datetime import UTC, datetime

from airflow.sdk import DAG

from emailketing.tasks import notification, notify

with DAG("notes", schedule="@continuous", start_date=datetime(2024, 1, 1, tzinfo=UTC), max_active_runs=1):
    notify(notification("note"))
