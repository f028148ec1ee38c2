"""A task as one writes it with Airflow's SmtpHook: one mail after another, and from the beginning when it is retried.

Arguments: FIRST COUNT, the numbers of the recipients.
"""

from __future__ import annotations

import json
import os

os.environ["_AIRFLOW__AS_LIBRARY"] = "1"
os.environ["AIRFLOW_CONN_PEER"] = json.dumps(
    {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": int(os.environ["PEER_SMTP_PORT"]),
        "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "notes@company.example"},
    }
)

from airflow.providers.smtp.hooks.smtp import SmtpHook

BODY = "Su pedido salió hoy del depósito. " * 40


def run(argv: list[str]) -> None:
    """The task."""
    first, count = map(int, argv)
    with SmtpHook("peer") as hook:
        for number in range(first, first + count):
            hook.send_email_smtp(
                to=f"r{number}@example.com",
                subject=f"Nota N-{number:06d}",
                html_content=f"<p>Estimado Ana:</p><p>{BODY}</p>",
            )
