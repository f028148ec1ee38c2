"""Whatever ends a stage, and whenever, nothing that it started is alive afterwards."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from demo.stage import Stage, StageError, answers, free_ports
from tests.processes import alive, until

PROJECT = Path(__file__).parents[2]

# A child as bad as they come: it ignores SIGTERM and leaves a grandchild in a session of its own, fatherless.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
open(sys.argv[1] + str(os.getpid()), "w").close()
time.sleep(60)
"""

STAGE = """
import signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests run under nohup
from pathlib import Path
from demo.stage import Stage, Stopped
try:
    with Stage(Path(sys.argv[1]), grace_s=0.5) as stage:
        for number in range(4):
            stage.start(f"stubborn-{number}", [sys.executable, "-c", sys.argv[2], sys.argv[1] + "/began-"])
        print("started", flush=True)
        time.sleep(60)
except Stopped as stopped:
    sys.exit(stopped.exit_code)
"""


@pytest.fixture
def run():
    """Start a script; it gets the arguments and its output can be read."""
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with ExitStack() as stack:

        def start(script, *arguments):
            argv = [sys.executable, "-c", script, *map(str, arguments)]
            process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True)
            stack.callback(process.kill)
            return stack.enter_context(process)

        yield start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_stubborn_children_and_fatherless_grandchildren(run, number, tmp_path):
    stage = run(STAGE, tmp_path, STUBBORN)
    until(lambda: len(list(tmp_path.glob("began-*"))) == 8)
    assert len(alive(tmp_path)) >= 8
    stage.send_signal(number)
    assert stage.wait(60) == 128 + number
    assert alive(tmp_path) == []


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_a_signal_at_any_moment_of_the_start_leaves_nothing(run, delay_s, tmp_path):
    stage = run(STAGE, tmp_path, STUBBORN)
    until((tmp_path / "stage.lock").exists)
    time.sleep(delay_s)
    stage.send_signal(signal.SIGTERM)
    assert stage.wait(60) != 0
    assert alive(tmp_path) == []


def test_an_impatient_second_signal_does_not_break_the_ending(run, tmp_path):
    stage = run(STAGE, tmp_path, STUBBORN)
    assert stage.stdout.readline() == "started\n"
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        stage.send_signal(number)
        time.sleep(0.1)
    assert stage.wait(60) == 130
    assert alive(tmp_path) == []


def test_what_a_killed_stage_leaves_behind_is_ended_by_the_next(run, tmp_path):
    stage = run(STAGE, tmp_path, STUBBORN)
    until(lambda: len(list(tmp_path.glob("began-*"))) == 8)
    stage.kill()
    stage.wait()
    assert alive(tmp_path)
    said = []
    with Stage(tmp_path, say=said.append, grace_s=0.5):
        assert alive(tmp_path) == []
    assert "left behind" in said[0]


def test_two_stages_do_not_stand_on_one_folder(tmp_path):
    with Stage(tmp_path) as first:
        first.start("sleep", ["sleep", "60"])
        with pytest.raises(StageError, match=f"process {os.getpid()}"), Stage(tmp_path):
            pass
        first.check()
    assert alive(tmp_path) == []


def test_an_error_in_the_block_ends_everything_and_is_not_hidden(tmp_path):
    def block():
        with Stage(tmp_path) as stage:
            stage.start("sleep", ["sleep", "60"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()
    assert alive(tmp_path) == []


def test_the_callers_other_children_are_left_alone(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as other:
        with Stage(tmp_path) as stage:
            stage.start("sleep", ["sleep", "60"])
        assert other.poll() is None
        other.kill()


def test_a_process_that_dies_is_told_with_the_end_of_its_log(tmp_path):
    with Stage(tmp_path) as stage:
        stage.start("talker", ["sh", "-c", "echo out of paper; exit 3"])
        with pytest.raises(StageError, match=r"(?s)talker ended with exit code 3.*talker\.log.*out of paper"):
            stage.wait("the printer", lambda: False, at_most_s=10)


def test_what_does_not_get_ready_is_told_with_progress_before(tmp_path):
    said = []
    with (
        Stage(tmp_path, say=said.append) as stage,
        pytest.raises(StageError, match="the printer was not ready within 6 s"),
    ):
        stage.wait("the printer", lambda: False, at_most_s=5.5)
    assert said == ["  waiting for the printer … 5 s"]


def test_a_command_that_fails_is_told_with_the_end_of_its_log(tmp_path):
    with Stage(tmp_path) as stage:
        stage.run("fine", ["true"])
        with pytest.raises(StageError, match=r"(?s)migrate failed with exit code 1.*no space"):
            stage.run("migrate", ["sh", "-c", "echo no space; exit 1"])


def test_free_ports_are_free_and_differ():
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert not any(map(answers, ports))
