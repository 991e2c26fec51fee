"""JSON that fits on one line and that a terminal can safely show. Pure."""

import re
from collections.abc import Sequence

# What a JSON text may hold unescaped, and a terminal or an editor acts on: DEL and the C1 controls,
# soft hyphens, joiners, marks of direction and byte order, line and paragraph separators.
_HIDDEN = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_SUSPICIOUS = b"\n\r\x7f\xc2\xd8\xe2\xef"  # each of these has one of these bytes in its UTF-8
_BREAKS = bytes.maketrans(b"\n\r", b"  ")


def on_lines(documents: Sequence[bytes]) -> Sequence[bytes]:
    """The same JSON documents, with the same values byte for byte, each on one line and without any
    character that a terminal acts on.

    Line breaks become blanks, since they can only stand between tokens: in a string they are
    escaped. The other characters are escaped here. Most documents have none of this, so all of them
    are looked at together first.
    """
    together = b"".join(documents)
    if any(byte in together for byte in _SUSPICIOUS):
        return [_on_one_line(document) for document in documents]
    return documents


def _on_one_line(document: bytes) -> bytes:
    return _HIDDEN.sub(_escaped, document.decode(errors="replace")).encode().translate(_BREAKS)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
