"""The steps that work passes on its way from the outbox to its end. Whoever watches is told. Pure.

A worker may die after each step, and the work must go on. The tests watch, and end a worker at each
of the steps in this list.
"""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    FANNING_OUT = "fanning out"  # deliveries are written, and not committed
    FANNED_OUT = "fanned out"
    RECOVERING = "recovering"  # what an outage abandoned is queued again, and not committed
    RECOVERED = "recovered"
    CLAIMING = "claiming"  # leases are written, and not committed
    CLAIMED = "claimed"
    SENDING = "sending"  # connected, and still wanted; no byte has left
    ANSWERED = "answered"  # the outcome is known here, and written nowhere
    SETTLING = "settling"  # outcomes are written, and not committed
    SETTLED = "settled"
    TELLING = "telling"  # alerts are queued and noted as told, and not committed
    TOLD = "told"
    MAILING = "mailing"  # a mail is claimed; nothing of it has left
    MAILED = "mailed"  # handed in, which is written nowhere


OF_ALERTS = frozenset({Step.TELLING, Step.TOLD})
"""The steps that work passes only where an owner is to be told something."""

OF_MAIL = frozenset({Step.MAILING, Step.MAILED})
"""Those that only mail passes."""


Watcher = Callable[[Step], None]


def _nobody(_: Step) -> None:
    return None


_watcher: Watcher = _nobody


def watch(watcher: Watcher) -> None:
    """Tell `watcher` of every step of this process from now on, in the thread that takes it."""
    global _watcher  # noqa: PLW0603 - one process, one watcher
    _watcher = watcher


def passed(step: Step) -> None:
    _watcher(step)
