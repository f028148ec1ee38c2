"""Presentation of a product, with pictures: sent once to each customer with vehicles, when somebody triggers it."""

from datetime import timedelta

from airflow.sdk import DAG

from emailketing.tasks import mail_campaign

with DAG(
    "product_presentation",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["campaign"],
    default_args={"owner": "sales", "retries": 2, "retry_delay": timedelta(minutes=2)},
):
    mail_campaign("product_presentation", edition="once")
