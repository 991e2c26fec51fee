"""What a receiver writes, and whose answer it is: one request, one answer."""

import asyncio
import gc
import itertools
import socket
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.delivery import (
    Answered,
    ErrorKind,
    Interrupted,
    Lapsed,
    Outcome,
    Unreachable,
    Withdrawn,
)
from core.outbound import connections
from core.outbound.conversation import ANSWER_LIMIT, Conversation
from core.outbound.event_loop import run
from core.outbound.sender import Sender
from core.outbound.tls import tls_context
from core.outbound.transport import Errand, GuardedTransport
from tests.support.scene import DEVELOPMENT, make_sender
from tests.support.waiting import until
from tests.support.wire import Talk, answering, read_request, response, talking, told

OK = b"HTTP/1.1 200 OK\r\n"
ACCEPTED = response(200, b"ok")
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = timedelta(seconds=10)

ODD = {
    "a 204 with a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
    "a 204 with a body of no length": b'HTTP/1.1 204 No Content\r\n\r\n{"ok":true}',
    "a 204 with chunks": b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a 205 with a body": b"HTTP/1.1 205 Reset\r\nContent-Length: 2\r\n\r\nok",
    "one header of 20 KB": OK + b"X: " + b"a" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "500 headers": OK + b"X: a\r\n" * 500 + b"Content-Length: 0\r\n\r\n",
    "a doubled length": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "two lengths in one": OK + b"Content-Length: 2, 2\r\n\r\nok",
    "two lengths that differ": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "a negative length": OK + b"Content-Length: -1\r\n\r\nok",
    "a length beyond all bounds": OK + b"Content-Length: 99999999999999999999999\r\n\r\nok",
    "a length and chunks": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length that is too short": OK + b"Content-Length: 2\r\n\r\nok and more",
    "a length that is too long": OK + b"Content-Length: 20\r\n\r\nok",
    "a line without a colon": OK + b"nonsense\r\nContent-Length: 2\r\n\r\nok",
    "a header without a name": OK + b": value\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": OK + b"X : a\r\nContent-Length: 0\r\n\r\n",
    "a folded first line": OK + b" folded\r\nContent-Length: 0\r\n\r\n",
    "a folded header": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "a refused line among bare line feeds": b"HTTP/1.1 200 OK\nnonsense\n\nok",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "a reason beyond ASCII": "HTTP/1.1 200 Très bien\r\nContent-Length: 0\r\n\r\n".encode(
        "latin-1"
    ),
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nok",
    "no length": OK + b"\r\nok",
    "a coding that is not known": OK + b"Transfer-Encoding: gzip\r\n\r\nok",
    "chunks that are none": CHUNKED + b"zz\r\nok",
    "chunks without an end": CHUNKED + b"2\r\nok\r\n",
    "trailers": CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
    "an offer to upgrade": OK + b"Upgrade: h2\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
    "100 before it": b"HTTP/1.1 100 Continue\r\n\r\n" + ACCEPTED,
    "103 before it": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ACCEPTED,
    "103 with a refused line before it": b"HTTP/1.1 103 Early Hints\r\nnonsense\r\n\r\n" + ACCEPTED,
    "103, and a refused line in it": b"HTTP/1.1 103 E\r\n\r\n" + OK + b"nonsense\r\n\r\nok",
    "a zero byte in a header": OK + b"X: \x00\r\nContent-Length: 0\r\n\r\n",
    "empty lines before it": b"\r\n\r\n" + OK + b"nonsense\r\n\r\n",
}
"""Answers that others call 2xx (by RFC 9112, and by what other senders were reported for)."""


async def wanted() -> bool:
    return True


Post = Callable[[], Awaitable[Outcome]]


def conversing(
    talk: Talk,
    script: Callable[[Post], Awaitable[list[Outcome]]],
    *,
    keep: bool = True,
    timeout: timedelta = LONG,
    last_look: Callable[[], Awaitable[bool]] = wanted,
    webhooks: Iterator[int] | None = None,
) -> list[Outcome]:
    """What `script` makes of POSTs to a server that talks like this."""
    numbers = webhooks or itertools.repeat(1)

    async def main() -> list[Outcome]:
        sender = Sender(GuardedTransport(DEVELOPMENT, tls_context("")), timeout)
        sender.keep_for({1, 2} if keep else ())
        async with talking(talk) as port:
            url = f"http://127.0.0.1:{port}/hook"

            async def post() -> Outcome:
                return await sender.post(Errand(next(numbers), url, last_look), [], b"{}")

            try:
                return await script(post)
            finally:
                await sender.close()

    return run(main())


async def once(post: Post) -> list[Outcome]:
    return [await post()]


async def twice(post: Post) -> list[Outcome]:
    return [await post(), await post()]


def statuses(outcomes: list[Outcome]) -> list[int]:
    return [each.http_status for each in outcomes if isinstance(each, Answered)]


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD.keys())
def test_an_odd_answer_whose_status_and_headers_can_be_read_is_what_its_status_says(
    answer: bytes,
) -> None:
    [outcome] = conversing(answering(answer), once)
    assert isinstance(outcome, Answered)
    assert outcome.accepted


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD.keys())
def test_an_odd_answer_that_comes_byte_by_byte_is_the_same(answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for byte in answer[:2000]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        writer.write(answer[2000:])

    [outcome] = conversing(talk, once)
    assert isinstance(outcome, Answered)
    assert outcome.accepted


NO_ANSWERS = {
    "four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "no digits": b"HTTP/1.1 20x OK\r\nContent-Length: 0\r\n\r\n",
    "no end": b"HTTP/1.1 200 OK\r\nX: a\r\n",
    "no end after nonsense": b"HTTP/1.1 200 OK\r\nnonsense\r\n",
    "no status": b"HTTP/1.1 100 Continue\r\n\r\nnonsense\r\n\r\n",
    "only lines": b"\r\n" * 10,
    "nothing of HTTP": b"ERR unknown command\r\n\r\n",
    "another HTTP": b"HTTP/2 200\r\n\r\n",
    "a control sequence": b"\x1b[2J\r\n\r\n",
}


@pytest.mark.parametrize("before", [(), (ACCEPTED,)], ids=["first", "after one that is good"])
@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_what_has_no_status_line_or_no_end_of_headers_is_no_answer(
    answer: bytes, before: tuple[bytes, ...]
) -> None:
    *_, outcome = conversing(answering(*before, answer), twice if before else once)
    assert isinstance(outcome, Unreachable)
    assert outcome.error is ErrorKind.PROTOCOL


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD.keys())
def test_an_odd_answer_after_a_good_one_is_the_same(answer: bytes) -> None:
    _, outcome = conversing(answering(ACCEPTED, answer), twice)
    assert isinstance(outcome, Answered)
    assert outcome.accepted


class Nowhere(asyncio.Transport):
    """Takes what is written, and ends."""

    def write(self, data: object) -> None:
        pass

    def abort(self) -> None:
        pass


def status_of_the_last(*answers: bytes) -> int:
    """Of these answers, on one connection."""
    buffer = bytearray(ANSWER_LIMIT)
    conversation = Conversation(memoryview(buffer), lambda _: None)
    conversation.connection_made(Nowhere())
    status = 0
    for answer in answers:
        asked = conversation.ask(b"")
        buffer[: len(answer)] = answer
        conversation.buffer_updated(len(answer))
        status = asked.status
    return status


STARTS = [b"", b"HTTP/1.1 ", b"HTTP/1.1 500", b"HTTP/1.1 100 C\r\n\r\n", b"\r\n", b"HTTP/1.1 204 N"]


@given(
    st.sampled_from(STARTS), st.binary(min_size=1, max_size=60), st.sampled_from(["", "\r\n\r\n"])
)
def test_no_answer_has_the_status_of_the_one_before(start: bytes, rest: bytes, end: str) -> None:
    answer = start + rest + end.encode()
    assert status_of_the_last(ACCEPTED, answer) == status_of_the_last(answer)


def test_a_refused_answer_is_a_refusal_also_where_its_headers_are_odd() -> None:
    answer = b"HTTP/1.1 500 No\r\nnonsense\r\n\r\nno"
    assert conversing(answering(answer), once) == [Answered(500, "no")]


def test_a_second_answer_to_one_request_is_no_answer_to_the_next() -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(ACCEPTED + ACCEPTED if len(seen) == 1 else response(500))
        await reader.read()

    assert statuses(conversing(talk, twice)) == [200, 500]
    assert len(seen) == 2


@pytest.mark.parametrize("stray", [ACCEPTED, b"\r\n", b"H"], ids=["an answer", "a line", "a byte"])
def test_what_comes_on_a_connection_that_is_free_closes_it(stray: bytes) -> None:
    is_free, ended = asyncio.Event(), asyncio.Event()
    connected: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(len(connected))
        await read_request(reader)
        writer.write(ACCEPTED)
        if len(connected) == 1:
            await asyncio.wait_for(is_free.wait(), 30)
            writer.write(stray)
            await reader.read()
            ended.set()

    async def with_a_pause(post: Post) -> list[Outcome]:
        first = await post()
        is_free.set()
        await asyncio.wait_for(ended.wait(), 30)
        return [first, await post()]

    assert statuses(conversing(talk, with_a_pause)) == [200, 200]
    assert len(connected) == 2


def test_an_answer_before_the_request_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = told("buffer_updated", monkeypatch)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ACCEPTED)
        await reader.read()

    async def look() -> bool:
        await until(lambda: reads)
        return True

    [outcome] = conversing(talk, once, last_look=look)
    assert outcome == Unreachable(ErrorKind.PROTOCOL, "it spoke before it was asked")


FLOODS = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "103 with headers": b"HTTP/1.1 103 E\r\n" + b"a: b\r\n" * 60 + b"\r\n",
    "103 that is refused": b"HTTP/1.1 103 E\r\nnonsense\r\n\r\n",
    "100, then nonsense": (b"HTTP/1.1 100 C\r\n\r\n" * 3000 + OK, b"nonsense\r\n"),
    "empty lines": b"\r\n",
    "headers": (OK, b"a: b\r\n"),
    "one header": (OK + b"a: ", b"b" * 1000),
    "nonsense": (OK, b"nonsense\r\n"),
    "a reason": (b"HTTP/1.1 200 ", b"b" * 1000),
    "chunk extensions": (CHUNKED + b"1;", b"a" * 1000),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "zeros of a chunk's size": (CHUNKED, b"0" * 1000),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"a: b\r\n"),
    "a body": (OK + b"\r\n", b"x" * 1000),
    "answers": (ACCEPTED, ACCEPTED),
    "upgraded": (b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"x" * 1000),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_of_any_flood_no_more_is_read_than_one_answer_may_have(
    flood: bytes | tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, drop = flood if isinstance(flood, tuple) else (b"", flood)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(first)
        while True:
            writer.write(drop * 100)
            await writer.drain()

    reads = told("buffer_updated", monkeypatch)
    [outcome] = conversing(talk, once)
    assert sum(taken for (taken,) in reads) <= ANSWER_LIMIT + 1
    if b"\r\n\r\n" in first and not first.startswith(b"HTTP/1.1 100"):
        assert isinstance(outcome, Answered)
    else:
        assert isinstance(outcome, Unreachable)
        assert outcome.error is ErrorKind.PROTOCOL


def connections_of(
    answer: bytes, monkeypatch: pytest.MonkeyPatch | None = None, **how: object
) -> int:
    """How many two POSTs one after the other need."""
    connected: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(1)
        for _ in range(2):
            await read_request(reader)
            writer.write(answer)

    outcomes = conversing(talk, twice, **how)  # type: ignore[arg-type]  # as it says
    assert len(statuses(outcomes)) == 2
    return len(connected)


def test_a_connection_is_kept_while_more_is_due_to_its_webhook() -> None:
    assert connections_of(ACCEPTED) == 1


def test_one_to_whose_webhook_nothing_more_is_due_is_closed() -> None:
    assert connections_of(ACCEPTED, keep=False) == 2


@pytest.mark.parametrize(("due", "age"), [(2, 1.0), (1, 61.0)], ids=["nothing more", "too old"])
def test_one_that_is_free_is_closed_once_nothing_more_is_due_or_it_is_a_minute_old(
    due: int, age: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()
    times = iter([0.0])
    monkeypatch.setattr(connections, "monotonic", lambda: next(times, age))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(ACCEPTED)
        await reader.read()
        ended.set()

    async def main() -> None:
        sender = make_sender(LONG)
        sender.keep_for({1})
        async with talking(talk) as port:
            await sender.post(Errand(1, f"http://127.0.0.1:{port}/", wanted), [], b"{}")
            sender.keep_for({due})
            await asyncio.wait_for(ended.wait(), 30)
            await sender.close()

    run(main())


def test_one_webhook_s_connection_is_no_other_s() -> None:
    assert connections_of(ACCEPTED, webhooks=iter([1, 2])) == 2


@pytest.mark.parametrize("status", [300, 404, 500, 503])
def test_one_that_answered_anything_but_2xx_is_closed(status: int) -> None:
    assert connections_of(response(status)) == 2


@pytest.mark.parametrize(("age", "needed"), [(59.0, 1), (61.0, 2)])
def test_one_that_is_a_minute_old_is_used_no_more(
    age: float, needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0])
    monkeypatch.setattr(connections, "monotonic", lambda: next(times, age))
    assert connections_of(ACCEPTED) == needed


def test_a_connection_that_its_receiver_closed_while_it_was_free_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends = told("eof_received", monkeypatch)

    async def with_a_pause(post: Post) -> list[Outcome]:
        first = await post()
        await until(lambda: ends)
        return [first, await post()]

    assert statuses(conversing(answering(ACCEPTED), with_a_pause)) == [200, 200]


def test_a_connection_that_has_ended_leaves_nothing_to_the_garbage_collector() -> None:
    async def several(post: Post) -> list[Outcome]:
        gc.collect()
        gc.disable()
        outcomes = [await post() for _ in range(3)]
        await until(lambda: not any(isinstance(each, Conversation) for each in gc.get_objects()))
        return outcomes

    try:
        assert statuses(conversing(answering(ACCEPTED), several, keep=False)) == [200] * 3
    finally:
        gc.enable()


def test_a_request_on_a_kept_connection_that_dies_is_an_attempt_of_its_own() -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(ACCEPTED)
        seen.append(await read_request(reader))

    first, second = conversing(talk, twice)
    assert isinstance(first, Answered)
    assert second == Lapsed()
    assert len(seen) == 2  # and not a third, that nobody would see


def stand_still(sockets: list[socket.socket], answer: bytes, seconds: float) -> None:
    """In the event loop: nothing runs, while the receiver answers."""
    end = monotonic() + seconds
    for each in sockets:
        each.sendall(answer)
    while monotonic() < end:
        pass


def outcome_after_standing_still(answer: bytes) -> Outcome:
    async def main() -> Outcome:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            loop = asyncio.get_running_loop()
            sender = Sender(GuardedTransport(DEVELOPMENT, tls_context("")), timedelta(seconds=1))
            url = f"http://127.0.0.1:{server.getsockname()[1]}/"
            attempt = asyncio.create_task(sender.post(Errand(1, url, wanted), [], b"{}"))
            connection, _ = await loop.sock_accept(server)
            with connection:
                await loop.sock_recv(connection, 1000)
                connection.setblocking(True)
                stand_still([connection], answer, 2.5)
                outcome = await attempt
            await sender.close()
            return outcome

    return run(main())


def test_an_answer_that_is_there_when_time_is_called_is_read_first() -> None:
    assert outcome_after_standing_still(ACCEPTED) == Answered(200, "ok")


def test_where_this_process_stood_still_nobody_is_blamed_for_no_answer() -> None:
    assert outcome_after_standing_still(b"") == Interrupted()


def test_time_that_our_own_database_takes_is_no_fault_of_the_receivers() -> None:
    async def never() -> bool:
        await asyncio.Event().wait()
        return True

    outcomes = conversing(answering(), once, timeout=timedelta(seconds=0.3), last_look=never)
    assert outcomes == [Withdrawn()]
