"""The SMTP channel over the line that Airflow's own SmtpHook makes: TLS, login and OAuth2 as its Connection says.

The hook runs in a process of its own, as a task's does, with the Connections in its environment; one process for all
cases, because importing Airflow takes seconds.
"""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.smtp_servers import ScriptedServer, make_certificate

PROJECT = Path(__file__).parents[2]

# How a line is got from the hook, with the two things that it leaves open: it tries a dead server six times,
# and it forgets to close a line on which the login failed.
TASK = """
import sys
from airflow.providers.smtp.hooks.smtp import SmtpHook
from emailketing.channels.smtp import Smtp
from emailketing.errors import ChannelDown
from emailketing.model import Claim, Frozen

class Hook(SmtpHook):
    smtp_retry_limit = 0

def connect(name):
    hook = Hook(name)
    try:
        return hook.get_conn()._smtp_client
    except BaseException:
        if hook._smtp_client is not None:
            hook._smtp_client.close()
        raise

for name in sys.argv[1:]:
    channel = Smtp(lambda: connect(name), timeout_s=5, server=f"the Connection {name}")
    claim = Claim(1, "k", "email", "us@a.example", "you@b.example", "<1@a.example>", 0,
                  Frozen(b"Subject: x\\r\\n\\r\\nx\\r\\n"))
    try:
        channel.open()
        print(f"answer {name}", channel.deliver(claim).outcome)
        channel.close()
    except ChannelDown as error:
        print(f"answer {name}", str(error).replace("\\n", " "))
"""

PLAIN = {"disable_ssl": True, "disable_tls": True}
STARTTLS = {"disable_ssl": True}
AT_ONCE = {"disable_tls": True}
OAUTH2 = {**STARTTLS, "auth_type": "oauth2"}
LOGIN = ("user", "right")

#   name            the server's TLS     login      the Connection's login, extras               what comes of it
CASES = {
    "plain": ("", None, ("", ""), PLAIN, "accepted"),
    "starttls": ("starttls", None, ("", ""), STARTTLS, "accepted"),
    "at_once": ("at once", None, ("", ""), AT_ONCE, "accepted"),
    "login": ("starttls", LOGIN, LOGIN, STARTTLS, "accepted"),
    "oauth2": ("starttls", ("user", "token"), ("user", ""), {**OAUTH2, "access_token": "token"}, "accepted"),
    "wrong_password": ("starttls", LOGIN, ("user", "secret"), STARTTLS, "it refused the login (535 5.7.8"),
    "wrong_token": ("starttls", LOGIN, ("user", ""), {**OAUTH2, "access_token": "secret"}, "it refused the login (535"),
    "defaults_587": ("starttls", None, ("", ""), {}, "TLS failed"),
    "defaults_465": ("at once", None, ("", ""), {}, "it lacks what the Connection asks for (STARTTLS"),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """By case: what the process said, and the server it spoke to."""
    home = tmp_path_factory.mktemp("airflow")
    certificate = make_certificate(home)
    with ExitStack() as stack:
        servers = {}
        for name, (tls, login, *_) in CASES.items():
            context = certificate.server_context() if tls else None
            servers[name] = stack.enter_context(ScriptedServer(tls=context, tls_at_once=tls == "at once", login=login))
        said = run(home, certificate, servers)
    return {name: (said[name], servers[name]) for name in CASES}


def run(home, certificate, servers):
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", TASK, *servers]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        **{f"AIRFLOW_CONN_{name.upper()}": connection(name, server.port) for name, server in servers.items()},
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": str(PROJECT / "plugins"),
        "SSL_CERT_FILE": str(certificate.path),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "ResourceWarning" not in done.stderr
    answers = [line.split(" ", 2)[1:] for line in done.stdout.splitlines() if line.startswith("answer ")]
    return dict(answers)


def connection(name, port):
    _, _, (user, password), extra, _ = CASES[name]
    fields = {"conn_type": "smtp", "host": "localhost", "port": port, "login": user, "password": password}
    return json.dumps({**fields, "extra": {"timeout": 5, **extra}})


@pytest.mark.parametrize("case", CASES)
def test_the_hooks_line_carries_mail_or_operations_are_told_why_not(ran, case):
    said, server = ran[case]
    expected = CASES[case][-1]
    assert expected in said
    assert "secret" not in said
    assert len(server.accepted) == (expected == "accepted")
