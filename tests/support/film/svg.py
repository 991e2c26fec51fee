"""What stood in a terminal, one screen after the other, as an SVG that moves by itself.

Nothing runs in it: style sheets show each line while it stood there. A line that comes again, or
stays, is drawn once. Whoever wants less motion sees the first screen.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from pyte.screens import Char

_CELL, _LINE, _SIZE = 8.4, 18, 14
_EDGE = 12
_CAPTION = 44  # below the screen, with what is to be seen
_BASELINE = 13
_HEX = re.compile("[0-9a-f]{6}")
_TEXT, _GROUND = "d7d7d7", "121212"  # where a cell has the terminal's own
_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">
<title>{title}</title>
<style>
text {{ font: {size}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace }}
text {{ white-space: pre }}
rect {{ shape-rendering: crispEdges }}
.caption {{ font: 17px system-ui, sans-serif; fill: #ffffff; text-anchor: middle }}
@media (prefers-reduced-motion: reduce) {{ * {{ animation-play-state: paused !important }} }}
"""

Cells = Sequence[Sequence[Char]]
_Span = tuple[float, float]  # seconds from the beginning


@dataclass(frozen=True)
class Frame:
    seconds: float
    cells: Cells
    caption: str


@dataclass(frozen=True)
class _Line:
    """What may stand in a row, and its drawing."""

    row: int
    drawing: str


def draw(frames: Sequence[Frame], title: str) -> str:
    rows, columns = len(frames[0].cells), len(frames[0].cells[0])
    width, height = columns * _CELL + 2 * _EDGE, rows * _LINE + 2 * _EDGE + _CAPTION
    total = sum(frame.seconds for frame in frames)
    looks: dict[str, str] = {}
    spans = _spans(frames, looks, width)
    names = {span: f"t{number}" for number, span in enumerate(dict.fromkeys(spans.values()))}
    head = _HEAD.format(width=width, height=height, title=escape(title), size=_SIZE)
    styles = [f".{name} {{ {look} }}\n" for look, name in looks.items()]
    styles += [_shown(name, span, total) for span, name in names.items()]
    body = [f'<g class="{names[span]}">{line.drawing}</g>\n' for line, span in spans.items()]
    paper = f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#292929"/>\n'
    return "".join([head, *styles, "</style>\n", paper, *body, "</svg>\n"])


def _spans(
    frames: Sequence[Frame], looks: dict[str, str], width: float
) -> dict[_Line, tuple[_Span, ...]]:
    """Every line that there ever is, and when."""
    found: dict[_Line, list[_Span]] = {}
    begin = 0.0
    for frame in frames:
        end = begin + frame.seconds
        for line in _lines(frame, looks, width):
            when = found.setdefault(line, [])
            if when and when[-1][1] == begin:
                begin_before, _ = when.pop()
                when.append((begin_before, end))
            else:
                when.append((begin, end))
        begin = end
    return {line: tuple(when) for line, when in found.items()}


def _lines(frame: Frame, looks: dict[str, str], width: float) -> Iterator[_Line]:
    for row, cells in enumerate(frame.cells):
        yield _Line(row, _drawn(row, cells, looks))
    y = len(frame.cells) * _LINE + 2 * _EDGE + _CAPTION / 2
    caption = f'<text class="caption" x="{width / 2:g}" y="{y:g}">{escape(frame.caption)}</text>'
    yield _Line(len(frame.cells), caption)


def _drawn(row: int, cells: Sequence[Char], looks: dict[str, str]) -> str:
    """Grounds first, then the text on them."""
    y, column = _EDGE + row * _LINE, 0
    grounds, texts = [], []
    for ground, same in groupby(cells, key=lambda cell: _colours(cell)[1]):
        count = len(list(same))
        x, width = _EDGE + column * _CELL, count * _CELL
        grounds.append(
            f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{_LINE}" fill="#{ground}"/>'
        )
        column += count
    column = 0
    for look, same in groupby(cells, key=_look):
        text = "".join(cell.data for cell in same)
        if text.strip():
            name = looks.setdefault(look, f"l{len(looks)}")
            texts.append(_text(text, column, y, name))
        column += len(text)
    return "".join([*grounds, *texts])


def _text(text: str, column: int, y: float, look: str) -> str:
    """From its first sign to its last, as wide as its cells whatever the font is."""
    shown = text.strip()
    x = _EDGE + (column + len(text) - len(text.lstrip())) * _CELL
    return (
        f'<text class="{look}" x="{x:g}" y="{y + _BASELINE}"'
        f' textLength="{len(shown) * _CELL:g}">{escape(shown)}</text>'
    )


def _look(cell: Char) -> str:
    weight = ";font-weight:bold" if cell.bold else ""
    line = ";text-decoration:underline" if cell.underscore else ""
    return f"fill:#{_colours(cell)[0]}{weight}{line}"


def _colours(cell: Char) -> tuple[str, str]:
    text = cell.fg if _HEX.fullmatch(cell.fg) else _TEXT
    ground = cell.bg if _HEX.fullmatch(cell.bg) else _GROUND
    return (ground, text) if cell.reverse else (text, ground)


def _shown(name: str, spans: tuple[_Span, ...], total: float) -> str:
    """Seen in these spans of each round; before the first round only what is there at once."""
    steps = {0.0: "hidden"}
    for begin, end in spans:
        steps[begin] = "visible"
        steps[end] = "hidden"
    frames = "".join(
        f"{at / total:.4%}{{visibility:{seen}}}" for at, seen in steps.items() if at < total
    )
    at_once = steps[0.0]
    return (
        f".{name} {{ visibility: {at_once}; animation: {name} {total:g}s step-end infinite }}\n"
        f"@keyframes {name} {{{frames}}}\n"
    )
