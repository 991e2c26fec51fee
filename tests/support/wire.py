"""A server of raw bytes in the test's own event loop, for what no HTTP library would answer."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Any

import pytest

from core.outbound.conversation import Conversation

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve `talk` on 127.0.0.1 and give its port; every connection ends with the block."""
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await talk(reader, writer)
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()
            conversations.discard(task)

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        ending = list(conversations)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One whole request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    [length] = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return head + await reader.readexactly(length)


def answering(*answers: bytes) -> Talk:
    """Answer the requests of one connection with these bytes, one each, then close it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()

    return talk


def response(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def told(what: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the event loop tells conversations in this way from now on, as it happens."""
    calls: list[Any] = []
    original = getattr(Conversation, what)

    @wraps(original)
    def telling(self: Conversation, *news: Any) -> Any:
        calls.append(news)
        return original(self, *news)

    monkeypatch.setattr(Conversation, what, telling)
    return calls
