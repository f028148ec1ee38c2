"""`make chaos`: 200 kills for us on each of two databases, and the same for the peers; the figures side by side."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests import servers
from tests.chaos.kills import Figures, batter, table
from tests.chaos.ours import Ours
from tests.chaos.peers import PostOffice, SmtpHookLoop
from tests.chaos.recorder import Record
from tests.chaos.town import Town
from tests.peers import environment
from tests.processes import Recorder, Warm

PAUSE_S = 0.004  # at most, between the server's note and its answer


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--kills", default=200, show_default=True, help="For each system.")
@click.option("--seed", default=20260302, show_default=True, help="The same seed draws the same instants.")
@click.option("--peers/--no-peers", default=True, show_default=True, help="Beat the peers, too.")
def main(kills: int, seed: int, peers: bool) -> None:
    """Kill eMailketing, and peers, in mid-work, and read a recording mail server's notes against their books."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders are cleared away
    click.echo(f"{kills} kills each, seed {seed}")
    found: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="emailketing-chaos-") as folder:
        for beat in (_sqlite, _postgres, *((_post_office, _smtp_hook) if peers else ())):
            place = Path(folder) / beat.__name__
            place.mkdir()
            record = Record(place / "record")
            with Recorder(record.path, PAUSE_S, seed) as recorder:
                figures = beat(place, record, recorder.port, seed, kills)
            click.echo(f"\n{table([figures])}", err=True)
            found.append(figures)
    click.echo(table(found))
    bad = [problem for figures in found[:2] for problem in (*figures.problems, *_broken(figures))]
    for problem in bad:
        click.echo(problem, err=True)
    raise SystemExit(bool(bad))


def _broken(figures: Figures) -> Iterator[str]:
    """What we promise and did not keep."""
    if figures.lost or figures.silent:
        yield f"{figures.system}: {figures.lost} lost, {figures.silent} second copies without a decision"
    if (figures.worst_doubt or 0) > figures.connections:
        yield f"{figures.system}: {figures.worst_doubt} unknown after one kill"


def _sqlite(folder: Path, record: Record, port: int, seed: int, kills: int) -> Figures:
    return _ours(folder, record, port, (seed, kills), f"sqlite:///{folder / 'outbox.db'}", 1)


def _postgres(folder: Path, record: Record, port: int, seed: int, kills: int) -> Figures:
    with servers.postgres() as server, server.database() as url:
        return _ours(folder, record, port, (seed, kills), url, 2)


def _ours(folder: Path, record: Record, port: int, plan: tuple[int, int], url: str, beside: int) -> Figures:
    seed, kills = plan
    town = Town(folder, url, record, port)
    with Warm("tests.chaos.command:run") as warm:
        return batter(Ours(town, warm, beside=beside, cold_every=10), record, seed, kills)


def _post_office(folder: Path, record: Record, port: int, seed: int, kills: int) -> Figures:
    with _peer("post_office", "post_office_site", folder, port) as warm:
        return batter(PostOffice(folder, record, warm), record, seed, kills)


def _smtp_hook(folder: Path, record: Record, port: int, seed: int, kills: int) -> Figures:
    with _peer("smtp_hook", "smtp_hook_loop", folder, port) as warm:
        return batter(SmtpHookLoop(folder, record, warm), record, seed, kills)


@contextmanager
def _peer(name: str, module: str, folder: Path, port: int) -> Iterator[Warm]:
    env = {
        "PEER_SMTP_PORT": str(port),
        "PEER_DATABASE": str(folder / "peer.db"),
        "PYTHONPATH": str(Path(__file__).parent / "peers"),
        "AIRFLOW_HOME": str(folder),
    }
    with Warm(f"{module}:run", environment(name), env) as warm:
        yield warm


if __name__ == "__main__":
    main()
