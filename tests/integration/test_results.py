"""What came of a campaign: the figures of each subject and of all, held against what was done."""

import json
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from emailketing import road
from emailketing.audience import Meter
from emailketing.model import Measuring, Response, State, What, Who
from emailketing.road.editions import coupon_of, variant_of
from tests.market import DOOR, PROMOTION, SECRET

SHOP, NEWS = "https://tienda.example/", "https://tienda.example/noticias?a=1&b=2"
VARIANTS = PROMOTION.variants
LATER = timedelta(hours=3)


def meter(**measuring):
    return Meter([SECRET.decode()], "https://petroleradeleste.example", Measuring(**measuring))


@pytest.fixture
def sent(market):
    """An edition, delivered and measured; its rows by subject."""
    market.advertise(meter=meter(opens=True, clicks=True), seeds=("ventas@petroleradeleste.example",))
    market.deliver()
    rows = [row for row in market.rows(states=(State.ACCEPTED,)) if row.kind == "campaign"]
    return {name: [row for row in rows if variant_of(VARIANTS, "promotion", row.document) == name] for name in VARIANTS}


def respond(market, row, *links, who=Who.PERSON, after=LATER):
    for link in links:
        what = What.WENT if link else What.SEEN
        given = Response(what, row.accepted_at + after, who, "a browser", link)
        assert market.outbox.respond(meter().reference(row.key), given)


def doubt(market, *rows):
    """As if nobody had heard what the mail server answered."""
    with market.outbox._database.engine.begin() as connection:
        unheard = sa.text("UPDATE outbox_message SET state = 'unknown', accepted_at = NULL WHERE id = :id")
        connection.execute(unheard, [{"id": row.id} for row in rows])


def said(market, shell, tmp_path, *arguments):
    output = tmp_path / "said.txt"
    output.write_bytes(b"")
    env = {"AIRFLOW_CONN_EMAILKETING": str(market.outbox._database.engine.url)}
    status = shell.start(["results", *arguments], env, output).status()
    return status, output.read_text()


def test_every_figure_is_what_was_done(market, sent, shell, tmp_path):
    price, occasion = (sent[name] for name in ("price", "occasion"))
    respond(market, price[0], "", SHOP, SHOP, NEWS)
    respond(market, price[1], NEWS)  # pictures blocked: whoever follows a link has opened the mail
    respond(market, price[2], "", who=Who.MACHINE)
    respond(market, occasion[0], "", SHOP, after=timedelta(seconds=1))  # as the server took it
    respond(market, occasion[1], *[f"{SHOP}{number}" for number in range(4)])  # all at once
    respond(market, occasion[2], "")
    road.leave(market.outbox, DOOR, DOOR.token(price[3].address, "campaign", "promotion"), "a page", market.now + LATER)
    road.leave(market.outbox, DOOR, DOOR.token(price[4].address, "campaign", "other"), "a page", market.now + LATER)
    used = occasion[3].document
    market.outbox.use_coupon(coupon_of(SECRET, "promotion", used), "promotion", used, "till", market.now)

    (found,) = road.results(market.outbox, "promotion")
    rows = [row for row in market.rows() if row.kind == "campaign"]
    assert (found.edition, found.total.messages) == ("2026-03", len(rows))
    assert found.total.states == Counter(row.state for row in rows)
    assert {name: each.states[State.ACCEPTED] for name, each in found.subjects.items()} == {
        name: len(each) for name, each in sent.items()
    }
    got = {name: (each.opened.persons, each.opened.machines, each.clicked.persons, each.clicked.machines)
           for name, each in found.subjects.items()}  # fmt: skip
    assert got == {"price": (2, 1, 2, 0), "occasion": (1, 2, 0, 2)}
    assert (found.total.opened.persons, found.total.clicked.persons) == (3, 2)
    assert found.total.opened.of == len(price) + len(occasion)
    assert {name: (each.left, each.coupons) for name, each in found.subjects.items()} == {
        "price": (1, 0),
        "occasion": (0, 1),
    }
    links = {link: (each.people, each.clicks, each.machines) for link, each in found.links.items()}
    assert links[NEWS] == (2, 2, 0)
    assert links[SHOP] == (1, 2, 1)
    assert links[f"{SHOP}3"] == (0, 0, 1)
    assert next(iter(found.most_followed()))[0] == NEWS

    status, text = said(market, shell, tmp_path, "promotion")
    assert status == 0, text
    assert "promotion, edition 2026-03" in text
    lines = {" ".join(line.split()[:3]): line for line in text.splitlines()}
    share = f"{3} of {len(price) + len(occasion)} ({100 * 3 / (len(price) + len(occasion)):.1f} %)"
    assert share in lines["opened by persons"]
    assert lines["opened by machines"].split()[-3:] == ["3", "2", "1"]
    assert any(line.split() == ["2", "2", "0", NEWS] for line in text.splitlines())

    status, text = said(market, shell, tmp_path, "promotion", "--edition", "2026-03", "--json")
    total, *others = map(json.loads, text.splitlines())
    assert (total["subject"], total["opened"]["persons"], total["clicked"]["persons"]) == (None, 3, 2)
    assert [each["subject"] for each in others if "subject" in each] == ["occasion", "price"]
    assert {"link", "people", "clicks", "machines"} <= others[-1].keys()


def test_a_message_in_doubt_has_arrived_where_a_person_came_and_not_where_a_filter_did(market):
    market.advertise(meter=meter(opens=True, clicks=True))
    market.deliver()
    by_filter, by_browser, by_person, *_ = market.rows(states=(State.ACCEPTED,))
    accepted = road.results(market.outbox, "promotion")[0].total.opened.of
    doubt(market, by_filter, by_browser, by_person)
    respond(market, by_filter, "", who=Who.MACHINE)
    respond(market, by_browser, "", after=timedelta(seconds=20))
    respond(market, by_person, "", SHOP)
    opened = road.results(market.outbox, "promotion")[0].total.opened
    assert (opened.of, opened.persons, opened.machines) == (accepted - 2, 1, 0)


def test_what_was_not_measured_is_said_so(market, shell, tmp_path):
    market.advertise(meter=meter(clicks=True))
    market.deliver()
    (found,) = road.results(market.outbox, "promotion")
    assert found.total.opened.rate is None
    assert found.total.clicked.rate == 0
    status, text = said(market, shell, tmp_path, "promotion")
    assert status == 0
    assert [line.split()[-2:] for line in text.splitlines() if line.startswith("opened")] == [["not", "measured"]]
    assert "waiting" in text


def test_each_edition_has_its_own_leavers(market, shell, tmp_path):
    market.advertise()
    market.deliver()
    first, second, *_ = market.rows(states=(State.ACCEPTED,))
    leave = ("a page", market.now + LATER)
    road.leave(market.outbox, DOOR, DOOR.token(first.address, "campaign", "promotion"), *leave)
    market.change("UPDATE offers SET valid_until = '2027-01-01'")
    market.wait(days=31)
    market.advertise()
    road.leave(market.outbox, DOOR, DOOR.token(second.address, "campaign", "promotion"), "a page", market.now + LATER)
    assert road.results(market.outbox, "promotion", "2026-03")[0].total.left == 1
    (latest,) = road.results(market.outbox, "promotion")
    assert (latest.edition, latest.total.left) == ("2026-04", 1)
    assert latest.total.opened.rate is None

    for arguments, told in (
        (("promotions",), "Did you mean 'promotion'?"),
        (("promotion", "--edition", "2020-01"), "nothing of edition '2020-01' of promotion; its latest: 2026-04"),
    ):
        status, text = said(market, shell, tmp_path, *arguments)
        assert status == 1
        assert told in text


@contextmanager
def counted_queries(engine):
    asked = []
    note = lambda *arguments: asked.append(arguments[2])  # noqa: E731
    sa.event.listen(engine, "before_cursor_execute", note)
    yield asked
    sa.event.remove(engine, "before_cursor_execute", note)


def test_the_number_of_queries_does_not_grow_with_the_messages(market, sent):
    engine = market.outbox._database.engine
    with counted_queries(engine) as few:
        road.results(market.outbox, "promotion")
    for row in sent["price"]:
        respond(market, row, "", SHOP)
    market.change("UPDATE offers SET valid_until = '2027-01-01'")
    market.wait(days=31)
    market.advertise()
    with counted_queries(engine) as many:
        road.results(market.outbox, "promotion", "2026-03")
    assert len(many) <= len(few) <= 12
