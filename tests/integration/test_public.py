"""A campaign that is measured, its mails, and its readers, who answer over real HTTP at the service as it is run."""

import json
import os
import re
import shutil
import signal
import time
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from html import unescape
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from demo.stage import free_ports
from emailketing import road
from emailketing.audience import Meter
from emailketing.model import Measuring, Recipient, State, What, Who
from tests.desk import PROJECT
from tests.market import DOOR, PRESENTATION, PROMOTION, SECRET
from tests.processes import cold, until

BASE = "https://petroleradeleste.example"
METER = Meter([SECRET.decode()], BASE, Measuring(opens=True, clicks=True))
LINKS = [f"https://tienda.example/oferta?n={number}&ñ=1" for number in range(5)]
BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"}
LEAVING = {"conn_type": "generic", "login": "salir@petroleradeleste.example", "password": SECRET.decode()}
LEAVING["host"] = "petroleradeleste.example"


@contextmanager
def running(start, outbox_url, output):
    """`bin/emailketing public` as `start` runs it; when it was ended, `.status` and `.said` tell how."""
    (port,) = free_ports(1)
    env = {"AIRFLOW_CONN_EMAILKETING": outbox_url, "AIRFLOW_CONN_UNSUBSCRIBE": json.dumps(LEAVING)}
    process = start(["-v", "public", "--port", str(port)], env, output)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=BROWSER, timeout=10) as client:
        try:
            until(lambda: answers(client))
            yield client
        finally:
            os.kill(process.pid, signal.SIGTERM)
            client.status, client.said = process.status(), output.read_text()


def answers(client):
    try:
        return client.get("/health").text == "ok"
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def shop(tmp_path_factory, new_market):
    """A market whose promotion has links, delivered, and one whose mails wait; both measured."""
    folder = tmp_path_factory.mktemp("shop")
    include = shutil.copytree(PROJECT / "include", folder / "include")
    shop = new_market(folder, include)
    anchors = "".join(f'<a href="{link.replace("&", "&amp;")}">{number}</a> ' for number, link in enumerate(LINKS))
    shop.mend(
        "templates/promotion/body.html.j2", "{{ contact(t.ask", f"<tr><td>{anchors}</td></tr>\n{{{{ contact(t.ask"
    )
    shop.url = f"sqlite:///{folder / 'outbox.db'}"
    done = shop.advertise(meter=METER, seeds=("ventas@petroleradeleste.example",))
    assert done.problems == []
    shop.deliver()
    shop.advertise(PRESENTATION, meter=METER)
    yield shop
    shop.close()


@pytest.fixture(scope="module")
def service(shop, tmp_path_factory):
    with running(cold, shop.url, tmp_path_factory.mktemp("service") / "said.txt") as client:
        yield client
    assert client.status == 0


class Mail(HTMLParser):
    """What a mail program finds in a mail: its links, and its pictures from the web."""

    def __init__(self, market, row):
        super().__init__()
        message = message_from_bytes(road.wire(market.outbox, row.key), policy=policy.default)
        self.message, self.links, self.pictures = message, [], []
        self.html = message.get_body(("html",)).get_content()
        self.text = message.get_body(("plain",)).get_content()
        self.feed(self.html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "a":
            self.links.append(given.get("href", ""))
        if tag == "img" and given["src"].startswith("http"):
            self.pictures.append(given["src"])

    @property
    def counted(self):
        return [link for link in self.links if link.startswith(f"{BASE}/go/")]

    @property
    def leave(self):
        return next(link for link in self.links if link.startswith(f"{BASE}/leave/"))


def path_of(address):
    return address.removeprefix(BASE)


def mails(shop, count, mailing="promotion", state=State.ACCEPTED):
    """So many mails of different readers, which no other test has had."""
    rows = [row for row in shop.rows(mailing=mailing, states=(state,)) if row.kind == "campaign"]
    taken = shop.__dict__.setdefault("taken", set())
    free = [row for row in rows if row.key not in taken][:count]
    assert len(free) == count
    taken.update(row.key for row in free)
    return [(row, Mail(shop, row)) for row in free]


def done_with(shop, row):
    facts = shop.outbox.edition_facts("promotion", "2026-03", "")
    return facts.responses.get(row.id, [])


def test_the_mails_of_readers_are_counted_and_say_so(shop):
    for row, mail in mails(shop, 3):
        assert len(mail.pictures) == 1
        assert f'src="{mail.pictures[0]}" alt="" width="1" height="1"' in mail.html
        assert METER.read_seen(mail.pictures[0].rpartition("/")[2]) == METER.reference(row.key)
        assert [parse_qs(urlsplit(link).query)["to"][0] for link in mail.counted] == LINKS
        assert row.address not in " ".join([*mail.pictures, *mail.counted])
        told = "We count whether" if row.language == "en" else "Contamos si este mensaje se abre"
        assert told in unescape(mail.html)
        assert DOOR.read(mail.leave.rpartition("/")[2]).address == row.address
        assert f"{BASE}/seen/" not in mail.text
        assert f"{BASE}/go/" not in mail.text


def test_a_seed_and_a_sample_look_the_same_and_count_for_nobody(shop, service):
    (seed, *_) = shop.rows(address="ventas@petroleradeleste.example")
    mail = Mail(shop, seed)
    assert len(mail.counted) == len(LINKS)
    assert METER.read_seen(mail.pictures[0].rpartition("/")[2]) == "0" * 32
    assert service.get(path_of(mail.counted[0])).headers["location"] == str(httpx.URL(LINKS[0]))
    sample = road.samples(replace(shop.campaigner, meter=METER), PROMOTION, shop.now)[0]
    assert METER.seen("0" * 32) == sample.content.seen
    assert sample.content.seen in sample.content.html
    assert len(sample.content.html.encode()) < 100_000


def test_switched_off_the_mails_are_byte_for_byte_what_they_were(market):
    """What switching it on adds is all that differs."""
    off, on = (
        {each.choice.envelope.key: each.content for each in road.samples(who, PROMOTION, market.now)}
        for who in (market.campaigner, replace(market.campaigner, meter=METER))
    )
    assert off.keys() == on.keys()
    for key, plain in off.items():
        counted = on[key]
        assert (counted.subject, counted.text, counted.phone) == (plain.subject, plain.text, plain.phone)
        html = re.sub(r'<img src="[^"]*/seen/[^"]*" alt="" width="1" height="1"[^>]*>', "", counted.html)
        html = re.sub(r"(?:Contamos|We count) [^<]*<br>\n", "", html)
        assert html == plain.html
        assert "/seen/" not in plain.html
        assert "/go/" not in plain.html


def test_an_opened_mail_and_a_followed_link_are_counted_and_lead_on(shop, service):
    [(row, mail)] = mails(shop, 1)
    picture = service.get(path_of(mail.pictures[0]))
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/gif"
    assert picture.headers["cache-control"] == "no-store"
    assert picture.content.startswith(b"GIF89a")
    onward = service.get(path_of(mail.counted[2]))
    assert onward.status_code == 302
    assert onward.headers["location"] == "https://tienda.example/oferta?n=2&%C3%B1=1"
    until(lambda: len(done_with(shop, row)) == 2)
    seen, went = done_with(shop, row)
    assert (seen.what, seen.who, went.what, went.who) == (What.SEEN, Who.PERSON, What.WENT, Who.PERSON)
    assert went.link == LINKS[2]
    assert "firefox" not in went.reason.lower()


def test_programs_are_led_on_and_told_apart(shop, service):
    [(row, mail)] = mails(shop, 1)
    link = path_of(mail.counted[0])
    assert service.head(link).status_code == 302
    assert service.get(link, headers={"user-agent": "curl/8.5.0"}).status_code == 302
    service.get(path_of(mail.pictures[0]), headers={"user-agent": "Mozilla/5.0"})
    until(lambda: len(done_with(shop, row)) == 3)
    assert {each.who for each in done_with(shop, row)} == {Who.MACHINE}


def test_what_is_forged_gets_404_and_leaves_no_row(shop, service):
    [(row, mail), (_, other)] = mails(shop, 2)
    token = urlsplit(mail.counted[0]).path
    for wrong in (
        f"{token}?to=https%3A%2F%2Fevil.example",
        token,
        path_of(mail.counted[0]).replace(METER.reference(row.key), "0" * 32),
        f"{urlsplit(other.counted[1]).path}?{urlsplit(mail.counted[0]).query}",
        f"/go/{'x' * 5000}?to={'y' * 5000}",
        "/go/a.b?to=javascript:alert(1)",
        "/seen/0123.4567",
        path_of(mail.pictures[0]) + "x",
        "/leave/not.signed-by-anybody-here",
        "/",
        "/robots.txt",
        "/go",
        "/leave/",
        "/../etc/passwd",
    ):
        found = service.get(wrong)
        assert found.status_code == 404, wrong
        assert "location" not in found.headers
        assert "evil" not in found.text
    assert service.post("/leave/not.signed-by-anybody-here").status_code == 404
    assert service.post(path_of(mail.counted[0])).status_code == 405
    service.get(path_of(mail.pictures[0]))  # behind all of them in the queue
    until(lambda: done_with(shop, row))
    assert [each.what for each in done_with(shop, row)] == [What.SEEN]


def test_the_page_changes_nothing_until_its_button_is_pressed(shop, service):
    [(row, mail)] = mails(shop, 1, "product_presentation", State.QUEUED)
    path = path_of(mail.leave)
    for _ in range(3):
        page = service.get(path, headers={"accept-language": "en-GB,en;q=0.9,es;q=0.5"})
        assert page.status_code == 200
    assert '<html lang="en">' in page.text
    assert "default-src 'none'; style-src 'sha256-" in page.headers["content-security-policy"]
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert row.address not in page.text
    assert '<form method="post">' in page.text
    assert not re.search(r"https?://|src=|<script", page.text)
    service.head(path)
    assert shop.outbox.message(row.key).state is State.QUEUED
    done = service.post(path, data={"leave": "yes"}, headers={"accept-language": "es-PY"})
    assert done.status_code == 200
    assert "Listo" in done.text
    ended = shop.outbox.message(row.key)
    assert ended.state is State.SUPPRESSED
    assert "the public page" in ended.reason
    assert service.post(path, data={"leave": "yes"}).status_code == 200
    assert len(shop.outbox.suppressions(row.address)) == 1


def test_one_click_in_a_mail_program_is_enough(shop, service):
    [(row, mail)] = mails(shop, 1, "product_presentation", State.QUEUED)
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = re.search(r"<(https://[^>]+)>", mail.message["List-Unsubscribe"])[1]
    with httpx.Client(base_url=service.base_url) as nobody:
        answer = nobody.post(path_of(address), data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert "one click" in shop.outbox.message(row.key).reason


def test_with_the_outbox_away_readers_are_led_on_and_told_that_they_have_not_left(shop, shell, tmp_path):
    [(row, mail)] = mails(shop, 1)
    (nobody,) = free_ports(1)
    away = f"postgresql://x:secret@127.0.0.1:{nobody}/outbox"
    with running(shell.start, away, tmp_path / "said.txt") as service:
        started = time.monotonic()
        assert service.get(path_of(mail.pictures[0])).status_code == 200
        assert service.get(path_of(mail.counted[0])).status_code == 302
        assert time.monotonic() - started < 2
        page = service.post(path_of(mail.leave), headers={"accept-language": "en"})
        assert page.status_code == 503
        assert "not noted" in page.text
        assert DOOR.mailbox in page.text
    assert service.status == 0
    assert "visits were not counted" in service.said
    assert "could not leave" in service.said
    assert row.address not in service.said
    assert "secret" not in service.said
    assert "Traceback" not in service.said


def test_sigterm_ends_it_cleanly_with_what_was_in_hand_kept(shop, shell, tmp_path):
    [(row, mail)] = mails(shop, 1)
    with running(shell.start, shop.url, tmp_path / "said.txt") as service:
        for link in mail.counted:
            service.get(path_of(link))
    assert service.status == 0
    assert len(done_with(shop, row)) == len(LINKS)
    listening = re.search(
        r"^listens on http://127\.0\.0\.1:\d+, for (\S+); counts nothing\n", service.said, re.MULTILINE
    )
    assert listening[1] == BASE
    assert "127.0.0.1" not in service.said.replace(listening[0], "")


def test_without_a_public_address_the_service_and_measuring_say_what_to_do(desk):
    told = desk.run("public", fails=True)
    assert "no public address" in told
    assert "a host where bin/emailketing public answers" in told
    told = desk.run("campaign", "promotion", fails=True, EMAILKETING_CAMPAIGN__OPENS="true")
    assert "campaign.opens or campaign.clicks is on" in told
    assert "a host where bin/emailketing public answers" in told


def test_measuring_is_switched_on_by_its_settings(desk):
    public = json.dumps(LEAVING)
    desk.run("campaign", "promotion", AIRFLOW_CONN_UNSUBSCRIBE=public, EMAILKETING_CAMPAIGN__OPENS="true")
    row = desk.rows("--state", "queued")[0]
    eml = desk.folder / "one.eml"
    desk.run("outbox", "show", row["key"], "--eml", str(eml))
    html = message_from_bytes(eml.read_bytes(), policy=policy.default).get_body(("html",)).get_content()
    assert f"/seen/{METER.reference(row['key'])}." in html
    assert re.search("Contamos si este mensaje se abre.<br>|We count whether this message is opened.<br>", html)
    assert Recipient(row["address"]).address not in html
