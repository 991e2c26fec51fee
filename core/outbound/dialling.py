"""From the name of a host to a connected socket, with the guard at every step.

The guard checks the addresses that a lookup brings, and again the address that a socket is made
for. So whatever is dialled was checked, and nothing is looked up twice.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from time import monotonic

from aiohappyeyeballs import AddrInfoType, start_connection

from core.domain import details
from core.domain.delivery import ErrorKind
from core.domain.url_policy import UrlPolicy
from core.errors import BlockedUrl, system_words
from core.outbound.failures import (
    AttemptFailed,
    NoDescriptorLeft,
    NoNameResolved,
    is_of_descriptors,
)

_LOOKUPS_AT_ONCE = 1024  # threads, which mostly wait: lookups that hang must leave room for others
_NEXT_ADDRESS_AFTER = 0.25  # seconds until another address is tried as well (RFC 8305)
_SHORTAGE_LASTS = 2.0  # seconds in which we take a failed lookup for a lack of descriptors
_SILENCE = 10.0  # seconds in which no name was resolved: then this machine has the trouble
_CHECKED_AT_DIALLING = "The webhook's URL"


class Lookups:
    """Name lookups in threads of their own, one at a time for each name. Raises where an address is
    not public.

    The event loop's own executor has a handful of threads, so a few lookups that hang would hold up
    all other webhooks. A lookup cannot be cancelled, so its thread must not hold up the exit.
    """

    def __init__(self, policy: UrlPolicy) -> None:
        self._policy = policy
        self._room = asyncio.Semaphore(_LOOKUPS_AT_ONCE)
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}
        self._resolved_at = self._short_at = -_SILENCE

    async def addresses(self, host: str) -> list[str]:
        """The addresses at which the host may be dialled, in the system's order. An address is its
        own.

        Raises AttemptFailed, NoNameResolved or NoDescriptorLeft.
        """
        try:
            found = [host] if _is_address(host) else await self._look_up_once(host)
            return self._policy.check_addresses(host, found)
        except BlockedUrl as error:
            raise AttemptFailed(ErrorKind.BLOCKED, str(error)) from None
        except OSError as error:
            if is_of_descriptors(error) or monotonic() - self._short_at < _SHORTAGE_LASTS:
                raise NoDescriptorLeft from None
            if error.errno == socket.EAI_AGAIN and self._is_silent():
                raise NoNameResolved from None
            raise AttemptFailed(ErrorKind.DNS, system_words(error)) from None
        except asyncio.CancelledError:  # its time was over, and there was still no answer
            if self._is_silent():
                raise NoNameResolved from None
            raise

    def note_shortage(self) -> None:
        """Note that a socket got no descriptor: then the resolver cannot have got one either."""
        self._short_at = monotonic()

    def _is_silent(self) -> bool:
        """Whether no name at all was resolved lately: then this name is not to blame."""
        return monotonic() - self._resolved_at >= _SILENCE

    async def _look_up_once(self, host: str) -> list[str]:
        lookup = self._under_way.get(host)
        if lookup is None:
            lookup = self._under_way[host] = asyncio.ensure_future(self._look_up(host))
            lookup.add_done_callback(lambda _: self._under_way.pop(host, None))
        found = await asyncio.shield(lookup)
        self._resolved_at = monotonic()
        return found

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


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _getaddrinfo(host: str) -> list[str]:
    """Every address of a name, in the order that the system prefers.

    A resolver that gets no descriptor says that the name has no address, or something as useless.
    So we ask whether there is a descriptor.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        socket.socket().close()
        raise
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _hand_over(
    loop: asyncio.AbstractEventLoop, found: asyncio.Future[list[str]], answer: list[str] | OSError
) -> None:
    """Hand a lookup's answer over from its thread to whoever waits for it in the loop."""

    def settle() -> None:
        if found.done():
            return
        if isinstance(answer, OSError):
            found.set_exception(answer)
        else:
            found.set_result(answer)

    with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
        loop.call_soon_threadsafe(settle)


async def connect(
    addresses: Sequence[str], port: int, policy: UrlPolicy, lookups: Lookups
) -> socket.socket:
    """A socket that is connected to the first of these addresses that answers.

    Raises AttemptFailed or NoDescriptorLeft.
    """

    def make(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        policy.check_addresses(_CHECKED_AT_DIALLING, [str(address[0])])
        try:
            return socket.socket(family, kind, protocol)
        except OSError as error:
            if is_of_descriptors(error):
                lookups.note_shortage()
                raise NoDescriptorLeft from None
            raise

    try:
        return await start_connection(
            [_dialled(address, port) for address in addresses],
            happy_eyeballs_delay=_NEXT_ADDRESS_AFTER,
            socket_factory=make,
        )
    except BlockedUrl as error:
        raise AttemptFailed(ErrorKind.BLOCKED, str(error)) from None
    except OSError as error:
        detail = system_words(error) if error.errno else details.NO_ADDRESS_ANSWERS
        raise AttemptFailed(ErrorKind.CONNECT, detail) from None


def _dialled(address: str, port: int) -> AddrInfoType:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)
