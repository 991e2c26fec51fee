"""The id of a delivery, made of its event's time, the event and the webhook. Pure."""

import hashlib
import uuid


def delivery_id(published_us: int, event_id: int, webhook_id: int) -> uuid.UUID:
    """A UUID of version 7 (RFC 9562). It holds the time of the event, in microseconds since 1970,
    with the fractions of a millisecond by method 3 of section 6.2, and a hash of event and webhook.

    So the ids of one webhook sort in the order in which its events were published, a fan-out that
    has to be repeated makes the same ids again, and new ids lie together in their index.
    """
    milliseconds, microseconds = divmod(published_us, 1000)
    fraction = microseconds * 4096 // 1000
    owner = hashlib.blake2b(b"%d:%d" % (event_id, webhook_id), digest_size=8).digest()
    version_and_variant = 0x7 << 76 | 0b10 << 62
    rest = int.from_bytes(owner, "big") >> 2
    return uuid.UUID(int=milliseconds << 80 | version_and_variant | fraction << 64 | rest)
