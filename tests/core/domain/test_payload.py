"""The producer's JSON, kept byte for byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.payload import (
    DEPTH_LIMIT,
    LINE_LIMIT,
    PAYLOAD_LIMIT,
    SUBJECT_LIMIT,
    are_intact,
    as_subject,
    check_payload,
    digest,
    parse_change,
    subject_of,
)
from core.errors import BadPayload

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
WRITTEN = {
    "indent": st.sampled_from([None, 0, 3]),
    "ensure_ascii": st.booleans(),
    "separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :\n")]),
}


@pytest.mark.parametrize(
    "text",
    [
        '{"t": 55.10}',
        '{"n": 1234567890123456789012345}',
        '{"n": ' + "9" * 5000 + "}",
        '{"n": 1e400}',
        '{"e": "é", "u": "\u2028", "escaped": "\\u2028", "half": "\\ud800"}',
        '{"a": 1, "a": 2}',
        "[1, 2]",
        '"text"',
        "null",
    ],
)
def test_json_is_kept_byte_for_byte(text: str) -> None:
    assert check_payload(f" \n{text}\r\n".encode()).payload == text.encode()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "nothing in it"),
        (b" \n", "nothing in it"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1}}', "line 1, column 9"),
        (b'{"a":\n 01}', "line 2, column 3"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'{"a": NaN}', "NaN"),
        (b"-Infinity", "NaN"),
        (b'"\x01"', "line 1"),
        (b"\xff", "byte 1"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
        (b"[" * 100_000, "nested too deeply"),
        (b'"' + b"x" * PAYLOAD_LIMIT + b'"', f"{PAYLOAD_LIMIT} are allowed"),
    ],
)
def test_what_is_not_json_says_where(raw: bytes, words: str) -> None:
    with pytest.raises(BadPayload) as refused:
        check_payload(raw)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 120


def change(**members: str) -> bytes:
    """A line of a push, each member given as JSON text; None leaves one out."""
    whole = {"entity": '"client"', "before": "null", "after": "{}", "key": '"k"'} | members
    return (
        "{" + ",".join(f'"{name}":{text}' for name, text in whole.items() if text) + "}"
    ).encode()


def test_the_payload_of_a_change_is_what_came_after_byte_for_byte() -> None:
    after = '{ "t": 55.10,"n":1234567890123456789012345 , "nom":"\u2028é" }'
    assert parse_change(change(after=after)).payload == after.encode()


@pytest.mark.parametrize(
    "after",
    [
        '{"a": "\u2028", "b": "\\u2028"}',
        '{"n": ' + "9" * 5000 + "}",
        '{"n": 1e400, "z": -0.0}',
        '{"a": 1, "a": 2}',
        '{"half": "\\ud800"}',
        "{ }",
    ],
)
def test_a_change_keeps_its_after_however_odd(after: str) -> None:
    assert parse_change(change(after=after)).payload == after.encode()


def test_of_members_written_twice_the_last_counts_as_for_any_json_reader() -> None:
    line = change(after='{"n":1},"after":{"n":2}', key='"a","key":"b"')
    parsed = parse_change(line)
    assert (parsed.key, parsed.payload) == ("b", b'{"n":2}')


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [1, 98, 99, 100, 101, 900, 5000])
def test_nesting_has_one_limit_however_it_comes(opening: str, closing: str, depth: int) -> None:
    deep = '{"v":' + opening * depth + '"[{"' + closing * depth + "}"
    if depth < DEPTH_LIMIT:
        assert parse_change(change(before=deep, after=deep)).event_type is None
        assert check_payload(deep.encode()).payload == deep.encode()
        return
    for refuse in (lambda: parse_change(change(after=deep)), lambda: check_payload(deep.encode())):
        with pytest.raises(BadPayload, match="nested too deeply"):
            refuse()


@pytest.mark.parametrize("inside", ["[" * 500, '\\"[' * 500, "{" * 500])
def test_brackets_in_a_text_are_no_nesting(inside: str) -> None:
    payload = f'{{"v":"{inside}"}}'.encode()
    assert check_payload(payload).payload == payload


def test_a_text_without_an_end_is_refused_at_once() -> None:
    """Each quotation mark could begin one: looked for from each, it would take minutes."""
    with pytest.raises(BadPayload, match="not JSON"):
        check_payload(b'["' + b'\\"[' * 80_000)


def test_a_change_that_is_no_event_has_no_payload() -> None:
    parsed = parse_change(change(after="null"))
    assert (parsed.event_type, parsed.payload) == (None, b"")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (change(entity='"facture"'), '"entity" must be one of'),
        (change(entity=""), '"entity" must be one of'),
        (change(entity="[]"), '"entity" must be one of'),
        (change(before=""), '"before" is missing'),
        (change(after=""), '"after" is missing'),
        (change(after="[]"), '"after" must be an object'),
        (change(key=""), '"key" must be'),
        (change(key="3"), '"key" must be'),
        (change(key='""'), '"key" must be'),
        (change(key='"a\\u0000"'), '"key" must be'),
        (change(key=f'"{"k" * 201}"'), '"key" must be'),
        (b"[]", "line 1, column 1"),
        (b'{"entity" "client"}', "line 1, column 11"),
        (b'{"entity":"client",}', "line 1, column 20"),
        (b'{"entity":"client"} x', "line 1, column 21"),
        (b"{}", '"entity" must be'),
        (b"\xff" * 10, "byte 1"),
        (b" " * (LINE_LIMIT + 1), "longer than"),
        (change(before="1"), '"before" must be an object'),
        (change(after='{"a": NaN}'), "NaN"),
        (change(after='{"a": -Infinity}'), "NaN"),
        (change(after=f'{{"a":"{"x" * PAYLOAD_LIMIT}"}}'), f"{PAYLOAD_LIMIT} are allowed"),
        (b"\xef\xbb\xbf" + change(), "line 1, column 1"),
        (b"", "nothing in it"),
    ],
)
def test_a_bad_change_says_what_is_wrong(line: bytes, words: str) -> None:
    with pytest.raises(BadPayload) as refused:
        parse_change(line)
    assert words in str(refused.value)


@given(JSON, st.fixed_dictionaries(WRITTEN))
def test_any_json_however_written_is_kept(value: object, written: dict[str, object]) -> None:
    raw = json.dumps(value, **written).encode("utf-8", "surrogatepass")  # type: ignore[arg-type]
    try:
        raw.decode()
    except UnicodeDecodeError:
        with pytest.raises(BadPayload):
            check_payload(raw)
        return
    assert check_payload(raw).payload == raw.strip()


@given(st.dictionaries(st.text(), JSON, max_size=4), st.fixed_dictionaries(WRITTEN))
def test_a_changes_payload_is_a_piece_of_its_line(
    after: dict[str, object], written: dict[str, object]
) -> None:
    members = {"key": "k", "after": after, "before": None, "entity": "client"}
    line = json.dumps(members, **(written | {"ensure_ascii": True})).encode()  # type: ignore[arg-type]
    payload = parse_change(line).payload
    assert payload in line
    assert json.loads(payload) == after


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused_and_nothing_else(raw: bytes) -> None:
    for check in (check_payload, parse_change):
        try:
            check(raw)
        except BadPayload:
            continue


@pytest.mark.parametrize(
    ("payload", "subject"),
    [
        ('{"numero": "4711"}', "4711"),
        ('{"numero": 4711}', "4711"),
        ('{"numero": 12345678901234567890}', "12345678901234567890"),
        ('{"id": 7, "numero": "T-1"}', "T-1"),
        ('{"code": "SUMMER", "reference": 55.10}', "55.10"),
        ('{"code": "SUMMER"}', "SUMMER"),
        ('{"numero": null, "id": true, "reference": [1], "code": {}}', ""),
        ('{"numero": "", "id": "  ", "reference": "R"}', "R"),
        ('{"numero": " 4711\\n"}', "4711"),
        ('{"numero": "a\\u0000b\\u001b[2J"}', "a␀b␛[2J"),
        ('{"numero": "\\ud800"}', "⟨D800⟩"),
        ('{"numero": "' + "é" * 70 + '"}', "é" * SUBJECT_LIMIT),
        ('{"numero": "1", "numero": "2"}', "2"),
        ('{"client": {"numero": 1}}', ""),
        ('[{"numero": 1}]', ""),
        ('"4711"', ""),
        ("{", ""),
        ("[" * (DEPTH_LIMIT + 1) + "]" * (DEPTH_LIMIT + 1), ""),
    ],
)
def test_the_subject_is_what_a_person_calls_it(payload: str, subject: str) -> None:
    assert subject_of(payload.encode()) == subject
    assert as_subject(subject) == subject


def test_a_checked_payload_and_a_pushed_change_have_the_same_subject() -> None:
    assert check_payload(b' {"statut": "valide", "numero": 17}').subject == "17"
    assert parse_change(change(after='{"statut": "valide", "numero": 17}')).subject == "17"
    assert parse_change(change(after="null")).subject == ""


def test_many_payloads_are_intact_together_where_each_has_its_digest() -> None:
    payloads = [b"{}", b"1", b'"a"']
    digests: list[int | None] = [*map(digest, payloads)]
    assert are_intact(payloads, digests)
    assert are_intact([], [])
    assert not are_intact([b"{ ", *payloads[1:]], digests)
    assert not are_intact(payloads, [None, *digests[1:]])
