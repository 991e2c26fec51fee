"""A local receiver that verifies what arrives: for `listen` and `demo`."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from core.domain.mismatch import explain_mismatch
from core.domain.signing import (
    DELIVERY_HEADER,
    EVENT_HEADER,
    SIGNATURE_HEADER,
    Secret,
)
from core.errors import BadInput

_BODY_LIMIT = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """One POST as it arrived; `verified` is None where no secret was there to verify with."""

    at: datetime
    event: str
    delivery_id: str
    headers: dict[str, str]
    body: bytes
    verified: bool | None
    problem: str | None  # why it is not verified


Answer = tuple[int, bytes]
"""A status and a body."""


class Receiver(AbstractContextManager["Receiver"]):
    """Serves 127.0.0.1 in a thread; `on_received` decides the answer, one call at a time.

    Without a `secret` nothing is verified. Raises BadInput where the port is taken.
    """

    def __init__(self, on_received: Callable[[Received], Answer], port: int = 0) -> None:
        self.secret: Secret | None = None
        self._on_received = on_received
        self._one_at_a_time = threading.Lock()
        try:
            self._server = _Server(("127.0.0.1", port), self._handler())
        except OSError as error:
            raise BadInput(
                f"Port {port} cannot be listened on ({error.strerror}): name another with --port."
            ) from None
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(
            target=lambda: self._server.serve_forever(poll_interval=0.05), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def receive(self, headers: Message, body: bytes) -> Answer:
        problem = None if self.secret is None else _problem(self.secret, headers, body)
        received = Received(
            datetime.now(UTC),
            headers.get(EVENT_HEADER, ""),
            headers.get(DELIVERY_HEADER, ""),
            dict(headers),
            body,
            verified=None if self.secret is None else problem is None,
            problem=problem,
        )
        with self._one_at_a_time:
            return self._on_received(received)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(_Handler):
            receive = staticmethod(receiver.receive)

        return Handler


def _problem(secret: Secret, headers: Message, body: bytes) -> str | None:
    signature = headers.get(SIGNATURE_HEADER)
    if signature is None:
        return f"There is no {SIGNATURE_HEADER} header."
    return explain_mismatch(secret, signature, body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def handle_error(self, *_: Any) -> None:
        """A client that went away in mid-request is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds a kept connection may idle
    receive: Callable[[Message, bytes], Answer]

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._answer(411, b"")
        elif int(length) > _BODY_LIMIT:
            self._answer(413, b"")
        else:
            self._answer(*self.receive(self.headers, self.rfile.read(int(length))))

    def log_message(self, *_: Any) -> None:
        """What arrives is told by whoever asked for it."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status in {411, 413}:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
