"""Who came by a picture or a link of a mail: its reader, or a program that nobody sat before. Pure.

What is told by the request (`visitor`) is decided when it comes, because the user agent's text is not kept. What is
told by time (`judged`) is decided whenever the facts are read, so that a rule can be mended afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from emailketing.model import Response, What, Who, as_it_was_taken

#: A person does not follow more than three links of one mail within two seconds; a filter follows them all.
MOST_AT_ONCE = 3
AT_ONCE = timedelta(seconds=2)

#: The whole user agent of Apple's Mail Privacy Protection, which fetches every picture of every mail. No browser says
#: this alone.
_APPLE = "mozilla/5.0"

_KINDS: tuple[tuple[str, str], ...] = (
    (
        "a filter of mails",
        "barracuda|proofpoint|mimecast|safelinks|existence discovery|symantec|messagelabs|trendmicro|trend micro|sophos"
        "|fireeye|trellix|zscaler|cloudmark|forcepoint|bitdefender|virustotal|urlscan|ironport|fortinet|fortimail|mcafee"
        "|avanan|hornetsecurity|spamtitan|webroot|vadesecure|antivirus|linkcheck|urlcheck|scanner",
    ),
    (
        "a preview of links",
        "bingpreview|slack-imgproxy|slackbot|facebookexternalhit|facebookcatalog|whatsapp|telegrambot|twitterbot"
        "|linkedinbot|discordbot|skypeuripreview|microsoftpreview|iframely|embedly|google-pagerenderer"
        "|google web preview|preview",
    ),
    ("a crawler", r"(?<!\bcu)bot\b|crawl|spider|slurp|archiver|monitor|uptime|pingdom|lighthouse"),
    ("a browser that nobody sits before", "headless|phantomjs|selenium|puppeteer|playwright|cypress|electron/0"),
    (
        "a program's library",
        r"^(?:python|curl|wget|go-http|java|okhttp|apache-http|libwww|lwp|ruby|php|perl|axios|node|undici|aiohttp|httpx"
        r"|guzzle|winhttp|dart|rest-client|postman|insomnia|scrapy|mechanize|cfnetwork|urllib|faraday|typhoeus|got)\b"
        "|python-requests|python-urllib|go-http-client|apache-httpclient|node-fetch",
    ),
)
_MACHINES = tuple((kind, re.compile(words)) for kind, words in _KINDS)

#: They fetch pictures in the name of one who has the mail before him.
_READERS_PROXIES = re.compile("googleimageproxy|yahoomailproxy")
_MAIL_PROGRAMS = re.compile("outlook|ms-office|msoffice|thunderbird|airmail|lotus-notes|postbox|evolution")

#: Headers in which browsers say that they only fetch ahead.
_AHEAD = ("purpose", "sec-purpose", "x-purpose", "x-moz")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who came, and why that is thought."""

    who: Who
    reason: str


def visitor(what: What, method: str, headers: Mapping[str, str]) -> Visitor:
    """Who made a request, by its method and its headers (their names in small letters)."""
    agent = " ".join(headers.get("user-agent", "").lower().split())[:500]
    if method.upper() == "HEAD":
        return Visitor(Who.MACHINE, "asked whether it is there, not for it (HEAD)")
    if not agent:
        return Visitor(Who.MACHINE, "does not say what it is (no user agent)")
    if any(re.search("prefetch|preview|prerender", headers.get(name, "").lower()) for name in _AHEAD):
        return Visitor(Who.MACHINE, "a browser that fetched ahead")
    return _by_agent(what, agent)


def _by_agent(what: What, agent: str) -> Visitor:
    if agent == _APPLE:
        return Visitor(Who.MACHINE, "Apple's mail privacy, which opens every mail")
    if _READERS_PROXIES.search(agent):
        if what is What.SEEN:
            return Visitor(Who.PERSON, "a webmail's proxy of pictures, for its reader")
        return Visitor(Who.MACHINE, "a webmail's proxy, which no reader follows links by")
    for kind, words in _MACHINES:
        if words.search(agent):
            return Visitor(Who.MACHINE, kind)
    return Visitor(Who.PERSON, "a mail program" if _MAIL_PROGRAMS.search(agent) else "a browser or mail program")


def judged(
    responses: Sequence[Response], accepted_at: datetime | None, begun_at: datetime | None = None
) -> list[Response]:
    """What was done with one message, judged by time as well, in the order of time.

    `begun_at` is when a message was begun to be sent of which it is not known whether it was accepted.
    """
    ordered = sorted(responses, key=lambda each: each.at)
    burst = _bursts(ordered)
    taken = [as_it_was_taken(each.at, accepted_at, begun_at) for each in ordered]
    return [_by_time(each, taken[number], number in burst) for number, each in enumerate(ordered)]


def _by_time(response: Response, as_taken: bool, in_burst: bool) -> Response:
    if response.who is Who.MACHINE:
        return response
    if as_taken:
        return replace(response, who=Who.MACHINE, reason="as the mail server took the mail: a filter of mails")
    if in_burst:
        return replace(response, who=Who.MACHINE, reason="all links at once: a filter of mails")
    return response


def _bursts(ordered: Sequence[Response]) -> set[int]:
    """Which of the responses follow too many different links at once."""
    went = [(number, each) for number, each in enumerate(ordered) if each.what is What.WENT]
    found, start = set[int](), 0
    for end, (_, last) in enumerate(went):
        while last.at - went[start][1].at > AT_ONCE:
            start += 1
        window = went[start : end + 1]
        if len({each.link for _, each in window}) > MOST_AT_ONCE:
            found.update(number for number, _ in window)
    return found
