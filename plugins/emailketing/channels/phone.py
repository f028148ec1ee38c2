"""Texts to the phone through apprise: whichever gateway its URL names, and what can be known of the answer.

A gateway takes a text by one request, so there is no line to hold open; every message is one plugin of apprise, built
from the URL with the recipient's number in it, and sent once: its own retries, redirects and splitting are off.

apprise answers true or false and tells the rest to its log. `_Ear` listens there, in the thread that sends, and takes
from the plugin's frames the HTTP response or the exception over which it complains. So these are told apart: the
gateway answered (its status says what), no connection came about (certainly not accepted), and all else: the request
had gone and the answer was lost, or a plugin does not say. That is *unknown*, and the mailing's policy settles it.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

from emailketing.channels.gsm7 import Wording, segments
from emailketing.channels.headers import one_line
from emailketing.errors import ChannelDown, SettingsError
from emailketing.model import Claim, Content, Envelope, Frozen, Outcome, Receipt, Sender

if TYPE_CHECKING:
    from apprise import NotifyBase

REASON_MOST = 500

E164 = re.compile(r"\+[1-9][0-9]{6,14}")

#: Where the recipient's number stands in a gateway's URL: as +595981123456, or without its plus sign.
PLACES = ("{to}", "{digits}")

_PROBE = "+595981000000"  # a number with which a URL is tried, without sending anything

# Answers that blame our access or the URL, not the message: it waits, and operations are told.
_SET_UP = frozenset({401, 402, 403, 404, 405, 407, 410})
# Answers of a gateway that takes nothing at present. A 504 is not among them: what stands behind it may have taken it.
_LATER = frozenset({408, 425, 429})
_NOBODY_KNOWS = frozenset({504})

_LOGGER = "apprise"


class Phone:
    """The phone channel over one gateway; not for use by several threads at once.

    `gateway` gives the URL of apprise, with one of `PLACES` in it, or raises SettingsError. `timeout_s` is the patience
    for a connection and for the gateway's answer. `clock` gives the time of a receipt.
    """

    name = "phone"

    def __init__(
        self,
        gateway: Callable[[], str],
        wording: Wording | None = None,
        *,
        timeout_s: float = 30.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gateway, self._wording = gateway, wording or Wording()
        self._timeout_s, self._clock = timeout_s, clock
        self._template = ""

    def freeze(self, envelope: Envelope, content: Content, sender: Sender) -> Frozen:  # noqa: ARG002 the interface's
        """The text as it will be sent, in UTF-8, with its segments; nothing where the mailing says nothing."""
        text = self._wording.text(content.phone)
        return Frozen(text.encode(), segments=segments(text))

    def open(self) -> None:
        """Make sure that apprise can use the URL; whether anybody answers there shows with the first text.

        Raises ChannelDown, which says what is wrong with the Airflow Connection.
        """
        if self._template:
            return
        try:
            template = self._gateway()
            plugin = self._plugin(template, _PROBE)
        except SettingsError as error:
            raise ChannelDown(str(error.args[0]), hint=error.hint) from None
        except _UnusableError as error:
            raise ChannelDown(
                f"No text can be sent: apprise cannot use the URL of the Airflow Connection 'phone': {error}",
                hint="Compare it with apprise's documentation of that gateway; a disabled one lacks a Python package.",
            ) from None
        if len(plugin) != 1:
            raise ChannelDown(
                f"No text can be sent: the URL of the Airflow Connection 'phone' names {len(plugin)} recipients.",
                hint="Leave only {to}, where the recipient's number belongs.",
            )
        self._template = template

    def announce(self, claim: Claim) -> None:
        """Nothing is said beforehand."""

    def deliver(self, claim: Claim) -> Receipt:
        """Send one text and tell what became of it. Never raises for what the gateway does."""
        if problem := unable(claim):
            return self._receipt(_Verdict(Outcome.REFUSED, problem))
        if not self._template:
            return self._receipt(_Verdict(Outcome.LATER, "The channel is not open.", failed=True))
        try:
            plugin = self._plugin(self._template, claim.address)
        except _UnusableError as error:
            return self._receipt(_Verdict(Outcome.REFUSED, f"The gateway cannot be asked to take it: {error}"))
        return self._receipt(self._sent(plugin, claim))

    def close(self) -> None:
        """Forget the gateway until opened again."""
        self._template = ""

    def _plugin(self, template: str, number: str) -> NotifyBase:
        """The plugin for one number. Raises _UnusableError, without the URL's secrets."""
        from apprise import Apprise, AppriseAsset

        url = with_number(template, number)
        with _listening() as ear:
            try:
                plugin = Apprise.instantiate(url, AppriseAsset(http_redirects=False), suppress_exceptions=False)
            except Exception as error:  # each plugin raises what it likes
                raise _UnusableError(_without_secrets(str(error), url) or type(error).__name__) from None
        if plugin is None:
            raise _UnusableError(_without_secrets(ear.told, url) or "it is no URL that apprise knows")
        if number.removeprefix("+") in ear.told:  # dropped; and some plugins then text the sender instead
            raise _UnusableError(_without_secrets(ear.told, template))
        plugin.retry = 0  # it is counted among the recipients, too
        plugin.socket_connect_timeout = plugin.socket_read_timeout = self._timeout_s
        return plugin

    def _sent(self, plugin: NotifyBase, claim: Claim) -> _Verdict:
        """Send in a thread of its own: a time-out of apprise is for each piece of an answer, and they may be many."""
        heard: list[_Verdict] = []

        def send() -> None:
            heard.append(_asked(plugin, claim.frozen.wire.decode("utf-8", "replace")))

        most_s = 8 * self._timeout_s
        sending = threading.Thread(target=send, name="phone", daemon=True)
        sending.start()
        sending.join(most_s)
        if not heard:
            return _Verdict(Outcome.UNKNOWN, f"The gateway had not ended its answer after {most_s:g} s.", failed=True)
        url = with_number(self._template, claim.address)
        return heard[0]._replace(reason=_without_secrets(heard[0].reason, url))

    def _receipt(self, verdict: _Verdict) -> Receipt:
        reason = one_line(verdict.reason, REASON_MOST)
        return Receipt(verdict.outcome, self._clock(), verdict.code, reason, verdict.failed)


def unable(claim: Claim) -> str:
    """Why a message can never be sent as a text to a phone; '' when it can."""
    if not E164.fullmatch(claim.address):
        return f"{claim.address[:40]!r} is no phone number in international form, such as +595981123456."
    if not claim.frozen.wire:
        return "The mailing says nothing to the phone: its phone.txt.j2 is missing or gave an empty text."
    if frozen_as_mail(claim):
        return "It was frozen as an e-mail to a phone, and EMAILKETING_PHONE__EMAIL_TO_SMS is no longer set."
    return ""


def frozen_as_mail(claim: Claim) -> bool:
    """Whether the frozen bytes are an e-mail of ours and no bare text."""
    head = claim.frozen.wire.partition(b"\r\n\r\n")[0]
    return bool(claim.message_id) and f"\r\nMessage-ID: {claim.message_id}\r\n".encode() in head


def with_number(template: str, number: str) -> str:
    """The URL for one number, percent-encoded so that nothing in it can be taken for a part of the URL."""
    whole, bare = (quote(text, safe="") for text in (number, number.removeprefix("+")))
    return template.replace("{to}", whole).replace("{digits}", bare)


class _UnusableError(Exception):
    """A URL of which apprise makes no plugin, or none for this number; the text is for people."""


class _Verdict(NamedTuple):
    outcome: Outcome
    reason: str
    code: int | None = None
    failed: bool = False


def _asked(plugin: NotifyBase, text: str) -> _Verdict:
    """What became of one text: apprise's own answer, and what it complained of."""
    from apprise import NotifyFormat, OverflowMode

    with _listening() as ear:
        try:
            if plugin.notify(body=text, body_format=NotifyFormat.TEXT, overflow=OverflowMode.UPSTREAM):
                return _Verdict(Outcome.ACCEPTED, f"The gateway ({plugin.service_name}) took it.")
        except Exception as error:
            return _excused(error)
    if ear.error is not None:
        return _excused(ear.error)
    if ear.response is not None:
        return _answered(ear.response.status_code, ear.response.text or ear.told)
    if _NO_LINE.search(ear.told):
        return _Verdict(Outcome.LATER, ear.told, failed=True)
    return _Verdict(Outcome.UNKNOWN, f"The gateway's plugin failed without saying how far it came: {ear.told}")


_NO_LINE = re.compile("Failed to establish connection")  # the SMPP plugin, before it sends anything


def _answered(code: int, words: str) -> _Verdict:
    reason = f"The gateway answered {code}: {one_line(words, 300)}"
    if code in _LATER or (code >= 500 and code not in _NOBODY_KNOWS) or code in _SET_UP or 300 <= code < 400:
        return _Verdict(Outcome.LATER, reason, code, failed=True)
    if 400 <= code < 500:
        return _Verdict(Outcome.REFUSED, reason, code)
    return _Verdict(Outcome.UNKNOWN, f"{reason} (and that is no failure for certain)", code, failed=code >= 500)


def _excused(error: BaseException) -> _Verdict:
    """What an exception says: nothing was sent, or nobody can know."""
    causes = list(_causes(error))
    for cause in causes:
        for kind, what in _nothing_sent():
            if isinstance(cause, kind):
                return _Verdict(Outcome.LATER, f"No connection to the gateway: {what} ({_named(cause)}).", failed=True)
    last = _named(causes[-1])
    reason = f"The request may have gone, and no answer to it was heard ({last}): the gateway may have taken it."
    return _Verdict(Outcome.UNKNOWN, reason, failed=True)


def _nothing_sent() -> list[tuple[type[BaseException], str]]:
    """Failures that come before a request is sent."""
    from requests import exceptions as asked
    from urllib3 import exceptions as lower

    return [
        (lower.NameResolutionError, "its name is unknown"),
        (lower.NewConnectionError, "nothing listens there"),
        (lower.ConnectTimeoutError, "it did not answer in time"),
        (asked.ConnectTimeout, "it did not answer in time"),
        (asked.ProxyError, "the proxy did not let us through"),
        (ssl.SSLCertVerificationError, "its certificate is not trusted"),
        (asked.InvalidURL, "its address cannot be used"),
        (asked.MissingSchema, "its address cannot be used"),
        (asked.InvalidSchema, "its address cannot be used"),
        (asked.InvalidHeader, "a header of the URL cannot be used"),
        (socket.gaierror, "its name is unknown"),
        (ConnectionRefusedError, "nothing listens there"),
    ]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those behind it, where the libraries put them."""
    seen: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        error = next((each for each in inner if isinstance(each, BaseException)), None)


def _named(error: BaseException) -> str:
    """An exception without its text where that quotes the URL."""
    return error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__


class _Ear:
    """What apprise complains of while one text is sent: the words, and the response or the exception behind them."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self.response: Any = None
        self.error: BaseException | None = None

    @property
    def told(self) -> str:
        return " ".join(self._said)

    def hear(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING:
            return
        self._said.append(record.getMessage())
        if error := sys.exc_info()[1]:
            self.error = error  # a plugin complains of it where it catches it
        elif (response := _response(sys._getframe())) is not None:
            self.response, self.error = response, None


def _response(frame: FrameType | None) -> Any:
    """The HTTP response over which a plugin of apprise is complaining, found among its variables."""
    from requests import Response

    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("apprise."):
            for value in frame.f_locals.values():
                if isinstance(value, Response):
                    return value
        frame = frame.f_back
    return None


class _Ears(logging.Filter):
    """Stands at apprise's log for good; a thread that listens has its records to itself, for they hold numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.of_thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        ear: _Ear | None = getattr(self.of_thread, "ear", None)
        if ear is None:
            return True
        ear.hear(record)
        return False


_EARS = _Ears()


@contextmanager
def _listening() -> Iterator[_Ear]:
    told = logging.getLogger(_LOGGER)
    told.addFilter(_EARS)  # once; adding it again changes nothing
    if not told.isEnabledFor(logging.WARNING):  # a quiet program would hear nothing of what went wrong
        told.setLevel(logging.WARNING)
    _EARS.of_thread.ear = ear = _Ear()
    try:
        yield ear
    finally:
        del _EARS.of_thread.ear


def _without_secrets(text: str, url: str) -> str:
    """`text` without what may be a secret of the URL, because plugins like to quote it: tokens, passwords, numbers."""
    text = one_line(text, 2 * REASON_MOST)
    for secret in sorted(_secrets(url) | _secrets(unquote(url)), key=len, reverse=True):
        text = text.replace(secret, "…")
    return text


def _secrets(url: str) -> set[str]:
    """Login and password, the arguments' values, and whatever else is long or holds a digit, as tokens do."""
    place, _, arguments = url.partition("://")[2].partition("?")
    login, _, rest = place.rpartition("@")
    sure = [*re.split("[:/@]", login), *re.findall("=([^&]*)", arguments)]
    maybe = re.split(r"[/:@{}]", rest)
    return {each for each in sure if len(each) > 3} | {
        each for each in maybe if len(each) > 15 or (len(each) > 4 and re.search(r"\d", each))
    }
