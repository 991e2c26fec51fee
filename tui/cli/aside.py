"""A log that delays nobody: what its reader does not take in time is dropped, and counted."""

import logging
import os
import threading
from contextlib import suppress
from queue import Full, Queue

_WAITING = 10_000  # lines; some 3 MB
_LAST_WORDS = 2.0  # seconds for what still waits at the end
_DROPPED = "lines were dropped here, since nobody read the log"
_WARNING = {"levelno": logging.WARNING, "levelname": "WARNING", "name": __name__}


class AsideHandler(logging.Handler):
    """Writes lines from a thread of its own: a full pipe, a stopped terminal or a log shipper that
    hangs stops that thread alone.
    """

    def __init__(self, descriptor: int, waiting: int = _WAITING) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: Queue[str] = Queue(waiting)
        self._dropped = 0
        threading.Thread(target=self._write_all, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(self.format(record))
        except Full:
            self._dropped += 1  # by whoever has the handler's lock

    def flush(self) -> None:
        """Until all is written, but no longer than a moment."""
        done = self._lines.all_tasks_done
        with done, suppress(KeyboardInterrupt):  # told to end once more
            done.wait_for(lambda: not self._lines.unfinished_tasks, _LAST_WORDS)

    def _write_all(self) -> None:
        while True:
            line = self._lines.get()
            with suppress(OSError):  # whoever read it has gone
                self._write(line)
                self._tell_of_dropped()
            self._lines.task_done()

    def _tell_of_dropped(self) -> None:
        """After a line that was taken: only then is there somebody to tell."""
        self.acquire()
        dropped, self._dropped = self._dropped, 0
        self.release()
        if dropped:
            record = logging.makeLogRecord({"msg": _DROPPED, "lines": dropped, **_WARNING})
            self._write(self.format(record))

    def _write(self, line: str) -> None:
        left = f"{line}\n".encode(errors="backslashreplace")
        while left:
            left = left[os.write(self._descriptor, left) :]
