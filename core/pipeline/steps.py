"""The steps that work passes on its way from the outbox to its end, told to whoever watches. Pure.

A worker can die after each of them, and the run must carry on: watching is how the tests end one
there, at every step that this list has.
"""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    FANNING_OUT = "fanning out"  # deliveries written, not committed
    FANNED_OUT = "fanned out"
    RECOVERING = "recovering"  # what an outage abandoned is queued again, not committed
    RECOVERED = "recovered"
    CLAIMING = "claiming"  # leases written, not committed
    CLAIMED = "claimed"
    SENDING = "sending"  # connected and still wanted; no byte has left
    ANSWERED = "answered"  # an outcome is known here and written nowhere
    SETTLING = "settling"  # outcomes written, not committed
    SETTLED = "settled"
    TELLING = "telling"  # alerts queued and noted as told, not committed
    TOLD = "told"
    MAILING = "mailing"  # a mail is claimed; nothing of it has left
    MAILED = "mailed"  # handed in, which is written nowhere


OF_ALERTS = frozenset({Step.TELLING, Step.TOLD})
"""The steps that only work passes of which somebody is to be told."""

OF_MAIL = frozenset({Step.MAILING, Step.MAILED})
"""Those that only mail passes."""


Watcher = Callable[[Step], None]


def _nobody(_: Step) -> None:
    return None


_watcher: Watcher = _nobody


def watch(watcher: Watcher) -> None:
    """Tell `watcher` of every step of this process from now on, in the thread that passes it."""
    global _watcher  # noqa: PLW0603 - one process, one watcher
    _watcher = watcher


def passed(step: Step) -> None:
    _watcher(step)
