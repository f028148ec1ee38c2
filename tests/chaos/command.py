"""Our command line, for `warm.py`: everything a sweep or a delivery imports is imported already.

With CHAOS_POINT in the environment the process kills itself at that point of its work; see `doom`.
"""

from __future__ import annotations

import logging
import os

os.environ["_AIRFLOW__AS_LIBRARY"] = "1"

import airflow.providers.smtp.hooks.smtp
import alembic.command
import psycopg
import pymysql

import emailketing.road
import emailketing.tasks
import emailketing.wiring  # noqa: F401 imported for later
from emailketing.__main__ import main
from tests.chaos import doom


def run(argv: list[str]) -> None:
    """`python -m emailketing …`, as far as it has not happened by import."""
    logging.disable(logging.INFO)
    if "CHAOS_POINT" in os.environ:
        doom.install(int(os.environ["CHAOS_POINT"]), os.environ.get("CHAOS_COUNT"))
    main(argv, prog_name="emailketing")
