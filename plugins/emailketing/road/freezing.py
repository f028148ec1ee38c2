"""The last step before the outbox: what an envelope's reader will get becomes bytes that never change again."""

from __future__ import annotations

from collections.abc import Mapping

from emailketing.channels import Channel
from emailketing.model import Content, Envelope, Message, Sender, message_id


def frozen(envelope: Envelope, content: Content, sender: Sender, channels: Mapping[str, Channel]) -> Message:
    """The message of an envelope and its content. Raises SettingsError for a sender that cannot be written."""
    return Message(
        envelope,
        sender=sender.address,
        subject=content.subject,
        message_id=message_id(envelope.key, sender.domain),
        frozen=channels[envelope.channel].freeze(envelope, content, sender),
    )
