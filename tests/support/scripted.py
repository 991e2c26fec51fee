"""A receiver in a thread, whose answers are written down beforehand, and what it saw."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic

Act = Callable[[socket.socket], None]
"""What to do with a connection whose request has been read."""


@dataclass(frozen=True)
class Request:
    at: float
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """Acts as told on each request in turn, and as the last one says from then on."""

    acts: list[Act]
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def act(self, request: Request) -> Act:
        with self._lock:
            self.requests.append(request)
            return self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]


def answer(status: int, body: bytes = b"ok", *headers: str) -> Act:
    head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    whole = "\r\n".join(head).encode() + b"\r\n\r\n" + body
    return lambda connection: connection.sendall(whole)


def say(raw: bytes) -> Act:
    def act(connection: socket.socket) -> None:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_RDWR)

    return act


def after(event: threading.Event, then: Act) -> Act:
    """Wait for the test (half a minute at most), then act."""

    def act(connection: socket.socket) -> None:
        event.wait(30)
        then(connection)

    return act


@contextmanager
def receiving(*acts: Act, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """A scripted receiver on 127.0.0.1 until the block ends."""
    scripted = Scripted(list(acts) or [answer(200)])
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []
    server = socket.create_server(("127.0.0.1", 0), backlog=256)
    scheme = "https" if tls else "http"
    scripted.url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/hook"

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
                scripted.act(request)(connection)


def _requests(stream: Iterable[bytes]) -> Iterator[Request]:
    lines = iter(stream)
    for first in lines:
        headers = {}
        for line in lines:
            if line == b"\r\n":
                break
            name, _, value = line.decode("latin-1").partition(":")
            headers[name] = value.strip()
        body = stream.read(int(headers.get("Content-Length", 0)))  # type: ignore[attr-defined]
        yield Request(monotonic(), first.decode("latin-1").strip(), headers, body)
