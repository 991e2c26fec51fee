"""Headers that an owner adds, such as the key of a gateway: which are allowed, and how we hide
them. Pure.
"""

import html
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from core.domain.language import N_
from core.domain.signing import Secret
from core.errors import BadInput

MOST_HEADERS = 5
"""How many headers of its own one webhook may have."""

VALUE_LIMIT = 1000
_NAME_LIMIT = 100
_NAME = re.compile(r"[A-Za-z0-9-]+")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_OURS = re.compile(r"content-.*|user-agent|x-aurapos-.*|webhook-.*")
_FRAMING = re.compile(
    r"host|transfer-encoding|connection|keep-alive|trailer|expect|te|upgrade|accept-encoding|proxy-.*"
)
_PARTLY = 8  # characters of a value; where an answer ends with that many, they are hidden


@dataclass(frozen=True, slots=True)
class OwnHeader:
    """A header that the owner has named; given without a value, it keeps the one it has."""

    name: str
    value: Secret | None = None

    @property
    def variable(self) -> str:
        """What stands for the value wherever it is shown: `$X_API_KEY`."""
        return variable_of(self.name)


def variable_of(name: str) -> str:
    return f"${name.upper().replace('-', '_')}"


def parse_headers(lines: Iterable[str]) -> tuple[OwnHeader, ...]:
    """The headers that are written in these lines, as `Name: value`, or as `Name` alone where the
    value stays.

    Raises BadInput, which says what is wrong with one of them and never quotes its value.
    """
    headers = tuple(map(_parse, lines))
    if len(headers) > MOST_HEADERS:
        raise BadInput(
            N_("A webhook may have {limit} headers of its own at most."), limit=MOST_HEADERS
        )
    names = [header.name.lower() for header in headers]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(N_("The header {name} is given twice: leave one out."), name=name)
    return headers


def _parse(line: str) -> OwnHeader:
    name, colon, value = (part.strip() for part in line.partition(":"))
    header = OwnHeader(name, Secret(value) if colon else None)
    check_header(header)
    return header


def check_header(header: OwnHeader) -> None:
    """Raise BadInput for a header that must not be sent."""
    name = header.name
    if len(name) > _NAME_LIMIT or not _NAME.fullmatch(name):
        raise BadInput(
            N_(
                "A header is written as `Name: value`, its name of letters, digits and hyphens "
                "only."
            )
        )
    if _OURS.fullmatch(name.lower()):
        raise BadInput(N_("The header {name} is AuraPOS's own: choose another name."), name=name)
    if _FRAMING.fullmatch(name.lower()):
        raise BadInput(
            N_(
                "The header {name} would change how the request is framed or where it goes: "
                "choose another name."
            ),
            name=name,
        )
    text = header.value.reveal() if header.value is not None else "kept"
    if len(text) > VALUE_LIMIT or not _VALUE.fullmatch(text):
        raise BadInput(
            N_("The value of the header {name} must be 1 to {limit} visible ASCII characters."),
            name=name,
            limit=VALUE_LIMIT,
        )


def blotted(answer: bytes, headers: Collection[OwnHeader]) -> bytes:
    """An answer with the values of these headers blotted out, in whatever way it quotes them."""
    if not headers:
        return answer
    written = [
        (way.encode(), header.variable.encode())
        for header in headers
        if header.value is not None
        for way in set(_ways_to_write(header.value.reveal()))
    ]
    for text, instead in sorted(written, key=lambda pair: len(pair[0]), reverse=True):
        answer = answer.replace(text, instead)
    for text, instead in written:
        answer = _without_its_beginning(answer, text, instead)
    return answer


def _without_its_beginning(answer: bytes, text: bytes, instead: bytes) -> bytes:
    """The same where the answer was cut off in the middle of a value."""
    for length in range(min(len(text) - 1, len(answer)), _PARTLY - 1, -1):
        if answer.endswith(text[:length]):
            return answer[:-length] + instead
    return answer


def _ways_to_write(text: str) -> Iterator[str]:
    in_json = json.dumps(text)[1:-1]
    yield from (text, in_json, in_json.replace("/", "\\/"))
    yield from (html.escape(text), html.escape(text, quote=False), quote(text, ""), quote(text))
    yield quote_plus(text)
