"""The tasks on the Huey: doorways, of a line or two each.

A message that is lost, doubled or late changes only when something happens: what must survive is
a row in the tables.
"""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.database import first_line

if TYPE_CHECKING:
    from huey import Huey

log = logging.getLogger(__name__)

_ENOUGH_WAKES = 10  # on the queue: they become one pass, and with no consumer none helps
_TICK_EXPIRES = 50  # seconds: a backlog of ticks is dropped, one is as good as many


def register(
    huey: "Huey", tick: Callable[[], None], wake: Callable[[], None]
) -> Callable[[], None]:
    """Register the minute's tick and the wake; returns what puts a wake on the queue."""

    @huey.periodic_task(lambda _: True, expires=_TICK_EXPIRES, name="tick")
    def run_tick() -> None:
        tick()

    @huey.task(expires=_TICK_EXPIRES, name="wake")
    def run_wake() -> None:
        wake()

    def ring() -> None:
        if huey.pending_count() < _ENOUGH_WAKES:
            run_wake()

    return ring


def bell(open_queue: Callable[[], "Huey"]) -> Callable[[], None]:
    """What rings a consumer: opened at its first ring, and never an error to who rings it.

    A wake that is lost costs at most a minute: the next tick finds the row.
    """
    ring: Callable[[], None] | None = None

    def open_and_ring() -> None:
        nonlocal ring
        if ring is None:
            ring = register(open_queue(), _nothing, _nothing)
        ring()

    return unfailing(open_and_ring)


def unfailing(ring: Callable[[], None]) -> Callable[[], None]:
    """What rings, and only tells the log when it cannot."""

    def wake() -> None:
        try:
            ring()
        except Exception as error:  # noqa: BLE001 - a queue's engine raises errors of its own
            told = first_line(error)
            log.warning("the queue does not answer, so delivery waits for the next tick: %s", told)

    return wake


def aside(ring: Callable[[], None]) -> Callable[[], None]:
    """What has a thread of its own ring, which nobody waits for: a queue may hang. Calls while it
    rings become one.
    """
    called = threading.Event()
    thread: threading.Thread | None = None

    def serve() -> None:
        while called.wait():
            called.clear()
            ring()

    def call() -> None:
        nonlocal thread
        if thread is None or not thread.is_alive():  # the first time, and after a fork
            thread = threading.Thread(target=serve, name="bell", daemon=True)
            thread.start()
        called.set()

    return call


def _nothing() -> None:
    return None
