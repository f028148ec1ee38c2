"""The demonstration: a company's ERP, its operators, catchers of mail and texts, and a real Airflow."""

import sys
from pathlib import Path

# The package stands among Airflow's plugins. Whoever starts a module of the demonstration by hand finds it there, too.
sys.path.append(str(Path(__file__).resolve().parents[1] / "plugins"))
