"""A receiver for many thousands of POSTs: one event loop in a thread, and a log.

What it answers, and when, is asked for each POST.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from core.verification.history import Post
from tests.support.notes import notes


class Reply(NamedTuple):
    """What a POST gets; status None closes the connection without an answer."""

    status: int | None
    after: float = 0.0  # seconds


Replying = Callable[[str, bytes], Reply]
"""From the path and the body of a POST to what it gets."""


@dataclass
class Recording:
    """Every POST so far; its status is the one it gets, also if its sender has died by then."""

    replying: Replying
    posts: list[Post] = field(default_factory=list)
    address: str = ""  # http://127.0.0.1:PORT


@contextmanager
def recording(replying: Replying) -> Iterator[Recording]:
    """A receiver on 127.0.0.1 until the block ends."""
    recorded, ready = Recording(replying), threading.Event()
    notes().receivers.append(recorded)
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await loop.create_server(
            lambda: _Connection(recorded), "127.0.0.1", 0, backlog=1024
        )
        recorded.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await stop.wait()
        server.close()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="receiver")
    thread.start()
    ready.wait()
    try:
        yield recorded
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


class _Connection(asyncio.Protocol):
    def __init__(self, recorded: Recording) -> None:
        self._recorded = recorded
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        head, end, rest = self._pending.partition(b"\r\n\r\n")
        if not end:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers["Content-Length"])
        if len(rest) >= length:
            self._pending = rest[length:]
            self._posted(first.split()[1], headers, rest[:length])

    def _posted(self, path: str, headers: dict[str, str], body: bytes) -> None:
        reply = self._recorded.replying(path, body)
        url = self._recorded.address + path
        self._recorded.posts.append(Post(datetime.now(UTC), url, headers, body, reply.status))
        asyncio.get_running_loop().call_later(reply.after, self._answer, reply.status)

    def _answer(self, status: int | None) -> None:
        if status is None:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 %d Whatever\r\nContent-Length: 2\r\n\r\nok" % status)
