"""Which payloads a webhook is to get: `total_tvac >= 100`, `client.pays != "BE"`. Pure.

A condition is data, never code. It is a dotted path, a comparison and, in most cases, a JSON value.
Numbers are compared by value and strings exactly, and a value equals only values of its own JSON
type. Where the field is absent, only `missing` is true; a field that is `null` is present.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any, NewType

from core.domain.language import N_
from core.domain.payload import decoded
from core.errors import BadInput, BadPayload

MOST_CONDITIONS = 10
"""How many conditions one webhook may have."""

LENGTH_LIMIT = 200
"""The longest condition, in characters."""

_CONDITION = re.compile(
    r"""(?P<path>[^\s.=!<>"]+(?:\.[^\s.=!<>"]+)*)
        \s*(?P<comparison>!=|<=|>=|=|<|>|(?<=\s)(?:contains|exists|missing)\b)
        \s*(?P<value>.*)""",
    re.VERBOSE,
)
_STRING_OR_AND = re.compile(r'"(?:[^"\\]|\\.)*"|\s+and\s+')
_ABSENT = object()
_Comparison = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition that a payload must meet."""

    text: str  # as its owner wrote it
    path: tuple[str, ...]
    comparison: str
    value: Any = None  # decoded in the same way as `payload.decoded` does it

    def is_met_by(self, payload: Any) -> bool:
        """Whether a decoded payload meets this condition."""
        found = _field(payload, self.path)
        if found is _ABSENT:
            return self.comparison == "missing"
        return _COMPARISONS[self.comparison](found, self.value)


Facts = NewType("Facts", object)
"""A payload in the form in which conditions look at it."""

_NOT_JSON = Facts(object())


def read_facts(payload: bytes) -> Facts:
    """The facts of any payload. No condition holds of one that is not JSON."""
    try:
        return Facts(decoded(payload))
    except BadPayload:
        return _NOT_JSON


def all_hold(conditions: Iterable[Condition], facts: Facts) -> bool:
    return all(facts is not _NOT_JSON and each.is_met_by(facts) for each in conditions)


def are_met(conditions: Iterable[Condition], payload: bytes) -> bool:
    """Whether all of these hold of one payload."""
    return all_hold(conditions, read_facts(payload))


def split_conditions(line: str) -> list[str]:
    """The conditions that are written in one line, with `and` between them."""
    parts, begin = list[str](), 0
    for token in _STRING_OR_AND.finditer(line):
        if not token[0].startswith('"'):
            parts.append(line[begin : token.start()])
            begin = token.end()
    return [*parts, line[begin:]]


def parse_conditions(texts: Sequence[str]) -> tuple[Condition, ...]:
    """The conditions written in these texts. Raises BadInput, which says what is wrong with one."""
    if len(texts) > MOST_CONDITIONS:
        surplus = len(texts) - MOST_CONDITIONS
        raise BadInput(
            N_("A webhook may have {limit} conditions at most: leave out {surplus}."),
            limit=MOST_CONDITIONS,
            surplus=surplus,
        )
    return tuple(map(_parse, texts))


@lru_cache(maxsize=4096)
def _parse(text: str) -> Condition:
    text = text.strip()
    if len(text) > LENGTH_LIMIT:
        raise BadInput(
            N_("A condition has {limit} characters at most: make it shorter."), limit=LENGTH_LIMIT
        )
    if not text.isprintable():
        raise BadInput(N_("A condition is one line of printable characters: type it again."))
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise BadInput(
            N_(
                '"{text}" is no condition: write it as `total_tvac >= 100`, '
                '`mode_paiement = "Bancontact"` or `note exists`.'
            ),
            text=text,
        )
    path, comparison, value = found.group("path", "comparison", "value")
    return Condition(text, tuple(path.split(".")), comparison, _value(text, comparison, value))


def _value(text: str, comparison: str, value: str) -> Any:
    if comparison in _WITHOUT_VALUE:
        if value:
            raise BadInput(
                N_('"{text}" says too much: nothing follows `{comparison}`.'),
                text=text,
                comparison=comparison,
            )
        return None
    try:
        wanted = decoded(value.encode())
    except BadPayload:
        raise BadInput(
            N_(
                '"{text}" has no JSON value after `{comparison}`: a text stands in double '
                'quotes, as in `mode_paiement = "Bancontact"`.'
            ),
            text=text,
            comparison=comparison,
        ) from None
    if comparison in _ORDERS and not isinstance(wanted, str | tuple):
        raise BadInput(
            N_('"{text}" puts in order what has none: compare a number or a text.'), text=text
        )
    return wanted


def _field(payload: Any, path: tuple[str, ...]) -> Any:
    """The value of a field; the dots of its path walk through objects only."""
    for name in path:
        if not isinstance(payload, dict) or name not in payload:
            return _ABSENT
        payload = payload[name]
    return payload


def _in_order(compare: _Comparison) -> _Comparison:
    def holds(found: Any, wanted: Any) -> bool:
        if isinstance(found, str) and isinstance(wanted, str):
            return compare(found, wanted)
        both = _number(found), _number(wanted)
        return None not in both and compare(*both)

    return holds


def _number(value: Any) -> Decimal | None:
    """The number; None where the value is no number, or too large for any."""
    is_one = isinstance(value, tuple) and isinstance(value[0], Decimal)
    return value[0] if is_one else None


def _contains(found: Any, wanted: Any) -> bool:
    if isinstance(found, str):
        return isinstance(wanted, str) and wanted in found
    return isinstance(found, list) and wanted in found


_ORDERS: Mapping[str, _Comparison] = {
    "<": _in_order(lt),
    "<=": _in_order(le),
    ">": _in_order(gt),
    ">=": _in_order(ge),
}
_WITHOUT_VALUE: Mapping[str, _Comparison] = {
    "exists": lambda found, wanted: True,  # noqa: ARG005 - one signature for all
    "missing": lambda found, wanted: False,  # noqa: ARG005 - the same
}
_COMPARISONS: Mapping[str, _Comparison] = {
    "=": lambda found, wanted: bool(found == wanted),
    "!=": lambda found, wanted: bool(found != wanted),
    "contains": _contains,
    **_ORDERS,
    **_WITHOUT_VALUE,
}
