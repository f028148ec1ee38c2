"""A stage: the processes of a demonstration, started together, watched, and ended to the last one.

::

    with Stage(Path("var")) as stage:
        stage.start("catcher", [sys.executable, "-m", "demo.catcher"], env={"PORT": "2525"})
        stage.wait("the mail catcher", lambda: answers(2525), at_most_s=10)
        ...

Whatever ends the block (its end, an error, Ctrl-C, SIGTERM, SIGHUP, at any moment), no process that the stage or its
children started is alive afterwards. What a killed stage (SIGKILL) leaves behind, the next one ends before it starts.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

import psutil

MARK = "DEMO_STAGE"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_CHILD_SUBREAPER = 36


class StageError(RuntimeError):
    """The stage cannot be set: something did not start, died, or stands in the way. The message says what to do."""


class Stopped(KeyboardInterrupt):
    """A signal asked the stage to end; `exit_code` is what a shell expects of a process that obeyed it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number


class Stage:
    """Processes on a common folder `var`; at most one stage at a time stands on it. Must be used in the main thread.

    Every process writes to var/logs/<name>.log. `say` gets the progress lines. `grace_s` is how long the processes
    may take to end themselves before they are killed.
    """

    def __init__(self, var: Path, *, say: Callable[[str], None] | None = None, grace_s: float = 8.0) -> None:
        self.var = var.resolve()
        self.logs = self.var / "logs"
        self.say = say or _to_stderr
        self.grace_s = grace_s
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._stopped: int | None = None
        self._masked = False  # a signal is noted, and acted upon when this is over
        self._handlers: dict[signal.Signals, object] = {}
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked()
        try:
            _become_subreaper()
            atexit.register(self._end_all)  # a signal may come just before `__exit__` has taken over
            self._listen()
            self._clear_strays()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._masked = True
        finally:
            try:
                self._end_all()
            finally:
                self._leave()
        if self._stopped and not isinstance(error, Stopped):
            raise Stopped(self._stopped) from error

    def start(
        self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process. `env` is its whole environment when given, else that of the stage."""
        # SPT_NOENV: setproctitle would overwrite /proc/PID/environ, by which strays of a killed stage are found.
        marked = {**(os.environ if env is None else env), MARK: str(self.var), "SPT_NOENV": "1"}
        with self._uninterrupted(), (self.logs / f"{name}.log").open("wb") as log:
            # Its own session: Ctrl-C reaches the stage alone, which then ends everything in order.
            process = subprocess.Popen(
                list(argv),
                env=marked,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            self._started[name] = process
        return process

    def begin(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a process that is meant to end by itself."""
        process = self.start(name, argv, env)
        del self._started[name]
        return process

    def run(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        at_most_s: float = 120,
        what: str = "",
    ) -> None:
        """Run a process, `what` in words, to its end. Raises StageError, with the end of its log, when it fails."""
        process = self.begin(name, argv, env)
        self.wait(what or name, lambda: process.poll() is not None, at_most_s=at_most_s)
        if process.returncode:
            raise StageError(f"{name} failed with exit code {process.returncode}.\n{self.tail(name)}")

    def wait(self, what: str, done: Callable[[], bool], *, at_most_s: float, every_s: float = 0.2) -> float:
        """Wait until `done()`; gives the seconds it took. Shows progress.

        Raises StageError when it takes longer than `at_most_s` or when a started process ends meanwhile.
        """
        begin = shown = time.monotonic()
        while not done():
            now = time.monotonic()
            self.check()
            if now - begin > at_most_s:
                raise StageError(f"{what} was not ready within {at_most_s:.0f} s. Logs: {self.logs}")
            if now - shown >= 5:
                shown = now
                self.say(f"  waiting for {what} … {now - begin:.0f} s")
            time.sleep(every_s)
        return time.monotonic() - begin

    def check(self) -> None:
        """Raise StageError, with the end of its log, when a started process has ended by itself."""
        for name, process in self._started.items():
            if process.poll() is not None:
                raise StageError(f"{name} ended with exit code {process.returncode}.\n{self.tail(name)}")

    def tail(self, name: str, lines: int = 30) -> str:
        """The last lines of a process's log, under its path."""
        path = self.logs / f"{name}.log"
        text = path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"--- {path}", *text])

    def _locked(self) -> IO[str]:
        lock = (self.var / "stage.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            raise StageError(f"Another run is using {self.var} (process {holder}). End it first, by Ctrl-C.") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock

    def _leave(self) -> None:
        atexit.unregister(self._end_all)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._handlers.clear()
        if self._lock:
            self._lock.close()

    def _listen(self) -> None:
        for number in SIGNALS:
            # nohup's wish is heeded. That a shell ignores SIGINT for its background jobs is not: it is how one ends us.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 the signature of a handler
        first, self._stopped = self._stopped is None, self._stopped or number
        if first and not self._masked:
            raise Stopped(number)

    @contextlib.contextmanager
    def _uninterrupted(self) -> Iterator[None]:
        """A process half started would be lost from sight: signals wait until it stands."""
        self._masked = True
        try:
            yield
        finally:
            self._masked = False
        if self._stopped:
            raise Stopped(self._stopped)

    def _clear_strays(self) -> None:
        strays = list(_marked(str(self.var)))
        if strays:
            self.say(f"  ending {len(strays)} processes that a killed run left behind")
            _end(strays, self.grace_s)

    def _end_all(self) -> None:
        """End the family, as often as a dying process still leaves a child to this one."""
        known = {process.pid for process in self._started.values()}
        for _ in range(10):
            family = self._family(known)
            if not family:
                break
            known |= {each.pid for each in family}
            _end(family, self.grace_s)
        for process in self._started.values():
            process.poll()  # it has been waited for already; subprocess wants to know, too

    def _family(self, known: set[int]) -> list[psutil.Process]:
        """All descendants but those that the caller started by other means."""
        children = psutil.Process().children()
        mine = [each for each in children if each.pid in known or _has_mark(each, str(self.var))]
        return [*mine, *(each for child in mine for each in _descendants(child))]


def free_ports(count: int) -> list[int]:
    """As many different free ports of the loopback interface."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def answers(port: int) -> bool:
    """Whether something on this machine accepts connections at `port`."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _end(processes: Iterable[psutil.Process], grace_s: float) -> None:
    """Ask processes to end; kill those that have not after `grace_s`; wait until they are gone."""
    processes = list(processes)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=grace_s)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=grace_s)


def _marked(mark: str) -> Iterable[psutil.Process]:
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return (process for process in psutil.process_iter() if process.pid not in own and _has_mark(process, mark))


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _has_mark(process: psutil.Process, mark: str) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return process.environ().get(MARK) == mark
    return False


def _become_subreaper() -> None:
    """Have orphans of one's children come back to this process instead of to init (prctl(2); Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
