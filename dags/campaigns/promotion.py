"""Promotions of the month: offers for each segment of the customers, with a code of one's own.

Half of the readers see the prices in the subject, half the occasion; the ledger tells who saw which. Clearing or
repeating a run sends nothing twice; a backfill sends nothing unless it is triggered with the configuration
`{"send": true}`.
"""

from datetime import timedelta

from airflow.sdk import DAG

from emailketing.tasks import mail_campaign

with DAG(
    "promotion",
    schedule="0 10 5 * *",
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["campaign"],
    default_args={"owner": "sales", "retries": 2, "retry_delay": timedelta(minutes=2)},
):
    mail_campaign(
        "promotion",
        edition="monthly",
        subjects=["price", "occasion"],
        coupon=timedelta(days=30),
        expires_after=timedelta(days=5),
    )
