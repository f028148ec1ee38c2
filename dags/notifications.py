"""Instant notifications: whoever a saved document concerns hears of it within seconds.

`watch` only looks at the ERP. When something was committed (and once a minute in any case) it wakes `sweep`, which
puts a message for every new document into the outbox, sends them, and lingers for those that follow.
Clearing or repeating a run sends nothing twice: the outbox knows every message by its key.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from emailketing.tasks import follow_up, notification, notify

with DAG(
    "notifications",
    schedule="@continuous",
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    max_active_runs=1,
    catchup=False,
    doc_md=__doc__,
    tags=["notification"],
    default_args={"owner": "operations", "retries": 2, "retry_delay": timedelta(seconds=10)},
):
    notify(
        notification("purchase_order", expires_after=timedelta(days=7)),
        notification("quotation", expires_after=timedelta(days=3)),
        notification(
            "payment_order",
            expires_after=timedelta(days=7),
            if_refused="phone",
            follow_ups=[  # while the supplier has not come to sign: he is reminded, then the management hears of it
                follow_up("payment_order_reminder", after=timedelta(days=5), channels=["email", "phone"]),
                follow_up("payment_order_overdue", after=timedelta(days=10)),
            ],
        ),
        notification("receipt", channels=["email", "phone"], expires_after=timedelta(days=2)),
        notification("vehicle_fuelling", channels=["email", "phone"], expires_after=timedelta(days=1)),
        notification("cash_closing", expires_after=timedelta(days=3)),
        notification("sales_closing", expires_after=timedelta(days=3)),
        notification("record_change", expires_after=timedelta(days=3)),
    )
