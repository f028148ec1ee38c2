"""A Django site with django-post_office, set up as its documentation says; a new and empty database for every run."""

from __future__ import annotations

import os
from pathlib import Path

import django
from django.conf import settings

FOLDER = Path(os.environ["BENCH_FOLDER"])
DATABASE = FOLDER / "post_office.db"

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "post_office"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATABASE)}},
    EMAIL_BACKEND="post_office.EmailBackend",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=int(os.environ["BENCH_SMTP_PORT"]),
    DEFAULT_FROM_EMAIL="Petrolera del Este S.A. <avisos@petroleradeleste.example>",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    USE_TZ=True,
    SECRET_KEY="of no use",
    LOGGING_CONFIG=None,
)
django.setup()

from django.core.management import call_command  # noqa: E402 after the site is set up
from django.db import connection  # noqa: E402
from post_office.mail import send_queued_mail_until_done  # noqa: E402
from post_office.models import STATUS, Email  # noqa: E402


def fresh() -> None:
    """The tables, new and empty."""
    connection.close()
    for file in FOLDER.glob("post_office.db*"):
        file.unlink()
    call_command("migrate", verbosity=0)


def send() -> int:
    """What its command send_queued_mail does, with its defaults (five threads, a hundred mails at a time)."""
    send_queued_mail_until_done(lockfile=str(FOLDER / "lock"))
    assert not Email.objects.exclude(status=STATUS.sent).exists()
    return Email.objects.count()
