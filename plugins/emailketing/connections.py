"""Airflow Connections made into what the rest works with: database engines, lines to the mail server, a gateway's URL.

Their names are `erp`, `emailketing` (the outbox's database), `smtp`, `phone` and `unsubscribe`. Inside Airflow (a task,
the triggerer, a page) they are looked up as Airflow does: secrets backend, environment, its database. In a plain script
they are read from the environment alone (AIRFLOW_CONN_ERP, …) and Airflow is not imported, which would take two seconds
and make a folder in the user's home. An error never holds a password.

::

    AIRFLOW_CONN_ERP='postgresql://reader:secret@erp.example/company'
    AIRFLOW_CONN_EMAILKETING='sqlite:////var/lib/emailketing/outbox.db'
    AIRFLOW_CONN_SMTP='{"conn_type": "smtp", "host": "mail.example", "port": 587, "login": "…", "password": "…",
                        "extra": {"disable_ssl": true}}'
    AIRFLOW_CONN_PHONE='{"conn_type": "apprise", "login": "…", "password": "…",
                         "extra": {"url": "twilio://{login}:{password}@+15551234567/{to}"}}'
    AIRFLOW_CONN_UNSUBSCRIBE='{"conn_type": "generic", "login": "leave@company.example", "password": "…"}'
"""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from emailketing.errors import ChannelDown, SettingsError

if TYPE_CHECKING:
    from smtplib import SMTP

TEXTS = ("conn_type", "host", "schema", "login", "password")

#: SQLAlchemy's name for a type of connection; another type is taken as it is.
DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mssql": "mssql+pyodbc",
    "oracle": "oracle+oracledb",
}
#: How each driver is told not to wait for ever: for a connection, or on one that is dead without saying so (seconds,
#: but for tcp_user_timeout).
PATIENCE: Mapping[str, Mapping[str, int]] = {
    "psycopg": {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "tcp_user_timeout": 60_000},
    "pymysql": {"connect_timeout": 10, "read_timeout": 180, "write_timeout": 60},
    "pysqlite": {"timeout": 10},
}
EXAMPLES = {
    "erp": "postgresql://reader:secret@erp.example/company",
    "emailketing": "sqlite:////var/lib/emailketing/outbox.db",
    "smtp": '{"conn_type": "smtp", "host": "mail.example", "port": 587, "extra": {"disable_ssl": true}}',
    "phone": '{"conn_type": "apprise", "extra": {"url": "json://gateway.example/texts?:to={to}"}}',
    "unsubscribe": '{"conn_type": "generic", "login": "leave@company.example", "password": "at least 16 random signs"}',
}

_VARIABLE = "AIRFLOW_CONN_"


@dataclass(frozen=True, slots=True)
class Link:
    """An Airflow Connection as a value; its secrets do not show when it is printed."""

    name: str
    conn_type: str = ""
    host: str = ""
    schema: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    port: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def engine(name: str, *, must_exist: bool = False) -> Engine:
    """An engine on the database of the Airflow Connection `name`.

    Raises SettingsError; whether a server answers shows at the first query. With `must_exist` a SQLite file that is not
    there is an error, too: SQLite would make an empty one.
    """
    address = url(name)
    if must_exist and address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
        raise SettingsError(
            f"There is no database file {address.database}, which the Airflow Connection {name!r} names.",
            hint="Mend its path, which begins with a fourth slash if it is absolute (sqlite:////var/lib/erp.db), "
            "or put the file there.",
        )
    try:
        return create_engine(address, pool_pre_ping=True, hide_parameters=True, connect_args=_connect_args(address))
    except ImportError as error:
        raise SettingsError(
            f"The Airflow Connection {name!r} needs the Python package {error.name!r}.",
            hint=f"Add {error.name} to requirements.in and install it.",
        ) from None
    except (NoSuchModuleError, ArgumentError):
        raise SettingsError(
            f"The Airflow Connection {name!r} has the type {address.drivername!r}, which is no database known here.",
            hint=f"Known: {', '.join(sorted({*DRIVERS, 'sqlite'}))}; any other by the extra 'sqlalchemy_url'.",
        ) from None


def url(name: str) -> URL:
    """The SQLAlchemy URL of the Airflow Connection `name`. Raises SettingsError."""
    return database_url(lookup(name))


def database_url(link: Link) -> URL:
    """The SQLAlchemy URL of a database connection.

    Extras become arguments of the driver; `sqlalchemy_url` replaces everything, `sqlalchemy_scheme` the driver alone.
    """
    if whole := link.extra.get("sqlalchemy_url"):
        return _parsed_url(link.name, str(whole))
    if not link.conn_type:
        raise SettingsError(f"The Airflow Connection {link.name!r} has no type.", hint=_where(link.name))
    driver = str(
        link.extra.get("sqlalchemy_scheme") or DRIVERS.get(link.conn_type, link.conn_type.replace("_", "+", 1))
    )
    arguments = _arguments(link)
    if driver.startswith("sqlite"):
        return URL.create(driver, database=_sqlite_path(link), query=arguments)
    # Oracle knows a database by SID (the schema) or by service name, never both.
    database = None if "service_name" in arguments else link.schema
    return URL.create(
        driver, link.login or None, link.password or None, link.host or None, link.port, database or None, arguments
    )


def smtp_line(name: str, timeout_s: float) -> Callable[[], SMTP]:
    """A function that opens a line to the mail server, with TLS and login as the Airflow Connection `name` says.

    No answer of the server may take longer than `timeout_s`. The connection is looked up once, here (SettingsError);
    the function raises OSError, smtplib.SMTPException, or ChannelDown when the login has failed for another reason.
    """
    link = lookup(name)
    _check_smtp(link)
    with _airflow_as_library():
        from airflow.providers.smtp.hooks.smtp import SmtpHook
        from airflow.sdk import Connection
        from airflow.sdk.exceptions import AirflowException

    connection = Connection(
        conn_id=name,
        conn_type="smtp",
        host=link.host,
        login=link.login or None,
        password=link.password or None,
        port=link.port,
        extra=json.dumps({"timeout": max(1, round(timeout_s)), **link.extra}),
    )

    class Hook(SmtpHook):  # type: ignore[misc]
        """Airflow's hook with the connection in hand: it asks Airflow for it anew at every line otherwise."""

        smtp_retry_limit = 0  # it tries again at once and without pause; the outbox knows when

        @classmethod
        def get_connection(cls, conn_id: str) -> Any:  # noqa: ARG003
            return connection

    def connect() -> SMTP:
        hook = Hook(name)
        with ExitStack() as failed:
            failed.callback(lambda: hook._smtp_client and hook._smtp_client.close())  # it forgets a line without login
            try:
                hook.get_conn()
            except (AirflowException, RuntimeError) as error:
                raise ChannelDown(f"No line to the mail server {link.host}: {error}") from None
            failed.pop_all()
        client = cast("SMTP", hook._smtp_client)
        assert client.sock
        client.timeout = timeout_s
        client.sock.settimeout(timeout_s)
        return client

    return connect


def gateway_url(name: str) -> str:
    """apprise's URL of the gateway to the phones, with the places that `channels.phone.PLACES` names left open.

    It is the extra `url`, or the `path` of the extra `config` as Airflow's own form for apprise writes it. `{login}`
    and `{password}` in it are the Connection's, percent-encoded. Raises SettingsError.
    """
    link = lookup(name)
    url = str(link.extra.get("url") or _configured_path(link)).strip()
    if "://" not in url:
        what = "is none of apprise's" if url else "is not there"
        raise SettingsError(f"The URL in the extra of the Airflow Connection {name!r} {what}.", hint=_where(name))
    if "{to}" not in url and "{digits}" not in url:
        raise SettingsError(
            f"The URL of the Airflow Connection {name!r} has no place for the recipient's number.",
            hint=f"Write {{to}} (+595981123456) or {{digits}} (595981123456) there. {_where(name)}",
        )
    login, password = (quote(text, safe="") for text in (link.login, link.password))
    return url.replace("{login}", login).replace("{password}", password)


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """How people leave: the secrets that sign links (the first one does, the others did), a mailbox and a web address.

    `mailbox` and `base` are '' where the Connection has none.
    """

    secrets: tuple[str, ...] = field(repr=False)
    mailbox: str = ""
    base: str = ""


def unsubscribing(name: str) -> Unsubscribing:
    """How people leave, by the Airflow Connection `name`.

    Its password is the secret, the extra `former` a list of those that served before; its login the mailbox; host, port
    and schema (a path) the public https address, where there is one. Raises SettingsError.
    """
    link = lookup(name)
    former = link.extra.get("former") or []
    former = [former] if isinstance(former, str) else former
    if not link.password or not isinstance(former, list):
        what = (
            "no password, which is the secret that signs links" if not link.password else "an extra 'former' of no list"
        )
        raise SettingsError(f"The Airflow Connection {name!r} has {what}.", hint=_where(name))
    return Unsubscribing((link.password, *map(str, former)), link.login, _public(link))


def _public(link: Link) -> str:
    """The public address; the schema may be the protocol, as Airflow's form for HTTP has it, or a path."""
    if not link.host:
        return ""
    scheme, _, host = link.host.rpartition("://")
    path = link.schema.strip("/")
    if path in {"http", "https"}:
        scheme, path = scheme or path, ""
    port = f":{link.port}" if link.port else ""
    return f"{scheme or 'https'}://{host.rstrip('/')}{port}{f'/{path}' if path else ''}"


def _configured_path(link: Link) -> str:
    config = link.extra.get("config") or {}
    if isinstance(config, str):
        config = _extra(link.name, config) if config.lstrip().startswith("{") else {"path": config}
    if isinstance(config, list) and len(config) == 1:
        config = config[0]
    if not isinstance(config, dict):
        raise SettingsError(
            f"The extra 'config' of the Airflow Connection {link.name!r} names several gateways or none.",
            hint="A text goes by one gateway: give one object with its 'path', or the extra 'url'.",
        )
    return str(config.get("path") or "")


def lookup(name: str) -> Link:
    """The Airflow Connection `name`. Raises SettingsError when there is none or it cannot be read."""
    link = _from_airflow(name) if "airflow" in sys.modules else None
    return link or _from_environment(name)


def misspelt(environment: Iterable[str]) -> dict[str, str]:
    """Names of the environment that are nearly one of our Connections', and which each may mean."""
    found: dict[str, str] = {}
    for variable in sorted(environment):
        if variable.startswith(_VARIABLE) and (name := variable.removeprefix(_VARIABLE).lower()) not in EXAMPLES:
            close = difflib.get_close_matches(name, EXAMPLES, n=1, cutoff=0.75)
            found |= {variable: f"{_VARIABLE}{close[0].upper()}"} if close else {}
    return found


def _from_airflow(name: str) -> Link | None:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = BaseHook.get_connection(name)
    except AirflowNotFoundException:
        return None  # or malformed in the environment, which Airflow does not tell apart
    return _link(name, {key: getattr(found, key) for key in (*TEXTS, "port", "extra")})


def _from_environment(name: str) -> Link:
    text = os.environ.get(f"{_VARIABLE}{name.upper()}", "").strip()
    if not text:
        raise SettingsError(f"There is no Airflow Connection {name!r}.", hint=_where(name))
    try:
        return _from_json(name, text) if text.startswith("{") else _from_uri(name, text)
    except ValueError:  # its text may hold the password
        raise SettingsError(f"The Airflow Connection {name!r} is neither a URI nor JSON.", hint=_where(name)) from None


def _from_json(name: str, text: str) -> Link:
    given = json.loads(text)
    return _link(name, {**given, "conn_type": str(given.get("conn_type") or "").replace("-", "_")})


def _link(name: str, given: Mapping[str, Any]) -> Link:
    texts = {key: str(given.get(key) or "") for key in TEXTS}
    port = int(given["port"]) if given.get("port") else None
    return Link(name=name, port=port, extra=_extra(name, given.get("extra")), **texts)


def _from_uri(name: str, text: str) -> Link:
    """Read a URI as Airflow does (airflow.sdk Connection.from_uri): everything percent-encoded, arguments as extras."""
    parts = urlsplit(text)
    if not parts.scheme or "://" not in text:
        raise ValueError("no scheme")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Link(
        name,
        parts.scheme.replace("-", "_"),
        _host(parts),
        unquote(parts.path[1:]),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        parts.port,
        _extra(name, query["__extra__"]) if "__extra__" in query else query,
    )


def _host(parts: SplitResult) -> str:
    """The host as it was written: `hostname` makes it lower case, which a path in its place would not survive."""
    host = parts.netloc.rpartition("@")[2]
    if host.startswith("["):
        return parts.hostname or ""
    return unquote(host.partition(":")[0])


def _extra(name: str, given: object) -> Mapping[str, Any]:
    try:
        extra = json.loads(given) if isinstance(given, str) and given.strip() else given or {}
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise SettingsError(f"The extra of the Airflow Connection {name!r} is no JSON object.", hint=_where(name))
    return extra


def _sqlite_path(link: Link) -> str:
    return "/".join(part for part in (link.host, link.schema) if part) or ":memory:"


def _arguments(link: Link) -> dict[str, str]:
    arguments: dict[str, str] = {}
    for key, value in link.extra.items():
        if isinstance(value, dict | list):
            raise SettingsError(
                f"The extra {key!r} of the Airflow Connection {link.name!r} cannot be an argument of the driver.",
                hint="Give the whole URL of SQLAlchemy as the extra 'sqlalchemy_url'.",
            )
        if value is not None and not key.startswith("sqlalchemy_"):
            arguments[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return arguments


def _parsed_url(name: str, text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError(
            f"The extra 'sqlalchemy_url' of the Airflow Connection {name!r} is no URL of SQLAlchemy."
        ) from None


def _connect_args(address: URL) -> dict[str, int]:
    try:
        patience = PATIENCE.get(address.get_dialect().driver, {})
    except Exception:  # create_engine says it better
        return {}
    return {name: value for name, value in patience.items() if name not in address.query}


def _check_smtp(link: Link) -> None:
    if not link.host:
        raise SettingsError(f"The Airflow Connection {link.name!r} has no host.", hint=_where(link.name))
    for key in ("disable_tls", "disable_ssl"):
        value = link.extra.get(key)
        if isinstance(value, str) and value.lower() in ("false", "0", "no"):
            raise SettingsError(
                f"The Airflow Connection {link.name!r} says {key}={value!r}, and Airflow takes any text for yes.",
                hint=f"Leave {key} out, or write the connection as JSON with true and false.",
            )


def _where(name: str) -> str:
    variable = f"{_VARIABLE}{name.upper()}"
    return f"Add it in Admin → Connections, or set {variable}, for example {variable}='{EXAMPLES.get(name, '')}'"


@contextmanager
def _airflow_as_library() -> Iterator[None]:
    """Outside of Airflow, import it without its start-up: no folder is made, no database configured."""
    switch = "_AIRFLOW__AS_LIBRARY"
    if "airflow" in sys.modules or switch in os.environ:
        yield
        return
    os.environ[switch] = "1"
    try:
        yield
    finally:
        del os.environ[switch]
