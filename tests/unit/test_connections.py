"""Airflow Connections: read as Airflow reads them, made into engines and lines, and never shown with their secrets."""

import json
import os
import smtplib
import subprocess
import sys
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from sqlalchemy import text

from demo.stage import free_ports
from emailketing import connections
from emailketing.errors import ChannelDown, SettingsError

PROJECT = Path(__file__).parents[2]

URIS = [
    "postgresql://reader:p%40ss%2Fw%3Ard@erp.example:5433/company",
    "postgres://erp.example",
    "mysql://reader:secret@[2001:db8::1]:3307/company?charset=utf8mb4",
    "mssql://u:p@erp/company?driver=ODBC+Driver+18+for+SQL+Server&Encrypt=yes",
    "my-own://host/x%2Fy?__extra__=%7B%22a%22%3A+%7B%22b%22%3A+1%7D%7D",
    "sqlite:////var/lib/erp.db",
    "sqlite:///erp.db",
    "sqlite://%2Fvar%2FLib%2Ferp.db",
    "smtp://user%40mail.example:p@mail.example:587/?disable_ssl=true&timeout=5",
]


@pytest.fixture
def given(monkeypatch):
    def give(name, value):
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", text)

    return give


@pytest.fixture
def url(given):
    def make(value):
        given("erp", value)
        return connections.url("erp").render_as_string(hide_password=False)

    return make


@pytest.mark.parametrize("uri", URIS)
def test_a_uri_is_read_as_airflow_reads_it(uri, given):
    from airflow.sdk import Connection

    given("erp", uri)
    theirs = Connection.from_uri(uri, conn_id="erp")
    ours = connections._from_environment("erp")
    assert ours.conn_type.replace("postgresql", "postgres") == theirs.conn_type
    assert ours.extra == theirs.extra_dejson
    for name in ("host", "schema", "login", "password", "port"):
        assert (getattr(ours, name) or None) == (getattr(theirs, name) or None), name


@pytest.mark.parametrize("uri", URIS)
def test_inside_airflow_a_connection_is_the_same_as_in_a_script(uri, given):
    import airflow.sdk  # noqa: F401

    given("erp", uri)
    inside, outside = connections.lookup("erp"), connections._from_environment("erp")
    assert inside == replace(outside, conn_type=inside.conn_type)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("postgresql://reader:p%40ss@erp:5433/company", "postgresql+psycopg://reader:p%40ss@erp:5433/company"),
        ("postgres://erp/company?sslmode=require", "postgresql+psycopg://erp/company?sslmode=require"),
        ("mysql://u:p@erp/company?charset=utf8mb4", "mysql+pymysql://u:p@erp/company?charset=utf8mb4"),
        ("mariadb://u:p@erp/company", "mysql+pymysql://u:p@erp/company"),
        ("mysql+pymysql://u:p@erp/company", "mysql+pymysql://u:p@erp/company"),
        ("sqlite:////var/lib/erp.db", "sqlite:////var/lib/erp.db"),
        ("sqlite:///var/erp.db", "sqlite:///var/erp.db"),
        ({"conn_type": "sqlite", "host": "/var/lib/erp.db"}, "sqlite:////var/lib/erp.db"),
        ({"conn_type": "sqlite", "schema": "erp.db"}, "sqlite:///erp.db"),
        ("mssql://u:p@erp/c?driver=ODBC+Driver+18", "mssql+pyodbc://u:p@erp/c?driver=ODBC+Driver+18"),
        ("oracle://u:p@erp:1521/x?service_name=S", "oracle+oracledb://u:p@erp:1521?service_name=S"),
        (
            {"conn_type": "mssql", "host": "erp", "schema": "c", "extra": {"sqlalchemy_scheme": "mssql+pymssql"}},
            "mssql+pymssql://erp/c",
        ),
        (
            {"conn_type": "generic", "extra": {"sqlalchemy_url": "firebird+fdb://u:p@erp//data/erp.fdb"}},
            "firebird+fdb://u:p@erp//data/erp.fdb",
        ),
        ({"conn_type": "postgres", "host": "erp", "extra": '{"gssencmode": "disable", "keepalives": true}'},
         "postgresql+psycopg://erp?gssencmode=disable&keepalives=true"),
    ],
)  # fmt: skip
def test_a_connection_becomes_the_url_of_its_database(value, expected, url):
    assert url(value) == expected


def test_an_engine_on_sqlite_works_with_absolute_and_relative_paths(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in (f"sqlite:///{tmp_path}/erp.db", "sqlite:///erp.db", {"conn_type": "sqlite", "host": "erp.db"}):
        given("erp", value)
        engine = connections.engine("erp")
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS t (n int)"))
        engine.dispose()
    assert [path.name for path in tmp_path.iterdir()] == ["erp.db"]


@pytest.mark.parametrize("name", ["erp", "emailketing", "smtp", "unsubscribe"])
@pytest.mark.parametrize("value", ["", "  "])
def test_a_missing_connection_says_where_to_add_it_with_an_example_that_works(name, value, given):
    given(name, value)
    with pytest.raises(SettingsError) as caught:
        connections.lookup(name)
    message = str(caught.value)
    assert f"There is no Airflow Connection '{name}'." in message
    assert f"Admin → Connections, or set AIRFLOW_CONN_{name.upper()}" in message
    given(name, message.partition("='")[2].removesuffix("'"))
    assert connections.lookup(name).conn_type


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        "/var/hunter2.db",
        "postgresql://u:hunter2@host:port/company",
        '{"conn_type": "postgres", "password": "hunter2"',
        '{"conn_type": "postgres", "password": "hunter2", "port": "x"}',
        '{"conn_type": "postgres", "password": "hunter2", "extra": "hunter2"}',
        '{"conn_type": "postgres", "password": "hunter2", "extra": ["hunter2"]}',
        '{"host": "x", "password": "hunter2"}',
        '{"conn_type": "dbase", "host": "x", "password": "hunter2"}',
        '{"conn_type": "oracle", "host": "x", "password": "hunter2"}',
        '{"conn_type": "postgres", "password": "hunter2", "extra": {"ssl": {"key": "hunter2"}}}',
        '{"conn_type": "x", "extra": {"sqlalchemy_url": "hunter2"}}',
        '{"conn_type": "x", "extra": {"sqlalchemy_url": "db2://u:hunter2@host:port/x"}}',
    ],
)
def test_a_connection_that_cannot_be_used_is_told_plainly_and_without_its_password(value, given):
    given("erp", value)
    with pytest.raises(SettingsError, match="'erp'") as caught:
        connections.engine("erp")
    assert "hunter2" not in str(caught.value)


def test_a_printed_connection_shows_no_secret(given):
    given("erp", "postgresql://u:hidden@host/db?sslpassword=hidden")
    assert "hidden" not in repr(connections.lookup("erp"))
    given("erp", "postgresql://u:hidden@host/db")
    assert "hidden" not in repr(connections.url("erp"))


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        return "250 kept"


@contextmanager
def server(**options):
    controller = Controller(Mailbox(), hostname="127.0.0.1", port=free_ports(1)[0], **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # aiosmtpd warns of logins without TLS
        controller.start()
        try:
            yield controller.port
        finally:
            controller.stop()


def plain(port, **more):
    return {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": port,
        **more,
        "extra": {"disable_tls": True, "disable_ssl": True},
    }


def login(server, session, envelope, mechanism, auth_data):
    return AuthResult(success=auth_data.login == b"robot" and auth_data.password == b"secret", handled=False)


def test_a_line_to_the_mail_server_is_connected_and_has_the_time_limit(given):
    with server() as port:
        given("smtp", plain(port))
        client = connections.smtp_line("smtp", 7.5)()
        assert isinstance(client, smtplib.SMTP)
        assert client.sock.gettimeout() == 7.5
        assert client.noop()[0] == 250
        client.quit()


def test_a_line_is_logged_in(given):
    with server(authenticator=login, auth_require_tls=False, auth_required=True) as port:
        given("smtp", plain(port, login="robot", password="secret"))
        client = connections.smtp_line("smtp", 5)()
        assert client.mail("a@b.example")[0] == 250
        client.quit()


def test_a_wrong_password_is_the_servers_answer(given):
    with server(authenticator=login, auth_require_tls=False, auth_required=True) as port:
        given("smtp", plain(port, login="robot", password="wrong"))
        with pytest.raises(smtplib.SMTPAuthenticationError):
            connections.smtp_line("smtp", 5)()


def test_a_server_without_tls_is_not_written_to_in_clear_when_tls_was_asked_for(given):
    with server() as port:
        given("smtp", plain(port) | {"extra": {"disable_ssl": True}})
        with pytest.raises(smtplib.SMTPNotSupportedError):
            connections.smtp_line("smtp", 5)()


def test_a_login_that_cannot_be_made_is_a_channel_that_is_down(given):
    with server() as port:
        extra = {"disable_tls": True, "disable_ssl": True, "auth_type": "oauth2"}
        given("smtp", plain(port, login="robot") | {"extra": extra})
        with pytest.raises(ChannelDown, match="oauth2"):
            connections.smtp_line("smtp", 5)()


def test_nobody_listening_is_an_error_of_the_network(given):
    with server() as port:
        given("smtp", plain(port))
        line = connections.smtp_line("smtp", 2)
    with pytest.raises(OSError, match="refused"):
        line()


@pytest.mark.parametrize("key", ["disable_tls", "disable_ssl"])
def test_false_as_text_would_switch_encryption_off_and_is_refused(key, given):
    given("smtp", f"smtp://mail.example:587/?{key}=false")
    with pytest.raises(SettingsError, match=key):
        connections.smtp_line("smtp", 5)


def test_a_mail_server_without_a_host_is_refused(given):
    given("smtp", '{"conn_type": "smtp"}')
    with pytest.raises(SettingsError, match="no host"):
        connections.smtp_line("smtp", 5)


def script(code, home, **env):
    """Run `code` as a script of its own, in a home of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env = {**clean, "HOME": str(home), "PYTHONPATH": str(PROJECT / "plugins"), **env}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_script_reads_a_database_connection_without_airflow(tmp_path):
    code = "import sys; from emailketing import connections as c; print(c.engine('erp').url, 'airflow' in sys.modules)"
    done = script(code, tmp_path, AIRFLOW_CONN_ERP="sqlite:///erp.db")
    assert done.stdout == "sqlite:///erp.db False\n", done.stderr


def test_a_script_opens_a_mail_line_and_leaves_nothing_in_the_users_home(tmp_path):
    code = "from emailketing import connections as c; print(c.smtp_line('smtp', 5)().noop()[0])"
    with server() as port:
        done = script(code, tmp_path, AIRFLOW_CONN_SMTP=json.dumps(plain(port)))
    assert done.stdout.strip() == "250", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_inside_airflow_a_malformed_connection_is_not_called_missing(given):
    import airflow.sdk  # noqa: F401

    given("erp", "postgresql://u:secret@host:port/company")
    with pytest.raises(SettingsError, match="neither a URI nor JSON"):
        connections.lookup("erp")


@pytest.mark.parametrize(
    "extra",
    [
        {"url": "json://gateway.example/?:to={to}"},
        {"config": {"path": "json://gateway.example/?:to={to}", "tag": "sms"}},
        {"config": '{"path": "json://gateway.example/?:to={to}", "tag": ""}'},
        {"config": [{"path": "json://gateway.example/?:to={to}"}]},
        {"config": "json://gateway.example/?:to={to}"},
    ],
)
def test_a_gateways_url_is_found_where_airflows_form_writes_it_too(extra, given):
    given("phone", {"conn_type": "apprise", "extra": extra})
    assert connections.gateway_url("phone") == "json://gateway.example/?:to={to}"


def test_a_gateways_url_may_be_given_in_a_uri(given):
    given("phone", "apprise:///?url=json%3A%2F%2F127.0.0.1%3A8025%2F%3F%3Ato%3D%7Bto%7D")
    assert connections.gateway_url("phone") == "json://127.0.0.1:8025/?:to={to}"


def test_login_and_password_stand_in_the_url_percent_encoded(given):
    url = "twilio://{login}:{password}@15551234567/{to}"
    given("phone", {"conn_type": "apprise", "login": "me@x", "password": "a/b:{to}?", "extra": {"url": url}})
    assert connections.gateway_url("phone") == "twilio://me%40x:a%2Fb%3A%7Bto%7D%3F@15551234567/{to}"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "no Airflow Connection 'phone'"),
        ({"conn_type": "apprise"}, "is not there"),
        ({"conn_type": "apprise", "extra": {"url": "secret"}}, "none of apprise's"),
        ({"conn_type": "apprise", "extra": {"url": "json://secret/"}}, "no place for the recipient's number"),
        ({"conn_type": "apprise", "extra": {"config": [{"path": "json://secret/{to}"}] * 2}}, "several gateways"),
        ({"conn_type": "apprise", "extra": {"config": "{"}}, "no JSON object"),
    ],
)
def test_a_phone_connection_that_cannot_be_used_names_what_is_wrong(value, words, given):
    given("phone", value)
    with pytest.raises(SettingsError, match=words) as raised:
        connections.gateway_url("phone")
    assert "secret" not in str(raised.value)
    assert "AIRFLOW_CONN_PHONE" in str(raised.value) or "one gateway" in str(raised.value)


SECRET = "a secret of the tests alone"


@pytest.mark.parametrize(
    ("value", "mailbox", "base"),
    [
        ({"conn_type": "generic", "password": SECRET}, "", ""),
        ({"conn_type": "generic", "password": SECRET, "login": "leave@x.example"}, "leave@x.example", ""),
        ({"conn_type": "http", "password": SECRET, "host": "news.x.example"}, "", "https://news.x.example"),
        (
            {"conn_type": "http", "password": SECRET, "host": "news.x.example", "schema": "https"},
            *("", "https://news.x.example"),
        ),
        (
            {"conn_type": "http", "password": SECRET, "host": "https://x.example/", "schema": "/mail/", "port": 8443},
            *("", "https://x.example:8443/mail"),
        ),
        (f"https://l%40x.example:{SECRET.replace(' ', '%20')}@x.example/mail", "l@x.example", "https://x.example/mail"),
        ({"conn_type": "http", "password": SECRET, "host": "x.example", "schema": "http"}, "", "http://x.example"),
    ],
)  # fmt: skip
def test_how_people_leave_stands_in_a_connection(value, mailbox, base, given):
    given("unsubscribe", value)
    found = connections.unsubscribing("unsubscribe")
    assert (found.secrets, found.mailbox, found.base) == ((SECRET,), mailbox, base)
    assert SECRET not in repr(found)


def test_secrets_that_served_before_are_kept_with_the_one_that_signs(given):
    given("unsubscribe", {"conn_type": "generic", "password": SECRET, "extra": {"former": ["the one before", "older"]}})
    assert connections.unsubscribing("unsubscribe").secrets == (SECRET, "the one before", "older")
    given("unsubscribe", {"conn_type": "generic", "password": SECRET, "extra": {"former": "the one before"}})
    assert connections.unsubscribing("unsubscribe").secrets == (SECRET, "the one before")


@pytest.mark.parametrize(
    "value", [{"conn_type": "generic"}, {"conn_type": "generic", "password": SECRET, "extra": {"former": 7}}]
)
def test_how_people_leave_is_refused_where_it_cannot_serve(value, given):
    given("unsubscribe", {"conn_type": "generic", **value})
    with pytest.raises(SettingsError, match=r"(no password|extra 'former')(.|\n)*AIRFLOW_CONN_UNSUBSCRIBE"):
        connections.unsubscribing("unsubscribe")
