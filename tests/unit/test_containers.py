"""docker-compose.yaml, Dockerfile and .env.example against one another, the lock, and what Airflow knows.

No Docker is needed here. tests/acceptance/test_distributed.py runs what the file describes.
"""

import fnmatch
import importlib.util
import json
import os
import re
import subprocess
import sys
from functools import cache
from inspect import signature
from pathlib import Path

import pytest

from emailketing.settings import Settings
from emailketing.web.recording import Recorder
from emailketing.web.serving import configured
from tests import compose

PROJECT = Path(__file__).resolve().parents[2]
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
FILE = compose.raw()
SERVICES = FILE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
SECRET = re.compile(r"PASSWORD|SECRET|_KEY$|_AUTH$|CONN|BROKER_URL|RESULT_BACKEND")
NO_SECRET = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"}
KEYS = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY"}

each_service = pytest.mark.parametrize("name", SERVICES)
each_of_ours = pytest.mark.parametrize("name", OURS)


def instructions(word):
    """The arguments of every such instruction of the Dockerfile, continued lines joined, comments left out."""
    lines = "\n".join(line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#"))
    return re.findall(rf"^{word} +(.+)$", lines.replace("\\\n", " "), re.MULTILINE)


def environment(name):
    return SERVICES[name].get("environment", {})


def texts(node):
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        return [text for each in node for text in texts(each)]
    return [str(node)]


@cache
def asked_airflow():
    """Which options Airflow and its providers have, and what its command line says of our commands."""
    source = """
import contextlib, io, json, sys
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager
ProvidersManager().initialize_providers_configuration()
wrong = {}
for command in json.loads(sys.argv[1]):
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            get_parser().parse_args(command)
    except SystemExit:
        wrong[" ".join(command)] = said.getvalue()
options = [f"AIRFLOW__{section}__{name}".upper() for section, about in conf.configuration_description.items()
           for name in about["options"]]
print(json.dumps({"wrong": wrong, "options": options}))
"""
    env = {**os.environ, "AIRFLOW_HOME": str(PROJECT / "var" / "airflow-tests")}
    argv = [sys.executable, "-c", source, json.dumps([*airflow_commands(), ["no", "such"]])]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def airflow_commands():
    written = [" ".join(service.get("command", [])) for service in OURS.values()]
    return [found.split() for text in written for found in re.findall(r"\bairflow ((?:[\w-]+ ?)+)", text)]


# ---------------------------------------------------------------------------------------------------- the file itself


def test_the_compose_file_is_what_its_published_schema_wants():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(compose.FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_services_are_those_that_the_documentation_names():
    documented = (PROJECT / "docs" / "operate.md").read_text()
    assert [name for name in SERVICES if f"`{name}`" not in documented] == []


def test_without_a_needed_variable_nothing_starts_and_the_message_names_it():
    needed = {name: "x" for name, default in compose.variables().items() if default is None}
    compose.resolved(needed)
    for name in needed:
        for rest in ({**needed, name: ""}, {other: "x" for other in needed if other != name}):
            with pytest.raises(compose.MissingVariable, match=name):
                compose.resolved(rest)


def test_every_variable_is_in_the_example_and_every_variable_of_the_example_is_used():
    example = (PROJECT / ".env.example").read_text()
    head, containers = example.split("# Containers:")
    listed = dict(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=(.*)$", containers, re.MULTILINE))
    also = set(re.findall(r"^# ([A-Z_]+)=", head, re.MULTILINE))
    used = compose.variables()
    assert set(used) <= set(listed) | also
    assert set(listed) <= set(used)
    shown = {name: value for name, value in listed.items() if used[name] and name not in {"AUTH_MANAGER", "WEB_URL"}}
    assert shown == {name: used[name] for name in shown}, "the example shows another default"


def test_what_the_example_leaves_empty_is_what_must_be_given():
    containers = (PROJECT / ".env.example").read_text().split("# Containers:")[1]
    empty = set(re.findall(r"^([A-Z_]+)=$", containers, re.MULTILINE))
    given = set(re.findall(r"^([A-Z_]+)=.+$", containers, re.MULTILINE))
    needed = {name for name, default in compose.variables().items() if default is None}
    assert needed == empty | given | {"AIRFLOW_CONN_ERP", "AIRFLOW_CONN_SMTP"}


# ----------------------------------------------------------------------------------------------------------- versions


def test_the_image_has_the_python_of_the_lock():
    locked = re.search(r"--python-version (\S+)", (PROJECT / "Makefile").read_text())[1]
    assert instructions("FROM") == [f"python:{locked}-slim-bookworm"]


def test_the_lock_is_the_only_source_of_python_versions():
    assert "==" not in DOCKERFILE
    assert not re.search(r"pip install", DOCKERFILE)
    assert "bin/setup python" in " ".join(instructions("RUN"))
    assert "airflow:" not in " ".join(service["image"] for service in SERVICES.values())


def test_the_debian_packages_are_those_of_a_machine():
    setup = (PROJECT / "bin" / "setup").read_text()
    runtime = re.search(r'^runtime_packages="([^"]+)"', setup, re.MULTILINE)[1].split()
    installed = re.search(r"--no-install-recommends\s+(.+?)\s+&&", " ".join(instructions("RUN")))[1].split()
    assert installed == runtime


def test_what_leaves_the_image_again_is_what_only_development_needs():
    pattern = re.search(r"sed -n '([^']+)' requirements\.in", DOCKERFILE)[1]
    command = ["sed", "-n", pattern, "requirements.in"]
    removed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split()
    needs, development = (PROJECT / "requirements.in").read_text().split("# Development\n")
    assert len(removed) == len(development.splitlines())
    assert {"pytest", "playwright", "uv"} <= set(removed)
    assert not set(removed) & set(re.findall(r"^[\w-]+", needs, re.MULTILINE))


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OURS])
def test_a_foreign_image_is_pinned_to_a_major_version_and_a_debian(name):
    assert re.fullmatch(r"[a-z]+:\d+(\.\d+)*-bookworm", SERVICES[name]["image"])


# ----------------------------------------------------------------------------------------------------------- services


@each_service
def test_every_service_has_a_health_check_or_ends_by_itself(name):
    service = SERVICES[name]
    assert ("healthcheck" in service) != (service.get("restart") == "no")
    if "healthcheck" in service:
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@each_service
def test_who_is_waited_for_exists_and_can_be_waited_for(name):
    for other, how in SERVICES[name].get("depends_on", {}).items():
        one_shot = SERVICES[other].get("restart") == "no"
        assert how["condition"] == ("service_completed_successfully" if one_shot else "service_healthy")


@each_service
def test_every_host_in_an_address_is_a_service(name):
    said = " ".join([*texts(environment(name)), *texts(SERVICES[name].get("healthcheck", {}).get("test", []))])
    hosts = set(re.findall(r"(?:@|http://|host=)([a-z][a-z-]*)\b(?!\w)", said)) - {"localhost", "celery"}
    assert hosts <= set(SERVICES)


def test_addresses_are_looked_for_where_they_stand():
    assert "postgres" in re.findall(r"@([a-z-]+)", environment("init")["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])


@each_service
def test_every_mounted_path_exists_and_only_named_volumes_are_written(name):
    for volume in SERVICES[name].get("volumes", []):
        if isinstance(volume, str):
            assert volume.split(":")[0] in FILE["volumes"]
        else:
            source = compose.VARIABLE.sub(lambda match: match["other"], volume["source"])
            assert (PROJECT / source).is_dir()
            assert volume["read_only"] is True
    for config in SERVICES[name].get("configs", []):
        assert config["source"] in FILE["configs"]


def test_every_volume_is_used():
    used = {volume.split(":")[0] for text in SERVICES.values() for volume in texts(text.get("volumes", []))}
    assert set(FILE["volumes"]) <= used


@pytest.mark.parametrize("name", [name for name in OURS if name.startswith(("api", "sched", "dag", "trig", "work"))])
def test_airflow_reads_its_folders_where_they_are_mounted(name):
    targets = {volume["target"] for volume in SERVICES[name]["volumes"] if isinstance(volume, dict)}
    given = environment(name)
    folders = {given["AIRFLOW__CORE__DAGS_FOLDER"], given["AIRFLOW__CORE__PLUGINS_FOLDER"]}
    assert targets == folders | {given["EMAILKETING_INCLUDE"], given["EMAILKETING_DAGS"]}
    assert f"logs:{given['AIRFLOW__LOGGING__BASE_LOG_FOLDER']}" in SERVICES[name]["volumes"]


def test_every_command_of_airflow_exists():
    asked = asked_airflow()
    assert "no such" in asked["wrong"], "Airflow's parser takes anything"
    assert set(asked["wrong"]) == {"no such"}, asked["wrong"]
    assert {command[0] for command in airflow_commands()} >= {"db", "api-server", "scheduler", "triggerer", "celery"}


@each_of_ours
def test_every_option_of_airflow_exists(name):
    given = {key for key in environment(name) if key.startswith("AIRFLOW__")}
    assert given <= set(asked_airflow()["options"])


@each_of_ours
def test_every_module_that_is_run_exists(name):
    for module in re.findall(r"-m,? ([\w.]+)", " ".join(texts(SERVICES[name].get("command", [])))):
        assert importlib.util.find_spec(module), module


@each_of_ours
def test_every_setting_of_the_product_exists(name):
    known = {f"EMAILKETING_{field.upper()}" for field in Settings.model_fields}
    assert {key for key in environment(name) if key.startswith("EMAILKETING_")} <= known


def test_a_task_is_not_given_to_a_second_worker_while_it_runs():
    timeout = "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"
    longest_s = Settings.model_fields["sweep"].default.linger_most_s
    for name in ("scheduler", "worker"):
        assert float(environment(name)[timeout]) > 2 * longest_s


# ------------------------------------------------------------------------------------------------------------ secrets


@each_service
def test_a_secret_comes_from_the_environment_and_no_other_way(name):
    for key, value in environment(name).items():
        if SECRET.search(key) and key not in NO_SECRET:
            assert "${" in str(value), f"{key} is written down"
        passwords = re.findall(r"://[^/@:]*:([^@/]+)@", compose.VARIABLE.sub("$", str(value)))
        assert set(passwords) <= {"$"}, f"{key} has a password written down"


@each_service
def test_no_secret_is_an_argument_where_every_list_of_processes_would_show_it(name):
    service = SERVICES[name]
    said = texts([service.get("command", []), service.get("healthcheck", {})])
    assert [text for text in said if re.search(r"(?<!\$)\$\{", text)] == []


def test_the_image_holds_no_secret():
    assert not re.search(SECRET, " ".join([*instructions("ENV"), *instructions("ARG")]))
    patterns = (PROJECT / ".dockerignore").read_text().splitlines()
    assert patterns[1] == "*"
    allowed = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    for secret in (".env", "var", ".git"):
        assert not any(fnmatch.fnmatch(secret, pattern) for pattern in allowed)
    for line in instructions("COPY"):
        *sources, _ = line.split()
        for source in sources:
            assert (PROJECT / source).exists()
            assert source.split("/")[0] in allowed


def test_a_worker_knows_neither_the_database_nor_the_keys_of_airflow():
    assert set(environment("scheduler")) >= KEYS
    assert not set(environment("worker")) & (KEYS | {"AIRFLOW__API_AUTH__JWT_SECRET", "WEB_PASSWORDS"})
    assert "AIRFLOW_CONN_ERP" not in environment("scheduler")


@each_of_ours
def test_nothing_of_ours_runs_as_root_or_may_become_root(name):
    (user,) = instructions("USER")
    assert int(user) > 0
    assert not {"user", "privileged", "cap_add"} & set(SERVICES[name])
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_only_pages_are_reached_from_outside_and_by_default_only_from_this_machine():
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "api-server": ["${WEB_ADDRESS:-127.0.0.1:8080}:8080"],
        "public": ["${PUBLIC_ADDRESS:-127.0.0.1:8090}:8090"],
    }


def test_the_public_service_has_the_time_to_end():
    given = int(SERVICES["public"]["stop_grace_period"].removesuffix("s"))
    last_answers = configured(lambda *_: None, "", 0).timeout_graceful_shutdown
    last_visits = signature(Recorder.close).parameters["patience_s"].default
    assert given >= 2 * (last_answers + last_visits)


def test_the_public_service_knows_the_outbox_and_the_secret_of_its_links_alone():
    assert {name for name in environment("public") if SECRET.search(name)} == {
        "AIRFLOW_CONN_UNSUBSCRIBE",
        "AIRFLOW_CONN_EMAILKETING",
    }
