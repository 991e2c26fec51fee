"""Secrets, bodies, headers, signatures and how they are verified: what is on the wire. Pure."""

import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NoReturn, SupportsIndex

from core.domain.chat import chat_text
from core.domain.language import Wording

USER_AGENT = "AuraPOS-Webhooks/1.0"
EVENT_HEADER = "X-AuraPOS-Event"
DELIVERY_HEADER = "X-AuraPOS-Delivery"
SIGNATURE_HEADER = "X-AuraPOS-Signature"
STANDARD_ID_HEADER = "webhook-id"
STANDARD_TIME_HEADER = "webhook-timestamp"
STANDARD_SIGNATURE_HEADER = "webhook-signature"
SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret starts with, not one
_SECRET_BYTES = 33
_STANDARD_SECRET = re.compile(rf"{SECRET_PREFIX}[A-Za-z0-9]{{44}}")
SIGNATURE_PREFIX = "sha256="
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Secret:
    """The signing secret of a webhook. It is never printed, logged or pickled by accident."""

    __slots__ = ("_keyed", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._keyed: hmac.HMAC | None = None  # made once: it takes OpenSSL longer than the hash

    @classmethod
    def draw(cls, random_bytes: Callable[[int], bytes]) -> "Secret":
        """`whsec_` and 33 random bytes in base64, drawn until they are 44 letters and digits.

        So every library for Standard Webhooks can decode it, and a double click selects all of it.
        One draw in four will do.
        """
        while True:
            secret = cls(SECRET_PREFIX + b64encode(random_bytes(_SECRET_BYTES)).decode())
            if secret.is_standard:
                return secret

    @property
    def is_standard(self) -> bool:
        """Whether libraries for Standard Webhooks can decode it; old secrets they cannot."""
        return _STANDARD_SECRET.fullmatch(self._text) is not None

    def reveal(self) -> str:
        """The secret as the owner sees it, once."""
        return self._text

    def sign(self, body: bytes) -> str:
        """`sha256=` and the hex HMAC-SHA256 of the body, keyed with the whole secret as ASCII."""
        if self._keyed is None:
            self._keyed = hmac.new(self._text.encode(), digestmod="sha256")
        signing = self._keyed.copy()
        signing.update(body)
        return SIGNATURE_PREFIX + signing.hexdigest()

    def sign_standard(self, delivery_id: str, timestamp: int, body: bytes) -> str:
        """`v1,` and the base64 HMAC-SHA256 that Standard Webhooks defines. Its key is what the
        secret encodes, and it covers the id, the seconds since 1970 and the body.
        """
        key = b64decode(self._text.removeprefix(SECRET_PREFIX))
        signed = b"%b.%d.%b" % (delivery_id.encode(), timestamp, body)
        return f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment]  # in a set or a dict a secret would outlive its use

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")


def wire_time(moment: datetime) -> str:
    """The time in UTC with milliseconds and `Z`: `2026-05-17T14:32:08.123Z`."""
    return wire_time_of((moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1))


def wire_time_of(microseconds: float) -> str:
    """As `wire_time`, of a time as it is stored: microseconds since 1970, with fractions where it
    was damaged.
    """
    minute, rest = divmod(int(microseconds), 60_000_000)
    second, rest = divmod(rest, 1_000_000)
    return f"{_minute(minute)}:{second:02d}.{rest // 1000:03d}Z"


@lru_cache(4)
def _minute(minutes: int) -> str:
    """As a wire time begins: a datetime takes long, and of events that follow one another many
    share it.
    """
    return (_EPOCH + timedelta(minutes=minutes)).isoformat()[: len("1970-01-01T00:00")]


def build_body(event_type: str, delivery_id: str, created_at: str, payload: bytes) -> bytes:
    """The exact bytes that are signed and sent; `payload` is the producer's JSON, unchanged.
    `created_at` is a wire time.
    """
    head = (
        f'{{"event":"{event_type}","delivery_id":"{delivery_id}",'
        f'"created_at":"{created_at}","payload":'
    )
    return b"%b%b}" % (head.encode(), payload)


def build_chat_body(event_type: str, payload: bytes, wording: Wording) -> bytes:
    """The same for a webhook that gets one line for people, in the form that chat programs take."""
    text = chat_text(event_type, payload.decode("utf-8", "replace"), wording)
    return json.dumps({"text": text}, ensure_ascii=False, separators=(",", ":")).encode()


def build_headers(event_type: str, delivery_id: str, signature: str) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/json"),
        ("User-Agent", USER_AGENT),
        (EVENT_HEADER, event_type),
        (DELIVERY_HEADER, delivery_id),
        (SIGNATURE_HEADER, signature),
    ]


def standard_headers(
    secret: Secret, delivery_id: str, at: datetime, body: bytes
) -> list[tuple[str, str]]:
    """The headers that the specification Standard Webhooks adds to an attempt made at that time.
    With them a receiver can refuse an attempt that is old.
    """
    timestamp = int(at.timestamp())
    return [
        (STANDARD_ID_HEADER, delivery_id),
        (STANDARD_TIME_HEADER, str(timestamp)),
        (STANDARD_SIGNATURE_HEADER, secret.sign_standard(delivery_id, timestamp, body)),
    ]
