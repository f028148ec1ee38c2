"""`pytest tests/golden --golden-write` writes what the cases now give; a person then reads the difference."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_addoption(parser):
    parser.addoption("--golden-write", action="store_true", help="write the expected files instead of comparing")


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        cases = sorted(path.parent for path in HERE.glob("*/*/input.yaml"))
        metafunc.parametrize("case", cases, ids=[str(case.relative_to(HERE)) for case in cases])


@pytest.fixture(scope="session")
def renderer():
    from emailketing.render import Renderer
    from emailketing.settings import PROJECT, load

    return Renderer(PROJECT / "include", company=load().company.model_dump())
