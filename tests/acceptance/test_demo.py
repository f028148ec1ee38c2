"""The two ways to see it: `make demo` ends when all arrived, `make up` stays until it is told to end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from demo.catcher import read_log
from demo.phone_catcher import read_log as read_texts
from tests.processes import alive

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)  # for a machine that is slow, or has other work


class Demo:
    """A demonstration as a process; its output goes to a file that is read meanwhile."""

    def __init__(self, folder, var, *arguments):
        self.var, self._output = var, folder / "output.txt"
        argv = [sys.executable, "-m", "demo", *arguments, "--var", str(var)]
        env = {**os.environ, "PYTHONPATH": "plugins"}
        with self._output.open("w") as log:
            self.process = subprocess.Popen(argv, cwd=PROJECT, env=env, stdout=log, stderr=subprocess.STDOUT)

    @property
    def output(self):
        return self._output.read_text()

    def end(self, number):
        family = psutil.Process(self.process.pid).children(recursive=True)
        assert len(family) > 4
        self.process.send_signal(number)
        assert self.process.wait(60) == 0, self.output
        assert list(filter(works, family)) == []
        assert alive(self.var) == []

    def wait_for(self, pattern, *, times=1, at_most_s=180):
        end = time.monotonic() + at_most_s
        while len(re.findall(pattern, self.output)) < times:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < end, f"{pattern} did not come.\n{self.output}\n{self.tasks()}"
            time.sleep(0.2)

    def tasks(self):
        """What went wrong in Airflow's tasks, and what each of them said last."""
        told = []
        for path in sorted((self.var / "airflow" / "logs").glob("dag_id=*/**/*.log")):
            *whole, _ = path.read_text(errors="replace").split("\n")  # the last one may be half written
            lines = [json.loads(line) for line in whole if line.startswith("{")]
            wrong = [line for line in lines if line["level"] in {"error", "critical"}]
            told += [f"{line['timestamp']} {path.parent.name} {line['event']}" for line in (*wrong, *lines[-1:])]
        return "\n".join(told)


def works(process):
    """Whether a process is there and is more than a zombie, which whoever inherits it has yet to bury."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture
def demo(tmp_path, var):
    """Starts a demonstration with these arguments."""
    with ExitStack() as stack:

        def start(*arguments):
            started = Demo(tmp_path, var, *arguments)
            stack.enter_context(started.process)
            stack.callback(lambda: started.process.poll() is None and started.process.send_signal(signal.SIGTERM))
            return started

        yield start


ERRANDS = {  # by mailing, the suffixes of what its rows show
    "purchase_order": {".pdf"},
    "quotation": {".pdf"},
    "payment_order": {".pdf", ".txt"},
    "receipt": {".eml", ".txt"},
    "vehicle_fuelling": {".eml", ".txt"},
    "cash_closing": {".eml"},
    "sales_closing": {".eml"},
    "record_change": {".eml"},
}
BY_THE_CLOCK = {
    "birthday": {".eml", ".txt"},
    "christmas": {".eml"},
    "executive_summary": {".eml"},
    "income_statement": {".pdf"},
    "price_list": {".pdf"},
    "product_presentation": {".eml"},
    "promotion": {".eml"},
}


def table(output):
    """The rows of the table that the demonstration prints, by column."""
    _, _, rest = output.partition("\nmailing ")
    _, ruler, *lines = rest.partition("\n\n")[0].splitlines()
    names = ("mailing", "document", "recipient", "channel", "state", "seconds", "file")
    columns = [slice(*each.span()) for each in re.finditer("─+", ruler)]
    return [{name: line[place].strip() for name, place in zip(names, columns, strict=True)} for line in lines]


def test_the_demonstration_shows_every_kind_and_leaves_nothing_behind(demo):
    shown = demo("--orders", "3")
    assert shown.process.wait(400) == 0, shown.output
    rows = table(shown.output)
    assert {row["mailing"] for row in rows} == {*ERRANDS, *BY_THE_CLOCK}
    (refused,) = [row for row in rows if row["state"] == "refused"]
    rows.remove(refused)
    assert {row["state"] for row in rows} == {"accepted"}
    timed = [row for row in rows if row["mailing"] in BY_THE_CLOCK]
    for part in (timed, [row for row in rows if row["mailing"] in ERRANDS]):
        assert f"{len(part)} of {len(part)} arrived" in shown.output
    assert "arrived, 1 of them through the phone after the mail was refused" in shown.output
    assert refused["file"].startswith("told by phone instead")
    (text,) = [row for row in rows if row["mailing"] == "payment_order" and row["channel"] == "phone"]
    assert (text["document"], refused["mailing"]) == (refused["document"], "payment_order")
    by_phone = {row["mailing"] for row in rows if row["channel"] == "phone"}
    assert by_phone == {"payment_order", "receipt", "vehicle_fuelling", "birthday"}
    assert len({row["document"] for row in rows if row["mailing"] == "purchase_order"}) == 3
    assert len({row["document"] for row in rows if row["mailing"] == "record_change"}) == 2
    for mailing, suffixes in {**ERRANDS, **BY_THE_CLOCK}.items():
        assert {Path(row["file"]).suffix for row in rows if row["mailing"] == mailing} == suffixes
    for row in rows:
        assert 0 < float(row["seconds"]) < (150 if row in timed else 60)
    files = [Path(row["file"]) for row in rows]
    assert all(file.read_bytes().startswith(b"%PDF") for file in files if file.suffix == ".pdf")
    kept = read_texts(shown.var / "phone.jsonl")[0]
    assert {text.text for text in kept} == {file.read_text() for file in files if file.suffix == ".txt"}
    mailed = read_log(shown.var / "mail.jsonl")[0]
    assert len(mailed) == len([row for row in rows if row["channel"] == "email"])
    assert len({mail.message_id for mail in mailed}) == len(mailed)
    assert alive(shown.var) == []


def test_up_goes_on_delivering_and_repeated_runs_send_nothing_twice(demo):
    up = demo("up", "--every", "1")
    up.wait_for(r"accepted .*@")
    url = re.search(r"http://127\.0\.0\.1:\d+", up.output)[0]
    airflow = Airflow(url)
    assert airflow.get("/api/v2/importErrors")["import_errors"] == []
    served = {dag["dag_id"] for dag in airflow.get("/api/v2/dags?limit=100")["dags"]}
    assert served == {path.stem for path in (PROJECT / "dags").rglob("*.py")}
    up.wait_for(r"accepted .*cumpleaños")
    assert airflow.clear("greetings", "birthday") >= 1
    airflow.wait_for_success("promotion")
    assert airflow.clear("promotion", "advertise_promotion") >= 1
    assert airflow.clear("notifications", "sweep") >= 1
    assert airflow.clear("outbox", "tend_outbox") >= 1
    before = up.output.count(" accepted ")
    up.wait_for(" accepted ", times=before + 3)
    up.wait_for(r"accepted  \+595\d+  \S")
    airflow.wait_for_success("promotion")
    mails = read_log(up.var / "mail.jsonl")[0]
    identities = [mail.message_id for mail in mails]
    assert len(identities) == len(set(identities))
    up.end(signal.SIGINT)


def test_up_ends_whole_on_sigterm_while_it_starts(demo):
    up = demo("up")
    up.wait_for("starting Airflow")
    time.sleep(4)
    up.end(signal.SIGTERM)


class Airflow:
    """The administrator at Airflow's REST API."""

    def __init__(self, url):
        self.url = url
        self.token = ""
        self.token = self.post("/auth/token", {"username": "admin", "password": "admin"})["access_token"]

    def get(self, path):
        return self._asked(path, None)

    def post(self, path, body):
        return self._asked(path, json.dumps(body).encode())

    def _asked(self, path, data, patience_s=120):
        """The answer; on SQLite, Airflow may have to be asked again where others write."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.url + path, data, headers)
        end = time.monotonic() + patience_s
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except OSError as error:
                if getattr(error, "code", 500) < 500 or time.monotonic() > end:
                    raise
                time.sleep(1)

    def wait_for_success(self, dag, at_most_s=120):
        end = time.monotonic() + at_most_s
        while [run["state"] for run in self.get(f"/api/v2/dags/{dag}/dagRuns")["dag_runs"]] != ["success"]:
            assert time.monotonic() < end
            time.sleep(0.5)

    def clear(self, dag, task):
        """Have a task's ended instances run again; how many there are."""
        body = {"dry_run": False, "task_ids": [task], "only_failed": False, "reset_dag_runs": True}
        return self.post(f"/api/v2/dags/{dag}/clearTaskInstances", body)["total_entries"]
