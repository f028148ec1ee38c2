"""The outbox's minute: open ends are settled, and what is due in each lane is sent.

What a dead delivery left behind becomes *unknown* and its mailing's policy decides; what is too old expires. Then each
lane sends, on its own connection, its retries and everything that no sweep sends itself.
"""

from airflow.sdk import DAG

from emailketing.tasks import tend_outbox

with DAG(
    "outbox",
    schedule="* * * * *",
    max_active_runs=1,
    catchup=False,
    doc_md=__doc__,
    tags=["outbox"],
    default_args={"owner": "operations"},
):
    tend_outbox()
