"""Real database servers for the tests: started on free loopback ports, ended by their pid, kept in a temporary folder.

Unless asked for, durability is switched off (no fsync): the folder lives no longer than the test run. Should the test
run be killed, the servers end with it (parent-death signal).
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

READY_S = 90.0
STOP_S = 20.0


class MissingServer(Exception):
    """A server program that the tests need is not installed."""


class ServerDied(Exception):
    """A server ended, or never answered, while it was being started."""


@dataclass(frozen=True)
class Server:
    """A running database server; `url` leads to its administrative database."""

    url: sa.URL
    process: subprocess.Popen[bytes]

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new empty database, dropped afterwards together with whoever is still connected to it."""
        name = f"t_{uuid.uuid4().hex[:16]}"
        self._run(f"CREATE DATABASE {name}")
        try:
            yield self.url.set(database=name).render_as_string(hide_password=False)
        finally:
            force = " WITH (FORCE)" if self.url.get_backend_name() == "postgresql" else ""
            self._run(f"DROP DATABASE {name}{force}")

    def _run(self, statement: str) -> None:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)


def program(name: str, package: str) -> str:
    """The path of a server program, in PATH or where Debian keeps the versioned ones."""
    versioned = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    places = [shutil.which(name), *map(str, reversed(versioned)), shutil.which(name, path="/usr/sbin:/usr/local/sbin")]
    for place in places:
        if place:
            return place
    raise MissingServer(f"The tests need the program {name!r}: apt-get install {package} (`make test` does it as root)")


def free_port() -> int:
    """A port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[Server]:
    """A PostgreSQL server of its own; with `durable` a commit is on the disk, as PostgreSQL comes."""
    initdb, server = program("initdb", "postgresql"), program("postgres", "postgresql")

    def prepare(home: Path, account: str | None) -> None:
        _run_once(
            [initdb, "-D", str(home / "data"), "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
            account,
        )

    def command(home: Path, port: int) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": "60",
            "max_prepared_transactions": "0",
            **({} if durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}),
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [server, "-D", str(home / "data"), "-p", str(port), *flags]

    url = sa.URL.create("postgresql+psycopg", username="test", host="127.0.0.1", database="postgres")
    with _running(url, ("postgres", "nobody"), prepare, command, signal.SIGINT) as running:
        yield running


@contextmanager
def mariadb() -> Iterator[Server]:
    """A MariaDB server of its own."""
    install, server = program("mariadb-install-db", "mariadb-server"), program("mariadbd", "mariadb-server")

    def prepare(home: Path, account: str | None) -> None:
        _run_once(
            [
                *(install, "--no-defaults", f"--datadir={home / 'data'}", "--skip-test-db", "--skip-name-resolve"),
                *("--auth-root-authentication-method=normal", *([f"--user={account}"] if account else [])),
            ],
            account,
            tmpdir=home,  # the installer's temporary tables have fixed names
        )
        (home / "init.sql").write_text(
            "CREATE USER IF NOT EXISTS 'test'@'127.0.0.1' IDENTIFIED BY 'test';\n"
            "GRANT ALL PRIVILEGES ON *.* TO 'test'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        (home / "init.sql").chmod(0o644)

    def command(home: Path, port: int) -> list[str]:
        return [
            *(server, "--no-defaults", f"--datadir={home / 'data'}", f"--init-file={home / 'init.sql'}"),
            *("--bind-address=127.0.0.1", f"--port={port}", f"--socket={home / 's'}", f"--pid-file={home / 'pid'}"),
            *(f"--tmpdir={home}", "--skip-name-resolve", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"),
            *("--innodb-flush-method=nosync", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M"),
        ]

    url = sa.URL.create(
        "mysql+pymysql", username="test", password="test", host="127.0.0.1", query={"charset": "utf8mb4"}
    )
    with _running(url, ("mysql", "nobody"), prepare, command, signal.SIGTERM) as running:
        yield running


@contextmanager
def _running(
    url: sa.URL,
    accounts: Sequence[str],
    prepare: Callable[[Path, str | None], None],
    command: Callable[[Path, int], list[str]],
    stop: signal.Signals,
) -> Iterator[Server]:
    account = _unprivileged(accounts)
    home = Path(tempfile.mkdtemp(prefix=f"emailketing-{url.get_backend_name()}-"))
    try:
        if account:
            shutil.chown(home, account)
        prepare(home, account)
        server = _started(url, command, home, account, stop)
        try:
            yield server
        finally:
            _stop(server.process, stop)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _started(
    url: sa.URL, command: Callable[[Path, int], list[str]], home: Path, account: str | None, stop: signal.Signals
) -> Server:
    for attempt in range(1, 4):  # another process may take the free port first
        port = free_port()
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                _dies_with_us(command(home, port), stop), stdout=log, stderr=log, cwd=home, **_as(account)
            )
        server = Server(url.set(port=port), process)
        try:
            _wait_ready(server)
        except ServerDied as error:
            gone = process.poll() is not None
            _stop(process, stop)
            if attempt == 3 or not gone:
                log_tail = (home / "log").read_text(errors="replace")[-3000:]
                raise ServerDied(f"{error}\n{log_tail}") from error
        except BaseException:
            _stop(process, stop)
            raise
        else:
            return server
    raise AssertionError


def _wait_ready(server: Server) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise ServerDied(f"{server.process.args!r} ended with {server.process.returncode}")
        try:
            server._run("SELECT 1")
        except sa.exc.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise ServerDied(f"{server.process.args!r} did not answer within {READY_S:.0f} s")


def _stop(process: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(stop)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _unprivileged(accounts: Sequence[str]) -> str | None:
    """The first of `accounts` that exists, when we are root; database servers refuse to run as root."""
    if os.geteuid() != 0:
        return None
    for account in accounts:
        try:
            return pwd.getpwnam(account).pw_name
        except KeyError:
            continue
    raise MissingServer(f"As root the tests need one of the accounts {', '.join(accounts)} to run a server")


def _as(account: str | None) -> dict:
    if account is None:
        return {}
    entry = pwd.getpwnam(account)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _dies_with_us(command: list[str], stop: signal.Signals) -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", stop.name.removeprefix("SIG"), "--", *command] if setpriv else command


def _run_once(command: list[str], account: str | None, tmpdir: Path | None = None) -> None:
    environment = {**os.environ, **({"TMPDIR": str(tmpdir)} if tmpdir else {})}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tempfile.gettempdir(),
        env=environment,
        check=False,
        **_as(account),
    )
    if done.returncode:
        raise ServerDied(f"{command!r} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
