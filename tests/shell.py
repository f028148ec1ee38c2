"""The command line for `warm.py`: whatever it would import is imported already, so that a test waits for work alone."""

from __future__ import annotations

import importlib
import os

os.environ["_AIRFLOW__AS_LIBRARY"] = "1"

for _name in (
    *("airflow.providers.smtp.hooks.smtp", "alembic.command", "apprise", "psycopg", "pymysql", "rich.table"),
    *("weasyprint", "emailketing.road", "emailketing.tasks", "emailketing.wiring", "emailketing.audience.naming"),
    *("emailketing.commands.reports", "_strptime", "encodings.idna", "holidays.countries"),
    # What Airflow's SDK imports for a DAG file, and for a Connection.
    *("airflow.sdk.definitions.connection", "airflow.sdk.definitions.timetables.interval"),
    *("airflow.sdk.definitions.timetables.trigger", "airflow.sdk.execution_time.cache"),
    *("airflow.sdk.execution_time.supervisor", "airflow.sdk.execution_time.task_runner", "airflow.timetables.base"),
):
    importlib.import_module(_name)

from emailketing.__main__ import main  # noqa: E402
from emailketing.outbox import migrate  # noqa: E402

migrate.newest()


def run(argv: list[str]) -> None:
    """`python -m emailketing …`, as far as it has not happened by import."""
    main(argv, prog_name="emailketing")
