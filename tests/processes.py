"""Processes to be killed: cold ones, started from nothing, and warm ones, forked from a process that is ready."""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from demo.stage import MARK

PROJECT = Path(__file__).resolve().parents[1]
LONGEST_S = 180.0  # a run that takes longer has hung

#: Processes that share nothing with the test, as spawned ones, but are forked from one that has imported the most.
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["tests.preloaded"])


class Process:
    """A process that runs, may be killed, and is waited for."""

    def __init__(self, pid: int, wait) -> None:
        self.pid, self._wait, self._handle = pid, wait, os.pidfd_open(pid)
        self.killed = False

    def ended(self, within_s: float = 0.0) -> bool:
        """Whether it ends within so many seconds."""
        return bool(select.select([self._handle], [], [], within_s)[0])

    def kill(self) -> bool:
        """SIGKILL; whether it was still alive."""
        self.killed = not self.ended()
        if self.killed:
            os.kill(self.pid, signal.SIGKILL)
        return self.killed

    def status(self) -> int:
        """Its exit status (negative: the signal), when it has ended."""
        if not self.ended(LONGEST_S):
            self.kill()
            raise AssertionError(f"process {self.pid} has not ended within {LONGEST_S:.0f} s")
        os.close(self._handle)
        return self._wait()


class Warm:
    """Starts processes by `warm.py` in the environment of `python`; a context manager."""

    def __init__(self, entry: str, python: Path = Path(sys.executable), env: Mapping[str, str] = {}) -> None:
        self._command = [str(python), str(Path(__file__).with_name("warm.py")), entry]
        self._env = {**clean_environment(), **env}

    def __enter__(self) -> Warm:
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=self._env, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._log.close()

    def start(self, argv: Sequence[str], env: Mapping[str, str], output: Path) -> Process:
        """A new process that runs the entry with `argv`; what it says goes to `output`."""
        pid = self._ask({"argv": list(argv), "env": dict(env), "output": str(output)})
        return Process(pid, lambda: self._ask({"wait": pid}))

    def _ask(self, wanted: dict) -> int:
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._log.seek(0)
            raise AssertionError(f"{self._command} ended:\n{self._log.read().decode()[-3000:]}")
        return int(answer)


def cold(argv: Sequence[str], env: Mapping[str, str], output: Path) -> Process:
    """`python -m emailketing …`, started from nothing."""
    with output.open("ab") as file:
        command = [sys.executable, "-m", "emailketing", *argv]
        environment = {**clean_environment(), **env}
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    return Process(process.pid, process.wait)


def until(happened: Callable[[], object], patience_s: float = 60.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < end, f"it has not happened within {patience_s:.0f} s"
        time.sleep(0.02)


def alive(var: Path) -> list[str]:
    """The processes that carry the mark of a stage on `var`, by name."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(var):
                found.append(process.name())
    return found


def clean_environment() -> dict[str, str]:
    """Ours, without what the one who starts the tests may have set."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("EMAILKETING_", "AIRFLOW_CONN"))}
    return ours | {
        "PYTHONPATH": f"{PROJECT / 'plugins'}:{PROJECT}",
        "AIRFLOW_HOME": str(PROJECT / "var" / "airflow-tests"),
    }


class Recorder:
    """The recording mail server as a process; a context manager. `port` is known inside."""

    def __init__(self, path: Path, pause_s: float, seed: int) -> None:
        self._command = [sys.executable, "-m", "tests.chaos.recorder", str(path), str(pause_s), str(seed)]

    def __enter__(self) -> Recorder:
        self._process = subprocess.Popen(
            self._command,
            env=clean_environment(),
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it complains of every sender that dies
            text=True,
        )
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
