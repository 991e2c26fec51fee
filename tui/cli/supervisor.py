"""`worker --workers N`: several workers under one process, which ends when they cannot start."""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from core.errors import WebhooksError
from tasks.ending import WITHIN

log = logging.getLogger(__name__)

_LIFELINE = "AURAPOS_WEBHOOKS_LIFELINE"
_STARTED = "AURAPOS_WEBHOOKS_STARTED"
_PAUSE = 1.0  # seconds between two looks, and before a worker is started again
_LONGEST_PAUSE = 30.0  # before one that dies at its start, beside others that live
_ENDING = {signal.SIGTERM, signal.SIGINT}
_END_WITHIN = WITHIN + 2.0  # seconds, after which nobody is waited for


class Supervisor:
    """Keeps workers running until told to stop, and tells them what it is told."""

    def __init__(self, command: Sequence[str], workers: int) -> None:
        self._lifeline, self._kept = os.pipe()
        self._slots = [_Slot(command, self._lifeline) for _ in range(workers)]
        self._signals: list[signal.Signals] = []
        self._woken = threading.Event()

    def run(self) -> None:
        """Raises WebhooksError when every worker dies at its start, or one had to be killed."""
        for signum in (*_ENDING, signal.SIGHUP):
            signal.signal(signum, self._note)
        for slot in self._slots:
            slot.start()
        while not self._pass_on():
            self._woken.wait(_PAUSE)
            self._woken.clear()
            if not self._signals:
                self._look_after()
        self._end()

    def _note(self, signum: int, _: Any) -> None:
        self._signals.append(signal.Signals(signum))
        self._woken.set()

    def _pass_on(self) -> bool:
        """What came since, to all; whether it ends them."""
        told, self._signals = self._signals, []
        for signum in told:
            for slot in self._slots:
                slot.tell(signum)
        return not _ENDING.isdisjoint(told)

    def _look_after(self) -> None:
        for slot in self._slots:
            slot.look()
        if all(slot.failures and not slot.has_started for slot in self._slots):
            for slot in self._slots:
                slot.tell(signal.SIGTERM)
            self._end()
            raise WebhooksError(
                "The workers end as soon as they start: what they said above says why."
            )
        for slot in self._slots:
            slot.revive()

    def _end(self) -> None:
        deadline = time.monotonic() + _END_WITHIN
        while any(slot.lives for slot in self._slots):
            self._woken.wait(0.05)
            self._woken.clear()
            self._pass_on()  # told again, a worker waits for less
            if time.monotonic() > deadline:
                for slot in self._slots:
                    slot.tell(signal.SIGKILL)
                raise WebhooksError("A worker did not end in time and was killed.")


class _Slot:
    """One worker, and those that come after it."""

    def __init__(self, command: Sequence[str], lifeline: int) -> None:
        self._command = command
        self._lifeline = lifeline
        self._not_before = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._started = -1  # where it says so
        self.has_started = False
        self.failures = 0  # to start, one after the other

    @property
    def lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self._started, write = os.pipe()
        os.set_blocking(self._started, False)
        self.has_started = False
        self._process = start_tied(
            self._command,
            self._lifeline,
            {_STARTED: write},
            start_new_session=True,  # ctrl+C reaches the supervisor alone, which tells them
        )
        os.close(write)

    def tell(self, signum: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signum)  # to one that has ended it does nothing

    def look(self) -> None:
        """Whether it has started, and whether it has ended since the last look."""
        if self._process is None:
            return
        with suppress(BlockingIOError):
            self.has_started |= bool(os.read(self._started, 1))
        if not self.lives:
            self._note_end(self._process.returncode)

    def _note_end(self, code: int) -> None:
        log.error("a worker ended and is started again", extra={"exit": code})
        told_to_end = code == -signal.SIGHUP  # before it could heed it
        self.failures = 0 if self.has_started or told_to_end else self.failures + 1
        pause = min(_LONGEST_PAUSE, _PAUSE * 2 ** max(0, self.failures - 1))
        self._not_before = time.monotonic() + pause
        self._process = None
        self.has_started = False
        os.close(self._started)

    def revive(self) -> None:
        if self._process is None and time.monotonic() >= self._not_before:
            self.start()


def start_tied(
    command: Sequence[str], lifeline: int, others: Mapping[str, int] | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    """Start a worker that ends when the other end of the pipe `lifeline` is closed, and so however
    its parent ends; `others` are more descriptors that it gets, by the variables that name them.
    """
    descriptors = {_LIFELINE: lifeline, **(others or {})}
    named = {name: str(number) for name, number in descriptors.items()}
    return subprocess.Popen(  # noqa: S603 - this program itself
        command, env={**os.environ, **named}, pass_fds=list(descriptors.values()), **options
    )


def say_started() -> None:
    """Tell the supervisor, if there is one, that this worker works."""
    descriptor = os.environ.pop(_STARTED, None)
    if descriptor is not None:
        with suppress(OSError):
            os.write(int(descriptor), b".")
            os.close(int(descriptor))


def end_with_parent() -> None:
    """End when the parent has: a pipe from it reaches its end, however it went.

    Also after a restart by SIGHUP, which keeps process, environment and descriptor.
    """
    lifeline = os.environ.get(_LIFELINE)
    if lifeline is None:
        return

    def wait() -> None:
        os.read(int(lifeline), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
