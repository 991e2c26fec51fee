"""A receiver in a thread, whose answers are written down beforehand, and what it saw."""

import io
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import BinaryIO

from core.verification.history import Post
from tests.support.notes import notes
from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class Act:
    """What to do with a connection whose request has been read, and the status that this tells."""

    status: int | None
    do: Callable[[socket.socket], None]


@dataclass(frozen=True)
class Request:
    at: float
    line: str
    headers: dict[str, str]
    body: bytes
    status: int | None = None  # that it gets, also if its sender has gone by then


@dataclass
class Scripted:
    """Acts as told on each request in turn, and as the last one says from then on."""

    acts: list[Act]
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def act(self, request: Request) -> Act:
        with self._lock:
            act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
            self.requests.append(replace(request, status=act.status))
            return act

    @property
    def posts(self) -> list[Post]:
        scheme = self.url.partition("://")[0]
        return [_post(request, scheme) for request in self.requests]


def _post(request: Request, scheme: str) -> Post:
    url = f"{scheme}://{request.headers['Host']}{request.line.split()[1]}"
    at = datetime.now(UTC) - timedelta(seconds=monotonic() - request.at)
    return Post(at, url, request.headers, request.body, request.status)


def post_of(raw: bytes, status: int | None) -> Post:
    """A request of these bytes that has just been answered so."""
    [request] = _requests(io.BytesIO(raw))
    return _post(replace(request, status=status), "http")


def telling(status: int | None) -> Callable[[Callable[[socket.socket], None]], Act]:
    """Makes an act of a function, that answers with this status; None: with none."""
    return partial(Act, status)


def status_in(raw: bytes) -> int | None:
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", raw)
    return None if found is None else int(found[1])


def answer(status: int, body: bytes = b"ok", *headers: str) -> Act:
    head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    whole = "\r\n".join(head).encode() + b"\r\n\r\n" + body
    return Act(status, lambda connection: connection.sendall(whole))


def say(raw: bytes) -> Act:
    @telling(status_in(raw))
    def act(connection: socket.socket) -> None:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_RDWR)

    return act


@telling(None)
def hang(connection: socket.socket) -> None:
    """Say nothing until the other side gives up."""
    connection.recv(1)


def after(event: threading.Event, then: Act) -> Act:
    """Wait for the test (a minute at most), then act."""

    @telling(then.status)
    def act(connection: socket.socket) -> None:
        event.wait(PATIENCE)
        then.do(connection)

    return act


def flood(head: bytes, drop: bytes) -> Act:
    """Say `head`, then as much as is taken."""

    @telling(status_in(head))
    def act(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(head)
            deadline = monotonic() + PATIENCE
            while monotonic() < deadline:
                connection.sendall(drop)

    return act


@contextmanager
def receiving(*acts: Act, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """A scripted receiver on 127.0.0.1 until the block ends; without acts it accepts everything."""
    scripted = Scripted(list(acts) or [answer(200)])
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []
    server = socket.create_server(("127.0.0.1", 0), backlog=256)
    scheme = "https" if tls else "http"
    scripted.url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/hook"
    notes().receivers.append(scripted)
    if not acts:
        notes().healthy.add(scripted.url)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                connections.append(connection)
                serve = threading.Thread(target=_serve, args=(connection, scripted, tls))
                threads.append(serve)
                serve.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield scripted
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        accepting.join()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def _serve(plain: socket.socket, scripted: Scripted, tls: ssl.SSLContext | None) -> None:
    with plain, suppress(OSError):
        connection = tls.wrap_socket(plain, server_side=True) if tls else plain
        with connection, connection.makefile("rb") as stream:
            for request in _requests(stream):
                scripted.act(request).do(connection)


def _requests(stream: BinaryIO) -> Iterator[Request]:
    """The whole requests that come; one that is cut short is none."""
    for first in stream:
        headers = {}
        for line in stream:
            if line == b"\r\n":
                break
            name, _, value = line.decode("latin-1").partition(":")
            headers[name] = value.strip()
        else:
            return
        length = int(headers.get("Content-Length", 0))
        body = stream.read(length)
        if len(body) == length:
            yield Request(monotonic(), first.decode("latin-1").strip(), headers, body)
