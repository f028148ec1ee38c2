"""What a delivery process has: an outbox on SQLite and the road from it to a mail server, by a clock the test moves."""

from __future__ import annotations

import random
import smtplib
from datetime import timedelta

from emailketing import road
from emailketing.channels.smtp import Smtp
from emailketing.model import Lane, Recipient
from emailketing.outbox import Backoff, Outbox, Pausing
from tests.letters import NOW, letter

FIRST_S, LEASE_S = 30.0, 300.0
PLENTY_S = 60.0  # of patience, for what is not meant to fail, however busy the machine is


class PostOffice:
    """Delivers to the server on `port` of loopback; `secure` does to each new line what a Connection asks for.

    `timeout_s` is the patience on the first line; there is plenty on those that follow.
    """

    def __init__(self, url, port, *, timeout_s=PLENTY_S, secure=None, host="127.0.0.1", attempts=12):
        self.now, self.port, self.host = NOW, port, host
        self._timeout_s, self._secure = timeout_s, secure
        self.outbox = Outbox.open(url)
        self.carrier = road.Carrier(
            self.outbox,
            {"email": self._channel},
            Backoff(attempts, FIRST_S, 14400),
            batch=10,
            lease_s=LEASE_S,
            pausing=Pausing(after=3, first_s=10, most_s=300),
            clock=lambda: self.now,
            chance=random.Random(7),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.outbox.close()

    def put(self, *documents, **changes):
        """Messages about these documents, each to an address of its own."""
        messages = [letter(each, **{"recipient": Recipient(f"to{each}@b.example"), **changes}) for each in documents]
        self.outbox.put(messages, {}, self.now)

    def sleep(self, seconds):
        self.now += timedelta(seconds=seconds)

    def deliver(self, lane=Lane.INSTANT, **how):
        return road.deliver(self.carrier, lane, **how)

    def keep_house(self):
        return road.keep_house(self.outbox, self.carrier.backoff, self.now)

    def row(self, document="1"):
        return self.rows()[document]

    def rows(self):
        return {row.document: row for row in self.outbox.messages(limit=None)}

    def pause(self, lane=Lane.INSTANT):
        return self.outbox.pause("email", lane)

    def tale(self, document="1"):
        entries = self.outbox.history(self.row(document).key)
        return [entry.to_state.value for entry in entries if entry.from_state is not entry.to_state]

    def _channel(self):
        server = f"{self.host}:{self.port}"
        channel = Smtp(lambda: self._connect(channel), timeout_s=self._timeout_s, server=server, clock=lambda: self.now)
        return channel

    def _connect(self, channel):
        timeout_s, self._timeout_s = self._timeout_s, PLENTY_S
        channel._timeout_s = PLENTY_S  # on the next line; this one has been promised its own
        client = smtplib.SMTP(self.host, self.port, "localhost", timeout=timeout_s)
        try:
            if self._secure is not None:
                self._secure(client)
        except BaseException:
            client.close()
            raise
        return client
