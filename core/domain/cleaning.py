"""The one cleaner of text from outside, for storage, screens, command line and logs. Pure."""

import re
import unicodedata
from itertools import chain

_PLAIN = re.compile(r"[ -~]*")
_CONTROL_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset(
    chain(
        # The code points that Unicode's DerivedCoreProperties.txt calls
        # Default_Ignorable_Code_Point and that the categories above leave out: fillers, joiners and
        # variation selectors.
        (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
        range(0x180B, 0x1810),
        range(0xFE00, 0xFE10),
        range(0xE0100, 0xE01F0),
        (0x2800,),  # the Braille pattern without a dot
    )
)
_MARKS = frozenset({"Mn", "Me", "Mc"})
_MARKS_PER_BASE = 2
_LONGEST_CODE = len("⟨10FFFF")


def clean(text: str, limit: int | None = None) -> str:
    """The text as one line, without anything that a terminal would act on, cut to `limit`
    characters.

    A control character becomes its picture (`␛`, `␊`), an invisible or unassigned one its code
    (`⟨202E⟩`). Where combining marks are piled up, two of them are kept. Cleaning text twice
    changes nothing.
    """
    if not _PLAIN.fullmatch(text):
        text = "".join(_visible(text.translate(_CONTROL_PICTURES)))
    return text if limit is None else _cut(text, limit)


def _visible(text: str) -> list[str]:
    shown: list[str] = []
    marks = 0
    for character in text:
        if is_hidden(character):
            marks = 0
            shown.append(f"⟨{ord(character):04X}⟩")
            continue
        if unicodedata.category(character) in _MARKS:
            marks += 1
            if marks > _MARKS_PER_BASE:
                continue
        else:
            marks = 0
        shown.append(character)
    return shown


def is_hidden(character: str) -> bool:
    """Whether nobody would see it: it is a control character, or is drawn as nothing."""
    return unicodedata.category(character) in _HIDDEN or ord(character) in _BLANK


def _cut(text: str, limit: int) -> str:
    """The first `limit` characters at most, without half of a `⟨code⟩` at the end."""
    if len(text) <= limit:
        return text
    kept = text[:limit]
    opened = kept.rfind("⟨", max(0, limit - _LONGEST_CODE))
    return kept if opened < 0 or "⟩" in kept[opened:] else kept[:opened]


def clean_body(raw: bytes, limit: int) -> str:
    """A body as text: read as UTF-8, whatever its headers declare, then cleaned and cut."""
    return clean(raw.decode("utf-8", "replace"), limit)
