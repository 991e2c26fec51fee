"""httpx's transport interface over connections that are one webhook's own.

httpx's own pool rescans every connection at each request, which makes it the bottleneck of a
sender with many addresses; and a pool that webhooks share would hand what one receiver writes
unasked to the next one's request.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto

import httpx

from core.connections import Connections, Owner
from core.conversation import Answer, Conversation
from core.delivery import ErrorKind
from core.dialling import Lookups, connect
from core.errors import BlockedUrl
from core.failures import AttemptFailed, NotWanted
from core.tls import explain_tls
from core.url_policy import Target, UrlPolicy

LastLook = Callable[[], Awaitable[bool]]
"""Asked once connected, before the first byte leaves: may this still be sent?"""

ERRAND = "aurapos_errand"
"""The request extension that carries an Errand."""

_TARGETS = 4096  # read URLs that are remembered


class Stage(Enum):
    """What an attempt waits for."""

    ADDRESS = auto()
    CONNECTION = auto()
    HANDSHAKE = auto()
    LAST_LOOK = auto()
    ANSWER = auto()


@dataclass(slots=True)
class Errand:
    """What one attempt is about beside its bytes, and how far it has come."""

    webhook_id: int
    url: str  # as it is stored: what goes over the wire is this
    last_look: LastLook
    stage: Stage = Stage.ADDRESS


class GuardedTransport(httpx.AsyncBaseTransport):
    """POSTs to public addresses only, each request with an Errand among its extensions.

    Bodies are sent whole, from memory. A connection is used again by its own webhook alone, while
    more is due to that (`keep_for`), for a minute, and as long as the answers are 2xx.
    Raises AttemptFailed where no status arrives, NotWanted where the last look said no, and
    OursToMend. It must be used and closed inside one event loop.
    """

    def __init__(self, policy: UrlPolicy, context: ssl.SSLContext) -> None:
        self._policy = policy
        self._context = context
        self._connections = Connections()
        self._lookups = Lookups(policy)
        self._targets: dict[str, Target] = {}

    def keep_for(self, webhook_ids: Collection[int]) -> None:
        """More is due to these webhooks, and to no others."""
        self._connections.keep_for(webhook_ids)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        errand: Errand = request.extensions[ERRAND]
        target = self._target(errand.url)
        conversation = await self._ready(errand, target)
        try:
            errand.stage = Stage.ANSWER
            answer = conversation.ask(_message(request, target))
            await answer.wait_for_status()
        except BaseException:
            conversation.close()
            raise
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer, conversation)
        )

    async def aclose(self) -> None:
        self._connections.close()
        await self._lookups.close()
        await asyncio.sleep(0)  # in which the loop closes their sockets

    def _target(self, url: str) -> Target:
        """The URL by the rules of now: those that it was saved by may have been others."""
        target = self._targets.get(url)
        if target is None:
            if len(self._targets) >= _TARGETS:
                self._targets.clear()
            try:
                target = self._targets[url] = self._policy.check_url(url)
            except BlockedUrl as error:
                raise AttemptFailed(ErrorKind.BLOCKED, str(error)) from None
        return target

    async def _ready(self, errand: Errand, target: Target) -> Conversation:
        """A connection, and the last look's consent."""
        owner = Owner(errand.webhook_id, target.scheme, target.host, target.port)
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
            await asyncio.get_running_loop().create_connection(
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
        return conversation


async def _take_last_look(errand: Errand, conversation: Conversation) -> None:
    errand.stage = Stage.LAST_LOOK
    try:
        if not await errand.last_look():
            raise NotWanted
    except BaseException:
        conversation.close()
        raise


def _message(request: httpx.Request, target: Target) -> bytes:
    """The request's bytes, its target as it is stored."""
    body = request.read()
    head = f"POST {target.path} HTTP/1.1\r\nHost: {target.authority}\r\n".encode()
    lines = [b"%b: %b\r\n" % header for header in request.headers.raw]
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, b"".join(lines), len(body), body)


class _Body(httpx.AsyncByteStream):
    """The body as it comes, never inflated; what is left unread ends its connection."""

    def __init__(self, answer: Answer, conversation: Conversation) -> None:
        self._answer = answer
        self._conversation = conversation

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self._answer.read():
            yield chunk

    async def aclose(self) -> None:
        if not self._answer.is_complete:
            self._conversation.close()
