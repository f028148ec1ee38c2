"""The include folder as a copy that a test may spoil, and a town on SQLite that has looked for the first time."""

import shutil
from pathlib import Path

import pytest

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
