"""What is too long for its place is cut so that what is left still says what it said."""

import pytest
from rich.cells import cell_len

from tui.untrusted import shortened, whole_parts


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


@pytest.mark.parametrize(
    ("width", "shown"), [(20, "Bookkeeper 日本語 😀"), (18, "Bookkeeper…本語 😀"), (8, "Book… 😀")]
)
def test_what_is_cut_in_its_middle_fits_however_wide_its_characters(width: int, shown: str) -> None:
    assert shortened("Bookkeeper 日本語 😀", width) == shown
    assert cell_len(shown) <= width
