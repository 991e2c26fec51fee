"""The tasks on the Huey: doorways, a line or two each.

A message that is lost, doubled or late changes only when something happens: what must survive is a
row in the tables.
"""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from core.storage.database import first_line

if TYPE_CHECKING:
    from huey import Huey

log = logging.getLogger(__name__)

_ENOUGH_WAKES = 10  # on the queue: they become one pass, and without a consumer more do not help
_TICK_EXPIRES = 50  # seconds: of a backlog of ticks one is as good as many


class Bells(NamedTuple):
    """What puts messages on the queue."""

    wake: Callable[[], None]  # says that there is something new
    call_for_help: Callable[[], None]  # says that there is more than one worker can start


def register(
    huey: "Huey",
    tick: Callable[[], None],
    wake: Callable[[], None],
    help_out: Callable[[], None],
) -> Bells:
    """Register what runs for the minute's tick, for a wake and for a call for help.

    A call may come back to the worker that called, and that worker must not take it for a wake.
    """

    @huey.periodic_task(lambda _: True, expires=_TICK_EXPIRES, name="tick")
    def run_tick() -> None:
        tick()

    @huey.task(expires=_TICK_EXPIRES, name="wake")
    def run_wake() -> None:
        wake()

    @huey.task(expires=_TICK_EXPIRES, name="help")
    def run_help() -> None:
        help_out()

    def unless_enough(put: Callable[[], object]) -> Callable[[], None]:
        def ring() -> None:
            if huey.pending_count() < _ENOUGH_WAKES:
                put()

        return ring

    return Bells(unless_enough(run_wake), unless_enough(run_help))


def bell(
    open_queue: Callable[[], "Huey"], otherwise: Callable[[], None] = lambda: None
) -> Callable[[], None]:
    """What rings a consumer, and never fails: where the queue does not answer `otherwise` rings.
    The queue is opened at the first ring.

    A wake that is lost costs at most a minute: the next tick finds the row.
    """
    ring: Callable[[], None] | None = None

    def open_and_ring() -> None:
        nonlocal ring
        if ring is None:
            ring = register(open_queue(), _nothing, _nothing, _nothing).wake
        ring()

    return unfailing(open_and_ring, otherwise)


def unfailing(
    ring: Callable[[], None], otherwise: Callable[[], None] = lambda: None
) -> Callable[[], None]:
    """The same ring. Where it fails, that is logged, and `otherwise` rings."""

    def wake() -> None:
        try:
            ring()
        except Exception as error:  # noqa: BLE001 - a queue's engine raises errors of its own
            told = first_line(error)
            log.warning("the queue does not answer, so delivery may wait for the tick: %s", told)
            otherwise()

    return wake


def aside(ring: Callable[[], None]) -> Callable[[], None]:
    """The same ring in a thread of its own, for which nobody waits: a queue may hang. Calls that
    come while it rings become one ring.
    """
    called = threading.Event()
    thread: threading.Thread | None = None

    def serve() -> None:
        while called.wait():
            called.clear()
            ring()

    def call() -> None:
        nonlocal thread
        if thread is None or not thread.is_alive():  # at the first ring, and after a fork
            thread = threading.Thread(target=serve, name="bell", daemon=True)
            thread.start()
        called.set()

    return call


def _nothing() -> None:
    return None
