"""An end that comes: whatever a worker waits for, once it was told to end it is gone in time.

A database that fell silent or stays locked, a resolver, a log that nobody reads: any of them could
keep a thread that somebody waits for. What was in flight then is sent again, as after a crash.
"""

import logging
import os
import signal
import socket
import threading
import time

log = logging.getLogger(__name__)

WITHIN = 25.0
"""Seconds: systemd's TimeoutStopSec in README is 30, and an attempt and its settling need 10."""

_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_LAST_WORDS = 2.0  # seconds


def end_in_time(within: float = WITHIN) -> None:
    """From the first signal that ends this worker on, let it live so much longer at the most.

    Python's own handlers wait for the main thread, which may wait itself; the descriptor that
    signals are written to does not. Only the main thread may ask for this.
    """
    told, teller = socket.socketpair()
    teller.settimeout(0)
    signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(told, teller, within), name="end", daemon=True)
    watch.start()


def _watch(told: socket.socket, _teller: socket.socket, within: float) -> None:
    """With the other end of the pair, which must stay open."""
    while told.recv(1)[0] not in _ENDING:
        pass
    time.sleep(within)
    words = threading.Thread(target=_last_words, args=(within,), daemon=True)
    words.start()
    words.join(_LAST_WORDS)  # another's log may hang
    os._exit(1)


def _last_words(within: float) -> None:
    log.error("still waiting after %.0f s, so the worker ends: attempts may repeat", within)
    flush_log()


def flush_log() -> None:
    """What was logged last, before a process ends in a way that asks nobody."""
    for handler in logging.getLogger().handlers:
        handler.flush()
