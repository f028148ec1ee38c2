"""Links are asked at a real web server: once, shortly, and only where they were checked to lead."""

import socket
import time
from ipaddress import ip_address

import pytest

from emailketing.links import Asker, How, judged
from tests.smtp_servers import free_port, make_certificate
from tests.web_server import WebServer


def loopback(address):
    """For tests, what the world is: everything else of ours stays inside."""
    return ip_address(address).is_loopback


def at(address):
    return lambda host, port: [(socket.AF_INET, (address, port))]


def asker(**more):
    return Asker(**{"allowed": loopback, "ports": range(1 << 16), "timeout_s": 2.0, **more})


@pytest.fixture(scope="module")
def web():
    redirects = {
        "circle": "/circle",
        "to-404": "/404",
        "inside": "http://10.0.0.3/intranet",
        "to-app": "itms-apps://x",
        "to-nothing": "http://[oops",
        "accent": "/204?a=ñ b".encode().decode("latin-1"),
    }
    with WebServer(redirects) as web:
        yield web


@pytest.mark.parametrize(
    ("page", "methods", "broken", "what"),
    [
        ("200", ["HEAD"], None, ""),
        ("404", ["HEAD", "GET"], True, "answers 404 Not Found"),
        ("410", ["HEAD", "GET"], True, "answers 410 Gone"),
        ("503", ["HEAD", "GET"], True, "answers 503 Service Unavailable"),
        ("401", ["HEAD", "GET"], False, "answers 401 Unauthorized"),
        ("403", ["HEAD", "GET"], False, "answers 403 Forbidden. It may be a wall"),
        ("429", ["HEAD", "GET"], False, "answers 429 Too Many Requests"),
        ("999", ["HEAD", "GET"], False, "answers 999. It may be a wall"),
        ("405-then-200", ["HEAD", "GET"], None, ""),
        ("404-then-200", ["HEAD", "GET"], None, ""),
        ("go/5", ["HEAD"], None, ""),
        ("go/6", ["HEAD"], True, "is redirected too often (more than 5 times)"),
        ("circle", ["HEAD"] * 6, True, "is redirected too often"),
        ("to-404", ["HEAD"], True, "/404', which answers 404 Not Found"),
        ("inside", ["HEAD"], True, "'http://10.0.0.3/intranet', which leads to 10.0.0.3, which only this house"),
        ("to-app", ["HEAD"], False, "is redirected to 'itms-apps://x', which is no page of the web"),
        ("to-nothing", ["HEAD"], True, "is redirected to 'http://[oops', which is no address"),
        ("accent", ["HEAD"], None, ""),
        ("mute", ["HEAD", "GET"], False, "got no answer that is HTTP"),
    ],
)
def test_what_a_server_answers_is_told(web, page, methods, broken, what):
    web.asked.clear()
    verdict = judged(asker().ask(f"{web.url}/{page}"))
    assert web.methods(f"/{page}") == methods
    assert (verdict.broken if verdict else None) is broken
    assert what in (verdict.what if verdict else "")
    if verdict:
        assert f"the link '{web.url}/{page}'" in verdict.what


@pytest.mark.parametrize("page", ["slow", "drip"])
def test_no_server_keeps_us_longer_than_its_time(web, page):
    began = time.monotonic()
    verdict = judged(asker(timeout_s=0.4).ask(f"{web.url}/{page}"))
    assert time.monotonic() - began < 1.5
    assert not verdict.broken
    assert "got no answer in time" in verdict.what


def test_a_look_up_that_does_not_end_is_given_up(web):
    def never(host, port):
        web.stop.wait(3)
        return at("127.0.0.1")(host, port)

    assert asker(lookup=never, timeout_s=0.2).ask(f"{web.url}/200").how is How.LATE


def test_an_address_of_this_house_is_never_asked(web):
    told = judged(Asker().ask(f"{web.url}/200"))
    assert told.broken
    assert "leads to 127.0.0.1, which only this house reaches" in told.what
    for name in ("127.1", "2130706433", "0x7f.1", "localhost"):
        assert Asker().ask(f"http://{name}:{web.port}/200").how is How.INSIDE, name
    before = len(web.asked)
    two = lambda host, port: [*at("127.0.0.1")(host, port), *at("192.168.1.7")(host, port)]  # noqa: E731
    assert asker(lookup=two).ask(f"{web.url}/200").detail == "192.168.1.7"
    assert len(web.asked) == before


def test_no_port_but_the_webs_is_asked(web):
    """Where a redirect leads, too."""
    before = len(web.asked)
    told = judged(Asker(allowed=loopback).ask(f"{web.url}/200"))
    assert not told.broken
    assert f"names a port that is not the web's, which is never asked ({web.port}). Try it by hand." in told.what
    assert len(web.asked) == before
    with WebServer({"to-port": f"{web.url}/200"}) as other:
        found = asker(ports={other.port}).ask(f"{other.url}/to-port")
    assert (found.how, found.last) == (How.OTHER_PORT, f"{web.url}/200")
    assert len(web.asked) == before


def test_the_connection_goes_to_the_address_that_was_checked(web):
    """A name that means another address the second time is asked where it was checked, and under its name."""
    answers = [at("127.0.0.1"), at("10.0.0.3")]

    def lookup(host, port):
        return answers.pop(0)(host, port)

    rebinding = asker(lookup=lookup)
    found = rebinding.ask(f"http://oferta.example:{web.port}/405-then-200")
    assert found.status == 200
    assert len(answers) == 1
    assert web.hosts[-2:] == [f"oferta.example:{web.port}"] * 2


def test_a_name_in_other_letters_is_asked_as_servers_know_it(web):
    names = []

    def lookup(host, port):
        names.append(host)
        return at("127.0.0.1")(host, port)

    assert asker(lookup=lookup).ask(f"http://panadería.example:{web.port}/200").status == 200
    assert names == ["xn--panadera-i2a.example"]


def test_a_server_that_is_not_there_is_told(web):
    closed = judged(asker().ask(f"http://127.0.0.1:{free_port()}/"))
    assert closed.broken
    assert "takes no connection there" in closed.what

    def nowhere(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def offline(host, port):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    gone = judged(asker(lookup=nowhere).ask("https://x.example/"))
    assert (gone.broken, "that does not exist (x.example)" in gone.what) == (True, True)
    away = judged(asker(lookup=offline).ask("https://x.example/"))
    assert (away.broken, "--no-links" in away.what) == (False, True)


@pytest.mark.parametrize("link", ["http://", "http://x.example:70000/", "http://[oops/", "http://a b.example/"])
def test_what_is_no_address_is_told_and_not_asked(link):
    assert judged(asker().ask(link)).broken


def test_certificates_are_held_to_what_readers_hold_them_to(tmp_path):
    good = make_certificate(tmp_path)
    with WebServer(tls=good.server_context()) as web:
        assert asker(tls=good.client_context()).ask(f"{web.url}/200").status == 200
        unknown = judged(asker().ask(f"{web.url}/200"))
        assert unknown.broken
        assert "readers' programs do not accept (self-signed certificate)" in unknown.what
        other = asker(tls=good.client_context(), lookup=at("127.0.0.1")).ask(f"https://otra.example:{web.port}/200")
        assert other.how is How.CERTIFICATE
    with WebServer() as plain:
        assert asker().ask(f"https://127.0.0.1:{plain.port}/200").how is How.NO_TLS


def test_many_links_are_asked_some_at_once_in_their_order(web):
    web.most_at_once = 0
    links = [f"{web.url}/nap?{n}" if n % 4 else f"{web.url}/404?{n}" for n in range(24)]
    answers = asker().ask_all(links)
    assert [each.link for each in answers] == links
    assert 2 < web.most_at_once <= 8
