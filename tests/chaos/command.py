"""Our command line, for `warm.py`: everything a sweep or a delivery imports is imported already.

With CHAOS_POINT in the environment the process kills itself at that point of its work; see `doom`.
"""

from __future__ import annotations

import importlib
import logging
import os

os.environ["_AIRFLOW__AS_LIBRARY"] = "1"

for _name in (
    *("airflow.providers.smtp.hooks.smtp", "alembic.command", "psycopg", "pymysql"),
    *("emailketing.road", "emailketing.tasks", "emailketing.wiring"),
):
    importlib.import_module(_name)

from emailketing.__main__ import main  # noqa: E402
from tests.chaos import doom  # noqa: E402


def run(argv: list[str]) -> None:
    """`python -m emailketing …`, as far as it has not happened by import."""
    logging.disable(logging.INFO)
    if "CHAOS_POINT" in os.environ:
        doom.install(int(os.environ["CHAOS_POINT"]), os.environ.get("CHAOS_COUNT"))
    main(argv, prog_name="emailketing")
