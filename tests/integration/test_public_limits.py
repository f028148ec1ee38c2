"""What strangers may send to the public service: no long head, and no request that never ends."""

import re
import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import uvicorn

from emailketing.audience import Door, Meter
from emailketing.errors import OutboxError
from emailketing.model import LONGEST_LINK
from emailketing.settings import PROJECT
from emailketing.web.pages import Pages
from emailketing.web.public import Service, application
from emailketing.web.serving import LONGEST_HEAD, configured

SECRET, BASE = ["a secret of the tests, long enough"], "https://news.company.example"
METER, DOOR = Meter(SECRET, BASE), Door(SECRET, "leave@company.example", BASE)
PAGES = Pages([PROJECT / "include" / "templates"], {"name": "Co", "address": "", "phone": ""}, "en")
PATIENCE_S = 0.6

NOTHING, HALF_A_HEAD = b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX-"
LEAVE = f"/leave/{DOOR.token('ana@example.com', 'campaign')}"
HALF_A_BODY = f"POST {LEAVE} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na".encode()


def away():
    raise OutboxError("The outbox is away")


@contextmanager
def serving(at_once, outbox=away):
    """The service as it is configured, with less patience and for fewer at once; its port."""
    config = configured(application(Service(outbox, DOOR, METER, PAGES)), "127.0.0.1", 0, PATIENCE_S)
    config.limit_concurrency = at_once
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def port():
    with serving(at_once=20) as port:
        yield port


def connected(port, said):
    line = socket.create_connection(("127.0.0.1", port), timeout=5)
    line.sendall(said)
    return line


def health(port):
    return httpx.get(f"http://127.0.0.1:{port}/health").status_code


def is_ended(line):
    """Whether the service has closed the line, whatever it said before."""
    try:
        while line.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


def sent(line, piece, most, pause_s=0.0):
    """How many pieces could be sent before the service closed the line; no more than `most`."""
    for number in range(most):
        try:
            line.sendall(piece)
        except OSError:
            return number
        time.sleep(pause_s)
    return most


@pytest.mark.parametrize("said", [NOTHING, HALF_A_HEAD, HALF_A_BODY], ids=["nothing", "head", "body"])
def test_who_never_ends_his_request_keeps_nobody_out_for_long(port, said):
    with ExitStack() as stack:
        lines = [stack.enter_context(connected(port, said)) for _ in range(20)]
        assert health(port) == 503
        time.sleep(PATIENCE_S + 0.3)
        assert health(port) == 200
        assert all(is_ended(line) for line in lines)


def test_who_says_his_request_byte_by_byte_is_not_waited_for(port):
    began = time.monotonic()
    with connected(port, HALF_A_HEAD) as line:
        assert sent(line, b"a", 100, pause_s=0.05) < 100
    assert PATIENCE_S / 2 < time.monotonic() - began < 3


def test_a_line_that_is_used_again_is_waited_for_again(port):
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(4):
            assert client.get("/health").status_code == 200
            time.sleep(PATIENCE_S / 2)


def test_an_answer_that_takes_longer_is_given():
    def slow():
        time.sleep(3 * PATIENCE_S)
        return away()

    with serving(20, slow) as port:
        answer = httpx.post(f"http://127.0.0.1:{port}{LEAVE}")
        assert answer.status_code == 503
        assert "not noted" in answer.text


@pytest.mark.parametrize("begin", [b"GET /seen/", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: "])
def test_a_head_that_is_too_long_ends_the_line(port, begin):
    with connected(port, begin) as line:
        assert sent(line, b"a" * (1 << 16), 200) < 200
        assert is_ended(line)


def test_the_longest_link_that_is_counted_is_no_head_too_long(port):
    link = "https://shop.example/" + "\U0001f600" * (LONGEST_LINK - 21)
    address = METER.go("a" * 32, link).removeprefix(BASE)
    assert 20_000 < len(address) < LONGEST_HEAD
    with connected(port, f"GET {address} HTTP/1.0\r\nUser-Agent: {'x' * 2000}\r\n\r\n".encode()) as line:
        assert line.recv(20).startswith(b"HTTP/1.1 302")


def test_the_proxy_that_the_docs_recommend_takes_as_long_a_head_and_notes_nobody():
    docs = (PROJECT / "docs" / "operate.md").read_text("utf-8")
    server = re.search(r"```\nserver \{.*?```", docs, re.DOTALL)[0]
    directives = {words[0]: words[1:] for line in re.findall(r"[\w ./=]+;", server) if (words := line[:-1].split())}
    assert int(directives["large_client_header_buffers"][1].removesuffix("k")) * 1024 >= LONGEST_HEAD
    assert directives["access_log"] == ["off"]
    assert directives["error_log"][1] == "emerg"
    assert "nodelay" in directives["limit_req"]
