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


class PostOffice:
    """Delivers to the server on `port` of loopback; `secure` does to each new line what a Connection asks for."""

    def __init__(self, url, port, *, timeout_s=5.0, secure=None, host="127.0.0.1", attempts=12):
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
        return Smtp(self._connect, timeout_s=self._timeout_s, server=f"{self.host}:{self.port}", clock=lambda: self.now)

    def _connect(self):
        client = smtplib.SMTP(self.host, self.port, "localhost", timeout=self._timeout_s)
        try:
            if self._secure is not None:
                self._secure(client)
        except BaseException:
            client.close()
            raise
        return client
