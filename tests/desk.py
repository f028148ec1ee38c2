"""A person's desk: the demo ERP, an outbox, a mail server that catches, and the command line as a real program."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp

from demo import database
from demo.simulate import Simulator
from demo.stage import answers, free_ports

PROJECT = Path(__file__).resolve().parents[1]


def lend_outbox_dags(folder):
    """Copy the DAGs of the outbox into a folder of one's own, as docs/connect-your-erp.md asks."""
    for name in ("outbox.py", "outbox_prune.py"):
        shutil.copy(PROJECT / "dags" / name, folder / name)


class Desk:
    """A person's shell: the environment, the program, and the ERP that operators write to."""

    def __init__(self, folder, company, warm):
        self.folder, self._warm = folder, warm
        self.include = shutil.copytree(PROJECT / "include", folder / "include")
        shutil.copy(company, folder / "erp.db")
        self.operator = Simulator(database.open_engine(f"sqlite:///{folder / 'erp.db'}"), 5)
        self.log = folder / "mail.jsonl"
        (self.port,) = free_ports(1)
        self.env = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("AIRFLOW_CONN", "EMAILKETING"))
            },
            "AIRFLOW_CONN_ERP": f"sqlite:///{folder / 'erp.db'}",
            "AIRFLOW_CONN_EMAILKETING": f"sqlite:///{folder / 'outbox.db'}",
            "AIRFLOW_CONN_SMTP": f"smtp://127.0.0.1:{self.port}/?disable_ssl=true&disable_tls=true",
            "AIRFLOW_CONN_PHONE": json.dumps(
                {"conn_type": "apprise", "extra": {"url": f"json://127.0.0.1:{self.port}/?:to={{to}}"}}
            ),
            "AIRFLOW_CONN_UNSUBSCRIBE": json.dumps(
                {"conn_type": "generic", "login": "leave@company.example", "password": "a secret of the tests alone"}
            ),
            "EMAILKETING_INCLUDE": str(self.include),
            "EMAILKETING_SWEEP__QUIET_S": "0.1",  # nobody saves one document again and again here
            "AIRFLOW_HOME": str(folder / "airflow"),
        }

    def run(self, *arguments, fails=False, **env):
        """The program, as far as its imports go at once, because a warm process has made them."""
        return self.begin(*arguments, **env)(fails)

    def begin(self, *arguments, **env):
        """The same, going on meanwhile; what is given back waits for its end and gives what it said."""
        handle, output = mkstemp(dir=self.folder, prefix="said-")
        os.close(handle)
        process = self._warm.start(list(map(str, arguments)), {**self.env, **env}, Path(output))
        return lambda fails=False: self._judged(process.status(), Path(output).read_text(), fails)

    def cold(self, *arguments, fails=False, **env):
        """The program by its own start, from nothing."""
        done = subprocess.run(
            [PROJECT / "bin" / "emailketing", *arguments],
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return self._judged(done.returncode, done.stdout + done.stderr, fails)

    def _judged(self, status, said, fails):
        assert (status != 0) is fails, said
        assert "Traceback" not in said
        return said

    def rows(self, *filters):
        return [json.loads(line) for line in self.run("outbox", "list", "--json", *filters).splitlines()]

    @contextmanager
    def mail_server(self):
        command = [
            sys.executable,
            "-m",
            "demo.catcher",
            "--port",
            str(self.port),
            "--maildir",
            str(self.folder / "mail"),
        ]
        with subprocess.Popen([*command, "--log", str(self.log)], cwd=PROJECT, stdout=subprocess.DEVNULL) as process:
            try:
                while not answers(self.port):
                    assert process.poll() is None
                yield
            finally:
                process.terminate()

    def mend(self, name, old, new):
        path = self.include / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
