"""The producer's JSON: checked, taken apart and kept byte for byte. Pure.

Nothing here writes JSON. What is sent is a slice of what came in, so `55.10` stays `55.10`, and a
whole number keeps all its digits.
"""

import codecs
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, NoReturn

from core.domain.cleaning import clean
from core.domain.events import Entity, EventType, event_for_change
from core.errors import BadPayload

PAYLOAD_LIMIT = 256 * 1024
"""The largest payload of an event, in bytes. A ticket with a hundred lines has about a tenth of
this.
"""

LINE_LIMIT = 4 * PAYLOAD_LIMIT
"""The longest line of a push, in bytes: what was before, what is after, and what surrounds them."""

DEPTH_LIMIT = 100
"""How deep brackets may be nested, in a payload as in a line; a ticket nests about four."""

SUBJECT_LIMIT = 64
"""The longest subject of an event, in characters."""

SUBJECT_NAMES = ("numero", "id", "reference", "code")
"""The fields in which a payload may name its subject; the first one that is there counts."""

_KEY_LIMIT = 200
_STRINGS_AND_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)|[][{}]', re.DOTALL)
_SPACE = " \t\n\r"


class Checked(NamedTuple):
    """A payload that is JSON, without the white space around it."""

    payload: bytes
    subject: str  # what a person calls its event; "" where it names none


def check_payload(raw: object) -> Checked:
    """The payload, looked at once. Raises BadPayload where it is not JSON."""
    if not isinstance(raw, bytes):
        raise BadPayload(
            f"The payload is JSON as bytes, and this is {type(raw).__name__}: hand over "
            "json.dumps(…).encode()."
        )
    value = decoded(raw)
    return Checked(_checked_size(raw.strip()), _subject(value))


def digest(payload: bytes) -> int:
    """A checksum that tells a stored payload from a damaged one. It takes microseconds, a
    thousandth of what parsing takes. It guards against accidents only, and is no secret.
    """
    return zlib.crc32(payload)


def is_intact(payload: bytes, expected: int | None) -> bool:
    """Whether a stored payload still has its digest. Old ones have no digest: they were checked
    before there were any.
    """
    return expected is None or digest(payload) == expected


def are_intact(payloads: Iterable[bytes], expected: Iterable[int | None]) -> bool:
    """Whether each of many surely is, in a fraction of the time: False where one has no digest."""
    return list(map(zlib.crc32, payloads)) == list(expected)


def subject_of(raw: bytes) -> str:
    """What a person calls the event with this payload; "" where it names none, or is not JSON."""
    try:
        return _subject(decoded(raw))
    except BadPayload:
        return ""


def as_subject(text: str) -> str:
    """The text in the form in which subjects are stored and looked for."""
    return clean(text.strip(), SUBJECT_LIMIT)


def _subject(payload: Any) -> str:
    members = payload if isinstance(payload, dict) else {}
    return next(filter(None, map(_told, map(members.get, SUBJECT_NAMES))), "")


def _told(value: Any) -> str:
    """A text, or a number with the digits it was written with; nothing else can be a subject."""
    if isinstance(value, tuple):
        return as_subject(str(value[0]))
    return as_subject(value) if isinstance(value, str) else ""


def check_key(key: object) -> str:
    """A producer's key, which has 1 to 200 printable characters."""
    if not isinstance(key, str) or not 1 <= len(key) <= _KEY_LIMIT or not key.isprintable():
        raise BadPayload(f'"key" must be text of 1 to {_KEY_LIMIT} printable characters.')
    return key


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a push; `event_type` is None where the change is no event."""

    key: str
    event_type: EventType | None
    payload: bytes
    subject: str  # "" where there is none


def parse_change(line: bytes) -> Change:
    """One line of BackendSync NDJSON. Raises BadPayload, which says what is wrong with it.

    `{"entity": "ticket", "before": null, "after": {...}, "key": "..."}`
    """
    if len(line) > LINE_LIMIT:
        raise BadPayload(f"The line is longer than the {LINE_LIMIT} bytes that are allowed.")
    members = _members(_text(line, DEPTH_LIMIT + 1))
    entity = _entity(members)
    before, after = _state(members, "before"), _state(members, "after")
    key = check_key(members.get("key", (None, ""))[0])
    try:
        event_type = event_for_change(entity, before, after)
    except ValueError as error:
        raise BadPayload(f"{error}.") from None
    payload = members["after"][1].encode() if event_type else b""
    return Change(key, event_type, _checked_size(payload), _subject(after))


def _entity(members: dict[str, tuple[Any, str]]) -> Entity:
    name = members.get("entity", (None, ""))[0]
    try:
        return Entity(name)
    except ValueError:
        raise BadPayload(f'"entity" must be one of {", ".join(Entity)}.') from None


def _state(members: dict[str, tuple[Any, str]], name: str) -> dict[str, Any] | None:
    if name not in members:
        raise BadPayload(f'"{name}" is missing: it is an object, or null.')
    value = members[name][0]
    if value is not None and not isinstance(value, dict):
        raise BadPayload(f'"{name}" must be an object, or null.')
    return value


def _checked_size(payload: bytes) -> bytes:
    if len(payload) > PAYLOAD_LIMIT:
        raise BadPayload(f"The payload has {len(payload)} bytes; {PAYLOAD_LIMIT} are allowed.")
    return payload


def _text(raw: bytes, depth_limit: int = DEPTH_LIMIT) -> str:
    if raw.startswith(codecs.BOM_UTF8):
        raise BadPayload(
            "It is not JSON: see line 1, column 1, where a byte order mark is: leave it away."
        )
    _check_depth(raw, depth_limit)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BadPayload(f"It is not UTF-8: byte {error.start + 1} cannot be read.") from None


def _check_depth(raw: bytes, limit: int) -> None:
    """Raise BadPayload where it is nested too deep: one limit for every version of Python and every
    depth of the call, whose own limits differ.
    """
    if raw.count(b"[") + raw.count(b"{") <= limit:
        return
    depth = 0
    for token in _STRINGS_AND_BRACKETS.findall(raw):
        depth += (token in {b"[", b"{"}) - (token in {b"]", b"}"})
        if depth > limit:
            raise BadPayload(
                f"It is not usable JSON: it is nested too deeply, {limit} levels are allowed."
            )


def decoded(raw: bytes) -> Any:
    """The JSON value, with each number as a Decimal in a tuple. So `==` compares numbers by value,
    and values of different types are never equal. Raises BadPayload.
    """
    text = _text(raw)
    value, end = _scan(text, _skip_space(text, 0))
    _expect_end(text, end)
    return value


def _members(text: str) -> dict[str, tuple[Any, str]]:
    """The members of the JSON object `text`: name → (value, the text it was written as)."""
    members: dict[str, tuple[Any, str]] = {}
    at = _skip_space(text, _expect(text, _skip_space(text, 0), "{"))
    if text[at : at + 1] == "}":
        _expect_end(text, at + 1)
        return members
    while True:
        name, at = _name(text, at)
        start = _skip_space(text, _expect(text, _skip_space(text, at), ":"))
        value, at = _scan(text, start)
        members[name] = value, text[start:at]
        at = _skip_space(text, at)
        if text[at : at + 1] == "}":
            _expect_end(text, at + 1)
            return members
        at = _skip_space(text, _expect(text, at, ","))


def _name(text: str, at: int) -> tuple[str, int]:
    _expect(text, at, '"')
    return _scan(text, at)


def _scan(text: str, at: int) -> tuple[Any, int]:
    """The JSON value that begins at `at`, and the place where it ends."""
    try:
        return _decoder.raw_decode(text, at)
    except json.JSONDecodeError as error:
        _refuse(text, error.pos)


def _skip_space(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _SPACE:
        at += 1
    return at


def _expect(text: str, at: int, character: str) -> int:
    if text[at : at + 1] != character:
        _refuse(text, at)
    return at + 1


def _expect_end(text: str, at: int) -> None:
    at = _skip_space(text, at)
    if at != len(text):
        _refuse(text, at)


def _refuse(text: str, at: int) -> NoReturn:
    if not text.strip():
        raise BadPayload("It is not JSON: there is nothing in it.")
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    raise BadPayload(f"It is not JSON: see line {line}, column {column}.")


def _number(text: str) -> tuple[Decimal | str]:
    """A number by value, so that 55.10 equals 55.1; in a tuple, so that 1 does not equal true."""
    try:
        return (Decimal(text),)
    except InvalidOperation:  # its exponent is beyond all bounds
        return (text,)


def _refuse_constant(_: str) -> NoReturn:
    raise BadPayload("It is not JSON: NaN and Infinity are not numbers there.")


_decoder = json.JSONDecoder(parse_float=_number, parse_int=_number, parse_constant=_refuse_constant)
