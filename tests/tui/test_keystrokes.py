"""What a terminal sends, however its bytes come apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.keystrokes import PASTE_LIMIT, Keystrokes, Pasted

ESC, ANSWER = "\x1b", "\x1b[0n"
BEGIN, END = "\x1b[200~", "\x1b[201~"
KEYS = [
    "\x1b[A",
    "\x1b[1;5C",
    "\x1b[3~",
    "\x1b[[A",
    "\x1bOP",
    "\x1b[<35;12;7M",
    "\x1b[M !!",
    "\x1b[?2026;2$y",
    "\x1b[48;24;80;480;800t",
    "\x1b[97;5u",
    "\x1b[2$",
]


def fed(*reads: str) -> list[str | Pasted]:
    """What comes of these reads, and of the silence after them."""
    strokes = Keystrokes()
    pieces = [piece for read in reads for piece in strokes.feed(read)]
    pieces += strokes.end()
    assert not strokes.is_unfinished
    return pieces


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_whole_wherever_it_is_cut(key: str) -> None:
    for cut in range(len(key) + 1):
        assert fed(key[:cut], key[cut:] + "j") == [key, "j"]


def test_a_lone_escape_may_be_the_beginning_of_a_key() -> None:
    strokes = Keystrokes()
    assert strokes.feed(ESC) == []
    assert strokes.is_escape
    assert strokes.feed("[B") == ["\x1b[B"]
    assert not strokes.is_unfinished


def test_the_answer_says_that_it_was_a_key() -> None:
    strokes = Keystrokes()
    strokes.feed(ESC)
    assert strokes.feed(ANSWER) == [ESC]
    assert not strokes.is_unfinished


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
def test_so_does_one_that_comes_in_two(cut: int) -> None:
    assert fed(ESC, ANSWER[:cut], ANSWER[cut:]) == [ESC]


@pytest.mark.parametrize("key", ["j", "P", "]", "é", "\x7f", "\r"])
def test_a_key_right_after_escape_is_not_lost(key: str) -> None:
    assert fed(f"{ESC}{key}") == [ESC, key]
    assert fed(ESC, key) == [ESC, key]


@pytest.mark.parametrize("key", ["[", "O"])
def test_nor_is_one_that_could_have_gone_on(key: str) -> None:
    assert fed(f"{ESC}{key}") == [ESC, key]


def test_two_escapes_are_two() -> None:
    assert fed(f"{ESC}{ESC}") == [ESC, ESC]


def test_a_paste_is_one_piece_and_its_escapes_are_text() -> None:
    text = "https://example.org/\x1b[A\n"
    assert fed(f"a{BEGIN}{text}{END}b") == ["a", Pasted(text), "b"]
    for cut in range(1, len(END)):
        assert fed(f"{BEGIN}{text}{END[:cut]}", END[cut:]) == [Pasted(text)]


@pytest.mark.parametrize("end", [END, ""])
def test_a_paste_is_bounded_and_ends_with_the_silence(end: str) -> None:
    reads = [BEGIN, *["x" * 1000] * 216, end]
    strokes = Keystrokes()
    for read in reads:
        strokes.feed(read)
        assert len(strokes._paste or "") < PASTE_LIMIT + 100
    assert fed(*reads, end) == [Pasted("x" * PASTE_LIMIT)]


@pytest.mark.parametrize("begun", ["\x1b[", "\x1b[?", "\x1bO", "\x1b[48;"])
def test_what_never_ends_is_nothing_and_takes_no_room(begun: str) -> None:
    strokes = Keystrokes()
    for read in [begun, *["1" * 1000] * 216]:
        assert strokes.feed(read) == []
        assert len(strokes._held) < 100
    assert strokes.end() == []
    assert fed(begun + "1" * 1000, "mj") == ["j"]
    assert fed(begun + "1" * 1000, "\x1b[A") == ["\x1b[A"]


@given(st.lists(st.sampled_from([*KEYS, "j", "ü", "xyz"])), st.data())
def test_nothing_is_lost_however_it_is_cut(keys: list[str], data: st.DataObject) -> None:
    text = "".join(keys)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    reads = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join(str(piece) for piece in fed(*reads)) == text


@given(st.text(st.sampled_from("\x1b[]O;?0123456789~$MmAR jü"), max_size=200))
def test_whatever_comes_it_ends_and_letters_without_an_escape_stay(text: str) -> None:
    pieces = fed(text)
    if ESC not in text:
        assert "".join(map(str, pieces)) == text
