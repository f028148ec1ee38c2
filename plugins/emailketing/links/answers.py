"""What came of asking a link, and what that means to a reader. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

SHOWN = 100  # signs of a link in a sentence

#: What says that there is nothing. Everything else from 400 on may be a wall against machines, or a slow day.
_GONE = frozenset({404, 410})


class How(StrEnum):
    """What came of asking; each value continues "the link …"."""

    ANSWERED = "answers"
    MALFORMED = "is no address"
    NO_HOST = "names a server that does not exist"
    INSIDE = "leads into this house"
    OTHER_PORT = "names a port that is not the web's, which is never asked"
    CLOSED = "names a server that takes no connection there"
    CERTIFICATE = "has a certificate that readers' programs do not accept"
    NO_TLS = "names a server with which no encrypted connection can be made"
    CIRCLE = "is redirected too often"
    ELSEWHERE = "is no page of the web"
    NO_HTTP = "got no answer that is HTTP"
    LATE = "got no answer in time"
    AWAY = "could not be tried from this machine"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking `link`: `detail` names it closer, `last` is the address asked last, after redirects."""

    link: str
    how: How
    detail: str = ""
    status: int = 0  # of HTTP, where it was answered
    last: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a link; `broken` if a reader would find nothing, else somebody should look."""

    broken: bool
    what: str


_BROKEN = frozenset({How.MALFORMED, How.NO_HOST, How.INSIDE, How.CLOSED, How.CERTIFICATE, How.NO_TLS, How.CIRCLE})
_ADVICE = {
    How.LATE: "It may be slow, or keep machines out: try it by hand.",
    How.NO_HTTP: "It may keep machines out: try it by hand.",
    How.ELSEWHERE: "Try it by hand.",
    How.OTHER_PORT: "Try it by hand.",
    How.AWAY: "Has it no internet? --no-links leaves the links out.",
}


def judged(answer: Answer) -> Verdict | None:
    """What is wrong with a link, by its answer; None if nothing is."""
    if answer.how is How.ANSWERED:
        return _by_status(answer)
    return Verdict(answer.how in _BROKEN, _said(answer, _reason(answer), _ADVICE.get(answer.how, "")))


def _by_status(answer: Answer) -> Verdict | None:
    status = answer.status
    if 200 <= status < 300:
        return None
    broken = status in _GONE or 500 <= status < 600
    advice = "" if broken else "It may be a wall against machines: try it by hand."
    return Verdict(broken, _said(answer, f"answers {_named(status)}", advice))


def _reason(answer: Answer) -> str:
    if answer.how is How.INSIDE:
        return f"leads to {answer.detail}, which only this house reaches"
    return f"{answer.how} ({answer.detail})" if answer.detail else str(answer.how)


def _said(answer: Answer, reason: str, advice: str) -> str:
    onward = f"is redirected to {_shown(answer.last)}, which " if answer.last not in ("", answer.link) else ""
    return f"the link {_shown(answer.link)} {onward}{reason}{f'. {advice}' if advice else ''}"


def _shown(link: str) -> str:
    return repr(link if len(link) <= SHOWN else f"{link[:SHOWN]}…")


def _named(status: int) -> str:
    """A status with the name that the standard gives it; what the server calls it is anybody's text."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
