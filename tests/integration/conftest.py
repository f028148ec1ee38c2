"""The include folder as a copy that a test may spoil, and a town on SQLite that has looked for the first time."""

import shutil
from pathlib import Path

import pytest

from demo.build import build
from tests.desk import Desk
from tests.town import Town

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def include(tmp_path):
    return Path(shutil.copytree(PROJECT / "include", tmp_path / "include"))


@pytest.fixture
def town(tmp_path, include):
    town = Town(f"sqlite:///{tmp_path / 'erp.db'}", f"sqlite:///{tmp_path / 'outbox.db'}", include)
    town.sweep()
    yield town
    town.close()


@pytest.fixture(scope="session")
def company(tmp_path_factory):
    """The demo ERP of a small company, built once and copied for each desk."""
    template = tmp_path_factory.mktemp("company") / "erp.db"
    build(f"sqlite:///{template}", scale=0.02)
    return template


@pytest.fixture
def desk(tmp_path, company):
    return Desk(tmp_path, company)
