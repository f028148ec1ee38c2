"""A real Airflow on embedded defaults: SQLite below var/, own free ports, a fixed login, nothing left behind.

Other components than the local ones, such as Celery's workers, are given to `start`; another database by `env`.

::

    with Stage(Path("var")) as stage:
        airflow = LocalAirflow(stage, {"erp": "sqlite:////…/erp.db", "smtp": "smtp://127.0.0.1:2525/?…"})
        airflow.start(["notifications", "outbox"])        # returns when these DAGs are served and scheduled
        airflow.wait_for("notifications", "listen", "deferred")
        print(airflow.url)                                # log in as admin/admin or viewer/viewer

The four components are started one by one and not by `airflow standalone`: that one does not notice when a component
dies, hides their output in one stream, leaves its children behind on SIGTERM, and costs one more Python process.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import secrets
import shutil
import sqlite3
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from demo.stage import Stage, StageError, free_ports

PROJECT = Path(__file__).resolve().parents[1]
USERS = {"admin": "admin", "viewer": "viewer"}  # name (and password) to role
HEALTH = ("metadatabase", "scheduler", "triggerer", "dag_processor")


@dataclass(frozen=True)
class Component:
    """One process of Airflow; `env` is its whole environment, where it is not that of the Airflow it belongs to."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None


def _local(name: str, *arguments: str) -> Component:
    return Component(name, [sys.executable, "-m", "airflow", name, *arguments])


LOCAL = (_local("scheduler"), _local("dag-processor"), _local("triggerer"), _local("api-server", "--workers", "1"))


class LocalAirflow:
    """Airflow's components as processes of a stage.

    `connections` are Airflow Connections by name, as URI or JSON. `env` is added to every component's environment,
    the strongest. Runs of an earlier start are forgotten: what was running when a stage ended would otherwise be
    waited for.
    """

    def __init__(
        self,
        stage: Stage,
        connections: Mapping[str, str],
        *,
        dags: Path = PROJECT / "dags",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.stage = stage
        self.home = stage.var / "airflow"
        self.port, *log_ports = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **_inherited(),
            **_options(self.home, self.port, log_ports, dags),
            **{f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections.items()},
            **(env or {}),
        }
        self._token = ""

    def start(self, dags: Sequence[str], *, components: Sequence[Component] = LOCAL, at_most_s: float = 180) -> float:
        """Start the components; gives the seconds until they are healthy and `dags` are scheduled.

        Raises StageError when a component dies, a DAG file has an import error or the time is over.
        """
        begin = time.monotonic()
        self._prepare()
        self.stage.say(f"  starting Airflow ({', '.join(component.name for component in components)})")
        for component in components:
            env = self.env if component.env is None else component.env
            self.stage.start(f"airflow-{component.name}", component.command, env=env)
        self.stage.wait("Airflow", self.healthy, at_most_s=at_most_s)
        self.stage.wait("the DAGs", lambda: self._scheduled(dags), at_most_s=at_most_s)
        return time.monotonic() - begin

    def healthy(self) -> bool:
        """Whether all components answer and say that they are well."""
        try:
            health = self.get("/api/v2/monitor/health")
            # The tasks' side of the API builds its routes at the first request, for which a task would wait 3 s.
            self.get("/execution/health")
        except (OSError, ValueError):
            return False
        return all((health.get(name) or {}).get("status") == "healthy" for name in HEALTH)

    def get(self, path: str) -> Any:
        """The JSON that Airflow's REST API answers to the administrator. Raises OSError."""
        return self._asked(path)

    def trigger(self, dag: str, conf: Mapping[str, Any] | None = None, at: datetime | None = None) -> str:
        """Start a run of a DAG as the administrator, with a logical date if it is given; its id.

        Where Airflow is too busy to answer, it is asked again for the same run. Raises OSError.
        """
        name = f"by_hand__{secrets.token_hex(8)}"
        wanted = {"dag_run_id": name, "conf": dict(conf or {}), "logical_date": at.isoformat() if at else None}
        end = time.monotonic() + 120
        while True:
            try:
                self._asked(f"/api/v2/dags/{dag}/dagRuns", wanted)
            except OSError as error:
                code = getattr(error, "code", 500)
                if code == 409:  # an earlier attempt was heard
                    return name
                if code < 500 or time.monotonic() > end:
                    raise
                time.sleep(1)
            else:
                return name

    def run_state(self, dag: str, run: str) -> str:
        """The state of a run by its id, such as queued, running, success or failed. Raises OSError."""
        return str(self.get(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"])

    def began(self, dag: str) -> datetime | None:
        """When the latest run of a DAG started to work; None when there is none. Raises OSError."""
        runs = self.get(f"/api/v2/dags/{dag}/dagRuns?order_by=-run_after&limit=1")["dag_runs"]
        return datetime.fromisoformat(runs[0]["start_date"]) if runs and runs[0]["start_date"] else None

    def _asked(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {**headers, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def state(self, dag: str, task: str) -> str | None:
        """The state of the task's instance in the latest run of the DAG; None when there is none yet."""
        runs = self.get(f"/api/v2/dags/{dag}/dagRuns?order_by=-run_after&limit=1")["dag_runs"]
        if not runs:
            return None
        instance = self.get(f"/api/v2/dags/{dag}/dagRuns/{runs[0]['dag_run_id']}/taskInstances/{task}")
        return str(instance["state"]) if instance["state"] else None

    def wait_for(self, dag: str, task: str, state: str, *, at_most_s: float = 60) -> float:
        """Wait until the task stands in `state` in the DAG's latest run, for example a sensor in deferred."""
        return self.stage.wait(f"{dag}.{task}", lambda: self._stands(dag, task, state), at_most_s=at_most_s)

    def _stands(self, dag: str, task: str, state: str) -> bool:
        with contextlib.suppress(OSError):
            return self.state(dag, task) == state
        return False

    def _prepare(self) -> None:
        """A fresh home and a migrated database: SQLite from a template, which costs 10 s once for an Airflow."""
        template = self.stage.var / f"airflow-{importlib.metadata.version('apache-airflow')}.db"
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        (self.home / "passwords.json").write_text(json.dumps({name: name for name in USERS}))
        database = self.home / "airflow.db"
        embedded = self.env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == _embedded(self.home)
        if embedded and template.exists():
            shutil.copy(template, database)
            return
        self.stage.say("  creating Airflow's database")
        migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
        self.stage.run("airflow-db", migrate, env=self.env, what="Airflow's database")
        if embedded:
            _copy_database(database, template)

    def _scheduled(self, dags: Sequence[str]) -> bool:
        with contextlib.suppress(OSError):  # not yet there, or slow while everything starts
            self._token = self._token or self._login()
            self._check_imports()
            return all(self.get(f"/api/v2/dags/{dag}")["is_paused"] is False for dag in dags)
        return False

    def _check_imports(self) -> None:
        broken = self.get("/api/v2/importErrors")["import_errors"]
        if broken:
            told = "\n".join(f"--- {each['filename']}\n{each['stack_trace']}" for each in broken)
            raise StageError(f"Airflow cannot import {len(broken)} DAG file(s).\n{told}")

    def _login(self) -> str:
        return str(self._asked("/auth/token", {"username": "admin", "password": "admin"})["access_token"])


def _inherited() -> dict[str, str]:
    """This process's environment without what would lead to another Airflow."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}


def _options(home: Path, port: int, log_ports: Sequence[int], dags: Path) -> dict[str, str]:
    options = {
        "CORE__DAGS_FOLDER": dags,
        "CORE__PLUGINS_FOLDER": PROJECT / "plugins",
        "CORE__LOAD_EXAMPLES": False,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
        "CORE__DEFAULT_TIMEZONE": "America/Asuncion",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": 6,
        "CORE__FERNET_KEY": "",
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": home / "passwords.json",
        "DATABASE__SQL_ALCHEMY_CONN": _embedded(home),
        "API__HOST": "127.0.0.1",
        "API__PORT": port,
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__SECRET_KEY": secrets.token_urlsafe(32),
        "API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "LOGGING__BASE_LOG_FOLDER": home / "logs",
        "LOGGING__WORKER_LOG_SERVER_PORT": log_ports[0],
        "LOGGING__TRIGGER_LOG_SERVER_PORT": log_ports[1],
        "DAG_PROCESSOR__REFRESH_INTERVAL": 10,
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 10,
        "WORKERS__MIN_HEARTBEAT_INTERVAL": 1,
        # The scheduler is up before the API server: on a slow machine tasks wait for it, longer than by default.
        "WORKERS__EXECUTION_API_RETRIES": 15,
        "WORKERS__EXECUTION_API_RETRY_WAIT_MAX": 10,
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.2,
    }
    return {"AIRFLOW_HOME": str(home), **{f"AIRFLOW__{name}": str(value) for name, value in options.items()}}


def _embedded(home: Path) -> str:
    """The URL of Airflow's own database. Its components wait for one another: after SQLite's 5 s they would fail."""
    return f"sqlite:///{home / 'airflow.db'}?timeout=30"


def _copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database with its write-ahead log; the target appears complete or not at all."""
    part = target.with_suffix(".part")
    with contextlib.closing(sqlite3.connect(source)) as old, contextlib.closing(sqlite3.connect(part)) as new:
        old.backup(new)
    part.replace(target)
