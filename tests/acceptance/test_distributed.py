"""What docker-compose.yaml describes, without Docker: its commands and environments as processes of this machine.

PostgreSQL, Redis, Airflow's components and two Celery workers run as the file says; only addresses and folders are
those of this machine. A purchase order saved in an ERP on PostgreSQL reaches the mail catcher, and a fuelling the
phone catcher.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from demo import schema
from demo.build import build
from demo.catcher import read_log
from demo.database import open_engine
from demo.local_airflow import Component, LocalAirflow
from demo.phone_catcher import read_log as read_texts
from demo.simulate import Simulator
from demo.stage import Stage, answers, free_ports
from tests import compose, servers
from tests.processes import alive

PROJECT = Path(__file__).parents[2]
DAGS = ("notifications", "outbox", "outbox_prune")
HEALTHY = ("postgres", "redis", "api-server", "scheduler", "dag-processor", "triggerer", "demo-mail", "demo-phone")
WORKERS = ("worker-1", "worker-2")
BINARIES = Path(sys.executable).parent
SMTP = {"conn_type": "smtp", "host": "127.0.0.1", "extra": {"disable_ssl": True, "disable_tls": True}}
PHONE = {"conn_type": "apprise"}
FERNET_KEY = "c2l4dGVlbiBieXRlcywgdHdpY2UuLi4uLi4uLi4uLi4="


class Composed:
    """The services of docker-compose.yaml, moved to this machine."""

    def __init__(self, var, postgres, erp):
        self.var, self.postgres = var, postgres
        self.redis, self.mail, self.phone = free_ports(3)
        needed = {name: "secret" * 8 for name, default in compose.variables().items() if default is None}
        chosen = {
            "AIRFLOW_FERNET_KEY": FERNET_KEY,
            "WEB_USERS": "admin:admin",
            "WEB_PASSWORDS": json.dumps({"admin": "admin"}),
            "WORKER_CONCURRENCY": "2",
            "AIRFLOW_CONN_ERP": erp.replace("+psycopg", ""),
            "AIRFLOW_CONN_SMTP": json.dumps({**SMTP, "port": self.mail}),
            "AIRFLOW_CONN_PHONE": json.dumps({**PHONE, "extra": {"url": f"json://127.0.0.1:{self.phone}/?:to={{to}}"}}),
        }
        self.file = compose.resolved({**needed, **chosen})
        self.moves = {
            "@postgres/": f"@127.0.0.1:{postgres}/",
            "@redis:6379": f"@127.0.0.1:{self.redis}",
            "exec redis-server -": f"exec redis-server - --bind 127.0.0.1 --port {self.redis} --dir {var}",
            "redis-cli ping": f"redis-cli -p {self.redis} ping",
            "0.0.0.0": "127.0.0.1",
            "1025": str(self.mail),
            "8025": str(self.phone),
            "/opt/emailketing": str(PROJECT),
            "/var/lib/airflow": str(var / "airflow"),
            "/var/lib/mail": str(var),
            "/var/lib/phone": str(var),
        }

    def moved(self, text):
        places = "|".join(rf"(?<!\d){re.escape(place)}(?!\d)" for place in self.moves)
        return re.sub(places, lambda found: self.moves[found[0]], text)

    def env(self, service):
        """The whole environment of a service: what the file gives it and what the image does."""
        given = self.file["services"][service].get("environment", {})
        image = {
            "PATH": f"{BINARIES}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT / "plugins"),
            "AIRFLOW_HOME": str(self.var / "airflow"),
            "HOSTNAME": service,
            "HOME": str(self.var),
            "PGPORT": str(self.postgres),
        }
        return {**image, **{name: self.moved(value) for name, value in given.items()}}

    def command(self, service):
        return [self.moved(part) for part in self.file["services"][service]["command"]]

    def healthy(self, service, hostname=""):
        """What the service's health check says."""
        kind, *words = map(self.moved, self.file["services"][service]["healthcheck"]["test"])
        command = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
        env = {**self.env(service), "HOSTNAME": hostname or service}
        done = subprocess.run(command, env=env, cwd=PROJECT, capture_output=True, text=True, timeout=90, check=False)
        return done.returncode == 0


def run_init_script(composed, server):
    """The databases, as PostgreSQL's image would make them from the file's script."""
    script = composed.var / "databases.sql"
    script.write_text(composed.file["configs"]["databases"]["content"])
    address = ["--host", "127.0.0.1", "--port", str(server.url.port), "--username", "test", "--dbname", "postgres"]
    psql = servers.program("psql", "postgresql")
    env = {**os.environ, **composed.env("postgres")}
    command = [psql, "--set", "ON_ERROR_STOP=1", *address, "--file", str(script)]
    subprocess.run(command, env=env, check=True, capture_output=True)
    strange = sa.create_engine(server.url.set(username="emailketing", database="airflow"))
    with pytest.raises(sa.exc.OperationalError, match="permission denied"):
        strange.connect()


def components(composed, airflow):
    """Airflow's services as components; both workers with a name of their own, as two containers would have."""
    composed.moves["http://api-server:8080"] = airflow.url
    here = {"AIRFLOW__API__HOST": "127.0.0.1", "AIRFLOW__API__PORT": str(airflow.port)}
    for service in ("scheduler", "dag-processor", "triggerer", "api-server"):
        yield Component(service, composed.command(service), {**composed.env(service), **here})
    for name in WORKERS:
        hostname = ["--celery-hostname", f"celery@{name}"]
        yield Component(name, [*composed.command("worker"), *hostname], composed.env("worker"))


def memory_mb(stage, server):
    """Proportional memory of PostgreSQL and each process that the stage started, with its children."""
    sizes = {}
    for name, process in {"postgres": server.process, **stage._started}.items():
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        sizes[name] = round(sum(each.memory_full_info().pss for each in family) / 2**20)
    return sizes


def start(stage, composed):
    """Everything the file describes, and a first look at the ERP, so that what is saved from now on is news."""
    stage.start("redis", composed.command("redis"), env=composed.env("redis"))
    stage.start("mail", composed.command("demo-mail"), env=composed.env("demo-mail"), cwd=PROJECT)
    stage.start("phone", composed.command("demo-phone"), env=composed.env("demo-phone"), cwd=PROJECT)
    ports = (composed.redis, composed.mail, composed.phone)
    stage.wait("Redis and the catchers", lambda: all(map(answers, ports)), at_most_s=60)
    stage.run("first-look", ["python", "-m", "emailketing", "sweep"], env=composed.env("worker"))
    airflow = LocalAirflow(stage, {}, env=composed.env("init"))
    airflow.start(DAGS, components=list(components(composed, airflow)))
    airflow.wait_for("notifications", "watch", "deferred")
    stage.wait("the workers", lambda: all(composed.healthy("worker", name) for name in WORKERS), at_most_s=180)
    return airflow


def save_order(erp, seed):
    engine = open_engine(erp)
    try:
        return Simulator(engine, seed=seed).save_purchase_order()
    finally:
        engine.dispose()


def save_fuelling(erp):
    """A vehicle of somebody who can be reached is fuelled; the number that must get a text."""
    engine = open_engine(erp)
    try:
        with engine.connect() as connection:
            cars = schema.vehicles.c.id, schema.parties.c.phone
            query = sa.select(*cars).join(schema.parties).where(schema.parties.c.phone.like("+595 9%"))
            vehicle, phone = connection.execute(query.order_by(schema.vehicles.c.id)).first()
        Simulator(engine, seed=9).save_fuelling(vehicle)
        return phone.replace(" ", "")
    finally:
        engine.dispose()


def caught(var):
    return read_log(var / "mail.jsonl")[0]


def states(stage, composed, mailing):
    """A mailing in the outbox as a worker's command line tells it."""
    command = ["python", "-m", "emailketing", "outbox", "list", "--json", "--mailing", mailing]
    stage.run("list", command, env=composed.env("worker"))
    lines = (stage.logs / "list.log").read_text().splitlines()
    return {row["document"]: row["state"] for row in map(json.loads, lines)}


@pytest.fixture
def var():
    folder = PROJECT / "var" / "test-distributed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def test_the_servers_of_the_tests_are_of_the_major_versions_of_the_images():
    for service, program in (("postgres", "postgres"), ("demo-erp", "postgres"), ("redis", "redis-server")):
        told = subprocess.run(
            [servers.program(program, service), "--version"], capture_output=True, text=True, check=True
        )
        installed = re.search(r"(\d+)\.\d+", told.stdout)[1]
        assert re.search(r":(\d+)", compose.raw()["services"][service]["image"])[1] == installed


def test_an_order_saved_in_the_erp_is_mailed_by_the_composed_services(var, capsys):
    with servers.postgres() as server, server.database() as erp:
        build(erp, scale=0.05)
        with Stage(var) as stage:
            composed = Composed(var, server.url.port, erp)
            run_init_script(composed, server)
            began = time.monotonic()
            airflow = start(stage, composed)
            ready_s = time.monotonic() - began
            saved, seconds = [], []
            for seed in (7, 8):  # one that wakes a sweep, one for which it lingers
                saved.append(save_order(erp, seed))
                stage.wait("its mail", lambda: len(caught(var)) == len(saved), at_most_s=120, every_s=0.05)
                seconds.append((caught(var)[-1].at - saved[-1].committed_at).total_seconds())
            stage.check()
            assert airflow.state("notifications", "sweep") == "running"  # it lingers
            assert [mail.recipients for mail in caught(var)] == [(order.address,) for order in saved]
            assert all(order.document in mail.subject for order, mail in zip(saved, caught(var), strict=True))
            number = save_fuelling(erp)
            stage.wait("its text", lambda: read_texts(var / "phone.jsonl")[0], at_most_s=60, every_s=0.05)
            assert [text.to for text in read_texts(var / "phone.jsonl")[0]] == [number]
            told = {name: composed.healthy(name) for name in HEALTHY}
            told |= {name: composed.healthy("worker", name) for name in WORKERS}
            with capsys.disabled():
                print(f"\nready {ready_s:.0f} s; mails after {seconds[0]:.1f} and {seconds[1]:.1f} s", end="")
                print(f"; memory {memory_mb(stage, server)} MB")
            assert told == dict.fromkeys((*HEALTHY, *WORKERS), True)
            assert composed.healthy("worker", "worker-3") is False
            assert states(stage, composed, "purchase_order") == {order.document: "accepted" for order in saved}
            sweeps = [name for name in WORKERS if "task_id=sweep" in (stage.logs / f"airflow-{name}.log").read_text()]
            assert len(sweeps) == 1
    assert alive(var) == []
