"""A process that has imported everything, for all tests that kill."""

import pytest

from tests.processes import Warm


@pytest.fixture(scope="session")
def warm():
    with Warm("tests.chaos.command:run") as warm:
        yield warm
