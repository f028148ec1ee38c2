"""The pages for readers of mails: their language, what they hold, where they are found, and that nobody waits."""

import asyncio
import logging
import threading
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing.audience import Door, Meter
from emailketing.errors import OutboxError
from emailketing.model import What
from emailketing.road import Visit
from emailketing.settings import PROJECT
from emailketing.web.pages import LANGUAGES, Pages
from emailketing.web.public import Service, application
from emailketing.web.recording import Recorder

SECRET = ["a secret of the tests, long enough"]
BASE = "https://news.company.example/below/it"
HOSTILE = {"name": "<b>Ñandú & Co</b> {company}", "address": "Calle 1\n<script>", "phone": "1"}
PAGES = Pages([PROJECT / "include" / "templates"], HOSTILE, "es_PY")
DOOR = Door(SECRET, "leave@company.example", BASE)


def away():
    raise OutboxError("The outbox is away")


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "es"),
        ("en", "en"),
        ("en-GB,es;q=0.9", "en"),
        ("de-DE,de;q=0.9,en;q=0.5,es;q=0.4", "en"),
        ("en;q=0.1, es-PY;q=0.8", "es"),
        ("gn", "es"),
        ("en;q=x,*", "es"),
    ],
)
def test_a_page_speaks_as_its_readers_browser_asks(asked, language):
    assert PAGES.language(asked) == language


@given(st.text(max_size=600))
def test_any_wish_for_a_language_gets_one(asked):
    assert PAGES.language(asked) in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", ["ask", "done", "trouble", "wrong"])
def test_what_a_page_shows_is_escaped_and_nothing_is_left_open(page, language):
    for kind in ("campaign", "greeting", "report", "notification", "all"):
        html = PAGES.write(page, language, address="<i>x</i>", kind=kind, mailbox="leave@company.example")
        assert "<script" not in html
        assert "<i>" not in html
        assert "&lt;b&gt;Ñandú &amp; Co&lt;/b&gt; {company}" in html
        assert "{" not in html.partition("</style>")[2].replace("{company}", "")
        assert html.count("<button") == (page in {"ask", "trouble"})


def asked(*requests):
    """The answers of the service, its outbox away."""

    async def ask():
        app = application(Service(away, DOOR, Meter(SECRET, BASE), PAGES))
        transport = httpx.ASGITransport(app)
        async with living(app), httpx.AsyncClient(transport=transport, base_url="https://x.example") as client:
            return [await client.request(method, path) for method, path in requests]

    return asyncio.run(ask())


@asynccontextmanager
async def living(app):
    """The life of a service, as its server tells it."""
    told, answers = asyncio.Queue(), asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, told.get, answers.put))
    await told.put({"type": "lifespan.startup"})
    await answers.get()
    yield
    await told.put({"type": "lifespan.shutdown"})
    await life


def test_it_answers_with_and_without_the_path_of_the_public_address():
    token = DOOR.token("ana@example.com", "campaign", "promotion")
    answers = asked(*[("GET", f"{below}/leave/{token}") for below in ("", "/below/it", "/below", "/it")])
    assert [each.status_code for each in answers] == [200, 200, 404, 404]
    assert "an…\u2060@example.com" in answers[0].text
    assert "ana@" not in answers[0].text


def test_an_address_with_a_slash_too_many_is_led_nowhere():
    token = DOOR.token("ana@example.com", "campaign", "promotion")
    paths = [f"/leave/{token}/", "/seen/x/", "/go/x/", "/health/", "/health"]
    wanted = [("GET", f"{below}{path}") for below in ("", "/below/it") for path in paths]
    answers = asked(*wanted, ("POST", f"/leave/{token}/"), ("GET", "/below/it"), ("GET", "/below/it/"))
    assert [each.status_code for each in answers] == [404, 404, 404, 404, 200] * 2 + [404] * 3
    assert not any("location" in each.headers for each in answers)


def test_every_answer_forbids_to_be_kept_framed_or_found():
    meter = Meter(SECRET, BASE)
    seen, go = meter.seen("a" * 32).removeprefix(BASE), meter.go("a" * 32, "https://x.example/ñ").removeprefix(BASE)
    for answer in asked(("GET", seen), ("GET", go), ("GET", "/health"), ("GET", "/nowhere"), ("PUT", "/leave/x")):
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in answer.headers["x-robots-tag"]


def test_nobody_waits_for_an_outbox_that_does_not_answer_and_the_trouble_is_logged_once(caplog):
    answer = threading.Event()

    def slow():
        answer.wait(10)
        return away()

    recorder = Recorder(slow)
    visit = Visit("a" * 32, What.SEEN, datetime(2026, 3, 2, tzinfo=UTC), "GET")
    with caplog.at_level(logging.WARNING):
        started = time.monotonic()
        for _ in range(1500):
            recorder.note(visit)
        assert time.monotonic() - started < 2
        answer.set()
        recorder.close()
    first, last = (record.getMessage() for record in caplog.records)
    assert first == "1 visits were not counted: too many visits at once"
    assert last == "1499 more visits were not counted"


@pytest.mark.parametrize("waiting", [1, 7, 1001])
def test_what_an_outbox_that_does_not_answer_keeps_from_being_counted_is_told_at_the_end(caplog, waiting):
    answer, asked = threading.Event(), threading.Event()

    def stuck():
        asked.set()
        answer.wait(10)
        return away()

    recorder = Recorder(stuck)
    visit = Visit("a" * 32, What.SEEN, datetime(2026, 3, 2, tzinfo=UTC), "GET")
    recorder.note(visit)
    assert asked.wait(5)
    for _ in range(waiting - 1):
        recorder.note(visit)
    with caplog.at_level(logging.WARNING):
        started = time.monotonic()
        recorder.close(0.2)
        assert time.monotonic() - started < 1
    assert caplog.messages == [f"{waiting} more visits were not counted"]
    answer.set()
    recorder._thread.join(5)
    assert not recorder._thread.is_alive()
    assert len(caplog.messages) == 1
