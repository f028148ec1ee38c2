"""A folder for one stage after the other: what does not change, such as Airflow's empty database, the first builds."""

import pytest


@pytest.fixture(scope="session")
def var(tmp_path_factory):
    return tmp_path_factory.mktemp("stages") / "var"
