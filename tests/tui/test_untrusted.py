"""What is too long for its place is cut so that what is left still says what it said."""

import pytest

from tui.untrusted import whole_parts


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (28, "Ticket 4711 · 55.10 € · cash"),
        (27, "Ticket 4711 · 55.10 €"),
        (21, "Ticket 4711 · 55.10 €"),
        (20, "Ticket 4711"),
        (5, "Ticket 4711"),
    ],
)
def test_no_part_of_a_headline_is_shown_by_half(width: int, shown: str) -> None:
    assert whole_parts("Ticket 4711 · 55.10 € · cash", width) == shown
