"""A Django site with django-post_office, set up and used as its documentation says.

Arguments: `migrate`, `fill FIRST COUNT` (mail.send_many), `send` (the command send_queued_mail), `left` (how many are
not sent; the exit status 3 tells that there are some).
"""

from __future__ import annotations

import os
import sys

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "post_office"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["PEER_DATABASE"]}},
    EMAIL_BACKEND="post_office.EmailBackend",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=int(os.environ["PEER_SMTP_PORT"]),
    DEFAULT_FROM_EMAIL="notes@company.example",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    USE_TZ=True,
    SECRET_KEY="of no use",
    LOGGING_CONFIG=None,
)
django.setup()

from django.core.management import call_command  # noqa: E402 Django is set up first
from post_office import mail  # noqa: E402
from post_office.models import STATUS, Email  # noqa: E402

BODY = "Su pedido salió hoy del depósito. " * 40


def run(argv: list[str]) -> None:
    """One command."""
    command, *rest = argv
    if command == "migrate":
        call_command("migrate", verbosity=0)
    elif command == "fill":
        first, count = map(int, rest)
        mail.send_many(
            [
                {
                    "recipients": f"r{number}@example.com",
                    "subject": f"Nota N-{number:06d}",
                    "message": f"Estimado Ana:\n\n{BODY}",
                    "html_message": f"<p>Estimado Ana:</p><p>{BODY}</p>",
                }
                for number in range(first, first + count)
            ]
        )
    elif command == "send":
        call_command("send_queued_mail", lockfile=os.environ["PEER_DATABASE"] + "-lock")
    elif Email.objects.exclude(status=STATUS.sent).exists():
        sys.exit(3)
