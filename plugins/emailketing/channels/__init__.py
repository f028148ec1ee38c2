"""Channels: how a frozen message leaves the house, and what was answered.

A channel is small on purpose. It freezes content into bytes without any connection (`freeze`, a pure function),
and it delivers frozen bytes and tells what became of each message (`deliver`). What concerns one message is a
`Receipt`; what concerns the server as a whole is the exception `ChannelDown`, and the message in hand was not given
to it. A channel refuses what it cannot carry, with the reason; it never drops a part in silence.
"""

from __future__ import annotations

from typing import Protocol

from emailketing.model import Claim, Content, Envelope, Frozen, Receipt, Sender

#: Bytes in a second. A server that takes a message more slowly is given up, so that a lease can outlast any delivery.
SLOWEST = 16 * 1024


class Channel(Protocol):
    """The interface of every channel; tests/contract/test_channels.py holds each of them to it."""

    name: str

    def freeze(self, envelope: Envelope, content: Content, sender: Sender) -> Frozen:
        """The bytes that will be sent for this message; the same arguments give the same bytes. Needs no connection."""

    def open(self) -> None:
        """Make sure that there is a usable line to the server; a usable open line costs nothing.

        Raises ChannelDown when there is none to be had, which is no message's fault.
        """

    def announce(self, claim: Claim) -> None:
        """Begin with a message before it counts as being sent: only what can in no way lead to its acceptance.

        Waits for no answer, and fails in silence: `deliver` of the same claim goes on from here and tells. After an
        announcement nothing else but `open` (which takes it back) or `close` may follow. Doing nothing is right, too.
        """

    def deliver(self, claim: Claim) -> Receipt:
        """Send one message over the open line and tell what was answered. Never raises for what the server does.

        A slow server is given up after ten times the patience for one answer and what `SLOWEST` allows the bytes.
        """

    def close(self) -> None:
        """Take leave of the server. May be called at any time and more than once."""
