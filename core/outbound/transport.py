"""httpx's transport interface over connections that belong to one webhook each.

httpx's own pool looks at every connection at each request, which makes it the bottleneck of a
sender with many addresses. And a pool that webhooks share would hand what one receiver writes
unasked to the next one's request.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from time import monotonic
from typing import cast

import httpx

from core.domain.delivery import ErrorKind
from core.domain.own_headers import OwnHeader
from core.domain.url_policy import Target, UrlPolicy
from core.errors import BlockedUrl
from core.outbound.connections import Connections, Owner
from core.outbound.conversation import Conversation
from core.outbound.dialling import Lookups, connect
from core.outbound.failures import AttemptFailed, NotWanted
from core.outbound.tls import certificate_until, explain_tls

LastLook = Callable[[], Awaitable[bool]]
"""Asked once we are connected, before the first byte leaves: may this still be sent?"""

ERRAND = "aurapos_errand"
"""The name of the request's extension that carries an Errand."""

_PLACES = 4096  # how many are remembered


class Stage(Enum):
    """What an attempt is waiting for."""

    ADDRESS = auto()
    CONNECTION = auto()
    HANDSHAKE = auto()
    LAST_LOOK = auto()
    ANSWER = auto()


@dataclass(slots=True)
class Errand:
    """What an attempt needs beside its bytes, and how far it has come."""

    webhook_id: int
    url: str  # as it is stored, which is what goes over the wire
    last_look: LastLook
    own_headers: tuple[OwnHeader, ...] = ()  # their values are blotted out of the answer
    stage: Stage = Stage.ADDRESS
    certificate_until: datetime | None = None  # the server's, where there was a handshake
    sent_at: float | None = None  # when all of it was written, on the monotonic clock


@dataclass(frozen=True, slots=True)
class _Place:
    """A URL, checked by the rules of now, and how each request to it begins."""

    target: Target
    head: bytes


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends POSTs to public addresses only; each request has an Errand among its extensions.

    Bodies are sent whole, from memory. A connection is used again only by its own webhook, as long
    as more is due to that (`keep_for`) and the answers are 2xx, and for a minute at the most.

    Raises AttemptFailed where no status arrives, NotWanted where the last look says no, and
    OursToMend. It must be used and closed inside one event loop.
    """

    def __init__(self, policy: UrlPolicy, context: ssl.SSLContext) -> None:
        self._policy = policy
        self._context = context
        self._connections = Connections()
        self._lookups = Lookups(policy)
        self._places: dict[str, _Place] = {}

    def keep_for(self, webhook_ids: Collection[int]) -> None:
        """Note that more is due to these webhooks, and to no others."""
        self._connections.keep_for(webhook_ids)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        errand: Errand = request.extensions[ERRAND]
        place = self._place(errand.url)
        conversation = await self._ready(errand, place.target)
        try:
            errand.stage = Stage.ANSWER
            answer = conversation.ask(_message(place, request))
            errand.sent_at = monotonic()
            await answer.wait_for_status()
        except BaseException:
            conversation.close()
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=answer)

    async def aclose(self) -> None:
        self._connections.close()
        await self._lookups.close()
        await asyncio.sleep(0)  # so that the loop closes their sockets

    def _place(self, url: str) -> _Place:
        """The place of a URL by the rules of now, which may differ from those it was saved by."""
        place = self._places.get(url)
        if place is None:
            if len(self._places) >= _PLACES:
                self._places.clear()
            try:
                target = self._policy.check_url(url)
            except BlockedUrl as error:
                raise AttemptFailed(ErrorKind.BLOCKED, str(error)) from None
            place = self._places[url] = _Place(target, _head(target))
        return place

    async def _ready(self, errand: Errand, target: Target) -> Conversation:
        """A connection that the last look has consented to use."""
        owner = errand.webhook_id, errand.url
        while True:
            kept = self._connections.take(owner)
            conversation = kept or await self._dial(errand, target, owner)
            await _take_last_look(errand, conversation)
            if kept is None or not kept.is_closed:
                return conversation

    async def _dial(self, errand: Errand, target: Target, owner: Owner) -> Conversation:
        errand.stage = Stage.ADDRESS
        addresses = await self._lookups.addresses(target.host)
        errand.stage = Stage.CONNECTION
        connected = await connect(addresses, target.port, self._policy, self._lookups)
        conversation = self._connections.new(owner)
        is_https = target.scheme == "https"
        errand.stage = Stage.HANDSHAKE if is_https else errand.stage
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: conversation,
                sock=connected,
                ssl=self._context if is_https else None,
                server_hostname=target.host if is_https else None,
            )
        except OSError as error:
            conversation.close()
            raise AttemptFailed(ErrorKind.TLS, explain_tls(error)) from None
        except BaseException:
            conversation.close()
            raise
        if is_https:
            errand.certificate_until = certificate_until(transport.get_extra_info("peercert"))
        return conversation


async def _take_last_look(errand: Errand, conversation: Conversation) -> None:
    errand.stage = Stage.LAST_LOOK
    try:
        if not await errand.last_look():
            raise NotWanted
    except BaseException:
        conversation.close()
        raise


def _head(target: Target) -> bytes:
    """The first lines of a request. Its target is the one that is stored, and the answer is not to
    be compressed.
    """
    lines = f"POST {target.path} HTTP/1.1", f"Host: {target.authority}", "Accept-Encoding: identity"
    return "\r\n".join(lines).encode()


def _message(place: _Place, request: httpx.Request) -> bytes:
    """The bytes of a request."""
    body = b"".join(cast("httpx.SyncByteStream", request.stream))
    headers = map(b": ".join, request.headers.raw)
    return b"\r\n".join((place.head, *headers, b"Content-Length: %d" % len(body), b"", body))
