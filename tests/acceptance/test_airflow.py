"""Airflow on a stage: what keeps it from starting is told at once."""

import pytest

from demo.local_airflow import LocalAirflow
from demo.stage import Stage, StageError
from tests.processes import alive


def test_a_dag_file_that_cannot_be_imported_is_told_at_once(var, tmp_path):
    (tmp_path / "broken.py").write_text("from airflow.sdk import DAG\nimport nonsense_that_is_not_there\n")
    with Stage(var) as stage, pytest.raises(StageError, match=r"(?s)cannot import 1 DAG file.*broken\.py.*nonsense"):
        LocalAirflow(stage, {}, dags=tmp_path).start(["broken"])
    assert alive(var) == []
