"""A way to a server that can fall silent: nothing is closed, nothing is answered, for ever."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Silenceable:
    """Passes bytes on between whoever connects and a port of this machine."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._silent: set[int] = set()  # file descriptors of connections
        self.silences_new = False
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self) -> None:
        """What is connected now, and what will be while `silences_new`."""
        self._silent |= {each.fileno() for each in self._open}

    def close(self) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                self._open.append(caller)
                if not self.silences_new:
                    threading.Thread(target=self._pass_on, args=(caller,), daemon=True).start()

    def _pass_on(self, caller: socket.socket) -> None:
        with (
            suppress(OSError, ValueError),  # one that is closed meanwhile has no number
            socket.create_connection(("127.0.0.1", self._to)) as server,
        ):
            while caller.fileno() not in self._silent:
                for ready in select.select([caller, server], [], [], 0.05)[0]:
                    if caller.fileno() in self._silent:
                        return  # what was on its way is lost as well
                    data = ready.recv(65_536)
                    if not data:
                        caller.shutdown(socket.SHUT_RDWR)
                        return
                    (server if ready is caller else caller).sendall(data)


@contextmanager
def silenceable(port: int) -> Iterator[Silenceable]:
    way = Silenceable(port)
    try:
        yield way
    finally:
        way.close()
