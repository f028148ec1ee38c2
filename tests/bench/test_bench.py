"""The measurement itself works, in its short form; how fast anything is, is no test."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.bench.pairs import LEAST, Effort, Row, compare, table
from tests.bench.processes import PROJECT


class Side:
    """A side whose rates are given, and who notes when it ran."""

    def __init__(self, name, rates, log):
        self.name, self.rates, self.log = name, list(rates), log

    def rate(self, count):
        self.log.append(self.name)
        return self.rates.pop(0)


def test_the_sides_take_turns_and_the_first_run_of_each_does_not_count():
    log = []
    ours, theirs = Side("A", [1, 300, 200, 400], log), Side("B", [1, 100, 100, 100], log)
    row = compare("A : B", 2.5, (ours, theirs), Effort(10, 3, 60))
    assert "".join(log) == "AB ABBAAB".replace(" ", "")
    assert (row.ratio, min(row.ratios), max(row.ratios), row.reached) == (3, 2, 4, True)


def test_a_row_begins_no_further_pair_when_its_time_is_over():
    ours, theirs = (Side(name, [1.0] * 9, []) for name in "AB")
    row = compare("A : B", 1, (ours, theirs), Effort(10, 8, 0))
    assert len(row.ratios) == LEAST


def test_a_row_that_misses_its_target_says_so():
    shown = table([Row("A : B", 0.75, [500.0], [1000.0])])
    assert "0.50  [0.50–0.50]      1  ≥ 0.75  MISSED  500/s  1,000/s" in shown


def test_the_short_form_measures_delivery_on_both_databases():
    command = [sys.executable, "-m", "tests.bench", "--quick"]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT / "plugins")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\(a\) deliver, (\w+) : smtplib with ready bytes +\d+\.\d\d ", done.stdout, re.MULTILINE)
    assert rows == ["SQLite", "PostgreSQL"]
