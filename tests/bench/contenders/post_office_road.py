"""django-post_office's whole road: query, send_many with a template, send.

Its template has the styles in attributes already, which it would not do itself; BENCH_TEMPLATE names the folder.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import customers
import post_office_site
from post_office import mail
from post_office.models import EmailTemplate

_ERP = post_office_site.FOLDER / "erp.db"
_TEMPLATE = Path(os.environ["BENCH_TEMPLATE"])


def prepare(count: int) -> None:
    post_office_site.fresh()
    customers.build(_ERP, count)
    EmailTemplate.objects.create(
        name="offer",
        subject=(_TEMPLATE / "subject.txt").read_text().strip(),
        content=(_TEMPLATE / "text.txt").read_text(),
        html_content=(_TEMPLATE / "body.html").read_text(),
    )


def run() -> int:
    erp = sqlite3.connect(_ERP)
    erp.row_factory = sqlite3.Row
    rows = erp.execute((_TEMPLATE / "offer.sql").read_text())
    mail.send_many([{"recipients": row["email"], "template": "offer", "context": dict(row)} for row in rows])
    erp.close()
    return post_office_site.send()
