"""What a DAG file may declare of notifications and of what follows them; each slip is told with its line."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from emailketing import settings, tasks
from emailketing.errors import DeclarationError

HEAD = """from datetime import timedelta
from airflow.sdk import DAG
from emailketing.tasks import follow_up, notification, notify
with DAG("ours", schedule=None) as dag:
"""


@pytest.fixture
def declared(tmp_path):
    """The mailings that a DAG file with this declaration gives."""

    def declare(line):
        (tmp_path / "ours.py").write_text(f"{HEAD}    {line}\n")
        return tasks.declared(tmp_path)

    return declare


def test_a_notification_and_its_follow_ups_are_mailings_of_their_own(declared):
    found = declared(
        'notify(notification("payment_order", if_refused="phone", follow_ups=['
        'follow_up("payment_order_reminder", after=timedelta(days=2), channels=["email", "phone"]),'
        'follow_up("payment_order_overdue", after=timedelta(hours=60), expires_after=timedelta(days=1))]))'
    )
    assert list(found) == ["payment_order", "payment_order_reminder", "payment_order_overdue"]
    order, reminder, overdue = found.values()
    assert (order.if_refused, order.ways, order.waits) == ("phone", ("email", "phone"), timedelta(0))
    assert (reminder.channels, reminder.waits) == (("email", "phone"), timedelta(days=2))
    assert (overdue.waits_s, overdue.expires_after_s) == (60 * 3600, 86400)


def test_the_sensor_watches_what_is_saved_and_the_sweep_sees_to_all(declared):
    from airflow.sdk import DAG

    with DAG("ours", schedule=None) as dag:
        order = tasks.notification(
            "payment_order", follow_ups=[tasks.follow_up("payment_order_reminder", after=timedelta(days=2))]
        )
        tasks.notify(order, tasks.follow_up("payment_order_overdue", after=timedelta(days=9)))
    assert dag.get_task("watch").mailings == ["payment_order"]
    assert [mailing.name for mailing in dag.get_task("sweep").mailings] == [
        "payment_order",
        "payment_order_reminder",
        "payment_order_overdue",
    ]


def test_where_workers_are_short_what_is_instant_begins_before_what_may_wait():
    from airflow.sdk import DAG

    with DAG("ours", schedule=None) as dag:
        tasks.notify(tasks.notification("payment_order"))
        tasks.tend_outbox()
        tasks.mail_campaign("promotion")
        tasks.greet(tasks.greeting("birthday"))
        tasks.mail_report("sales", to="management")
    weights = {task.task_id: (task.priority_weight, str(task.weight_rule)) for task in dag.tasks}
    (instant,) = {weights.pop(name) for name in ("sweep", "tend_outbox")}
    assert instant[0] > max(weight for weight, _ in weights.values())
    assert instant[1] == "absolute"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('notification("payment_order", if_refused="fone")', "there is no channel 'fone'.\n  Did you mean 'phone'?"),
        (
            'notification("receipt", channels=["email", "phone"], if_refused="phone")',
            "if_refused is 'phone', by which receipt goes in any case.\n  Leave it out: all are tried.",
        ),
        (
            'notification("payment_order", if_refused="email")',
            "if_refused is 'email', by which payment_order goes in any case.\n  Name 'phone' there, or leave it out.",
        ),
        (
            'notification("payment_order", follow_ups=[follow_up("payment_order_remind", after=timedelta(days=1))])',
            "there is no query 'payment_order_remind'.\n  Did you mean 'payment_order_reminder'?",
        ),
        (
            'follow_up("payment_order_reminder", after=timedelta(0))',
            "after is 0:00:00: nothing is waited for.\n  Give a length of time, such as timedelta(days=3).",
        ),
        (
            'notification("receipt", expire_after=timedelta(days=1))',
            "TypeError: notification() got an unexpected keyword argument 'expire_after'\n"
            "  Did you mean 'expires_after'?",
        ),
        (
            'notification("payment_order", follow_ups=[notification("payment_order_reminder")])',
            "'payment_order_reminder' is no follow-up.",
        ),
        (
            'notification("payment_order", follow_ups=[follow_up("payment_order", after=timedelta(days=1))])',
            "'payment_order' stands here twice.",
        ),
    ],
)
def test_a_slip_is_told_with_its_line_and_what_to_write(declared, line, told):
    with pytest.raises(DeclarationError, match=rf"ours\.py:5: {re.escape(told)}"):
        declared(f"notify({line})")


def test_the_declarations_of_this_project_can_be_made():
    assert "payment_order_overdue" in tasks.declared(settings.load().dags)
