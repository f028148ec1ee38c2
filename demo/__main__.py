"""The demonstration: a purchase order saved in an ERP reaches the supplier's mailbox, through a real Airflow.

`python -m demo` (`make demo`) sets the stage, lets an operator save purchase orders while Airflow runs, waits for the
mails, prints what arrived and ends everything. `python -m demo up` (`make up`) stays: the operator goes on saving
documents until Ctrl-C. All of it lives below var/.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from demo.build import build
from demo.catcher import Caught, read_log
from demo.database import open_engine
from demo.local_airflow import LocalAirflow
from demo.simulate import Saved, Simulator
from demo.stage import Stage, StageError, Stopped, answers, free_ports

PROJECT = Path(__file__).resolve().parents[1]
DAGS = ("notifications", "outbox", "outbox_prune")
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Scene:
    """Everything that stands on the stage: the ERP, the catcher's mailbox and log, the outbox, and Airflow."""

    stage: Stage
    airflow: LocalAirflow
    var: Path

    @property
    def erp(self) -> str:
        """The ERP's SQLAlchemy URL."""
        return f"sqlite:///{self.var / 'erp.db'}"

    @property
    def log(self) -> Path:
        """Where the mail catcher notes each accepted message."""
        return self.var / "mail.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; the exit code is 0 only when all of it arrived."""
    options = _parser().parse_args(arguments)
    try:
        with _scene(options.var) as scene:
            return stay(scene, options.every) if options.what == "up" else demonstrate(scene, options.orders)
    except Stopped as stopped:
        _say("stopped; every process has ended")
        return 0 if options.what == "up" else stopped.exit_code
    except StageError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["demo", "up"], default="demo", help="end when all arrived, or stay")
    parser.add_argument("--orders", type=int, default=10, help="purchase orders that the operator saves (demo)")
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two saved documents (up)")
    parser.add_argument("--var", type=Path, default=PROJECT / "var", help="where everything lives")
    return parser


@contextmanager
def _scene(var: Path) -> Iterator[Scene]:
    """Build the ERP, start the mail catcher and Airflow; end all of it afterwards."""
    with Stage(var, say=_say) as stage:
        var = stage.var
        _clear(var)
        _say("building the demo ERP: a company with petrol stations and shops, two years of documents")
        began = time.monotonic()
        build(f"sqlite:///{var / 'erp.db'}", template=var / "erp-template.db")
        _say(f"the demo ERP stands ({time.monotonic() - began:.0f} s)")
        port = _start_catcher(stage)
        links = _connections(var, port)
        (var / "demo.env").write_text(
            "".join(f"AIRFLOW_CONN_{name.upper()}='{link}'\n" for name, link in links.items())
        )
        # From now on every document that is saved is news, also those saved before Airflow is up.
        stage.run("first-look", [sys.executable, "-m", "emailketing", "sweep"], env=_cli_environment(links))
        airflow = LocalAirflow(stage, links)
        took_s = airflow.start(DAGS)
        airflow.wait_for("notifications", "watch", "deferred")
        _say(f"Airflow is up after {took_s:.0f} s and watches the ERP: {airflow.url} (admin / admin)")
        yield Scene(stage, airflow, var)


def demonstrate(scene: Scene, count: int) -> int:
    """Save purchase orders, wait for their mails, print the table; 0 when all of them arrived."""
    operator = Simulator(open_engine(scene.erp), seed=7)
    saved: list[Saved] = []
    for number in range(1, count + 1):
        saved.append(operator.save_purchase_order())
        _say(f"an operator saved purchase order {saved[-1].document} ({number} of {count})")
        _wait_for_mail(scene, saved)
    rows = _ledger(scene)
    arrivals = [_arrival(scene, one, rows) for one in saved]
    _print_table(arrivals)
    _say("look at var/demo; `bin/emailketing outbox list` tells of each message; `make up` keeps everything running")
    return 0 if all(arrival.complete for arrival in arrivals) else 1


def stay(scene: Scene, every_s: float) -> int:
    """Let the simulator save documents and print each delivery, until a signal ends it."""
    command = [sys.executable, "-m", "demo.simulate", scene.erp, "--every", str(every_s)]
    scene.stage.start("simulator", command)
    _say(f"an operator saves a document every {every_s:.0f} s; whom it concerns is written to. Ctrl-C ends everything.")
    read = told = 0
    while True:
        told = _tell_saved(scene, told)
        caught, read = read_log(scene.log, read)
        for mail in caught:
            at = mail.at.astimezone()
            print(f"{at:%H:%M:%S} accepted  {', '.join(mail.recipients)}  {mail.subject}", flush=True)
        scene.stage.check()
        time.sleep(0.5)


def _tell_saved(scene: Scene, told: int) -> int:
    """Print what the operator did since line `told` of his log; how many lines there are now."""
    lines = (scene.stage.logs / "simulator.log").read_text(errors="replace").splitlines()
    for line in lines[told:]:
        print(f"         saved     {line[9:]}", flush=True)
    return len(lines)


@dataclass(frozen=True)
class Arrival:
    """What became of one saved document; `seconds` are those from the ERP's commit to the server's 250."""

    mailing: str
    document: str
    recipient: str
    channel: str
    state: str
    seconds: float | None
    files: tuple[Path, ...]

    @property
    def complete(self) -> bool:
        """Whether the mail is there, with its PDF, and the ledger says accepted."""
        return self.state == "accepted" and {path.suffix for path in self.files} >= {".eml", ".pdf"}


def _wait_for_mail(scene: Scene, saved: Sequence[Saved]) -> None:
    try:
        scene.stage.wait(
            f"the mail of purchase order {saved[-1].document}",
            lambda: len(_caught(scene)) >= len(saved),
            at_most_s=PATIENCE_S,
            every_s=0.05,
        )
    except StageError as error:
        scene.stage.check()
        _say(str(error))


def _caught(scene: Scene) -> list[Caught]:
    return read_log(scene.log)[0]


def _ledger(scene: Scene) -> list[dict[str, str]]:
    """The outbox as the command line tells it."""
    scene.stage.run(
        "outbox-list",
        [sys.executable, "-m", "emailketing", "outbox", "list", "--json"],
        env=_cli_environment(_connections(scene.var, 0)),
    )
    lines = (scene.stage.logs / "outbox-list.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def _arrival(scene: Scene, saved: Saved, rows: Sequence[dict[str, str]]) -> Arrival:
    row = next((row for row in rows if row["document"] == saved.document), {})
    mail = next((mail for mail in _caught(scene) if mail.message_id == row.get("message_id", "")), None)
    return Arrival(
        mailing=row.get("mailing", "purchase_order"),
        document=saved.document,
        recipient=row.get("address", saved.address),
        channel=row.get("channel", "email"),
        state=row.get("state", "missing"),
        seconds=(mail.at - saved.committed_at).total_seconds() if mail else None,
        files=tuple(_unpacked(mail, scene.var / "demo")) if mail else (),
    )


def _unpacked(mail: Caught, folder: Path) -> Iterator[Path]:
    """Lay the mail and its PDF where a person finds them."""
    folder.mkdir(exist_ok=True)
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(mail.path.read_bytes())
    part: EmailMessage
    for part in message.iter_attachments():
        name = Path(part.get_filename() or "attachment").name
        if name.endswith(".pdf"):
            target = folder / name
            target.write_bytes(part.get_content())
            yield target
            target = target.with_suffix(".eml")
            shutil.copy(mail.path, target)
            yield target


def _print_table(arrivals: Sequence[Arrival]) -> None:
    heads = ("mailing", "document", "recipient", "channel", "state", "seconds", "files (.eml beside .pdf)")
    rows = [
        (
            one.mailing,
            one.document,
            one.recipient,
            one.channel,
            one.state,
            "" if one.seconds is None else f"{one.seconds:.2f}",
            _shown(one.files[0]) if one.files else "",
        )
        for one in arrivals
    ]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    print()
    for row in (heads, tuple("─" * width for width in widths), *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    _print_seconds([one.seconds for one in arrivals if one.seconds is not None], len(arrivals))


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _print_seconds(seconds: Sequence[float], expected: int) -> None:
    print(f"\n{len(seconds)} of {expected} arrived", end="")
    if len(seconds) > 1:
        p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
        print(f"; seconds from the ERP's commit to the server's 250: median {statistics.median(seconds):.2f}", end="")
        print(f", p95 {p95:.2f}, most {max(seconds):.2f}", end="")
    print()


def _start_catcher(stage: Stage) -> int:
    (port,) = free_ports(1)
    mail = ["--maildir", str(stage.var / "mail"), "--log", str(stage.var / "mail.jsonl")]
    stage.start("catcher", [sys.executable, "-m", "demo.catcher", "--port", str(port), *mail])
    stage.wait("the mail catcher", lambda: answers(port), at_most_s=20)
    _say(f"the mail catcher listens on 127.0.0.1:{port}")
    return port


def _connections(var: Path, port: int) -> dict[str, str]:
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": {"disable_ssl": True, "disable_tls": True}}
    return {
        "erp": f"sqlite:///{var / 'erp.db'}",
        "smtp": json.dumps(smtp),
        "emailketing": f"sqlite:///{var / 'outbox.db'}",
    }


def _cli_environment(links: dict[str, str]) -> dict[str, str]:
    paths = {"PYTHONPATH": str(PROJECT / "plugins"), "AIRFLOW_HOME": str(PROJECT / "var" / "airflow-cli")}
    return {**os.environ, **paths, **{f"AIRFLOW_CONN_{name.upper()}": link for name, link in links.items()}}


def _clear(var: Path) -> None:
    """Begin anew: no mail, no ledger, no ERP of an earlier demonstration."""
    for folder in ("mail", "demo"):
        shutil.rmtree(var / folder, ignore_errors=True)
    for pattern in ("mail.jsonl", "erp.db*", "outbox.db*"):
        for path in var.glob(pattern):
            path.unlink()


def _say(line: str) -> None:
    print(f"{datetime.now():%H:%M:%S} {line.strip()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
