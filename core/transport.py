"""httpx's transport interface over aiohttp's connections, with the address guard where they begin.

httpx's own pool rescans every connection at each request, which makes it the bottleneck of a
sender with many addresses; aiohttp's does not. The guard stands in the name lookup and again in
the socket's making, so that whatever is dialled was checked, and nothing is looked up twice.
"""

import asyncio
import errno
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any, cast

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from core.cleaning import clean
from core.delivery import ErrorKind
from core.errors import BadConfig, BlockedUrl
from core.url_policy import UrlPolicy

LastLook = Callable[[], Awaitable[bool]]
"""Asked once connected, before the first byte leaves: may this still be sent?"""

LAST_LOOK = "aurapos_last_look"
"""The request extension that carries a LastLook."""

_KEEP_ALIVE = 5.0  # seconds; a receiver that closes earlier costs an immediate second connection
_LOOKUPS_AT_ONCE = 1024  # threads that mostly wait; lookups that hang must leave room for others
_NO_DESCRIPTOR_LEFT = {errno.EMFILE, errno.ENFILE}
_last_look: ContextVar[LastLook] = ContextVar("last_look")
_conversation: ContextVar["_Conversation | None"] = ContextVar("conversation")


class AttemptFailed(httpx.TransportError):
    """No status arrived; `kind` says at which step."""

    def __init__(self, kind: ErrorKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = clean(detail)


class NotWanted(Exception):
    """The last look said no: nothing was sent."""


class NoDescriptorLeft(Exception):
    """This process, or its machine, can open nothing more: nothing was sent."""


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Certificate verification as usual, trusting one more authority when `ca_file` names one.

    Raises BadConfig when that file is not one of PEM certificates.
    """
    context = httpx.create_ssl_context()
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            raise BadConfig(
                f"[delivery] ca_file {ca_file} cannot be used ({_words(error)}): name a readable "
                "file of PEM certificates."
            ) from None
    context.set_alpn_protocols(["http/1.1"])
    return context


class GuardedTransport(httpx.AsyncBaseTransport):
    """POSTs to public addresses only, over connections kept alive for a few seconds.

    Bodies are sent whole, from memory.
    Raises AttemptFailed where no status arrives, NotWanted where the last look said no, and
    NoDescriptorLeft.
    It must be used and closed inside one event loop.
    """

    def __init__(self, policy: UrlPolicy, context: ssl.SSLContext) -> None:
        self._policy = policy
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _last_look.set(request.extensions.get(LAST_LOOK, _always))
        try:
            answer = await self._send(request)
        except BlockedUrl as error:
            raise AttemptFailed(ErrorKind.BLOCKED, str(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _NO_DESCRIPTOR_LEFT:
                raise NoDescriptorLeft from error
            raise AttemptFailed(*_explain(error)) from error
        return httpx.Response(
            answer.status,
            headers=answer.raw_headers,
            stream=_RawBody(answer),
            request=request,
        )

    async def _send(self, request: httpx.Request) -> aiohttp.ClientResponse:
        """Send once; and once more when a reused connection died before any byte came back."""
        _conversation.set(None)
        try:
            return await self._send_once(request)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            conversation = _conversation.get()
            if conversation is None or not conversation.is_reused or conversation.is_answered:
                raise
        return await self._send_once(request)

    async def _send_once(self, request: httpx.Request) -> aiohttp.ClientResponse:
        return await self._open_session().request(
            request.method,
            _aiohttp_url(str(request.url)),
            data=aiohttp.BytesPayload(request.read()),
            headers=CIMultiDict(
                (name.decode("ascii"), value.decode("latin-1"))
                for name, value in request.headers.raw
            ),
            allow_redirects=False,
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_GuardedConnector(self._policy, self._context),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # the sender's deadline bounds it all
                auto_decompress=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                trust_env=False,
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


@lru_cache(maxsize=4096)
def _aiohttp_url(url: str) -> URL:
    return URL(url, encoded=True)


class _RawBody(httpx.AsyncByteStream):
    """The body as it comes, never inflated; closing keeps the connection only if it has ended."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._answer.content.iter_any()

    async def aclose(self) -> None:
        self._answer.close()  # a connection whose body was read to its end is back already


class _Conversation(ResponseHandler):
    """A connection's side that reads, and what is known of the request that is under way on it.

    aiohttp's errors do not say whether a part of an answer came before the end.
    """

    is_reused: bool | None = None  # None before its first request
    is_answered = False  # as much as a byte of it

    def begin(self) -> None:
        self.is_reused, self.is_answered = self.is_reused is not None, False

    def data_received(self, data: bytes) -> None:
        self.is_answered = True
        super().data_received(data)


class _GuardedConnector(aiohttp.TCPConnector):
    def __init__(self, policy: UrlPolicy, context: ssl.SSLContext) -> None:
        self._lookups = _GuardedResolver(policy)
        super().__init__(
            ssl=context,
            resolver=self._lookups,
            use_dns_cache=False,
            limit=0,
            keepalive_timeout=_KEEP_ALIVE,
            socket_factory=_socket_factory(policy),
        )
        self._factory = cast("partial[ResponseHandler]", partial(_Conversation, loop=self._loop))

    async def connect(self, *args: Any, **kwargs: Any) -> aiohttp.connector.Connection:
        """A connection, new or kept, for a request that is still wanted now that it is there."""
        connection = await super().connect(*args, **kwargs)
        conversation = cast("_Conversation", connection.protocol)
        conversation.begin()
        _conversation.set(conversation)
        try:
            wanted = await _last_look.get()()
        except BaseException:
            connection.close()
            raise
        if not wanted:
            connection.close()
            raise NotWanted
        return connection

    async def close(self, *, abort_ssl: bool = False) -> None:
        await super().close(abort_ssl=abort_ssl)
        await self._lookups.close()  # aiohttp closes only a resolver that it made


class _GuardedResolver(AbstractResolver):
    """Name lookups in threads of their own, one at a time for a name, refused if not public.

    The event loop's default executor has a handful of threads: a few hanging lookups would hold
    up every other webhook. A lookup cannot be cancelled, so its thread must not hold up exit.
    """

    def __init__(self, policy: UrlPolicy) -> None:
        self._policy = policy
        self._room = asyncio.Semaphore(_LOOKUPS_AT_ONCE)
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - aiohttp's signature
    ) -> list[ResolveResult]:
        addresses = self._policy.check_addresses(host, await self._addresses(host))
        if not addresses:
            raise OSError(socket.EAI_NONAME, "the name has no address")
        return [_resolved(host, address, port) for address in addresses]

    async def _addresses(self, host: str) -> list[str]:
        lookup = self._under_way.get(host)
        if lookup is None:
            lookup = self._under_way[host] = asyncio.ensure_future(self._look_up(host))
            lookup.add_done_callback(lambda _: self._under_way.pop(host, None))
        return await asyncio.shield(lookup)

    async def _look_up(self, host: str) -> list[str]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def look_up() -> None:
            try:
                answer: list[str] | OSError = _getaddrinfo(host)
            except OSError as error:
                answer = error
            _hand_over(loop, found, answer)

        async with self._room:
            threading.Thread(target=look_up, name=f"lookup {host}", daemon=True).start()
            return await found

    async def close(self) -> None:
        lookups = list(self._under_way.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)


def _getaddrinfo(host: str) -> list[str]:
    """Every address of a name, in the system's order of preference."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _hand_over(
    loop: asyncio.AbstractEventLoop, found: "asyncio.Future[list[str]]", answer: list[str] | OSError
) -> None:
    def settle() -> None:
        if found.done():
            return
        if isinstance(answer, OSError):
            found.set_exception(answer)
        else:
            found.set_result(answer)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop was closed while the lookup hung: nobody waits any more
        return


def _resolved(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )


def _socket_factory(policy: UrlPolicy) -> Callable[[Any], socket.socket]:
    """Sockets only for addresses that may be dialled: an address in a URL is never looked up."""

    def make(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        policy.check_addresses("The webhook's URL", [address[0]])
        made = socket.socket(family, kind, protocol)
        made.settimeout(0)
        return made

    return make


async def _always() -> bool:
    return True


def _explain(error: Exception) -> tuple[ErrorKind, str]:
    """The step an error belongs to, and what was seen there."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return ErrorKind.DNS, _words(error.os_error)
        case aiohttp.ClientConnectorCertificateError():
            return ErrorKind.TLS, _certificate_words(error.certificate_error)
        case aiohttp.ClientConnectorSSLError():
            return ErrorKind.TLS, _words(error.os_error)
        case aiohttp.ClientConnectorError():
            return ErrorKind.CONNECT, _words(error.os_error)
        case aiohttp.ServerDisconnectedError():
            return ErrorKind.PROTOCOL, "the connection was closed without an answer"
        case aiohttp.ClientResponseError():
            return ErrorKind.PROTOCOL, error.message
        case OSError():
            return ErrorKind.CONNECT, _words(error)
        case _:
            return ErrorKind.PROTOCOL, str(error) or type(error).__name__


def _certificate_words(error: Exception) -> str:
    return getattr(error, "verify_message", "") or str(error)


def _words(error: OSError) -> str:
    """The system's words for the error's number: asyncio's own would quote the address."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__
