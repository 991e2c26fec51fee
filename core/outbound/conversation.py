"""One connection to a receiver: a request, its answer, and nothing that was not asked for.

    free ── ask ──▶ asked ── a status ──▶ answering ── its end ──▶ free again
      │               │                       │
      └── any byte ───┴── its end, too much, what cannot be read ──┴──▶ closed

llhttp reads the answer. What it refuses in the headers and `curl` takes must not cost a receiver an
event that it accepted: then the status that llhttp has read and the first empty line decide.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import cast

import httpx
from httptools import (
    HttpParserError,
    HttpParserInvalidStatusError,
    HttpParserUpgrade,
    HttpResponseParser,
)

from core.domain import details
from core.domain.delivery import ErrorKind, is_success
from core.errors import system_words
from core.outbound.failures import AttemptFailed, KeptConnectionDied
from core.outbound.tls import explain_tls

ANSWER_LIMIT = 64 * 1024
"""How many bytes of one answer we read: its framing, interim answers and trailers included."""

READ_AT_ONCE = 16 * 1024
"""How many bytes are read at once: while an answer floods in, others have their turn in between."""

_EMPTY_LINE = re.compile(rb"\n\r?\n")
_LINE_ENDS = re.compile(rb"[\r\n]*")
_LONGEST_MATCH = 3
_TOO_MUCH = details.TOO_MUCH.format(kilobytes=ANSWER_LIMIT // 1024)


class Answer(httpx.AsyncByteStream):
    """What has come of one answer so far. Its status decides, whatever becomes of the rest.

    As a stream it yields the body as it comes, never inflated. Whoever closes it before its end
    also ends its connection.
    """

    def __init__(self, conversation: "Conversation") -> None:
        self.status = 0  # 0 until all headers have come
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_complete = False
        self._conversation = conversation
        self._body = bytearray()
        self._failure: AttemptFailed | None = None
        self._news: asyncio.Future[None] | None = None

    async def wait_for_status(self) -> None:
        """Wait until there is a status. Raises AttemptFailed where none comes."""
        while not self.status:
            if self._failure is not None:
                raise self._failure
            await self._more()

    def __aiter__(self) -> AsyncIterator[bytes]:  # no generator: the loop keeps a list of those
        return self

    async def __anext__(self) -> bytes:
        while not (self._body or self.is_complete):
            await self._more()
        if not self._body:
            raise StopAsyncIteration
        taken = bytes(self._body)
        self._body.clear()
        return taken

    async def aclose(self) -> None:
        if not self.is_complete:
            self._conversation.close()

    def _more(self) -> asyncio.Future[None]:
        self._news = asyncio.get_running_loop().create_future()
        return self._news

    def add(self, data: bytes) -> None:
        self._body += data

    def end(self, failure: AttemptFailed | None = None) -> None:
        """Nothing more comes. `failure` says why, where there is no status either."""
        self.is_complete = True
        self._failure = failure

    def tell(self) -> None:
        """Wake whoever waits, to look at what has come."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Conversation(asyncio.BufferedProtocol):
    """Reads into a buffer that all connections of one event loop share, and empties it at once.

    `on_change` is called when the connection is free again, and when it is closed.
    """

    def __init__(self, buffer: memoryview, on_change: Callable[["Conversation"], None]) -> None:
        self._buffer = buffer
        self._on_change = on_change
        self._transport: asyncio.Transport | None = None
        self._parser = _new_parser(self)
        self._answer: Answer | None = None  # to the request that is open
        self._taken = 0  # bytes of that answer
        self._head = bytearray()  # its first bytes, in case llhttp refuses them
        self._interim = 0  # how many heads of interim answers are in there
        self._searched = 0  # how much of a refused head was searched
        self._is_odd = False  # llhttp cannot read on, or we did not ask for what comes
        self._odd_status = 0  # as far as llhttp came with it
        self._stays = False  # whether the answer leaves the connection open
        self._is_kept = False  # whether it has brought an answer before
        self._end: AttemptFailed | None = None

    @property
    def is_closed(self) -> bool:
        return self._end is not None

    def ask(self, request: bytes) -> Answer:
        """Send a whole request. Raises AttemptFailed where the connection has ended already."""
        if self._end is not None:
            raise self._end
        self._answer = Answer(self)
        cast("asyncio.Transport", self._transport).write(request)
        return self._answer

    def close(self) -> None:
        """End the connection at once; an open answer gets no more than it has now."""
        self._finish(AttemptFailed(ErrorKind.PROTOCOL, details.CLOSED))

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._buffer[: min(READ_AT_ONCE, ANSWER_LIMIT + 1 - self._taken)]

    def buffer_updated(self, nbytes: int) -> None:
        answer = self._answer
        if answer is None:
            self._finish(AttemptFailed(ErrorKind.PROTOCOL, details.UNASKED))
            return
        self._taken += nbytes
        self._read(answer, self._buffer[:nbytes])
        if answer.status:
            answer.tell()
        if self._taken > ANSWER_LIMIT:
            self._finish(AttemptFailed(ErrorKind.PROTOCOL, _TOO_MUCH))
        elif self._is_odd and answer.status:
            self.close()
        elif answer.is_complete and not self.is_closed:
            self._become_free(answer)

    def eof_received(self) -> None:
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        end = _what_ended_it(exc)
        if self._is_kept and not self._taken:
            end = KeptConnectionDied(end.kind, end.detail)
        self._finish(end)

    # What llhttp calls

    def on_message_begin(self) -> None:
        if self._answer is not None and self._answer.is_complete:
            self._is_odd = True  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._answer is not None and not self._answer.status:  # otherwise it is a trailer
            self._answer.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._answer is None or self._answer.status:
            return
        status = self._parser.get_status_code()
        if _is_interim(status):
            self._interim += 1
            self._answer.headers.clear()
        else:
            self._answer.status = status

    def on_body(self, data: bytes) -> None:
        if self._answer is not None and not self._answer.is_complete:
            self._answer.add(data)

    def on_message_complete(self) -> None:
        if self._answer is not None and self._answer.status:
            self._answer.end()
            self._stays = self._parser.should_keep_alive()  # later llhttp has forgotten it

    # What follows from it

    def _read(self, answer: Answer, data: memoryview) -> None:
        if not answer.status:
            self._head += data
        self._parse(data)
        while self._is_odd and not answer.status and self._read_by_hand(answer):
            continue

    def _parse(self, data: memoryview | bytearray) -> None:
        if self._is_odd:
            return
        try:
            self._parser.feed_data(data)
        except HttpParserInvalidStatusError:
            self._finish(AttemptFailed(ErrorKind.PROTOCOL, details.NO_HTTP))
        except (HttpParserError, HttpParserUpgrade):
            self._is_odd, self._odd_status = True, _status_in(self._head)

    def _read_by_hand(self, answer: Answer) -> bool:
        """Read on where llhttp does not; returns whether there is more to be read in this way."""
        status = self._odd_status
        if not 100 <= status <= 999:
            self._finish(AttemptFailed(ErrorKind.PROTOCOL, details.NO_HTTP))
            return False
        while self._interim:
            self._interim -= 1
            self._cut_head()
        if not self._cut_head():
            return False
        if not _is_interim(status):
            answer.status = status
            answer.add(bytes(self._head))
            return False
        self._parser, self._is_odd = _new_parser(self), False
        self._parse(self._head)
        return True

    def _cut_head(self) -> bool:
        """Keep only what follows the first empty line; returns whether there is one."""
        if not self._searched:
            del self._head[: cast("re.Match[bytes]", _LINE_ENDS.match(self._head)).end()]
        empty_line = _EMPTY_LINE.search(self._head, self._searched)
        self._searched = 0 if empty_line else max(0, len(self._head) - _LONGEST_MATCH)
        if empty_line is not None:
            del self._head[: empty_line.end()]
        return empty_line is not None

    def _become_free(self, answer: Answer) -> None:
        self._answer, self._is_kept = None, True
        self._taken = self._interim = 0
        self._head.clear()
        if self._stays and is_success(answer.status):
            self._on_change(self)
        else:
            self.close()

    def _finish(self, end: AttemptFailed) -> None:
        if self._end is not None:
            return
        self._end, answer, self._answer = end, self._answer, None
        del self._parser  # the two hold each other, and would wait for the garbage collector
        if answer is not None:
            answer.end(end)
            answer.tell()
        if self._transport is not None:
            self._transport.abort()
        self._on_change(self)


def _status_in(head: bytearray) -> int:
    """The status that a refused head has, 0 where it has none. The conversation's own parser would
    still have that of the answer before.
    """
    parser = _new_parser(None)
    with suppress(HttpParserError, HttpParserUpgrade):
        parser.feed_data(head)
    return parser.get_status_code()


def _new_parser(conversation: Conversation | None) -> HttpResponseParser:
    parser = HttpResponseParser(conversation)
    parser.set_dangerous_leniencies(
        lenient_headers=True,
        lenient_chunked_length=True,
        lenient_transfer_encoding=True,
        lenient_version=True,
        lenient_data_after_close=True,
        lenient_optional_lf_after_cr=True,
        lenient_optional_cr_before_lf=True,
        lenient_optional_crlf_after_chunk=True,
        lenient_spaces_after_chunk_size=True,
    )
    return parser


def _is_interim(status: int) -> bool:
    """Whether another answer follows. 101 is the last one: nobody asked for another protocol."""
    return 100 <= status <= 199 and status != 101


def _what_ended_it(error: Exception | None) -> AttemptFailed:
    match error:
        case ssl.SSLError():
            return AttemptFailed(ErrorKind.TLS, explain_tls(error))
        case OSError():
            return AttemptFailed(ErrorKind.CONNECT, system_words(error))
        case _:
            return AttemptFailed(ErrorKind.PROTOCOL, details.CLOSED)
