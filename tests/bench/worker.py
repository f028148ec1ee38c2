"""A contender in a process of its own, warm between its runs; the standard library alone, for peers' environments.

    python worker.py MODULE

MODULE has `prepare(count)`, which makes everything ready for a fresh run, and `run()`, which is timed and answers how
many messages it sent. Lines on standard input: a number prepares for so many and is answered by "ready"; "run" is
answered by messages and seconds.
"""

from __future__ import annotations

import gc
import importlib
import sys
import time


def main(name: str) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # what a contender prints is not an answer
    module = importlib.import_module(name)
    for line in sys.stdin:
        if line.strip() == "run":
            began = time.perf_counter()
            sent = module.run()
            answer = f"{sent} {time.perf_counter() - began}"
        else:
            module.prepare(int(line))
            gc.collect()
            answer = "ready"
        answers.write(f"{answer}\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
