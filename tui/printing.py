"""A text printed bare on the terminal, so that it can be selected, and wiped away again."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tui.language import _


def print_until_enter(text: str, width: int) -> None:
    """Print `text`, which is one line, on a terminal of so many columns until Enter is pressed.

    It does not stay there: who quits later would leave it behind for all to see.
    """
    with _ctrl_c_as_enter():
        goes_back = _("Enter goes back.")
        print(f"\n{text}\n")  # noqa: T201 - that it is printed is the point
        input(f"{goes_back} ")
    lines = 3 + -(-len(text) // width)
    print(f"\x1b[{lines}A\r\x1b[J", end="", flush=True)  # noqa: T201 - to the terminal too


@contextmanager
def _ctrl_c_as_enter() -> Iterator[None]:
    """Many press it to copy what they have selected. asyncio would end the program for it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with suppress(EOFError):
            yield
    except KeyboardInterrupt:
        print()  # noqa: T201 - as Enter does
    finally:
        signal.signal(signal.SIGINT, before)
