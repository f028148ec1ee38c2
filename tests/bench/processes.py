"""The processes of a measurement: the mail sink, and a contender each; ended by their pid."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests import servers

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
STAGE = HERE / "stage" / "include"


@contextmanager
def sink() -> Iterator[int]:
    """Postfix's smtp-sink, which answers 250 and throws everything away; its port."""
    port = servers.free_port()
    command = [servers.program("smtp-sink", "postfix"), f"127.0.0.1:{port}", "100"]
    if os.geteuid() == 0:
        command[1:1] = ["-u", "nobody"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


class Contender:
    """One side of a comparison, in a process of its own; a context manager."""

    def __init__(self, module: str, env: Mapping[str, str], python: Path = Path(sys.executable)) -> None:
        self._command = [str(python), str(HERE / "worker.py"), module]
        own = {name: value for name, value in os.environ.items() if not name.startswith(("EMAILKETING_", "AIRFLOW_"))}
        paths = [HERE / "contenders", HERE, *([PROJECT / "plugins", PROJECT] if python == Path(sys.executable) else [])]
        self._env = {**own, "PYTHONPATH": ":".join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1", **env}
        self._env.setdefault("AIRFLOW_HOME", env["BENCH_FOLDER"])

    def __enter__(self) -> Contender:
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command,
            env=self._env,
            cwd=self._env["BENCH_FOLDER"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def rate(self, count: int) -> float:
        """Messages a second of one fresh run of `count` messages; making it ready does not count."""
        assert self._ask(str(count)) == "ready"
        sent, seconds = self._ask("run").split()
        assert int(sent) == count, f"{self._command}: {sent} of {count} messages were sent"
        return count / float(seconds)

    def _ask(self, line: str) -> str:
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            self._log.seek(0)
            raise AssertionError(f"{self._command} ended:\n{self._log.read().decode()[-4000:]}")
        return answer
