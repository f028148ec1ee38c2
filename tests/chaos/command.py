"""Our command line, for `warm.py`, with instants at which it dies.

With CHAOS_POINT in the environment the process kills itself at that point of its work; see `doom`.
"""

from __future__ import annotations

import logging
import os

from tests import shell
from tests.chaos import doom


def run(argv: list[str]) -> None:
    """`python -m emailketing …`, as far as it has not happened by import."""
    logging.disable(logging.INFO)
    if "CHAOS_POINT" in os.environ:
        doom.install(int(os.environ["CHAOS_POINT"]), os.environ.get("CHAOS_COUNT"))
    shell.run(argv)
