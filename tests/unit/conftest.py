"""Airflow makes a folder at import; in tests it is one below var/, never in the user's home."""

import os
from pathlib import Path

os.environ["AIRFLOW_HOME"] = str(Path(__file__).parents[2] / "var" / "airflow-tests")
