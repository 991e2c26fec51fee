"""JSON on one line: the same values, and nothing that a terminal acts on."""

import json
import unicodedata

import pytest

from core.domain.json_line import on_lines


def test_line_breaks_between_tokens_become_blanks() -> None:
    [line] = on_lines([b'{\n  "a": [\r\n 1,\t2 ]\n}'])
    assert b"\n" not in line
    assert b"\r" not in line
    assert json.loads(line) == {"a": [1, 2]}


@pytest.mark.parametrize(
    "document",
    ['{"prix":55.10}', '"é ç ß"', "12345678901234567890", '"\\u001b[2J\\n"', '"日本 😀 €"'],
)
def test_what_is_on_one_line_and_visible_stays_byte_for_byte(document: str) -> None:
    assert on_lines([document.encode()]) == [document.encode()]


@pytest.mark.parametrize(
    "character",
    ["\x7f", "\x9b", "\x85", "\xad", "\u061c", "\u200b", "\u202e", "\u2028", "\u2066", "\ufeff"],
    ids=lambda character: f"{ord(character):04x}",
)
def test_what_a_terminal_acts_on_is_escaped(character: str) -> None:
    assert unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"}
    document = f'"é{character}é"'
    [other, line] = on_lines([b"1", document.encode()])
    assert other == b"1"
    assert line.decode() == f'"é\\u{ord(character):04x}é"'
    assert json.loads(line) == json.loads(document)


def test_no_documents_are_no_lines() -> None:
    assert list(on_lines([])) == []
