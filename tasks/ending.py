"""A sure end: whatever a worker is waiting for, once told to end it is gone in time.

A database that says nothing or stays locked, a resolver, a log that nobody reads: each of them can
keep a thread for which somebody waits. What was in flight is then sent again, as after a crash.
"""

import logging
import os
import signal
import socket
import threading
import time

log = logging.getLogger(__name__)

WITHIN = 25.0
"""Seconds. systemd's TimeoutStopSec in README is 30, and an attempt and its settling need 10."""

_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
LAST_WORDS = 2.0  # seconds


def end_in_time(within: float = WITHIN) -> None:
    """Give this worker so many seconds to live, from the first signal on that tells it to end.

    Python's own handlers wait for the main thread, which may itself be waiting. The descriptor to
    which signals are written does not. Only the main thread may call this.
    """
    told, teller = socket.socketpair()
    teller.settimeout(0)
    signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(told, teller, within), name="end", daemon=True)
    watch.start()


def _watch(told: socket.socket, _teller: socket.socket, within: float) -> None:
    """Wait for a signal; the other end of the pair must stay open."""
    while told.recv(1)[0] not in _ENDING:
        pass
    time.sleep(within)
    words = threading.Thread(target=_last_words, args=(within,), daemon=True)
    words.start()
    words.join(LAST_WORDS)  # another thread's log may hang
    os._exit(1)


def _last_words(within: float) -> None:
    log.error("still waiting after %.0f s, so the worker ends: attempts may repeat", within)
    flush_log()


def flush_log() -> None:
    """Write out what was logged last, before the process ends without asking anybody."""
    for handler in logging.getLogger().handlers:
        handler.flush()
