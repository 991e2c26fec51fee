"""A receiver that costs next to nothing: answers 200 to every POST, at once or after the seconds
that are named, and prints its port.

It shares the machine with what is measured, so it reads and writes plain sockets: asyncio's reads,
with a quarter of a megabyte set aside for each, cost more than twice as much. A GET is answered
with how many POSTs there have been; a DELETE with those since the last one, as JSON: each with the
seconds since 1970 when it came, and all of it in Latin-1.
"""

import json
import selectors
import socket
import sys
import time
from collections import deque
from contextlib import suppress

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_READ = 65536  # bytes at a time


class _Receiver:
    def __init__(self, takes: float) -> None:
        self._takes = takes  # seconds
        self._later: deque[tuple[float, socket.socket]] = deque()  # when whose answer is due
        self._count = 0
        self._posts: list[tuple[float, bytes]] = []
        self._pending: dict[socket.socket, bytes] = {}  # what has come of each connection's next
        self._selector = selectors.DefaultSelector()

    def serve(self, server: socket.socket) -> None:
        server.setblocking(False)
        self._selector.register(server, selectors.EVENT_READ, self._accept)
        while True:
            for key, _ in self._selector.select(self._until_next()):
                key.data(key.fileobj)
            while self._later and self._later[0][0] <= time.monotonic():
                with suppress(OSError):
                    self._later.popleft()[1].sendall(_ANSWER)

    def _until_next(self) -> float | None:
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else None

    def _accept(self, server: socket.socket) -> None:
        try:
            connection, _ = server.accept()
        except OSError:  # it has gone already
            return
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pending[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ, self._read)

    def _read(self, connection: socket.socket) -> None:
        pending = self._pending[connection]
        try:
            data = connection.recv(_READ)
            pending += data
            while end := _end(pending):
                answer = self._answer(pending[:end])
                if self._takes and answer is _ANSWER:
                    self._later.append((time.monotonic() + self._takes, connection))
                else:
                    connection.sendall(answer)
                pending = pending[end:]
        except ConnectionError:
            data = b""
        if data:
            self._pending[connection] = pending
            return
        self._selector.unregister(connection)
        del self._pending[connection]
        connection.close()

    def _answer(self, request: bytes) -> bytes:
        if request.startswith(b"POST"):
            self._count += 1
            self._posts.append((time.time(), request))
            return _ANSWER
        if request.startswith(b"DELETE"):
            taken, self._posts = self._posts, []
            body = json.dumps([(at, raw.decode("latin-1")) for at, raw in taken]).encode()
        else:
            body = str(self._count).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _end(pending: bytes) -> int:
    """Where the first request ends; 0 while it has not."""
    head = pending.find(b"\r\n\r\n")
    if head < 0:
        return 0
    length = pending[:head].lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    end = head + 4 + int(length or 0)
    return end if len(pending) >= end else 0


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        _Receiver(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0).serve(listening)
