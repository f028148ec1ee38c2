"""Our command line, for `warm.py`, with instants at which it dies.

With CHAOS_POINT in the environment the process kills itself at that point of its work; see `doom`.
"""

from __future__ import annotations

import importlib
import logging
import os

from emailketing.outbox import migrate
from tests import shell
from tests.chaos import doom

for _name in (  # what stands where it is used, and is used by each run
    *("airflow.sdk.definitions.connection", "airflow.sdk.definitions.timetables.interval"),
    *("airflow.sdk.definitions.timetables.trigger", "airflow.sdk.execution_time.cache"),
    *("airflow.sdk.execution_time.supervisor", "airflow.sdk.execution_time.task_runner", "airflow.timetables.base"),
    *("emailketing.audience.naming", "emailketing.commands.reports", "encodings.idna", "holidays.countries"),
    "_strptime",
):
    importlib.import_module(_name)
migrate.newest()


def run(argv: list[str]) -> None:
    """`python -m emailketing …`, as far as it has not happened by import."""
    logging.disable(logging.INFO)
    if "CHAOS_POINT" in os.environ:
        doom.install(int(os.environ["CHAOS_POINT"]), os.environ.get("CHAOS_COUNT"))
    shell.run(argv)
