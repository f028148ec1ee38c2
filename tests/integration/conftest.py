"""The include folder as a copy that a test may spoil, and a town on SQLite that has looked for the first time."""

import shutil
import signal
from contextlib import ExitStack
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from demo import database, generate
from demo.build import build
from emailketing.erp import Erp
from tests.desk import Desk
from tests.era import Era
from tests.market import Market
from tests.processes import Warm
from tests.town import Town, plain_sheets

PROJECT = Path(__file__).resolve().parents[2]
NAMES = ("erp.db", "outbox.db")


@pytest.fixture
def include(tmp_path):
    return Path(shutil.copytree(PROJECT / "include", tmp_path / "include"))


@pytest.fixture(scope="session")
def new_town(tmp_path_factory):
    """Opens a town in a folder, built once and copied; it has looked for the first time."""
    template = tmp_path_factory.mktemp("town")
    first = Town(*_urls(template), PROJECT / "include")
    first.sweep()
    first.close()

    def opened(folder, include):
        for name in NAMES:
            shutil.copyfile(template / name, folder / name)
        return Town.again(*_urls(folder), include, first.clock.now)

    return opened


def _urls(folder):
    return [f"sqlite:///{folder / name}" for name in NAMES]


@pytest.fixture
def printing_town(tmp_path, include, new_town):
    """A town as it is, with real PDFs."""
    town = new_town(tmp_path, include)
    yield town
    town.close()


@pytest.fixture
def town(include, printing_town):
    """A town whose PDFs are plain."""
    plain_sheets(include)
    return printing_town


@pytest.fixture(scope="session")
def company(tmp_path_factory):
    """The demo ERP of a small company, built once and copied for each desk."""
    template = tmp_path_factory.mktemp("company") / "erp.db"
    build(f"sqlite:///{template}", scale=0.02)
    return template


@pytest.fixture(scope="session")
def shell():
    """The command line, warm."""
    with Warm("tests.shell:run") as warm:
        yield warm


@pytest.fixture
def desk(tmp_path, company, shell):
    return Desk(tmp_path, company, shell)


@pytest.fixture(scope="module", params=["postgres", "sqlite"])
def eternal_era(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("era")
    with ExitStack() as stack:
        if request.param == "postgres":
            server = request.getfixturevalue("postgres_server")
            urls = [stack.enter_context(server.database()) for _ in range(2)]
        else:
            urls = _urls(folder)
        era = Era(*urls, folder)
        yield era
        era.close()


@pytest.fixture
def era(eternal_era):
    """An ERP whose clocks the test moves, with its outbox; on SQLite the ERP has no clock of its own."""
    eternal_era.begin_anew()
    return eternal_era


@pytest.fixture(scope="session")
def new_market(tmp_path_factory):
    """Opens a market in a folder: the demo ERP of a small company, built once and copied, and an empty outbox."""
    template = tmp_path_factory.mktemp("market")
    Market(*_urls(template), PROJECT / "include").close()

    def opened(folder, include):
        for name in NAMES:
            shutil.copyfile(template / name, folder / name)
        return Market.again(*_urls(folder), include)

    return opened


@pytest.fixture
def market(tmp_path, include, new_market):
    """The demo ERP of a small company and an outbox, for campaigns; a Monday."""
    market = new_market(tmp_path, include)
    yield market
    market.close()


@pytest.fixture(scope="session")
def kill_after(tmp_path_factory):
    """Advertises a campaign of `tests.market` in a process that is killed after so many puts of ten messages."""
    said = tmp_path_factory.mktemp("half") / "said.txt"
    with Warm("tests.market:run_half") as warm:

        def advertise(market, puts, campaign):
            urls = [str(engine.url) for engine in (market.campaigner.erp.engine, market.outbox._database.engine)]
            status = warm.start([*urls, str(market.include), str(puts), campaign], {}, said).status()
            assert status == -signal.SIGKILL, said.read_text()

        yield advertise


@pytest.fixture(scope="module")
def erps(data, tmp_path_factory, postgres_server, mariadb_server):
    """The company of a test file's `data` on SQLite, PostgreSQL and MariaDB."""
    with ExitStack() as stack:
        urls = {"sqlite": f"sqlite:///{tmp_path_factory.mktemp('erps') / 'erp.db'}"}
        urls["postgres"] = stack.enter_context(postgres_server.database())
        urls["mariadb"] = stack.enter_context(mariadb_server.database())
        found = {}
        for name, url in urls.items():
            engine = database.open_engine(url)
            stack.callback(engine.dispose)
            database.create(engine)
            generate.store(engine, data)
            if name == "postgres":  # without statistics it takes seconds for what takes it milliseconds in an ERP
                with engine.begin() as connection:
                    connection.exec_driver_sql("ANALYZE")
            found[name] = Erp(engine, PROJECT / "include" / "sql", ZoneInfo("America/Asuncion"))
        yield found


@pytest.fixture(scope="module")
def sqlite(erps):
    return erps["sqlite"]
