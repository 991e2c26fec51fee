"""The one cleaner for text from outside: storage, screens, command line and logs. Pure."""

import re
import unicodedata

_PLAIN = re.compile(r"[ -~]*")
_CONTROL_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me", "Mc"})
_MARKS_PER_BASE = 2
_LONGEST_CODE = len("⟨10FFFF")


def clean(text: str, limit: int | None = None) -> str:
    """One line without anything a terminal would act on, cut to `limit` characters.

    Control characters become their pictures (`␛`, `␊`), invisible and unassigned ones their code
    (`⟨202E⟩`), and of a pile of combining marks two are kept. Cleaning twice changes nothing.
    """
    if not _PLAIN.fullmatch(text):
        text = "".join(_visible(text.translate(_CONTROL_PICTURES)))
    return text if limit is None else _cut(text, limit)


def _visible(text: str) -> list[str]:
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        if category in _MARKS:
            marks += 1
            if marks > _MARKS_PER_BASE:
                continue
        else:
            marks = 0
        shown.append(f"⟨{ord(character):04X}⟩" if category in _HIDDEN else character)
    return shown


def _cut(text: str, limit: int) -> str:
    """At most `limit` characters, without half a `⟨code⟩` at their end."""
    if len(text) <= limit:
        return text
    kept = text[:limit]
    opened = kept.rfind("⟨", max(0, limit - _LONGEST_CODE))
    return kept if opened < 0 or "⟩" in kept[opened:] else kept[:opened]


def clean_body(raw: bytes, limit: int) -> str:
    """A body as text, read as UTF-8 whatever its headers declare, cleaned and cut."""
    return clean(raw.decode("utf-8", "replace"), limit)
