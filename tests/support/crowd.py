"""How many requests wait for their answers at once."""

import socket
import threading
import time

from tests.support.scripted import Act, answer, telling
from tests.support.waiting import PATIENCE

_MOMENT = 0.05  # seconds, in which one more than there may be would come


class Crowd:
    """Answers 200, and knows how many were waiting for theirs at once."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self._enough = threading.Event()

    def expecting(self, count: int) -> Act:
        """Answers come once that many wait together, so that nobody answers too early."""

        @telling(200)
        def act(connection: socket.socket) -> None:
            with self._lock:
                self._now += 1
                self.most = max(self.most, self._now)
                if self._now >= count:
                    self._enough.set()
            self._enough.wait(PATIENCE)
            time.sleep(_MOMENT)
            with self._lock:
                self._now -= 1
            answer(200).do(connection)

        return act
