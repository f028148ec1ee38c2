"""Addresses by which opens and clicks are counted: what they hold, what they refuse, and how they come into a mail."""

import re
from hashlib import sha256
from html import escape
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing.audience import Door, Meter
from emailketing.errors import SettingsError, TemplateError
from emailketing.model import NOBODY, Content, Measuring, message_id, message_key
from emailketing.render import Renderer
from emailketing.render.counting import counted
from emailketing.render.lint import findings
from emailketing.render.personal import GO, SEEN
from emailketing.settings import load

SECRET, OTHER = "a secret of the tests, long enough", "another secret, just as long"
BASE = "https://news.company.example/mail"
METER = Meter([SECRET], BASE, Measuring(True, True))
KEY = message_key("promotion", "2026-12:7", "1", "email", "ana@example.com")
NUMBER = METER.reference(KEY)
LINKS = st.text(min_size=1, max_size=60).map(lambda text: f"https://shop.example/{text}")


def parts_of(address):
    parts = urlsplit(address)
    return parts.path.rpartition("/")[2], parse_qs(parts.query).get("to", [""])[0]


def test_the_reference_shows_no_address_and_cannot_be_reckoned_from_one():
    assert re.fullmatch("[0-9a-f]{32}", NUMBER)
    for digest in (sha256(KEY.encode()).hexdigest(), message_id(KEY, "company.example")):
        assert NUMBER not in digest
    others = [Meter([OTHER, SECRET], BASE).reference(KEY), METER.reference(KEY.replace("ana", "eva"))]
    assert len({NUMBER, *others}) == 3
    assert Meter([SECRET, OTHER], BASE).reference(KEY) == NUMBER
    for address in (METER.seen(NUMBER), METER.go(NUMBER, "https://shop.example")):
        assert "ana" not in address
        assert NUMBER in address


@given(LINKS)
def test_a_link_comes_back_as_it_was_signed(link):
    token, to = parts_of(METER.go(NUMBER, link))
    assert to == link
    assert METER.read_go(token, to) == NUMBER


@given(LINKS, LINKS)
def test_a_token_leads_to_its_own_link_alone(link, other):
    token, _ = parts_of(METER.go(NUMBER, link))
    if other != link:
        with pytest.raises(ValueError, match="not signed here"):
            METER.read_go(token, other)


@given(st.text(max_size=120))
def test_no_text_that_somebody_makes_up_is_a_token(text):
    for read in (METER.read_seen, lambda token: METER.read_go(token, "https://x.example")):
        with pytest.raises(ValueError, match="not signed here"):
            read(text)


def test_tokens_serve_one_use_and_one_message():
    token = METER.seen(NUMBER).rpartition("/")[2]
    assert METER.read_seen(token) == NUMBER
    for wrong in (token.replace(NUMBER, NOBODY), token[:-1], f"{token}x"):
        with pytest.raises(ValueError, match="not signed here"):
            METER.read_seen(wrong)
    with pytest.raises(ValueError, match="not signed here"):
        METER.read_go(token, "")
    with pytest.raises(ValueError, match="not signed here"):
        METER.read_seen(Door([SECRET], "leave@company.example").token("ana@example.com", "campaign"))
    long = "https://shop.example/" + "x" * 2000
    with pytest.raises(ValueError, match="so long"):
        METER.read_go(parts_of(METER.go(NUMBER, long))[0], long)


def test_what_a_former_secret_signed_still_leads_on():
    old, new = Meter([OTHER], BASE), Meter([SECRET, OTHER], BASE)
    token, link = parts_of(old.go(NUMBER, "https://shop.example"))
    assert new.read_go(token, link) == NUMBER
    assert new.seen(NUMBER) == METER.seen(NUMBER)
    with pytest.raises(ValueError, match="not signed here"):
        METER.read_go(token, link)


@pytest.mark.parametrize(
    ("secrets", "base", "told"),
    [([SECRET], "", "no public address"), (["short"], BASE, "too short"), ([SECRET], "http://x.example", "https://")],
)
def test_what_cannot_serve_is_told_with_what_to_do(secrets, base, told):
    with pytest.raises(SettingsError) as caught:
        Meter(secrets, base)
    assert told in str(caught.value)
    assert caught.value.hint


PAGE = """<html><body><a title="1 > 0" class="x" href="https://shop.example/a?b=1&amp;c=2">a</a>
<a href="mailto:x@y.example">m</a><a href="tel:+1">t</a><a name="top">n</a><a href="#">o</a>
<a href="HTTP://plain.example">p</a><a href="https://shop.example/\ue000aZ0\ue001">own</a>
<!-- <a href="https://comment.example">c</a> --></body></html>"""


def test_web_links_go_by_us_and_all_else_stays():
    seen = []
    html = counted(PAGE, "PIC", lambda link: seen.append(link) or f"GO{len(seen)}")
    assert seen == ["https://shop.example/a?b=1&c=2", "HTTP://plain.example"]
    back = html.replace("GO1", escape(seen[0])).replace("GO2", seen[1])
    picture = '<img src="PIC" alt="" width="1" height="1" style="display: block; border: 0">'
    assert back == PAGE.replace("</body>", f"{picture}</body>")


@given(st.text(max_size=200))
def test_any_text_around_links_survives(text):
    page = f'<p>{escape(text)}</p><a data-x="{escape(text)}" href="https://a.example/">x</a>'
    assert counted(page, "", lambda _: "GO") == page.replace("https://a.example/", "GO")
    assert counted(page, "", None) == page


def test_long_links_and_those_of_no_server_are_left_alone():
    for link in ("https://" + "x" * 2000, "https:///path", "https://[bad"):
        page = f'<a href="{link}">x</a>'
        assert counted(page, "", lambda _: "GO") == page


@pytest.fixture
def shared(tmp_path):
    def render(body, **variables):
        folder = tmp_path / "templates" / "offer"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in {"subject.txt.j2": "S", "text.txt.j2": "x {{ leave }}", "body.html.j2": body}.items():
            (folder / name).write_text(text)
        (folder / "words.es.yaml").write_text('why_plain: "x"\nleave: "x"\nwe_count_both: "Se cuenta & se dice."\n')
        renderer = Renderer(tmp_path, company=load().company.model_dump())
        return renderer.shared("offer", variables, ("name", "leave", "why"), "es")

    return render


BODY = '<html><body><a href="{{ leave }}">x</a><a href="https://shop.example/?a=1&amp;b=2">y</a>{{ recipient.name }}'


def test_each_reader_has_addresses_of_his_own_from_one_rendering(shared):
    once = shared(BODY).counting(METER.measuring)
    own = {"leave": "https://x.example/leave/a", "why": "", "name": "Ana"}
    for number in (NUMBER, "f" * 32):
        addresses = {SEEN: METER.seen(number), GO: lambda link, number=number: METER.go(number, link)}
        html = once.filled({**own, **addresses}).html
        assert escape(METER.go(number, "https://shop.example/?a=1&b=2")) in html
        assert METER.seen(number) in html
        assert 'href="https://x.example/leave/a"' in html


def test_a_mail_that_is_counted_and_does_not_say_so_is_not_rendered(shared):
    with pytest.raises(TemplateError, match="does not say that its opens or clicks are counted"):
        shared(BODY, we_count="both")
    assert "Se cuenta" in shared(BODY + "{{ t['we_count_' ~ we_count] }}", we_count="both").content.html


def test_the_filters_complain_of_no_picture_that_counts_and_look_through_counted_links():
    seen = METER.seen(NUMBER)
    text = "Una oferta para usted, con todo lo que hace falta saber de ella. " * 3
    html = counted(f"<body><p>{text}</p><a href='x'></a></body>".replace("<a href='x'></a>", ""), seen, None)
    assert findings(Content("Oferta", "hola", html, seen=seen)) == []
    assert len(findings(Content("Oferta", "hola", html))) == 2
    (plain,) = findings(Content("Oferta", "hola", f'<a href="{escape(METER.go(NUMBER, "http://x.example"))}">x</a>'))
    assert "not encrypted" in plain.what
