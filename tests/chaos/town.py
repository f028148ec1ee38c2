"""A small ERP, an outbox and our command line between them and the recording server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from emailketing.model import State
from emailketing.outbox import Filter, Outbox, schema
from tests.chaos.recorder import Record
from tests.processes import Process, Warm, cold

STAGE = Path(__file__).with_name("stage")
metadata = sa.MetaData()
notes = sa.Table(
    "notes",
    metadata,
    sa.Column("document", sa.String(40), primary_key=True),
    sa.Column("changed_at", sa.DateTime, nullable=False, index=True),
    sa.Column("name", sa.String(100)),
    sa.Column("email", sa.String(100)),
    sa.Column("body", sa.Text),
)
_BODY = "Su pedido salió hoy del depósito. " * 40


class Town:
    """The ERP is a SQLite file in `folder`, the outbox anywhere. The back-off is short."""

    def __init__(self, folder: Path, outbox_url: str, record: Record, port: int) -> None:
        self.folder, self.outbox_url, self.record = folder, outbox_url, record
        self.output = folder / "output.txt"
        self.erp = sa.create_engine(f"sqlite:///{folder / 'erp.db'}", connect_args={"timeout": 30})
        metadata.create_all(self.erp)
        self.saved = 0
        smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": port}
        self.env = {
            "AIRFLOW_CONN_ERP": json.dumps({"conn_type": "sqlite", "host": f"/{folder / 'erp.db'}".replace("//", "/")}),
            "AIRFLOW_CONN_EMAILKETING": json.dumps({"conn_type": "generic", "extra": {"sqlalchemy_url": outbox_url}}),
            "AIRFLOW_CONN_SMTP": json.dumps({**smtp, "extra": {"disable_ssl": True, "disable_tls": True}}),
            "EMAILKETING_DAGS": str(STAGE / "dags"),
            "EMAILKETING_INCLUDE": str(STAGE / "include"),
            "EMAILKETING_DELIVERY__BACKOFF_S": "0.05",
            "EMAILKETING_SWEEP__QUIET_S": "0.1",
            "EMAILKETING_DELIVERY__ATTEMPTS": "50",
        }

    def close(self) -> None:
        self.erp.dispose()

    def save(self, count: int) -> None:
        """Documents of the ERP, committed, each for a recipient of its own."""
        now = datetime.now(UTC).replace(tzinfo=None)
        rows = [
            {"document": f"N-{n:06d}", "changed_at": now, "name": "Ana", "email": f"r{n}@example.com", "body": _BODY}
            for n in range(self.saved, self.saved + count)
        ]
        with self.erp.begin() as connection:
            connection.execute(sa.insert(notes), rows)
        self.saved += count

    def start(self, warm: Warm | None, argv: Sequence[str], **env: str) -> Process:
        """A process of our command line; a cold one without `warm`."""
        start = warm.start if warm else cold
        return start(argv, {**self.env, **env}, self.output)

    def sweep(self, warm: Warm | None, **env: str) -> Process:
        """A process that sweeps; the first one of all begins with the ERP's first day."""
        return self.start(warm, ["sweep", "--since", "2020-01-01"], **env)

    def done(self, process: Process) -> None:
        """It ends well."""
        status = process.status()
        assert status == 0, f"status {status}: {self.output.read_text()[-3000:]}"

    def outbox(self) -> Outbox:
        return Outbox.open(self.outbox_url)

    def let_leases_run_out(self, outbox: Outbox) -> None:
        """As if so much time had passed; for when nobody is at work any more."""
        past = datetime.now(UTC) - timedelta(seconds=1)
        with outbox._database.engine.execution_options(writes=True).begin() as connection:
            leased = sa.update(schema.message).where(schema.message.c.lease_until.is_not(None))
            connection.execute(leased.values(lease_until=past))

    def in_doubt(self, outbox: Outbox) -> dict[tuple[str, int], str]:
        """The attempts that stand in *sending*, each with its owner: a connection of a process."""
        rows = outbox.messages(Filter(states=(State.SENDING,)), limit=None)
        return {(row.key, row.attempts): row.lease_owner for row in rows}


def decisions(outbox: Outbox, keys: Sequence[str]) -> dict[str, int]:
    """How often the history of each message tells that it is sent again although it may have arrived."""
    told = {key: outbox.history(key) for key in keys}
    return {
        key: sum(entry.from_state is State.UNKNOWN and entry.to_state is State.QUEUED for entry in entries)
        for key, entries in told.items()
    }
