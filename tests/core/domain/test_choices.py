"""What one webhook may choose, and how a change of it is told."""

import pytest

from core.domain.choices import AS_IT_COMES, NAME_LIMIT, Choices, Chosen, Format, changes, choose
from core.domain.language import Language
from core.errors import BadInput


def test_what_is_chosen_anew_leaves_the_rest() -> None:
    before = choose(AS_IT_COMES, {"name": " Bookkeeper ", "format": Format.CHAT})
    after = choose(before, {"language": Language.FRENCH})
    assert after == Choices("Bookkeeper", Format.CHAT, Language.FRENCH)
    assert choose(after, Chosen()) == after


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("x" * (NAME_LIMIT + 3), "40 characters at most: leave out 3"),
        ("Book\x1b[31mkeeper", "visible characters"),
        ("Book\u202ekeeper", "visible characters"),
        ("Book\nkeeper", "visible characters"),
    ],
)
def test_names_that_cannot_be(name: str, wrong: str) -> None:
    with pytest.raises(BadInput, match=wrong):
        choose(AS_IT_COMES, {"name": name})


def test_what_was_changed_is_told_and_nothing_else() -> None:
    before = Choices("Bookkeeper")
    assert changes(before, before) == ""
    assert changes(before, Choices(format=Format.CHAT)) == "no name, format chat"
    assert changes(AS_IT_COMES, Choices("Till", language=Language.DUTCH)) == (
        "name Till, language nl"
    )
