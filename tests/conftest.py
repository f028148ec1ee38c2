"""Databases for the tests: real servers, one set per test process, started when a test first asks for them.

`postgres_url`, `mariadb_url` and `sqlite_url` each give the URL of a database that is new and empty for this test;
a test that takes `database_url` runs once over each of the three.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import scratch, servers

scratch.use_memory()

# Seldom: what a sheet or a query leaves behind is large, and looking through all of it again and again takes a sixth.
gc.set_threshold(50_000, 20, 20)

# Airflow makes a folder when it is imported: below var/, not in the user's home.
os.environ["AIRFLOW_HOME"] = str(Path(__file__).parents[1] / "var" / "airflow-tests")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Server]:
    with _required(servers.postgres) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[servers.Server]:
    with _required(servers.mariadb) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: servers.Server) -> Iterator[str]:
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def mariadb_url(mariadb_server: servers.Server) -> Iterator[str]:
    with mariadb_server.database() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def database_url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(f"{request.param}_url")


@contextmanager
def _required(start: Callable[[], AbstractContextManager[servers.Server]]) -> Iterator[servers.Server]:
    """The server that `start` gives; where its program is missing the test fails with the package to install."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(start())
        except servers.MissingServer as missing:
            pytest.fail(str(missing), pytrace=False)
        yield server
