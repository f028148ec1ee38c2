"""A task as one writes it with Airflow's SmtpHook: one mail after another. It knows no text part, so it sends HTML."""

from __future__ import annotations

import json
import os

os.environ["_AIRFLOW__AS_LIBRARY"] = "1"
os.environ["AIRFLOW_CONN_PEER"] = json.dumps(
    {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": int(os.environ["BENCH_SMTP_PORT"]),
        "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "avisos@petroleradeleste.example"},
    }
)

import letter
from airflow.providers.smtp.hooks.smtp import SmtpHook

_mails: list[dict[str, str]] = []


def prepare(count: int) -> None:
    _mails[:] = [
        {"to": letter.address(number), "subject": letter.subject(number), "html_content": letter.html(number)}
        for number in range(count)
    ]


def run() -> int:
    with SmtpHook("peer") as hook:
        for mail in _mails:
            hook.send_email_smtp(**mail)
    return len(_mails)
