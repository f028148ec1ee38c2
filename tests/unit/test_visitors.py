"""Whether a person or a program came by a mail's picture or link."""

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing.audience import judged, visitor
from emailketing.model import AFTER_ACCEPTED, BEFORE_ACCEPTED, Response, What, Who

ACCEPTED = datetime(2026, 3, 2, 12, tzinfo=UTC)
CHROME = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"
)
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
OUTLOOK = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.14326; Pro)"
THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.12.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
CUBOT = "Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile"
CUBOT_BUILD = "Mozilla/5.0 (Linux; Android 9; CUBOT Build/PPR1) AppleWebKit/537.36 Chrome/90.0 Mobile"
YAHOO = "Mozilla/5.0 (compatible; YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html)"


def who(agent, what=What.WENT, method="GET", **headers):
    return visitor(what, method, {"user-agent": agent, **headers}).who


@pytest.mark.parametrize("agent", [CHROME, SAFARI, OUTLOOK, THUNDERBIRD, CUBOT, CUBOT_BUILD])
def test_browsers_and_mail_programs_are_persons(agent):
    assert who(agent) is Who.PERSON
    assert who(agent, What.SEEN) is Who.PERSON


@pytest.mark.parametrize(
    ("agent", "reason"),
    [
        ("", "no user agent"),
        ("   ", "no user agent"),
        ("Mozilla/5.0", "Apple"),
        ("curl/8.5.0", "library"),
        ("python-requests/2.32.3", "library"),
        ("Python/3.11 aiohttp/3.9", "library"),
        ("Go-http-client/2.0", "library"),
        ("okhttp/4.12.0", "library"),
        ("Java/17.0.2", "library"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "crawler"),
        (f"{CUBOT} (compatible; AdsBot; bot/1.0)", "crawler"),
        ("Mozilla/5.0 (compatible; focubot/1.0)", "crawler"),
        ("facebookexternalhit/1.1", "preview"),
        ("WhatsApp/2.23.20.0", "preview"),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "preview"),
        (f"{CHROME} BingPreview/1.0b", "preview"),
        ("Mozilla/5.0 (X11) HeadlessChrome/126.0", "nobody sits before"),
        ("BarracudaCentral/1.0", "filter of mails"),
        ("Mozilla/5.0 (Windows NT 10.0) Microsoft Office Existence Discovery", "filter of mails"),
    ],
)
def test_programs_are_known_and_named(agent, reason):
    for what in What:
        came = visitor(what, "GET", {"user-agent": agent})
        assert came.who is Who.MACHINE
        assert reason in came.reason


def test_a_webmails_proxy_shows_pictures_to_a_reader_and_follows_no_link_for_him():
    for proxy in (GMAIL, YAHOO):
        assert who(proxy, What.SEEN) is Who.PERSON
        assert who(proxy, What.WENT) is Who.MACHINE


def test_who_asks_only_whether_it_is_there_or_fetches_ahead_is_a_machine():
    assert who(CHROME, method="HEAD") is Who.MACHINE
    assert who(CHROME, **{"sec-purpose": "prefetch;prerender"}) is Who.MACHINE
    assert who(CHROME, **{"x-moz": "prefetch"}) is Who.MACHINE


@given(st.text(alphabet=st.characters(min_codepoint=0x100), min_size=1, max_size=3000), st.sampled_from(["GET", "ODD"]))
def test_nothing_of_a_user_agent_is_kept(agent, method):
    came = visitor(What.WENT, method, {"user-agent": f"curl {agent}"})
    assert came.reason.isascii()
    assert len(came.reason) < 100


def hit(seconds, link="https://a.example", what=What.WENT, by=Who.PERSON):
    return Response(what, ACCEPTED + timedelta(seconds=seconds), by, "a browser", link)


def persons(*responses, accepted_at=ACCEPTED, begun_at=None):
    return [each.who is Who.PERSON for each in judged(responses, accepted_at, begun_at)]


def test_what_comes_as_the_server_takes_the_mail_is_a_filter():
    edges = [-BEFORE_ACCEPTED.total_seconds() - 1, -5, 0, AFTER_ACCEPTED.total_seconds(), 11]
    assert persons(*[hit(each, what=What.SEEN) for each in edges]) == [True, False, False, False, True]
    assert persons(hit(1), accepted_at=None) == [True]


def test_where_no_answer_was_heard_it_is_judged_by_when_it_was_begun():
    edges = [hit(each, what=What.SEEN) for each in (-1, 0, 5, 70, 71)]
    assert persons(*edges, accepted_at=None, begun_at=ACCEPTED) == [True, False, False, False, True]


def test_all_links_at_once_are_a_filter_and_three_are_not():
    three = [hit(100 + number / 2, f"https://a.example/{number}") for number in range(3)]
    assert persons(*three) == [True] * 3
    assert persons(*three, hit(101.9, "https://a.example/3")) == [False] * 4
    assert persons(*three, hit(103.1, "https://a.example/3")) == [True] * 4
    assert persons(*[hit(100, "https://a.example/same") for _ in range(9)]) == [True] * 9
    assert persons(*three, hit(101.9, "https://a.example/3"), hit(500, "https://a.example/0"))[-1] is True


@given(st.lists(st.tuples(st.integers(20, 40), st.integers(0, 6)), max_size=12))
def test_bursts_are_those_that_counting_all_pairs_finds(given_hits):
    """The window slides over the hits; here every set of hits within two seconds is looked at instead."""
    hits = [hit(second / 2 + 20, f"https://a.example/{link}") for second, link in sorted(given_hits)]
    burst = set[int]()
    for first, last in combinations(range(len(hits)), 2):
        if (hits[last].at - hits[first].at).total_seconds() <= 2 and len(
            {each.link for each in hits[first : last + 1]}
        ) > 3:
            burst.update(range(first, last + 1))
    assert persons(*hits) == [number not in burst for number in range(len(hits))]
