"""The demonstration: what operators save in an ERP reaches mailboxes and phones, through a real Airflow.

`python -m demo` (`make demo`) sets the stage, starts the DAGs of campaigns, greetings and reports, lets an operator do
an errand for every notification meanwhile, waits for the messages, prints what arrived and ends everything.
`python -m demo up` (`make up`) stays: operators go on saving documents until Ctrl-C. All of it lives below var/.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from demo import catcher, phone_catcher
from demo.build import build
from demo.clockwork import PICTURE, WAY_OUT, Celebration, Run, prepare, runs
from demo.clockwork import start as start_runs
from demo.database import open_engine, utc_now
from demo.errands import errands, lose_mailbox, morning
from demo.local_airflow import LocalAirflow
from demo.program import Program, Taken, kept_back, table
from demo.simulate import Simulator
from demo.stage import Stage, StageError, Stopped, answers, free_ports
from emailketing.outbox import Outbox

PROJECT = Path(__file__).resolve().parents[1]
DAGS = tuple(path.stem for path in sorted((PROJECT / "dags").rglob("*.py")))  # a DAG has the name of its file
MARKETING = "marketing@petroleradeleste.example"  # tries greetings out before their day
LEAVE = "bajas@petroleradeleste.example"  # whoever writes to it gets no more advertising


Wait = Callable[[str, Callable[[], bool]], None]


@dataclass(frozen=True)
class Scene:
    """Everything that stands on the stage: the ERP, both catchers with their logs, the outbox, and Airflow."""

    stage: Stage
    airflow: LocalAirflow
    var: Path
    celebration: Celebration
    shell: Mapping[str, str]  # the environment in which the command line reaches all of it

    @property
    def taken(self) -> Taken:
        """What the catchers took."""
        return Taken(self.var / "mail.jsonl", self.var / "phone.jsonl")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; the exit code is 0 only when all of it arrived."""
    options = _parser().parse_args(arguments)
    try:
        with _scene(options.var) as scene:
            return stay(scene, options.every) if options.what == "up" else demonstrate(scene, options)
    except Stopped as stopped:
        _say("stopped; every process has ended")
        return 0 if options.what == "up" else stopped.exit_code
    except StageError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["demo", "up"], default="demo", help="end when all arrived, or stay")
    parser.add_argument("--orders", type=int, default=10, help="purchase orders among the errands (demo)")
    parser.add_argument(
        "--patience", type=float, default=90.0, help="seconds that an errand's messages may take (demo)"
    )
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two saved documents (up)")
    parser.add_argument("--var", type=Path, default=PROJECT / "var", help="where everything lives")
    return parser


@contextmanager
def _scene(var: Path) -> Iterator[Scene]:
    """Build the ERP, start the catchers and Airflow; end all of it afterwards."""
    with Stage(var, say=_say) as stage:
        var = stage.var
        _clear(var)
        celebration = _build_erp(var)
        links = _connections(var, _start_mail(stage), _start_phone(stage))
        (var / "demo.env").write_text(
            "".join(f"AIRFLOW_CONN_{name.upper()}='{link}'\n" for name, link in links.items())
        )
        shell = _shell(links)
        # From now on every document that is saved is news, also those saved before Airflow is up.
        stage.run(
            "first-look", [sys.executable, "-m", "emailketing", "sweep"], env=shell, what="the first look at the ERP"
        )
        airflow = LocalAirflow(stage, links)
        took_s = airflow.start(DAGS)
        airflow.wait_for("notifications", "watch", "deferred")
        _say(f"Airflow is up after {took_s:.0f} s and watches the ERP: {airflow.url} (admin / admin)")
        yield Scene(stage, airflow, var, celebration, shell)


def _build_erp(var: Path) -> Celebration:
    _say("building the demo ERP: a company with petrol stations and shops, two years of documents")
    began = time.monotonic()
    build(_erp(var), template=var / "erp-template.db")
    engine = open_engine(_erp(var))
    morning(Simulator(engine, seed=7))
    lose_mailbox(Simulator(engine, seed=7))
    celebration = prepare(Simulator(engine, seed=7))
    engine.dispose()
    _say(f"the demo ERP stands ({time.monotonic() - began:.0f} s)")
    return celebration


def demonstrate(scene: Scene, options: argparse.Namespace) -> int:
    """Do the errands while what comes by the clock runs, wait for all messages, print the table; 0 when all arrived."""
    engine, outbox = open_engine(_erp(scene.var)), Outbox.open(_outbox(scene.var))
    wait = _patience(scene.stage, options.patience)
    program = Program(Simulator(engine, seed=7), outbox, scene.taken, scene.var / "demo", wait, _say)
    first, *others = errands(options.orders)
    try:
        arrivals = program.run(first)  # the sweep lingers from now on, and needs no further worker
        since, started = _start_clockwork(scene)
        later = [program.begin(errand) for errand in others if errand.refused]
        for errand in others:
            arrivals += [] if errand.refused else program.run(errand)
        _hasten(scene, started, wait)
        arrivals += [arrival for told in later for arrival in told()]
        timed = [arrival for run in started for arrival in program.follow(run)]
        timed.append(program.trial("christmas", MARKETING, since, (PICTURE, WAY_OUT)))
        kept = kept_back(outbox.counts())
    finally:
        engine.dispose()
        outbox.close()
    print(f"\n{table(arrivals, _shown, timed)}")
    if kept:
        print(kept)
    _say("look at var/demo; `bin/emailketing outbox list` tells of each message; `make up` keeps everything running")
    return 0 if all(arrival.well for arrival in (*arrivals, *timed)) else 1


def _start_clockwork(scene: Scene) -> tuple[datetime, list[Run]]:
    """Start the DAGs of campaigns, greetings and reports, and try out a greeting whose day is far."""
    _say("the DAGs of campaigns, greetings and reports are started, and a greeting is tried out")
    since = utc_now()
    command = [sys.executable, "-m", "emailketing", "send-test", "christmas", "--to", MARKETING]
    scene.stage.begin("trial", command, env=scene.shell)
    return since, start_runs(scene.airflow, runs(since, scene.celebration))


def _hasten(scene: Scene, started: Sequence[Run], wait: Wait) -> None:
    """When all runs have ended, what they put into the outbox need not wait for its minute."""
    wait("the DAGs of campaigns, greetings and reports", lambda: all(_has_ended(scene.airflow, run) for run in started))
    with contextlib.suppress(OSError):  # then it goes out a minute later
        scene.airflow.trigger("outbox")


def _has_ended(airflow: LocalAirflow, run: Run) -> bool:
    if run.by_itself:  # its messages are waited for
        return True
    with contextlib.suppress(OSError):  # slow while everything runs
        return airflow.run_state(run.dag, run.name) in {"success", "failed"}
    return False


def _patience(stage: Stage, seconds: float) -> Wait:
    """Wait for messages; those that do not come in time are no reason to end, a process that has died is."""

    def wait(what: str, until: Callable[[], bool]) -> None:
        try:
            stage.wait(what, until, at_most_s=seconds, every_s=0.1)
        except StageError:
            stage.check()
            _say(f"  not within {seconds:.0f} s: {what}")

    return wait


def stay(scene: Scene, every_s: float) -> int:
    """Let the simulator save documents and print each delivery, until a signal ends it."""
    command = [sys.executable, "-m", "demo.simulate", _erp(scene.var), "--every", str(every_s)]
    scene.stage.start("simulator", command)
    _start_clockwork(scene)
    _say(f"an operator saves a document every {every_s:.0f} s; whom it concerns is told. Ctrl-C ends everything.")
    mails_read = texts_read = told = 0
    while True:
        told = _tell_saved(scene, told)
        mails, mails_read = catcher.read_log(scene.taken.mail_log, mails_read)
        texts, texts_read = phone_catcher.read_log(scene.taken.phone_log, texts_read)
        taken = [(mail.at, ", ".join(mail.recipients), mail.subject) for mail in mails]
        taken += [(text.at, text.to, " ".join(text.text.split())) for text in texts]
        for at, recipient, words in sorted(taken):
            print(f"{at.astimezone():%H:%M:%S} accepted  {recipient}  {words}", flush=True)
        scene.stage.check()
        time.sleep(0.5)


def _tell_saved(scene: Scene, told: int) -> int:
    """Print what the operator did since line `told` of his log; how many lines there are now."""
    lines = (scene.stage.logs / "simulator.log").read_text(errors="replace").splitlines()
    for line in lines[told:]:
        print(f"         saved     {line[9:]}", flush=True)
    return len(lines)


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _start_mail(stage: Stage) -> int:
    (port,) = free_ports(1)
    kept = ["--maildir", str(stage.var / "mail"), "--log", str(stage.var / "mail.jsonl")]
    stage.start("catcher", [sys.executable, "-m", "demo.catcher", "--port", str(port), *kept])
    stage.wait("the mail catcher", lambda: answers(port), at_most_s=20)
    _say(f"the mail catcher listens on 127.0.0.1:{port}")
    return port


def _start_phone(stage: Stage) -> int:
    (port,) = free_ports(1)
    kept = ["--folder", str(stage.var / "phone"), "--log", str(stage.var / "phone.jsonl")]
    stage.start("phone-catcher", [sys.executable, "-m", "demo.phone_catcher", "--port", str(port), *kept])
    stage.wait("the phone catcher", lambda: answers(port), at_most_s=20)
    _say(f"the phone catcher listens on 127.0.0.1:{port}")
    return port


def _connections(var: Path, mail_port: int, phone_port: int) -> dict[str, str]:
    plain = {"disable_ssl": True, "disable_tls": True}
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": mail_port, "extra": plain}
    phone = {"conn_type": "apprise", "extra": {"url": f"json://127.0.0.1:{phone_port}/?:to={{to}}"}}
    return {
        "erp": _erp(var),
        "smtp": json.dumps(smtp),
        "phone": json.dumps(phone),
        "emailketing": _outbox(var),
        "unsubscribe": json.dumps({"conn_type": "generic", "login": LEAVE, "password": _secret(var)}),
    }


def _secret(var: Path) -> str:
    """The secret that signs the links for leaving, made once: the mails of an earlier demonstration stay good."""
    path = var / "leave.secret"
    path.touch(mode=0o600)
    if not path.read_text():
        path.write_text(secrets.token_hex(32))
    return path.read_text()


def _erp(var: Path) -> str:
    """The ERP's SQLAlchemy URL."""
    return f"sqlite:///{var / 'erp.db'}"


def _outbox(var: Path) -> str:
    """The SQLAlchemy URL of the outbox."""
    return f"sqlite:///{var / 'outbox.db'}"


def _shell(links: dict[str, str]) -> dict[str, str]:
    paths = {"PYTHONPATH": str(PROJECT / "plugins"), "AIRFLOW_HOME": str(PROJECT / "var" / "airflow-cli")}
    return {**os.environ, **paths, **{f"AIRFLOW_CONN_{name.upper()}": link for name, link in links.items()}}


def _clear(var: Path) -> None:
    """Begin anew: no mail, no text, no ledger, no ERP of an earlier demonstration."""
    for folder in ("mail", "phone", "demo"):
        shutil.rmtree(var / folder, ignore_errors=True)
    for pattern in ("mail.jsonl", "phone.jsonl", "erp.db*", "outbox.db*"):
        for path in var.glob(pattern):
            path.unlink()


def _say(line: str) -> None:
    print(f"{datetime.now():%H:%M:%S} {line.strip()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
