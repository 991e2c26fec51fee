"""Payloads and answers as a person reads them: quickly, bounded, and harmless."""

import json

import pytest

from core.domain.payload import DEPTH_LIMIT, PAYLOAD_LIMIT
from tests.support.hostile import BODIES, harmful
from tui.reading import LINES, readable_json, visible_text

TICKET = (
    b'{"event":"ticket.created","payload":{"numero":1234,"total_tvac":55.10,"client":{"id":7,'
    b'"nom":"Caf\xc3\xa9"},"note":null,"lignes":[%s]}}'
)
LIGNE = b'{"nom":"Pizza","prix":12.00}'


def read(raw: bytes, width: int = 40) -> list[str]:
    return [line.plain for line in readable_json(raw, width)]


def test_a_payload_is_indented_and_its_numbers_stay_as_they_were_written() -> None:
    assert read(TICKET % b",".join([LIGNE] * 2)) == [
        "{",
        '  "numero": 1234,',
        '  "total_tvac": 55.10,',
        '  "client": {"id": 7, "nom": "Café"},',
        '  "note": null,',
        '  "lignes": [',
        '    {"nom": "Pizza", "prix": 12.00},',
        '    {"nom": "Pizza", "prix": 12.00}',
        "  ]",
        "}",
    ]


def test_a_long_list_is_folded() -> None:
    lines = read(TICKET % b",".join([LIGNE] * 100))
    assert lines[-3:] == ["    … 95 more", "  ]", "}"]
    assert len(lines) == 14


def test_names_and_numbers_are_told_apart_by_the_stylesheet() -> None:
    [line] = readable_json(b'{"a": 1}', 40)
    assert {(str(span.style), line.plain[span.start : span.end]) for span in line.spans} == {
        (".key", '"a"'),
        (".number", "1"),
    }


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (b'{"payload": {}}', ["{}"]),
        (b'{"text": "Ticket 1"}', ['{"text": "Ticket 1"}']),
        (b'{"a": 1, "a": 2}', ['{"a": 1, "a": 2}']),
        (b"[1e400, 12345678901234567890]", ["[1e400, 12345678901234567890]"]),
        (b"no JSON", ["no JSON"]),
        (b"\xff", ["\ufffd"]),
    ],
)
def test_whatever_it_is_it_can_be_read(raw: bytes, lines: list[str]) -> None:
    assert read(raw) == lines


def test_a_long_text_is_broken_under_its_beginning() -> None:
    lines = read(json.dumps({"note": "x" * 100}).encode())
    assert lines[1].startswith('  "note": "xxx')
    assert lines[2].startswith("          xxx")
    assert max(map(len, lines)) <= 40


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b",".join([b'{"a":[1,2,3]}'] * (PAYLOAD_LIMIT // 14)) + b"]",
        b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(20_000)) + b"}",
        b'{"a":' * DEPTH_LIMIT + b"1" + b"}" * DEPTH_LIMIT,
        b'"' + b"x" * (PAYLOAD_LIMIT - 2) + b'"',
        b"[" + b'"' + b"\\u202e" * 40_000 + b'"' + b"]",
        b"x" * PAYLOAD_LIMIT,
        b"[" * 100_000,
    ],
    ids=["list", "members", "deep", "text", "hidden", "no JSON", "too deep"],
)
def test_a_large_one_is_cut_to_so_many_lines(raw: bytes) -> None:
    assert len(readable_json(raw, 78)) <= LINES + 1


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_nothing_in_it_is_obeyed_by_a_terminal(body: bytes) -> None:
    told = body.decode("utf-8", "replace")
    for raw in (body, json.dumps({told: told}).encode()):
        assert harmful("\n".join(read(raw)).replace("\n", "")) == set()


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ('{"ok":true}', '{"ok":true}'),
        ("a < b", "a < b"),
        ("<html><head><title>x</title></head><body><h1>Bad␊gateway</h1>nginx", "Bad gateway nginx"),
        ("␊<!DOCTYPE html><p>Not &eacute;t&eacute;</p><script>alert(1)</script>", "Not été"),
        ("<html><script>only()", "<html><script>only()"),
        ("<html><body>one <b>two</b> R&D", "one two R&D"),
    ],
)
def test_of_a_page_only_what_is_to_be_read_is_shown(answer: str, seen: str) -> None:
    assert visible_text(answer) == seen


def test_a_page_with_markup_that_python_may_not_know_is_shown_all_the_same() -> None:
    page = "<html><body>x<![foo[y]]>"
    assert visible_text(page) in {"x", page}  # some of its releases read it, others refuse it
