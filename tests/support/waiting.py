"""Waiting for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE = 60.0
"""Seconds until a test gives up: many, since a test that goes well waits for none of them."""

AT_ONCE = 20.0
"""Seconds in which comes what was woken, on a busy machine: a tick would take up to a minute."""


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What the condition says once it says something true; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not (outcome := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)  # between two looks at a condition
    return outcome


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
