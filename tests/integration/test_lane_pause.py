"""A mail server that fails as a whole stops the lane after a few tries, and the lane goes on by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from emailketing import road
from emailketing.channels.memory import Memory
from emailketing.model import Lane, OnUnknown, Outcome, State
from tests.letters import NOW, letter
from tests.post_office import LEASE_S, PostOffice
from tests.smtp_servers import DROP, LOSE_ANSWER, ScriptedServer, Stall, free_port

PROJECT = Path(__file__).parents[2]
FIFTY = [str(number) for number in range(50)]
MINUTE = 60


class Cursed(ScriptedServer):
    """A server that does `action` at `stage` as long as `cursed`."""

    def __init__(self, stage, action, **how):
        super().__init__({stage: [action] * 5000}, **how)
        self.stage = stage

    def heal(self):
        self.script[self.stage] = []


def attempts(post):
    return sum(row.attempts for row in post.rows().values())


def test_a_server_that_is_away_is_tried_a_few_times_and_then_seldom(sqlite_url):
    with PostOffice(sqlite_url, free_port()) as post:
        post.put("1")
        downs = []
        for _ in range(600):
            downs.append(post.deliver().down)
            post.sleep(1)
        assert all("nothing listens" in down for down in downs), "it is told each time"
        assert "is paused until" not in downs[1]
        assert "is paused until" in downs[2]
        assert 7 <= post.pause().failures <= 12, "ten minutes of looks, one each second"
        assert (post.row().state, post.row().attempts) == (State.QUEUED, 0)
        assert post.pause().since == NOW
        with ScriptedServer() as server:
            post.port = server.port
            post.sleep(300)
            assert post.deliver().outcomes == {Outcome.ACCEPTED: 1}
            assert post.pause() is None


@pytest.mark.parametrize(
    ("stage", "action"),
    [
        ("mail", DROP),
        ("rcpt", "421 4.7.0 too many"),
        ("data", DROP),
        ("mail", "452 4.3.1 full"),
        ("mail", "530 5.7.0 ?"),
    ],
    ids=str,
)
def test_fifty_messages_and_a_server_that_fails_each_burn_few_attempts(sqlite_url, stage, action):
    """An hour costs about twenty attempts in all, and no message more than two of its twelve."""
    with Cursed(stage, action) as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*FIFTY)
        downs = [post.deliver().down for _ in range(3)]
        assert "is paused until" in downs[-1]
        assert attempts(post) <= 3
        for _ in range(240):
            post.sleep(15)
            post.deliver()
        assert 12 <= attempts(post) <= 30
        assert max(row.attempts for row in post.rows().values()) <= 2
        assert {row.state for row in post.rows().values()} == {State.QUEUED}
        server.heal()
        post.sleep(300)
        trial = post.deliver()
        assert trial.outcomes[Outcome.ACCEPTED] >= 20, "after the one that was tried the lane is open"
        post.sleep(14400)
        post.deliver()
        assert {row.state for row in post.rows().values()} == {State.ACCEPTED}
        assert len(server.accepted) == 50


def test_a_server_that_dies_after_each_message_leaves_few_in_doubt(sqlite_url):
    with Cursed("dot", LOSE_ANSWER) as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*FIFTY, on_unknown=OnUnknown.NEVER)
        for _ in range(60):
            post.deliver()
            post.keep_house()
            post.sleep(5)
        assert 3 <= len(server.accepted) <= 12
        assert sum(row.state is State.UNKNOWN for row in post.rows().values()) == len(server.accepted)


def test_one_message_goes_first_when_the_pause_is_over(sqlite_url):
    with Cursed("mail", DROP) as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*FIFTY)
        post.deliver()
        said = len(server.commands)
        assert post.deliver().outcomes == {}
        assert len(server.commands) == said, "nobody knocks while the lane is paused"
        post.sleep(11)
        assert post.deliver().outcomes == {Outcome.LATER: 1}
        assert (attempts(post), post.pause().failures) == (4, 4)
        wait = (post.pause().until - post.now).total_seconds()
        assert 10 <= wait <= 20


def test_other_lanes_go_on(sqlite_url):
    with Cursed("mail", DROP) as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*FIFTY)
        post.deliver()
        server.heal()
        post.put("report", lane=Lane.REPORT)
        done = road.deliver(post.carrier)
        assert (done.outcomes, "instant lane (email) is paused" in done.down) == ({Outcome.ACCEPTED: 1}, True)
        assert post.pause(Lane.REPORT) is None


def test_a_message_that_goes_clears_the_count(sqlite_url):
    # On a line that has carried a message a first drop costs nothing: the server may have ended it while it was idle.
    script = {"mail": [DROP, DROP, None, DROP, DROP, DROP, None, DROP, DROP, DROP, None]}
    with ScriptedServer(script) as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*FIFTY[:9])
        assert post.deliver().outcomes == {Outcome.LATER: 6, Outcome.ACCEPTED: 3}
        assert post.pause() is None


def test_a_message_over_which_the_line_breaks_each_time_stops_nobody_else(sqlite_url):
    with ScriptedServer({"body": [DROP] * 50}) as server, PostOffice(sqlite_url, server.port) as post:
        post.put("1", wire=b"x" * 12_000_000 + b"\r\n")
        for _ in range(6):
            post.deliver()
            post.sleep(7200)
        assert post.row().attempts == 6
        assert (post.pause().failures, post.pause().until) == (1, None)
        server.script["body"] = []
        post.put("2")
        assert post.deliver().outcomes[Outcome.ACCEPTED] >= 1
        assert post.row("2").state is State.ACCEPTED


def test_a_broken_message_does_not_keep_a_lane_paused(sqlite_url):
    """It is tried first, because it is the oldest; then its own wait lets the others go before it."""
    with ScriptedServer({"mail": [DROP] * 4}) as server, PostOffice(sqlite_url, server.port) as post:
        post.put("1", "2", "3")
        post.deliver()
        post.sleep(11)
        post.put("4")
        post.deliver()
        assert post.pause().failures == 4
        post.sleep(21)
        post.deliver()
        assert post.pause() is None


def test_the_pause_is_the_same_for_all_processes_and_one_of_them_tries(sqlite_url):
    with Cursed("mail", DROP) as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*FIFTY)
        post.deliver()
        post.sleep(11)
        server.script["mail"] = [Stall(0.5)]
        with PostOffice(sqlite_url, server.port) as other:
            other.now = post.now
            trying, said = threading.Thread(target=post.deliver), server.verbs().count("MAIL")
            trying.start()
            while server.verbs().count("MAIL") == said:
                time.sleep(0.01)
            done = other.deliver()
            assert (done.outcomes, "is paused" in done.down) == ({}, True)
            trying.join()
            assert post.pause() is None
    assert sum(row.state is State.ACCEPTED for row in post.rows().values()) == 47


def test_a_process_that_dies_while_it_tries_holds_the_lane_no_longer_than_its_lease(sqlite_url):
    with Cursed("mail", DROP) as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*FIFTY)
        post.deliver()
        post.sleep(11)
        server.heal()
        assert post.outbox.take_trial("email", Lane.INSTANT, post.now, post.now + timedelta(seconds=LEASE_S))
        assert post.deliver().outcomes == {}
        post.sleep(LEASE_S)
        assert post.deliver().outcomes[Outcome.ACCEPTED] >= 47


def test_an_empty_lane_opens_with_the_first_message_that_comes(sqlite_url):
    with PostOffice(sqlite_url, free_port()) as post:
        post.put("1")
        for _ in range(3):
            post.deliver()
        post.outbox.cancel(post.row().key, "a person", "no need", post.now)
        post.sleep(11)
        assert post.deliver().down == "", "nothing waits, nothing is wrong"
        with ScriptedServer() as server:
            post.port = server.port
            post.put("2", "3")
            assert post.deliver().outcomes == {Outcome.ACCEPTED: 2}
            assert post.pause() is None


def test_several_connections_wait_for_the_one_that_tries_and_then_share_the_work(sqlite_url):
    with Cursed("mail", DROP) as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*FIFTY)
        post.deliver(connections=4)
        assert attempts(post) <= 3 + 3, "each connection finds out for itself at most once more"
        post.sleep(60)
        server.script["mail"] = [Stall(0.02)] * 50
        before = server.connections
        assert post.deliver(connections=4).outcomes == {Outcome.ACCEPTED: 50}
        assert server.connections - before >= 2
        assert post.pause() is None


def test_a_server_that_takes_fewer_connections_than_we_open_pauses_nothing(sqlite_url):
    turned_away = threading.Event()

    class Second(Memory):
        def open(self):
            turned_away.set()
            super().open()

    class First(Memory):
        def deliver(self, claim):
            assert turned_away.wait(30)
            return super().deliver(claim)

    with PostOffice(sqlite_url, 0) as post:
        post.put(*FIFTY)
        first = First(clock=post.carrier.clock)
        spare = [first, first, Second(clock=post.carrier.clock, down="421 too many connections")]
        post.carrier = replace(post.carrier, channels={"email": spare.pop})
        done = post.deliver(connections=2)
        assert done.outcomes[Outcome.ACCEPTED] >= 40, "all but what the other one had in hand"
        assert "too many connections" in done.down
        done.add(post.deliver())
        assert done.outcomes == {Outcome.ACCEPTED: 50}
        assert post.pause() is None


def test_without_heeding_the_pause_the_server_is_tried_at_once(sqlite_url):
    with Cursed("mail", DROP) as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*FIFTY)
        post.deliver()
        paused = post.pause()
        again = post.deliver(heed_pauses=False)
        assert again.outcomes == {Outcome.LATER: 1}
        assert "is paused until" in again.down
        assert post.pause() == paused, "a person's impatience makes no pause longer"
        server.heal()
        assert post.deliver(heed_pauses=False).outcomes[Outcome.ACCEPTED] == 46
        assert post.pause() is None


def test_a_lane_that_is_open_costs_one_short_query_more(sqlite_url):
    with ScriptedServer() as server, PostOffice(sqlite_url, server.port) as post:
        post.put(*FIFTY[:5])
        statements = []
        engine = post.outbox._database.engine
        sa.event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        post.deliver()
        assert sum("outbox_pause" in statement for statement in statements) == 2, "before each claim"


# The command line, in one process, because importing Airflow takes seconds

COMMANDS = """
import json, sys
from click.testing import CliRunner
from emailketing.__main__ import main
for line in sys.argv[1:]:
    done = CliRunner().invoke(main, line.split())
    print(json.dumps([done.exit_code, done.output]))
"""


def emailketing(url, port, *lines):
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "login": "user", "password": "wr0ng-secret"}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "EMAILKETING"))},
        "AIRFLOW_CONN_EMAILKETING": url,
        "AIRFLOW_CONN_SMTP": json.dumps({**smtp, "extra": {"disable_ssl": True, "disable_tls": True}}),
        "EMAILKETING_DELIVERY__PAUSE_AFTER": "2",
        "EMAILKETING_DELIVERY__PAUSE_S": "300",
        "PYTHONPATH": str(PROJECT / "plugins"),
    }
    command = [sys.executable, "-c", COMMANDS, *lines]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "wr0ng" not in done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_command_line_tells_of_the_pause_and_goes_on_at_once_when_asked(tmp_path):
    url, deliver, lanes = f"sqlite:///{tmp_path / 'outbox.db'}", "deliver --lane instant", "outbox lanes"
    refusing = ScriptedServer({"auth": ["535 5.7.8 no"] * 4}, login=("user", "wr0ng-secret"))  # smtplib asks twice
    with refusing as server, PostOffice(url, server.port) as post:
        now = road.utc_now()
        post.outbox.put([letter("1", event_at=now, created_at=now)], {}, now)
        lines = [deliver, deliver, deliver, lanes, f"{lanes} --json", f"{deliver} --now"]
        told = emailketing(url, server.port, *lines)
        assert post.pause() is None
    assert [code for code, _ in told] == [1, 1, 1, 0, 0, 0]
    down, paused, still, table, rows, sent = [output for _, output in told]
    assert "it refused the login (535 5.7.8 no)" in down
    assert "is paused until" not in down
    assert "is paused until" in paused
    assert "is paused until" in still
    assert "nothing was due" not in still
    assert "paused" in table
    assert "it refused the login" in table
    assert [
        (row["lane"], row["stands"], row["queued"], row["failures"])
        for row in map(json.loads, rows.splitlines())
        if row["channel"] == "email"
    ] == [
        ("instant", "paused", 1, 2),
        ("report", "open", 0, 0),
        ("bulk", "open", 0, 0),
    ]
    assert "1 accepted" in sent
    assert len(server.accepted) == 1
