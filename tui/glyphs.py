"""The glyphs of the screens in ASCII, for terminals that cannot draw them: each in the same cell.

A line filter puts them in place, under everything that is drawn: no screen has to know. What owners
have typed, and what their payloads hold, passes through it too. Copies do not.
"""

import re

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_ASCII = {
    "●": "*",
    "▲": "^",
    "■": "=",
    "○": "o",
    "×": "x",
    "✓": "*",
    "✗": "x",
    "▁▂": ".",
    "▃▄": ":",
    "▅▆": "%",
    "▇█": "#",
    "▌": ">",  # where the cursor is
    "▍▎▏▉▊▋": "|",  # the ends of a scroll bar
    "─": "-",
    "│┤": "|",
    "┼┴└": "+",
    "·": ".",
    "›⟩": ">",
    "⟨": "<",
    "←": "<",
    "→": ">",
    "↑": "^",
    "↓": "v",
    "…": "~",  # a full stop would look like the end of what it cuts
    "–—": "-",
    "‘’": "'",
    "“”«»": '"',
    "°": "o",  # n° 5
    "€": "E",
    "\u00a0\u202f": " ",
    "␊": "/",
    "".join(map(chr, (*range(0x2400, 0x240A), *range(0x240B, 0x2422), 0xFFFD))): "?",
}
TABLE = {ord(glyph): plain for glyphs, plain in _ASCII.items() for glyph in glyphs}

_CANNOT_DRAW = re.compile(r"linux|dumb|vt\d")  # not GNOME's vte


def are_drawn_by(term: str) -> bool:
    """Whether a terminal of that name has them; the locale does not tell, sshd may drop it."""
    return _CANNOT_DRAW.match(term) is None


class InAscii(LineFilter):
    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(segment.text.translate(TABLE), segment.style)
            for segment in segments
        ]
