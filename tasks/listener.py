"""A thread that hears when another program rings."""

import logging
import socket
import threading
from collections.abc import Callable
from math import inf
from select import select
from time import monotonic

from core.storage.bell import listen
from core.storage.database import first_line

log = logging.getLogger(__name__)

_PAUSES = (0.05, 5.0)  # seconds after an error: at first, and where it comes again and again
_FAREWELL = 1.0


class Listener:
    """Listens at a database until it is stopped. It can be started again, as after a fork."""

    def __init__(self, url: str, on_ring: Callable[[], None]) -> None:
        self._url, self._on_ring = url, on_ring
        self._thread: threading.Thread | None = None
        self._stop: socket.socket | None = None
        self._heard_from = inf  # when the connection of now began to listen

    def start(self) -> None:
        self._stop, ended = socket.socketpair()
        self._thread = threading.Thread(
            target=self._run, args=[ended], name="listener", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop it, but do not wait for long if the database hangs."""
        if self._thread is not None and self._stop is not None:
            self._stop.close()
            self._thread.join(_FAREWELL)
            self._thread = self._stop = None

    def _run(self, ended: socket.socket) -> None:
        pause, (first, longest) = 0.0, _PAUSES
        with ended:
            while not self._was_told_to_stop(ended):
                has_lasted = monotonic() - self._heard_from > longest
                pause = first if has_lasted else min(longest, max(first, 2 * pause))
                if select([ended], [], [], pause)[0]:
                    return

    def _was_told_to_stop(self, ended: socket.socket) -> bool:
        """Listen; returns False where the database went away."""
        self._heard_from = inf

        def on_ring() -> None:
            self._heard_from = min(self._heard_from, monotonic())  # it begins with a ring
            self._on_ring()

        try:
            listen(self._url, on_ring, ended)
        except Exception as error:  # noqa: BLE001 - each engine's driver raises its own
            log.warning("no ring of another program is heard: %s", first_line(error))
            return False
        return True
