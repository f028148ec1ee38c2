"""The outbox's night: ended messages and frozen bytes older than the settings keep them are deleted."""

from datetime import timedelta

from airflow.sdk import DAG

from emailketing.tasks import prune

with DAG(
    "outbox_prune",
    schedule="30 3 * * *",
    max_active_runs=1,
    catchup=False,
    doc_md=__doc__,
    tags=["outbox"],
    default_args={"owner": "operations", "retries": 2, "retry_delay": timedelta(minutes=10)},
):
    prune()
