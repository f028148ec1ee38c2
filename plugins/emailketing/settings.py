"""The settings: declared once here, with default and meaning; read once, by the roots.

Their sources, the strongest first: the environment (EMAILKETING_<NAME>, a nested one with two underscores, such as
EMAILKETING_COMPANY__NAME), then include/settings.yaml, then the defaults below. docs/operate.md and .env.example list
every one of them, and a test keeps the three the same. Secrets are no settings: they stand in Airflow Connections.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from emailketing.errors import SettingsError, nearest
from emailketing.model import Sender

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

PREFIX = "EMAILKETING_"

PROJECT = Path(__file__).resolve().parents[2]


class Section(BaseModel):
    """A group of settings; a misspelt name in it is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Company(Section):
    """Who sends: printed on every document and mail."""

    name: str = Field("", description="The company's name.")
    tax_id: str = Field("", description="Tax number (RUC), printed on documents.")
    address: str = Field("", description="Postal address; \\n parts its lines.")
    phone: str = Field("", description="Telephone, printed on documents.")
    email: str = Field("", description="Where people may ask.")
    website: str = Field("", description="Web address, printed when not empty.")
    logo: str = Field("", description="Logo, a PNG or SVG file relative to include/; empty for none.")
    territory: str = Field("PY", description="ISO 3166 code; makes 'es' into 'es_PY' for numbers and dates.")
    language: str = Field("es", description="Language of recipients for whom the ERP names none.")
    timezone: str = Field("America/Asuncion", description="The company's timezone, for dates shown to people.")
    currency: str = Field("PYG", description="ISO 4217 code where a document names none.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return _zone(value)

    @field_validator("address")
    @classmethod
    def _lines(cls, value: str) -> str:
        return value.replace("\\n", "\n")  # as an environment variable has to write it


class Outgoing(Section):
    """In whose name messages go out."""

    address: str = Field("emailketing@localhost", description="From address and envelope sender.")
    name: str = Field("", description="Name beside the From address; the company's when empty.")
    reply_to: str = Field("", description="Where answers go; the From address when empty.")


class Sweep(Section):
    """How the ERP is watched."""

    erp_timezone: str = Field("America/Asuncion", description="Zone of the ERP's times that carry none.")
    poll_s: float = Field(1.0, gt=0, description="Seconds between two looks at the ERP.")
    wake_s: float = Field(
        60.0, gt=0, description="The longest the sensor waits before it wakes the sweep without an event."
    )
    linger_s: float = Field(45.0, ge=0, description="The sweep goes on looking until nothing came for this long.")
    linger_most_s: float = Field(1800.0, gt=0, description="A lingering sweep ends after this long, whatever comes.")
    overlap_s: float = Field(
        900.0, ge=0, description="How far behind the cursor rows are read again: the longest transaction of the ERP."
    )

    quiet_s: float = Field(
        1.0, ge=0, le=3600, description="A document is told when it has stood still for this long; 0 tells every save."
    )

    @field_validator("erp_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return _zone(value)


class Delivery(Section):
    """How messages are sent and tried again."""

    batch: int = Field(100, ge=1, description="Messages that a delivery process claims at once.")
    connections: int = Field(1, ge=1, description="Connections that one drain opens side by side, for each channel.")
    lease_s: float = Field(
        300.0,
        gt=0,
        description="How long a claim holds, at least twelve time-outs; a process silent for longer counts as dead.",
    )
    timeout_s: float = Field(30.0, gt=0, description="How long the server may take for one answer.")
    attempts: int = Field(12, ge=1, description="Attempts before a message is given up as refused.")
    backoff_s: float = Field(30.0, gt=0, description="Wait after the first failed attempt; doubles with each one.")
    backoff_most_s: float = Field(14400.0, gt=0, description="The longest wait between two attempts.")
    pause_after: int = Field(
        3, ge=1, description="Failures of a channel's server as a whole, in a row, that pause a lane."
    )
    pause_s: float = Field(10.0, gt=0, description="A lane's first pause; doubles with each failure that follows.")
    pause_most_s: float = Field(300.0, gt=0, description="The longest pause of a lane before a message is tried.")
    keep_days: int = Field(400, ge=1, description="Ended messages older than this are pruned.")
    keep_content_days: int = Field(120, ge=1, description="The frozen bytes of ended messages are kept this long.")


class Phone(Section):
    """How texts to the phone are written, and by which way they leave."""

    alphabet: Literal["gsm7", "unicode"] = Field(
        "gsm7",
        description="`gsm7` writes signs outside the phone network's alphabet in another way (á as a, ₲ as Gs.); "
        "`unicode` sends them, and a segment holds 70 signs instead of 160.",
    )
    segments: int = Field(3, ge=1, le=20, description="Segments of a text at most; a longer one is cut visibly.")
    region: str = Field(
        "", description="ISO 3166 code for numbers without a country code; the company's territory when empty."
    )
    email_to_sms: str = Field(
        "",
        description="Address of a carrier's e-mail gateway, such as {number}@sms.example (or {national}); "
        "texts go there by the mail server instead of by the connection `phone`.",
    )

    @field_validator("region")
    @classmethod
    def _code(cls, value: str) -> str:
        if value and not re.fullmatch("[A-Z]{2}", value):
            raise ValueError(f"{value!r} is no ISO 3166 code, such as PY")
        return value

    @field_validator("email_to_sms")
    @classmethod
    def _pattern(cls, value: str) -> str:
        if value and not ("@" in value and ("{number}" in value or "{national}" in value)):
            raise ValueError(f"{value!r} is no address with the number's place in it, such as {{number}}@sms.example")
        return value


class Calendar(Section):
    """On which days the company works; reports that are due on another day may be sent before or after it."""

    country: str = Field(
        "", description="ISO 3166 code of the public holidays; the company's territory when empty, `none` for none."
    )
    subdivision: str = Field("", description="ISO 3166-2 code of a part of the country that has holidays of its own.")
    days_off: frozenset[date] = Field(frozenset(), description="Further days on which the company does not work.")
    worked: frozenset[date] = Field(frozenset(), description="Days on which it works all the same.")
    weekend: frozenset[str] = Field(frozenset({"saturday", "sunday"}), description="Weekdays without work.")

    @field_validator("weekend")
    @classmethod
    def _weekdays(cls, value: frozenset[str]) -> frozenset[str]:
        for day in value:
            if day not in WEEKDAYS:
                raise ValueError(f"{day!r} is no weekday. {nearest(day, WEEKDAYS)}")
        return value


class Advertising(Section):
    """How campaigns go out."""

    seeds: str = Field(
        "", description="Own addresses, parted by commas, that get a copy of each different mail of every campaign."
    )
    opens: bool = Field(
        False, description="Count which mails of campaigns are opened, by a picture; the mail's foot says so."
    )
    clicks: bool = Field(
        False, description="Count which links of campaigns' mails are followed; the mail's foot says so."
    )

    def seed_list(self) -> tuple[str, ...]:
        """The addresses."""
        return tuple(each for each in re.split(r"[;,\s]+", self.seeds) if each)


class Settings(BaseSettings):
    """All settings. Use `load()`; building this class directly is for tests."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    include: Path = Field(PROJECT / "include", description="Folder of sql/, templates/, assets/ and settings.yaml.")
    dags: Path = Field(PROJECT / "dags", description="Folder of the DAG files.")
    company: Company = Company()
    sender: Outgoing = Outgoing()
    calendar: Calendar = Calendar()
    sweep: Sweep = Sweep()
    delivery: Delivery = Delivery()
    phone: Phone = Phone()
    campaign: Advertising = Advertising()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before settings.yaml; nothing else is read."""
        yaml = YamlConfigSettingsSource(settings_cls, yaml_file=settings_file())
        return init_settings, env_settings, yaml

    def mail_sender(self) -> Sender:
        """The sender of e-mails, with the company's name where no other is set."""
        return Sender(self.sender.address, self.sender.name or self.company.name, self.sender.reply_to)


def settings_file() -> Path:
    """Where the YAML file is looked for: settings.yaml in the include folder."""
    return Path(os.environ.get("EMAILKETING_INCLUDE") or PROJECT / "include") / "settings.yaml"


@cache
def load() -> Settings:
    """The settings of this process. Raises SettingsError that names the wrong one and the nearest right one."""
    _check_names(os.environ)
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_explained(error)) from None


#: What Kubernetes sets in every container of a namespace that has a service called emailketing-….
_OF_KUBERNETES = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?$")


def _check_names(environment: Iterable[str]) -> None:
    """Raise SettingsError for names in the environment that begin as settings do and are none."""
    given = [(name, name.upper()) for name in sorted(environment) if name.upper().startswith(PREFIX)]
    given = [(name, upper) for name, upper in given if not _OF_KUBERNETES.search(upper)]
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    groups = {name.partition("__")[0] for name in names() if "__" in name}
    # A wrong name within a group is told with the values.
    wrong = [
        (name, upper)
        for name, upper in given
        if upper not in known and not ("__" in upper and upper.partition("__")[0] in groups)
    ]
    if wrong:
        told = [f"  {name}: no such setting. {_near_name(upper)}".rstrip() for name, upper in wrong]
        raise SettingsError("\n".join(["The environment names settings that do not exist:", *told]))


def _near_name(name: str) -> str:
    """The nearest name of a setting. A name's beginning is common to all, and would make any two alike."""
    near = nearest(name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in names()])
    return near.replace("Did you mean '", f"Did you mean '{PREFIX}")


def names() -> list[str]:
    """The environment's name of every setting."""
    found: list[str] = []
    for name, field in Settings.model_fields.items():
        group = field.annotation
        inner = group.model_fields if isinstance(group, type) and issubclass(group, BaseModel) else ()
        found += [f"{PREFIX}{name}__{each}".upper() for each in inner] or [f"{PREFIX}{name}".upper()]
    return found


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except Exception:
        raise ValueError(f"{value!r} is no timezone of the IANA list, such as America/Asuncion") from None
    return value


def _explained(error: ValidationError) -> str:
    lines = [_problem(tuple(map(str, item["loc"])), item["type"], item["msg"]) for item in error.errors()]
    return "\n".join([f"Settings ({settings_file()} and EMAILKETING_* in the environment) cannot be used:", *lines])


def _problem(place: tuple[str, ...], kind: str, message: str) -> str:
    name = ".".join(place)
    if kind != "extra_forbidden":
        return f"  {name}: {message}"
    model: type[BaseModel] = Settings
    for part in place[:-1]:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return f"  {name}: no such setting."
        model = annotation
    return f"  {name}: no such setting. {nearest(place[-1], model.model_fields)}"
