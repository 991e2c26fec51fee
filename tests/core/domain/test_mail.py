"""Which mail addresses there may be, and what is written to them."""

from datetime import UTC, datetime

import pytest

from core.domain.language import Language
from core.domain.mail import alert_letter, code_letter, parse_address
from core.errors import BadInput
from core.wording import wording

ENGLISH = wording(Language.ENGLISH)
NOON = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        ("marie@example.com", "marie@example.com"),
        ("  Marie.Dupont+shop@Example.COM ", "Marie.Dupont+shop@example.com"),
        ("caisse@épicerie.example", "caisse@xn--picerie-9xa.example"),
        ("a@b.co", "a@b.co"),
    ],
)
def test_an_address_is_taken_as_the_name_system_has_it(typed: str, used: str) -> None:
    assert parse_address(typed) == used
    assert parse_address(used) == used


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "marie",
        "@example.com",
        "marie@",
        "marie@localhost",
        "marie@127.0.0.1",
        "marie@[127.0.0.1]",
        "marie@example..com",
        ".marie@example.com",
        "marie..d@example.com",
        "marie@exa mple.com",
        "marie@example.com\r\nBcc: everybody@example.com",
        "marie\r\nRCPT TO:<x@example.com>@example.com",
        "marie@example.com, paul@example.com",
        "marie@example.com;paul@example.com",
        '"marie@x"@example.com',
        "<marie@example.com>",
        "Marie <marie@example.com>",
        "marie(x)@example.com",
        "marié@example.com",
        "marie\0@example.com",
        "paul@example.net@example.com",
        f"{'a' * 65}@example.com",
        f"a@{'b' * 60}.{'b' * 60}.{'b' * 60}.{'b' * 60}.{'b' * 60}.com",
        "marie@-example.com",
    ],
)
def test_what_could_be_read_in_two_ways_is_no_address(typed: str) -> None:
    with pytest.raises(BadInput, match="not a mail address"):
        parse_address(typed)


@pytest.mark.parametrize("language", Language)
def test_a_code_is_in_the_text_alone(language: Language) -> None:
    letter = code_letter("012345", "Chez Marie", wording(language))
    assert "012345" in letter.text
    assert "012345" not in letter.subject
    assert "Chez Marie" in letter.subject


@pytest.mark.parametrize("language", Language)
def test_an_alert_says_what_a_chat_is_told_and_of_which_webhook(language: Language) -> None:
    letter = alert_letter("shop.example.com …hook fails", 3, NOON, "Chez Marie", wording(language))
    assert letter.subject == "Chez Marie · shop.example.com …hook fails"
    assert letter.text.startswith("shop.example.com …hook fails\n")
    assert "2026-05-17 12:00 UTC" in letter.text
    assert "3" in letter.text


def test_nothing_that_was_named_ends_a_line() -> None:
    letter = alert_letter("a\r\nBcc: b@example.com\u2028", 3, NOON, "Chez\nMarie", ENGLISH)
    assert letter.subject == "Chez␊Marie · a␍␊Bcc: b@example.com⟨2028⟩"
    assert "\r" not in letter.text
    assert len(code_letter("1", "x" * 1000, ENGLISH).subject) == 200
