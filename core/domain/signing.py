"""Secret, body, headers, signature and verification: what is on the wire. Pure."""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import NoReturn, SupportsIndex
from uuid import UUID

from core.domain.chat import chat_text
from core.domain.language import Language

USER_AGENT = "AuraPOS-Webhooks/1.0"
EVENT_HEADER = "X-AuraPOS-Event"
DELIVERY_HEADER = "X-AuraPOS-Delivery"
SIGNATURE_HEADER = "X-AuraPOS-Signature"
SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret starts with, not one
SECRET_BYTES = 32
SIGNATURE_PREFIX = "sha256="


class Secret:
    """A webhook's signing secret: never printed, logged or pickled by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def from_random(cls, random: bytes) -> "Secret":
        """The secret made of 32 random bytes: `whsec_` and their base64url, unpadded."""
        if len(random) != SECRET_BYTES:
            raise ValueError(f"a secret is made of {SECRET_BYTES} random bytes")
        return cls(SECRET_PREFIX + urlsafe_b64encode(random).rstrip(b"=").decode())

    def reveal(self) -> str:
        """The secret as the owner sees it, once."""
        return self._text

    def sign(self, body: bytes) -> str:
        """`sha256=` and the hex HMAC-SHA256 of the body, keyed with the whole secret as ASCII."""
        return SIGNATURE_PREFIX + hmac.digest(self._text.encode(), body, "sha256").hex()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment]  # a secret in a set or a dict outlives its use

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")


def wire_time(moment: datetime) -> str:
    """UTC, milliseconds, `Z`: `2026-05-17T14:32:08.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def build_body(event_type: str, delivery_id: UUID, created_at: datetime, payload: bytes) -> bytes:
    """The exact bytes that are signed and sent; `payload` is the producer's JSON, untouched."""
    head = (
        f'{{"event":"{event_type}","delivery_id":"{delivery_id}",'
        f'"created_at":"{wire_time(created_at)}","payload":'
    )
    return b"%b%b}" % (head.encode(), payload)


def build_chat_body(event_type: str, payload: bytes, language: Language) -> bytes:
    """The same for a webhook that wants one line for people, as chat programs take it."""
    text = chat_text(event_type, payload.decode("utf-8", "replace"), language)
    return json.dumps({"text": text}, ensure_ascii=False, separators=(",", ":")).encode()


def build_headers(event_type: str, delivery_id: UUID, signature: str) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/json"),
        ("User-Agent", USER_AGENT),
        (EVENT_HEADER, event_type),
        (DELIVERY_HEADER, str(delivery_id)),
        (SIGNATURE_HEADER, signature),
    ]
