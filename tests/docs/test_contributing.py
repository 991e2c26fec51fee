"""CONTRIBUTING's exercise: the screen that one pastes in is made of what is there."""

import re
from pathlib import Path

from tui.page import Page

_CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


def test_the_screen_of_the_exercise_is_a_page() -> None:
    screen, *_ = re.findall(r"```python\n(.*?)```", _CONTRIBUTING.read_text(), re.DOTALL)
    made: dict[str, object] = {"__name__": "tui.screens.latest"}
    exec(compile(screen, "latest.py", "exec"), made)  # noqa: S102 - it is our own page
    page = made["Latest"]
    assert isinstance(page, type)
    assert issubclass(page, Page)
