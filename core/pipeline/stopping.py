"""How long work that is done in steps hears that it is to end."""

from collections.abc import Callable

IsStopping = Callable[[], bool]
"""Asked between two steps; where it says yes, the next step is not begun."""


def never() -> bool:
    """Nobody ends it: it goes on until it is done."""
    return False
