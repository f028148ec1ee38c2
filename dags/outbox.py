"""The outbox's minute: open ends are settled, and what is due in each lane is sent.

`settle_open_ends` turns what a dead delivery left behind into *unknown* and lets each mailing's policy decide; it ends
what is too old. The three deliveries then send retries and everything that no sweep sends itself, each lane on its own.
"""

from airflow.sdk import DAG

from emailketing.tasks import deliver, settle_open_ends

with DAG(
    "outbox",
    schedule="* * * * *",
    max_active_runs=1,
    catchup=False,
    doc_md=__doc__,
    tags=["outbox"],
    default_args={"owner": "operations"},
):
    settle_open_ends() >> [deliver("instant"), deliver("report"), deliver("bulk")]
