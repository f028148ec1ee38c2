"""The links of a campaign's mails are tried before its readers follow them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emailketing.links import Answer, Verdict, judged
from emailketing.render.lint import Finding, Level
from emailketing.road.campaigning import Sample

MOST = 50  # links of one campaign; more are a mistake of its query, or a burden for their servers


@dataclass(frozen=True)
class Tried:
    """How many links were asked, and what is wrong with them."""

    asked: int
    findings: tuple[Finding, ...]


def try_links(mails: Sequence[Sample], ask: Callable[[Sequence[str]], Sequence[Answer]]) -> Tried:
    """Ask each link of the mails once, as far as it is the same for all readers: one's own could change something."""
    links = list(dict.fromkeys(link for mail in mails for link in mail.links))
    answers = ask(links[:MOST])
    found = [_finding(verdict) for verdict in map(judged, answers) if verdict]
    if links[MOST:]:
        what = f"{len(links) - MOST} of {len(links)} links were not tried, {links[MOST]!r} and what follows it"
        found.append(Finding(Level.WARNING, what))
    return Tried(len(answers), tuple(found))


def _finding(verdict: Verdict) -> Finding:
    return Finding(Level.ERROR if verdict.broken else Level.WARNING, verdict.what)
