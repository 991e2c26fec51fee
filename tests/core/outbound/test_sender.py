"""What a receiver can do to an attempt, and the outcome it is."""

import asyncio
import errno
import itertools
import os
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
import trustme

from core.domain.delivery import (
    Answered,
    ErrorKind,
    Lapsed,
    Outcome,
    Starved,
    Unreachable,
    Withdrawn,
)
from core.domain.own_headers import OwnHeader
from core.domain.signing import Secret
from core.domain.url_policy import UrlPolicy
from core.outbound import deadlines, dialling
from core.outbound.dialling import Lookups
from core.outbound.sender import Sender
from core.outbound.tls import tls_context
from core.outbound.transport import Errand, GuardedTransport
from tests.support.scene import DEVELOPMENT, make_sender
from tests.support.waiting import PATIENCE, until
from tests.support.wire import Talk, answering, read_request, response, talking, told

BODY = b'{"event":"ping"}'
HEADERS = [("Content-Type", "application/json"), ("X-AuraPOS-Event", "ping")]
OK = response(200, b"thanks")
SHORT, LONG = timedelta(seconds=0.4), timedelta(seconds=10)
ENOUGH = timedelta(seconds=2)  # for a head to arrive
AUTHORITY = trustme.CA()


@pytest.fixture(autouse=True)
def _nothing_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    monkeypatch.setattr(deadlines, "STANDSTILL", PATIENCE)


async def wanted() -> bool:
    return True


async def unwanted() -> bool:
    return False


def post(
    talk: Talk,
    *,
    timeout: timedelta = LONG,
    host: str = "127.0.0.1",
    scheme: str = "http",
    server_tls: ssl.SSLContext | None = None,
    ca_file: str = "",
    last_look: Callable[[], Awaitable[bool]] = wanted,
    policy: UrlPolicy = DEVELOPMENT,
    times: int = 1,
    own: tuple[OwnHeader, ...] = (),
) -> list[Outcome]:
    """The outcomes of one POST after another to a server that talks like this."""

    async def run() -> list[Outcome]:
        sender = Sender(GuardedTransport(policy, tls_context(ca_file)), timeout)
        async with talking(talk, server_tls) as port:
            url = f"{scheme}://{host}:{port}/hook"
            sender.keep_for({1})
            outcomes = [
                await sender.post(Errand(1, url, last_look, own), HEADERS, BODY)
                for _ in range(times)
            ]
            await sender.close()
            return outcomes

    return asyncio.run(run())


def kind(outcome: Outcome) -> ErrorKind | None:
    assert isinstance(outcome, Answered | Unreachable)
    return outcome.error


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await read_request(reader)
    await reader.read()


def dripping(first: bytes, drop: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(first)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.01)  # a drip is a drip

    return talk


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_accepted(status: int) -> None:
    assert post(answering(response(status))) == [Answered(status, "")]


def test_the_request_is_exactly_what_was_asked_for() -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)

    post(talk)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert body == BODY
    line, *headers = head.decode().split("\r\n")
    assert line == "POST /hook HTTP/1.1"
    names = [header.split(":")[0] for header in headers]
    assert sorted(names) == [
        "Accept-Encoding",
        "Content-Length",
        "Content-Type",
        "Host",
        "X-AuraPOS-Event",
    ]


@pytest.mark.parametrize("status", [400, 404, 500, 503, 600, 999])
def test_any_other_status_is_a_failure_that_keeps_its_body(status: int) -> None:
    [outcome] = post(answering(response(status, b"no")))
    assert outcome == Answered(status, "no")
    assert kind(outcome) is ErrorKind.STATUS


@pytest.mark.parametrize(
    ("status", "headers", "kept"),
    [
        (429, b"Retry-After: 120", "120"),
        (503, b"retry-after:  soon ", "soon"),
        (429, b"Retry-After: 1\r\nRetry-After: 2", ""),
        (429, b"X: 1", ""),
        (500, b"Retry-After: 120", ""),
        (429, b"Retry-After: " + b"9" * 300, "9" * 200),
    ],
)
def test_what_a_429_or_a_503_says_of_when_to_come_again_is_kept(
    status: int, headers: bytes, kept: str
) -> None:
    answer = b"HTTP/1.1 %d Whatever\r\n%s\r\nContent-Length: 0\r\n\r\n" % (status, headers)
    [outcome] = post(answering(answer))
    assert isinstance(outcome, Answered)
    assert outcome.retry_after.strip() == kept


@pytest.mark.parametrize("location", ["/elsewhere", "https://xn--a.com", "http://[", "\x7f"])
def test_a_redirect_is_a_failure_and_is_not_followed(location: str) -> None:
    [outcome] = post(answering(response(302, Location=location)))
    assert kind(outcome) is ErrorKind.REDIRECT
    assert isinstance(outcome, Answered)
    assert outcome.detail.startswith("redirects to ")


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # where nobody listens
    monkeypatch.setenv("no_proxy", "")
    assert post(answering(response(200))) == [Answered(200, "")]


def test_a_refused_connection_has_its_own_word() -> None:
    async def run() -> Outcome:
        sender = make_sender(LONG)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        outcome = await sender.post(Errand(1, f"http://127.0.0.1:{port}/", wanted), HEADERS, BODY)
        await sender.close()
        return outcome

    outcome = asyncio.run(run())
    assert outcome == Unreachable(ErrorKind.CONNECT, "Connection refused")


@pytest.mark.parametrize("shortage", [errno.EMFILE, errno.ENFILE])
def test_a_machine_without_file_descriptors_is_no_fault_of_the_receivers(
    shortage: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nothing_left(*_: object) -> socket.socket:
        raise OSError(shortage, os.strerror(shortage))

    async def run() -> list[Outcome]:
        sender = make_sender(LONG)
        async with talking(answering(OK)) as port:
            url = f"http://127.0.0.1:{port}/hook"
            monkeypatch.setattr(socket, "socket", nothing_left)
            starved = [await sender.post(Errand(1, url, wanted), HEADERS, BODY) for _ in range(3)]
            monkeypatch.undo()
            outcomes = [*starved, await sender.post(Errand(1, url, wanted), HEADERS, BODY)]
            await sender.close()
            return outcomes

    assert asyncio.run(run()) == [Starved()] * 3 + [Answered(200, "thanks")]
    assert caplog.text.count("raise LimitNOFILE or lower [delivery] concurrency") == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 500_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(40_000)) + b"\r\n",
        b"",
    ],
    ids=["ssh", "binary", "http2", "no status", "a long header", "many headers", "nothing"],
)
def test_an_answer_that_is_not_http_has_its_own_word(answer: bytes) -> None:
    assert kind(post(answering(answer))[0]) is ErrorKind.PROTOCOL


@pytest.mark.parametrize(
    "talk",
    [
        silence,
        dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
        dripping(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silence", "a dripping header", "a flood of 102", "a flood of 100"],
)
def test_no_status_in_time_is_a_timeout_whatever_trickles_in(talk: Talk) -> None:
    [outcome] = post(talk, timeout=SHORT)
    assert kind(outcome) is ErrorKind.TIMEOUT


def test_once_a_status_has_arrived_it_decides_however_the_body_goes_on() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nslow"
    [outcome] = post(dripping(head, b"."), timeout=ENOUGH)
    assert isinstance(outcome, Answered)
    assert outcome.accepted
    assert outcome.response.startswith("slow....")


def test_an_endless_body_is_cut() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    assert post(talk) == [Answered(500, "x" * 500)]


def test_a_connection_reset_after_the_status_leaves_the_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads = told("buffer_updated", monkeypatch)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal")
        await until(lambda: reads)  # a reset discards what has not been read
        _reset(writer)

    assert post(talk) == [Answered(200, "hal")]


def test_a_connection_reset_before_the_status_is_a_failure() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        _reset(writer)

    assert kind(post(talk)[0]) in {ErrorKind.CONNECT, ErrorKind.PROTOCOL}


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


def test_a_compressed_body_is_never_inflated() -> None:
    [outcome] = post(answering(response(200, b"\x1f\x8b" + bytes(98), Content_Encoding="gzip")))
    assert outcome == Answered(200, "[compressed, 100 bytes]")


def test_101_is_a_failure_and_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    assert post(answering(upgrade)) == [Answered(101, "")]
    assert caplog.records == []


def test_cookies_are_not_kept() -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await read_request(reader))
            writer.write(response(200, Set_Cookie="session=1"))

    post(talk, times=2)
    assert b"cookie" not in seen[1].lower()


def test_a_connection_is_kept_for_the_next_post() -> None:
    assert post(answering(OK, OK, OK), times=3) == [Answered(200, "thanks")] * 3


def test_a_kept_connection_that_dies_on_a_request_is_told_and_the_next_attempt_has_another() -> (
    None
):
    conversations = itertools.count(1)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        if next(conversations) == 1:
            await reader.read(1)  # the second request begins, and nothing answers it

    accepted = Answered(200, "thanks")
    assert post(talk, times=3) == [accepted, Lapsed(), accepted]


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 500 Oops\r\nContent-Le",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"\r\n",
        b"H",
    ],
    ids=["half a head", "an interim answer", "an empty line", "one byte"],
)
def test_a_kept_connection_that_dies_in_its_answer_is_not_tried_again(beginning: bytes) -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (OK, beginning):
            seen.append(await read_request(reader))
            writer.write(answer)

    first, second = post(talk, times=2)
    assert first == Answered(200, "thanks")
    assert kind(second) is ErrorKind.PROTOCOL
    assert len(seen) == 2


def test_a_new_connection_that_dies_is_not_tried_again() -> None:
    conversations = []

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        conversations.append(await read_request(reader))

    assert kind(post(talk)[0]) is ErrorKind.PROTOCOL
    assert len(conversations) == 1


def test_the_last_look_comes_before_the_first_byte() -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        seen.append(await reader.read())

    assert post(talk, last_look=unwanted) == [Withdrawn()]
    assert seen in ([], [b""])


def test_a_name_without_an_address_has_its_own_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    assert kind(post(answering(OK), host="gone.example.com")[0]) is ErrorKind.DNS


def outcomes_of_lookups(
    answers: list[str | socket.gaierror], monkeypatch: pytest.MonkeyPatch
) -> list[Outcome]:
    """Of attempts to names of which each gets one of these answers, one after the other."""
    left = iter(answers)

    def lookup(*_: object, **__: object) -> list[object]:
        answer = next(left)
        if isinstance(answer, socket.gaierror):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, 0))]

    async def run() -> list[Outcome]:
        sender = make_sender(LONG)
        async with talking(answering(OK)) as port:
            urls = [f"http://name{each}.example.com:{port}/" for each in range(len(answers))]
            outcomes = [await sender.post(Errand(1, url, wanted), HEADERS, BODY) for url in urls]
            await sender.close()
            return outcomes

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asyncio.run(run())


AGAIN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_while_no_name_is_resolved_it_is_our_resolver_that_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert outcomes_of_lookups([AGAIN, AGAIN], monkeypatch) == [Starved()] * 2
    assert caplog.text.count("no name can be looked up") == 1


def test_while_others_are_resolved_it_is_the_name_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, failed = outcomes_of_lookups(["127.0.0.1", AGAIN], monkeypatch)
    assert kind(failed) is ErrorKind.DNS


def test_ten_seconds_after_the_last_one_it_is_ours_again(monkeypatch: pytest.MonkeyPatch) -> None:
    times = itertools.count(0.0, 11.0)  # at each look at the clock
    monkeypatch.setattr(dialling, "monotonic", lambda: next(times))
    _, failed = outcomes_of_lookups(["127.0.0.1", AGAIN], monkeypatch)
    assert failed == Starved()


def test_a_name_that_does_not_exist_is_its_owner_s_at_all_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [failed] = outcomes_of_lookups([UNKNOWN], monkeypatch)
    assert kind(failed) is ErrorKind.DNS


@pytest.mark.parametrize("shortage", [errno.EMFILE, errno.ENFILE])
def test_a_resolver_without_descriptors_says_nothing_of_the_name(
    shortage: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing_left(*_: object) -> socket.socket:
        raise OSError(shortage, os.strerror(shortage))

    async def run() -> Outcome:
        sender = make_sender(LONG)
        monkeypatch.setattr(socket, "socket", nothing_left)
        outcome = await sender.post(Errand(1, "http://shop.example.com/", wanted), HEADERS, BODY)
        monkeypatch.undo()
        await sender.close()
        return outcome

    def unknown(*_: object, **__: object) -> list[object]:
        raise UNKNOWN

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert asyncio.run(run()) == Starved()


def test_a_webhook_that_was_saved_by_other_rules_is_blocked() -> None:
    policy = UrlPolicy(allow_networks=DEVELOPMENT.allow_networks)  # and no allow_http
    [outcome] = post(answering(OK), policy=policy)
    assert outcome == Unreachable(
        ErrorKind.BLOCKED, "The URL must begin with https:// to be private on its way."
    )


@pytest.mark.parametrize(
    "target", ["/a%2Fb;v=1/+x%20y?q=a%2Bb&c=%7e&&=", "//double//", "/?[a]={b}"]
)
def test_the_target_on_the_wire_is_the_one_that_is_stored(target: str) -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)

    async def run() -> str:
        sender = make_sender(LONG)
        async with talking(talk) as port:
            stored = DEVELOPMENT.check_url(f"http://127.0.0.1:{port}{target}")
            await sender.post(Errand(1, stored.url, wanted), HEADERS, BODY)
            await sender.close()
            return stored.path

    path = asyncio.run(run())
    assert seen[0].split(b" ")[1].decode() == path


def test_a_name_that_points_inside_is_blocked_and_nothing_is_dialled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connections = []

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        connections.append(await reader.read())

    def inside(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", inside)
    policy = UrlPolicy(allow_http=True)
    [outcome] = post(talk, host="rebind.example.net", policy=policy)
    assert kind(outcome) is ErrorKind.BLOCKED
    assert "127.0.0.1" not in outcome.detail  # type: ignore[union-attr]  # it is Unreachable
    assert connections == []


def test_an_address_in_the_url_is_checked_where_it_is_dialled() -> None:
    connections = []

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        connections.append(await reader.read())

    assert kind(post(talk, policy=UrlPolicy(allow_http=True))[0]) is ErrorKind.BLOCKED
    assert connections == []


def test_a_hanging_lookup_ends_with_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    released, ended = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        released.wait(PATIENCE)
        ended.set()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(Lookups, "_is_silent", lambda _: False)  # other names were resolved
    [outcome] = post(answering(OK), host="slow.example.com", timeout=SHORT)
    assert not ended.is_set(), "nobody waited for the lookup"
    released.set()
    assert kind(outcome) is ErrorKind.TIMEOUT


def test_closing_leaves_no_lookup_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        released.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async def run() -> None:
        sender = make_sender(SHORT)
        outcome = await sender.post(Errand(1, "http://slow.example.com/", wanted), HEADERS, BODY)
        assert outcome == Starved()  # no name at all was resolved
        assert len(asyncio.all_tasks()) == 2
        await sender.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        asyncio.run(run())
    finally:
        released.set()


def test_lookups_that_hang_hold_up_neither_the_loop_nor_the_lookups_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    def lookup(host: str, *_: object, **__: object) -> list[object]:
        if host.startswith("hangs"):
            released.wait(PATIENCE)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    async def run() -> Outcome:
        sender = make_sender(LONG)
        async with talking(answering(OK)) as port:
            hosts = [f"hangs{each}.example.com" for each in range(200)]
            hanging = [
                asyncio.create_task(
                    sender.post(Errand(1, f"http://{each}/", wanted), HEADERS, BODY)
                )
                for each in hosts
            ]
            await asyncio.sleep(0)
            outcome = await sender.post(
                Errand(1, f"http://well.example.com:{port}/", wanted), HEADERS, BODY
            )
            released.set()
            for each in hanging:
                each.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
            await sender.close()
            return outcome

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert asyncio.run(run()) == Answered(200, "thanks")


def test_a_fault_of_our_own_is_the_attempts_outcome_too() -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise RuntimeError("whsec_quoted")

    async def run() -> Outcome:
        sender = Sender(httpx.MockTransport(broken), LONG)
        return await sender.post(Errand(1, "https://example.com/", wanted), HEADERS, BODY)

    assert asyncio.run(run()) == Unreachable(ErrorKind.INTERNAL, "RuntimeError")


def test_what_quotes_the_webhook_s_own_headers_is_blotted_out() -> None:
    own = (OwnHeader("X-Api-Key", Secret("k-4711/x")),)
    refused = response(401, b'{"error":"bad key","headers":{"x-api-key":"k-4711\\/x"}}')
    [outcome] = post(answering(refused), own=own)
    told = '{"error":"bad key","headers":{"x-api-key":"$X_API_KEY"}}'
    assert outcome == Answered(401, told)
    moved = b"HTTP/1.1 302 Found\r\nLocation: /login?key=k-4711%2Fx\r\nContent-Length: 0\r\n\r\n"
    assert post(answering(moved), own=own) == [
        Answered(302, "", "redirects to /login?key=$X_API_KEY")
    ]
