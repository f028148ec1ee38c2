"""An outbox on each database, made once and emptied for each test."""

from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from emailketing.outbox import Outbox, schema


@pytest.fixture(scope="session", params=["sqlite", "postgres", "mariadb"])
def lasting_url(request, tmp_path_factory):
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('outbox') / 'outbox.db'}"
        else:
            url = stack.enter_context(request.getfixturevalue(f"{request.param}_server").database())
        Outbox.open(url).close()
        yield url


@pytest.fixture
def outbox(lasting_url):
    outbox = Outbox.open(lasting_url)
    with outbox._database.engine.execution_options(writes=True).begin() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            if table is not schema.state:  # the migrations wrote what it says
                connection.execute(sa.delete(table))
    yield outbox
    outbox.close()
