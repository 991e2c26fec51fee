"""Waiting for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE = 60.0
"""Seconds until a test gives up: many, since a test that goes well waits for none of them."""

_BETWEEN_LOOKS, _LONGEST_PAUSE = 0.01, 0.25  # seconds

AT_ONCE = 20.0
"""Seconds in which comes what was woken, on a busy machine: a tick would take up to a minute."""


def wait_until(
    condition: Callable[[], Any],
    seconds: float = PATIENCE,
    *,
    between_looks: float = _BETWEEN_LOOKS,
) -> Any:
    """What the condition says once it says something true; fails when it does not in time.

    Looks no more than a third of the time, so that what is waited for is not held up by it.
    """
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if outcome := condition():
            return outcome
        ended = time.monotonic()
        assert ended < deadline, "it did not happen in time"
        time.sleep(min(max(between_looks, 2 * (ended - began)), _LONGEST_PAUSE))


async def until(
    condition: Callable[[], Any],
    seconds: float = PATIENCE,
    *,
    pause: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0.001),
    seen: Callable[[], str] = lambda: "it did not happen in time",
) -> Any:
    """The same in an event loop, which goes on meanwhile: in each `pause` between two looks. What
    is `seen` instead is what it fails with.
    """
    deadline = time.monotonic() + seconds
    while not (outcome := condition()):
        assert time.monotonic() < deadline, seen()
        await pause()
    return outcome
