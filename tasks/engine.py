"""The consumer's own thread: one event loop for its whole life, woken by ticks and wakes.

Huey says when to work, and this says what to do. Between two ticks it also wakes by itself for the
deliveries that become due, so that a retry starts at its time, and not up to a minute later.
"""

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from peewee import PeeweeException

from core.errors import WebhooksError
from core.outbound.event_loop import run
from core.storage.database import explain
from tasks.chores import Chore, Work
from tasks.dispatcher import Dispatcher
from tasks.ending import flush_log

log = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds: a tick is never further away
_PAUSES = (0.05, 1.0)  # seconds after a pass that did nothing of what is due: at first, at most
_PAUSE_AFTER_ERROR = 2.0
_FAREWELL = 2.0
_ALLOCATIONS_A_LOOK = 50_000  # twice as many as a full load in flight makes
_TURN_OF_A_THREAD = 0.0005  # seconds that it keeps Python while another one waits for it
_FILES = 16_384  # open files and sockets: more than the largest number of POSTs in flight needs


class Engine:
    """Runs passes, and its chores beside them, until it is stopped. It can be started again.

    The farewell is said after everything else has ended.
    """

    def __init__(
        self,
        make_dispatcher: Callable[[], Dispatcher],
        clock: Callable[[], datetime],
        chores: Sequence[Work] = (),
        farewell: Callable[[], None] = lambda: None,
    ) -> None:
        self._make_dispatcher = make_dispatcher
        self._clock = clock
        self._works = chores
        self._farewell = farewell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dispatcher: Dispatcher | None = None
        self._chores: list[Chore] = []
        self._woken = asyncio.Event()
        self._stopped = asyncio.Event()
        self._started = threading.Event()
        self._thread: threading.Thread | None = None
        self._pause = 0.0
        self.is_stopping = False
        self.failure: Exception | None = None

    def start(self) -> None:
        if self._thread is None:
            suit_a_worker()
            self.is_stopping = False
            self._started.clear()
            self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
            self._thread.start()
            self._started.wait()

    def look(self) -> None:
        """Look for work now; many calls become one pass."""
        self._call(self._look)

    def help(self) -> None:
        """Look for work, because another worker has more than it can start."""
        self._call(self._help)

    def tick(self) -> None:
        """Look for work, and do the chores."""
        self._call(self._tick)

    def do(self, work: Work) -> None:
        """This chore is wanted now; to be called in the engine's own thread."""
        for chore in self._chores:
            if chore.work == work:
                chore.call()

    def stop(self) -> None:
        """Claim nothing more, finish what is in flight, and end."""
        thread = self._thread
        if thread is not None:
            self._started.wait()
            self._call(self._stop)
            thread.join()
            self._thread = None

    def _call(self, what: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: its thread has ended meanwhile
                self._loop.call_soon_threadsafe(what)

    def _look(self) -> None:
        self._woken.set()
        if self._dispatcher is not None:
            self._dispatcher.look()

    def _help(self) -> None:
        if self._dispatcher is not None and self._dispatcher.can_help:
            self._look()

    def _tick(self) -> None:
        self._look()
        for chore in self._chores:
            chore.call()

    def _stop(self) -> None:
        self.is_stopping = True
        self._woken.set()
        self._stopped.set()
        if self._dispatcher is not None:
            self._dispatcher.stop()

    def _run(self) -> None:
        try:
            run(self._main())
            self._say_farewell()
        except Exception as error:
            # A worker that went on without its engine would only seem to live.
            log.exception("the engine broke, so this worker ends")
            self.failure = error
            flush_log()
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            self._started.set()

    def _say_farewell(self) -> None:
        """Say the farewell, but not for long: if the database hangs, others will notice later that
        nobody ticks.
        """
        thread = threading.Thread(target=self._try_farewell, name="farewell", daemon=True)
        thread.start()
        thread.join(_FAREWELL)

    def _try_farewell(self) -> None:
        try:
            self._farewell()
        except PeeweeException as error:
            log.error("it could not be recorded that this worker ended: %s", explain(error))

    async def _main(self) -> None:
        self._woken, self._stopped = asyncio.Event(), asyncio.Event()
        self._dispatcher = self._make_dispatcher()
        self._chores = [Chore(work) for work in self._works]
        running = [asyncio.create_task(chore.run()) for chore in self._chores]
        self._loop = asyncio.get_running_loop()
        self._started.set()
        try:
            while not self.is_stopping:
                self._woken.clear()
                await self._pass(self._dispatcher)
        finally:
            self.is_stopping = True  # also where a pass broke
            for chore in self._chores:
                chore.stop()
            await self._dispatcher.close()
            await asyncio.gather(*running)

    async def _pass(self, dispatcher: Dispatcher) -> None:
        """Make one pass, and the pause until the next one."""
        try:
            tally = await dispatcher.drain(self._clock)
            due = await dispatcher.next_due()
        except WebhooksError as error:
            log.error("deliveries wait: %s", error)
            await _wait(self._woken, _PATIENCE)
            return
        except PeeweeException as error:
            log.error("the pass was cut short: %s", explain(error))
            await _wait(self._stopped, _PAUSE_AFTER_ERROR)  # even if somebody rings meanwhile
            return
        if tally.attempts:
            log.info(
                "pass ended",
                extra={
                    "delivered": tally.delivered,
                    "failed": tally.failed,
                    "abandoned": tally.abandoned,
                },
            )
        seconds = _PATIENCE if due is None else (due - self._clock()).total_seconds()
        was_of_use = bool(tally.attempts or tally.events) or seconds > 0
        first, longest = _PAUSES  # others do what is due, or it cannot be had yet
        self._pause = 0.0 if was_of_use else min(longest, max(first, 2 * self._pause))
        await _wait(self._woken, min(_PATIENCE, max(self._pause, seconds)))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, or for so many seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def suit_a_worker() -> None:
    """Give this process the settings that suit a busy worker.

    The garbage collector then does not look again and again at what is merely in flight: at its
    usual pace it takes a tenth of the time and finds nothing, since only an attempt without an
    answer leaves cycles. The thread that holds the lock of the database waits less for its turn at
    the interpreter, so other workers wait less for the lock. And each POST in flight needs a
    socket, which is more than most shells allow, though the system would.
    """
    gc.set_threshold(_ALLOCATIONS_A_LOOK)
    sys.setswitchinterval(_TURN_OF_A_THREAD)
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if most == resource.RLIM_INFINITY else min(_FILES, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
