"""What the processes of `processes.FRESH` find imported."""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))  # pytest's own are not handed on

for _name in ("psycopg", "pymysql", "pytest", "emailketing.outbox", "tests.hall", "tests.letters"):
    importlib.import_module(_name)
