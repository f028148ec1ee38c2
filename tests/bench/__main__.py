"""`make bench`: our speed beside others', as ratios of paired and repeated runs against Postfix's smtp-sink.

(a) delivery from a filled outbox; (b) the whole road for ten thousand recipients; (c) from the ERP's commit to the
server's 250 in a running Airflow. On two idle cores all of it takes less than a quarter of an hour: a row has its time,
and begins no further pair when that is over. `--quick` is a short form without peers and without Airflow, to see that
it works.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from emailketing.render.mail import inlined
from tests import peers, servers
from tests.bench.pairs import Effort, Row, compare, table
from tests.bench.processes import PROJECT, STAGE, Contender, sink

CORES = 2
ORDERS = 10


@dataclass
class Ring:
    """Where contenders meet: a folder, the sink's port, and a PostgreSQL server whose commits are on the disk."""

    folder: Path
    port: int
    postgres: str = ""

    @contextmanager
    def contender(self, module: str, peer: str = "", *, postgres: bool = False) -> Iterator[Contender]:
        """A contender of tests/bench/contenders, in our environment or in a peer's."""
        place = Path(tempfile.mkdtemp(prefix=f"{module}-", dir=self.folder))
        env = {"BENCH_SMTP_PORT": str(self.port), "BENCH_FOLDER": str(place), "BENCH_TEMPLATE": str(self.folder)}
        if postgres:
            env["BENCH_POSTGRES"] = self.postgres
        with Contender(module, env, peers.environment(peer) if peer else Path(sys.executable)) as contender:
            yield contender
        shutil.rmtree(place)


#        row, what                                                       target  ours            on      theirs
DELIVERY = [
    ("(a) deliver, SQLite : smtplib with ready bytes", 0.75, "deliver", False, ("plain", "")),
    ("(a) deliver, PostgreSQL : smtplib with ready bytes", 0.6, "deliver", True, ("plain", "")),
    ("(a) deliver, SQLite : django-post_office send_queued", 4, "deliver", False, ("post_office_queue", "post_office")),
    ("(a) deliver, SQLite : a loop over SmtpHook", 4, "deliver", False, ("smtp_hook", "smtp_hook")),
]
ROAD = [
    (
        "(b) whole road, SQLite : django-post_office send_many + send_queued",
        3,
        "whole_road",
        False,
        ("post_office_road", "post_office"),
    ),
]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Two short pairs of the rows that need no peer and no Airflow.")
@click.option(
    "--pairs", default=7, show_default=True, type=click.IntRange(1), help="Runs of each side of a row, at most."
)
@click.option("--only", default="abc", show_default=True, help="The rows to measure.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where databases lie; its disk counts. [default: TMPDIR]"
)
def main(quick: bool, pairs: int, only: str, folder: Path | None) -> None:
    """Measure, and print ratios (ours to theirs) with their spread and the medians beside."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as place:
        Path(place).chmod(0o711)  # the database server runs under another account
        tempfile.tempdir = place
        click.echo(_circumstances(Path(place)))
        with ring(Path(place)) as ours:
            rows = list(measured(ours, only, 2 if quick else pairs, quick))
        click.echo(_circumstances(Path(place)))
        tempfile.tempdir = None
    if rows:
        click.echo(table(rows))
    if "c" in only and not quick:
        click.echo(f"(c) {_airflow()}")


def measured(ring: Ring, only: str, pairs: int, quick: bool) -> Iterator[Row]:
    """The rows, one after another; the short form leaves out those that need a peer."""
    plan = [(row, Effort(200 if quick else 2_000, pairs, 75.0)) for row in DELIVERY if "a" in only]
    plan += [(row, Effort(10_000, pairs, 300.0)) for row in ROAD if "b" in only]
    for (name, target, module, on_postgres, (theirs, peer)), effort in plan:
        if peer and quick:
            continue
        with ring.contender(module, postgres=on_postgres) as ours, ring.contender(theirs, peer) as other:
            began = time.monotonic()
            row = compare(name, target, (ours, other), effort)
            yield row
            click.echo(f"  {table([row])}\n  {effort.count} messages, {time.monotonic() - began:.0f} s", err=True)


@contextmanager
def ring(folder: Path) -> Iterator[Ring]:
    """The sink and the database server, and the campaign's template as a peer takes it."""
    for part in ("subject.txt", "text.txt", "body.html"):
        source = (STAGE / "templates" / "offer" / f"{part}.j2").read_text()
        (folder / part).write_text(inlined(source) if part == "body.html" else source)
    shutil.copy(STAGE / "sql" / "offer.sql", folder)
    with ExitStack() as stack:
        port = stack.enter_context(sink())
        server = stack.enter_context(servers.postgres(durable=True))
        yield Ring(folder, port, server.url.render_as_string(hide_password=False))


def _circumstances(folder: Path) -> str:
    """What else decides the figures: the cores, their load at the moment, the disk; told before and after."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{CORES} cores, load {load}; a commit's fdatasync takes {_sync_us(folder):.0f} µs here (median)"


def _sync_us(folder: Path) -> float:
    file, taken = folder / "sync", []
    with file.open("wb", buffering=0) as disk:
        disk.write(bytes(200 * 4096))
        os.fsync(disk.fileno())
        for place in range(200):
            os.pwrite(disk.fileno(), bytes(4096), place * 4096)
            began = time.perf_counter()
            os.fdatasync(disk.fileno())
            taken.append(time.perf_counter() - began)
    file.unlink()
    return statistics.median(taken) * 1e6


def _airflow() -> str:
    """What the demonstration measures of ten orders, saved one by one while Airflow runs on the same cores."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "demo", "demo", "--orders", str(ORDERS), "--var", place]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    rows = [re.split(r" {2,}", line) for line in done.stdout.splitlines() if line.startswith("purchase_order ")]
    seconds = [float(row[5]) for row in rows if row[4:5] == ["accepted"]]
    if len(seconds) < ORDERS:
        return f"{len(seconds)} of {ORDERS} orders arrived:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return (
        f"from the ERP's commit to the server's 250 in Airflow, {ORDERS} single orders: "
        f"median {statistics.median(seconds):.2f} s, least {min(seconds):.2f} s, most {max(seconds):.2f} s"
    )


if __name__ == "__main__":
    main()
