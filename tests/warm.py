"""A process that has imported everything and forks a new one for each run, so that a kill hits work, not imports.

The new process runs the same command as a cold start. Needs the standard library alone, for it runs in the peers'
environments, too::

    python warm.py MODULE:FUNCTION      FUNCTION(arguments) runs in the fork; MODULE is imported once, before

It reads one JSON object a line: {"argv": […], "env": {…}, "output": PATH} starts a process and is answered by its pid;
{"wait": PID} is answered by its exit status when it has ended. When its input ends, it kills what still runs.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import traceback


def main(entry: str) -> None:
    module, _, name = entry.partition(":")
    run = getattr(importlib.import_module(module), name)
    gc.collect()
    gc.freeze()  # a collection in the fork would touch, and so copy, every page
    running: set[int] = set()
    for line in sys.stdin:
        wanted = json.loads(line)
        if "wait" in wanted:
            _, status = os.waitpid(wanted["wait"], 0)
            running.discard(wanted["wait"])
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = _fork(run, wanted)
            running.add(answer)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _fork(run, wanted: dict) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(wanted["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.update(wanted["env"])
        run(wanted["argv"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
