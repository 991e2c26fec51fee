"""Nothing from outside reaches a terminal, a log or the database as it came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.cleaning import clean, clean_body
from tests.support.hostile import BODIES, harmful


def harmless(text: str) -> bool:
    return not harmful(text, allowed="")


@pytest.mark.parametrize("name", BODIES)
def test_every_hostile_body_becomes_harmless(name: str) -> None:
    shown = clean_body(BODIES[name], 500)
    assert harmless(shown)
    assert len(shown) <= 500
    shown.encode()


def test_what_is_harmless_stays_readable() -> None:
    text = BODIES["benign_json"].decode()
    assert clean_body(BODIES["benign_json"], 500) == text[:500]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", "a␊b␉c"),
        ("\x1b[2J", "␛[2J"),
        ("\x7f", "␡"),
        ("\x9b31m", "⟨009B⟩31m"),
        ("\u202egpj", "⟨202E⟩gpj"),
        ("a\u2028b", "a⟨2028⟩b"),
        ("\ud800", "⟨D800⟩"),
        ("e\u0301\u0301\u0301\u0301", "e\u0301\u0301"),
        ("a\u3164b", "a⟨3164⟩b"),
        ("\u115f\u1160\uffa0", "⟨115F⟩⟨1160⟩⟨FFA0⟩"),
        ("a\u2800b", "a⟨2800⟩b"),
        ("a\u034f\u034f\u034fb", "a⟨034F⟩⟨034F⟩⟨034F⟩b"),
        ("a\ufe0e\ufe0f\U000e0100", "a⟨FE0E⟩⟨FE0F⟩⟨E0100⟩"),
        ("\u17b4\u180b\u180f", "⟨17B4⟩⟨180B⟩⟨180F⟩"),
        ("é ✓ 漢 한글 ㄱ", "é ✓ 漢 한글 ㄱ"),
    ],
)
def test_what_is_hidden_is_made_visible(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_cut_leaves_no_half_code() -> None:
    assert clean("abc\u202e", 6) == "abc"
    assert clean("abc\u202e", 9) == "abc⟨202E⟩"
    assert clean("abcdef", 3) == "abc"


@given(st.text(st.characters(exclude_categories=[])), st.integers(0, 60))
def test_cleaning_is_harmless_bounded_and_does_it_once(text: str, limit: int) -> None:
    once = clean(text, limit)
    assert harmless(once)
    assert len(once) <= limit
    assert clean(once, limit) == once


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_shown(raw: bytes) -> None:
    assert harmless(clean_body(raw, 500))
