"""django-post_office: a filled queue, sent."""

from __future__ import annotations

import letter
import post_office_site
from post_office import mail


def prepare(count: int) -> None:
    post_office_site.fresh()
    mail.send_many(
        [
            {
                "recipients": letter.address(number),
                "subject": letter.subject(number),
                "message": letter.text(number),
                "html_message": letter.html(number),
            }
            for number in range(count)
        ]
    )


def run() -> int:
    return post_office_site.send()
