"""How long work that is done in steps hears that it is to end."""

from collections.abc import Callable

IsStopping = Callable[[], bool]
"""Asked between two steps; where the answer is yes, the next step is not begun."""


def never() -> bool:
    """Never: the work goes on until it is done."""
    return False
