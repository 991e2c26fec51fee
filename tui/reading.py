"""JSON and answers as a person reads them: indented, folded, coloured, and bounded.

For reading only: what is copied, and what `b` shows, are the exact bytes. Numbers stand here as
they were written too.
"""

import json
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from itertools import islice

from textual.content import Content

from tui.untrusted import untrusted

LINES = 400
"""At most of one body; nobody reads more, and 256 KB of it would take seconds to draw."""

_FOLDED_FROM = 8  # elements of a list, of which the first few are shown then
_SHOWN_OF_LIST = 5
_INDENT = 2
_TEXT_LIMIT = 2_000  # characters of one text
_LEAST_ROOM = 20  # cells for a value, however deep it is


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class _Object(list[tuple[str, object]]):
    """The members of a JSON object in their order, doubled names too."""

    __slots__ = ()


def readable_json(raw: bytes, width: int) -> list[Content]:
    """The JSON in lines of about that width; what is none as the text it is."""
    text = raw.decode("utf-8", "replace")
    try:
        value = json.loads(text, parse_int=_Number, parse_float=_Number, object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        return untrusted(text[:_TEXT_LIMIT]).wrap(width)
    lines = list(islice(_lines(_payload_of(value), width), LINES + 1))
    if len(lines) > LINES:
        lines[LINES:] = [Content("… b shows all of it")]
    return lines


def _payload_of(body: object) -> object:
    """What the producer sent, of the body that surrounds it; of another format all of it."""
    members = dict(body) if isinstance(body, _Object) else {}
    return members.get("payload", body)


def _lines(
    value: object, width: int, depth: int = 0, name: Content | None = None, end: str = ""
) -> Iterator[Content]:
    begin = Content(" " * (_INDENT * depth)) + (name or Content(""))
    room = max(_LEAST_ROOM, width - begin.cell_length - len(end))
    short = _on_one_line(value, room)
    if short is not None:
        yield begin + short + end
        return
    if not isinstance(value, list):
        yield from _hanging(begin, _scalar(value) + end, width)
        return
    opening, closing = "{}" if isinstance(value, _Object) else "[]"
    yield begin + opening
    yield from _members(value, width, depth + 1)
    yield Content(f"{' ' * (_INDENT * depth)}{closing}{end}")


def _members(value: list[object], width: int, depth: int) -> Iterator[Content]:
    shown = value
    if not isinstance(value, _Object) and len(value) >= _FOLDED_FROM:
        shown = value[:_SHOWN_OF_LIST]
    for at, member in enumerate(shown):
        end = "," if at < len(value) - 1 else ""
        if isinstance(value, _Object):
            key, inner = value[at]
            yield from _lines(inner, width, depth, _key(key), end)
        else:
            yield from _lines(member, width, depth, None, end)
    if len(shown) < len(value):
        yield Content(f"{' ' * (_INDENT * depth)}… {len(value) - len(shown)} more")


def _on_one_line(value: object, room: int) -> Content | None:
    """The value where it fits into so many cells; found out without writing more than that."""
    parts, used = list[Content](), 0
    for part in _parts(value):
        used += part.cell_length
        if used > room:
            return None
        parts.append(part)
    return Content("").join(parts)


def _parts(value: object) -> Iterable[Content]:
    if not isinstance(value, list):
        yield _scalar(value)
        return
    opening, closing = "{}" if isinstance(value, _Object) else "[]"
    yield Content(opening)
    for at, member in enumerate(value):
        if at:
            yield Content(", ")
        if isinstance(member, tuple):
            yield _key(member[0])
            yield from _parts(member[1])
        else:
            yield from _parts(member)
    yield Content(closing)


def _key(name: str) -> Content:
    return Content.assemble(untrusted(f'"{name[:_TEXT_LIMIT]}"', ".key"), ": ")


def _scalar(value: object) -> Content:
    match value:
        case _Number():
            return untrusted(value[:_TEXT_LIMIT], ".number")
        case str():
            cut = "…" if len(value) > _TEXT_LIMIT else ""
            return untrusted(f'"{value[:_TEXT_LIMIT]}{cut}"')
        case _:
            return Content(json.dumps(value))


def _hanging(begin: Content, text: Content, width: int) -> Iterator[Content]:
    """A long text in as many lines as it takes, the further ones under its beginning."""
    indent = min(begin.cell_length, max(0, width - _LEAST_ROOM))
    first, *further = text.fold(max(_LEAST_ROOM, width - begin.cell_length))
    yield begin + first
    for line in further:
        yield Content(" " * indent) + line


class _VisibleText(HTMLParser):
    """What a browser would show of a page, in one line."""

    _HIDDEN = frozenset({"script", "style", "head", "template"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self._hidden_in: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - its signature
        if tag in self._HIDDEN:
            self._hidden_in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden_in:
            del self._hidden_in[self._hidden_in.index(tag) :]

    def handle_data(self, data: str) -> None:
        if not self._hidden_in:
            self.seen.append(data)


_PAGE = re.compile(r"\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_BREAKS = str.maketrans({"␊": "\n", "␍": " ", "␉": " "})


def visible_text(answer: str) -> str:
    """Of a web page what is to be read on it; any other answer as it is."""
    text = answer.translate(_BREAKS)
    if not _PAGE.match(text):
        return answer
    page = _VisibleText()
    try:
        page.feed(text)
        page.close()
    except AssertionError:  # what Python's reader makes of markup that it does not know
        return answer
    return " ".join(" ".join(page.seen).split()) or answer
