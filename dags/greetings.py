"""Special dates: birthdays and the company's anniversary greetings, Christmas, New Year and the days in between.

Each day one look for each greeting, at whatever hour: who celebrates before the next look gets a message into the
outbox, where it waits for the hour of its recipient's clock. Nobody is greeted without consent, nor twice a year.
Repeating a run sends nothing again; a backfill sends nothing unless its configuration says {"send": true}.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from emailketing.tasks import greet, greeting

with DAG(
    "greetings",
    schedule="30 8 * * *",
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    max_active_runs=1,
    catchup=False,
    doc_md=__doc__,
    tags=["greeting"],
    # What passes by itself is over in a minute; an ERP that is down may take half an hour.
    default_args={
        "owner": "marketing",
        "retries": 5,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": 2.0,
    },
):
    greet(
        greeting("birthday", channels=["email", "phone"], leap="02-28"),
        greeting("christmas", on="12-25", at="08:00"),
        greeting("new_year", on="01-01"),
        greeting("mothers_day", on="05-15", at="08:00", grace=timedelta(days=0)),
        greeting("friendship_day", on="07-30", grace=timedelta(days=1)),
    )
