"""Price lists: every customer gets the list, the currency and the discounts that apply to him, as often as he wants it.

It runs each day: who chose daily gets it each time, weekly (or nothing) in the week's first run, monthly in the month's
first. Rendered once for each list. What is new or changed since the last list that a customer was sent is
marked. Clearing or repeating a run sends nothing twice; a backfill sends nothing unless it is triggered with the
configuration `{"send": true}`.
"""

from datetime import timedelta

from airflow.sdk import DAG

from emailketing.tasks import mail_campaign

with DAG(
    "price_list",
    schedule="0 8 * * *",
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["campaign"],
    default_args={"owner": "sales", "retries": 2, "retry_delay": timedelta(minutes=2)},
):
    mail_campaign(
        "price_list",
        edition=("weekly", "daily", "monthly"),
        attach=["pdf", "xlsx"],
        sections="product_group",
        marks=("code", "price"),
    )
