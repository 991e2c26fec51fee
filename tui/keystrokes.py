"""What a terminal sends, cut into keys, reports and pastes. Pure: no terminal, no clock.

An Escape on its own begins as every arrow key does. A terminal writes the bytes of a key at once,
and answers what it is asked in order. So whoever gets a lone ESC asks `PROBE`: what comes before
the answer belongs to the ESC, and once there is an answer it was a key of its own. Over a fast line
that takes milliseconds, over a slow one as long as the line needs, and nothing is lost either way.
"""

import re
from dataclasses import dataclass

ESC = "\x1b"
PROBE = f"{ESC}[5n"
_ANSWER = f"{ESC}[0n"
_PASTE_BEGINS, _PASTE_ENDS = f"{ESC}[200~", f"{ESC}[201~"

PASTE_LIMIT = 65_536  # characters of one paste that are kept
_LONGEST = 32  # characters of any sequence that means something
_PRESSED = 2  # of an unfinished one that may be keys, pressed one by one; what is longer is none
_WHOLE = re.compile(
    r"""\x1b(?:
        \[\[.                                 # a function key of the Linux console
        | \[M.{3}                             # an old terminal's mouse
        | \[\d+\$                             # with shift, in rxvt
        | \[(?![\[M])[0-?]*[ -/]*[@-~]        # ECMA-48, section 5.4
        | O[\d;]*[^\d;\x1b]
    )""",
    re.VERBOSE | re.DOTALL,
)
_BEGUN = re.compile(r"\x1b(?:\[(?:\[|M.{0,2}|[0-?]*[ -/]*)?|O[\d;]*)?", re.DOTALL)


@dataclass(frozen=True)
class Pasted:
    text: str


class Keystrokes:
    """Give it what was read; it returns whole pieces: a sequence, letters between two, a paste."""

    def __init__(self) -> None:
        self._held = ""  # the beginning of a sequence
        self._paste: str | None = None  # what has come of one that has not ended

    @property
    def is_unfinished(self) -> bool:
        return bool(self._held) or self._paste is not None

    @property
    def is_escape(self) -> bool:
        """Whether what is held may be the Escape key, or the beginning of another."""
        return self._held == ESC

    def feed(self, text: str) -> list[str | Pasted]:
        text, self._held = self._held + text, ""
        pieces: list[str | Pasted] = []
        while text:
            piece, text = self._next(text)
            if piece:
                pieces.append(piece)
        return pieces

    def end(self) -> list[str | Pasted]:
        """Nothing followed: what is held is what was pressed, and a paste ends as it stands."""
        held, self._held = self._held, ""
        if self._paste is not None:
            pasted, self._paste = Pasted(self._paste[:PASTE_LIMIT]), None
            return [pasted]
        return list(held) if len(held) <= _PRESSED else []

    def _next(self, text: str) -> tuple[str | Pasted, str]:
        """The first piece and the rest; the piece is empty where there is nothing to tell."""
        if self._paste is not None:
            return self._continue_paste(self._paste + text)
        if not text.startswith(ESC):
            letters, escape, rest = text.partition(ESC)
            return letters, escape + rest
        if whole := _WHOLE.match(text):
            return self._sequence(whole.group()), text[whole.end() :]
        begun = _BEGUN.match(text)
        length = begun.end() if begun is not None else 0
        if length == len(text):
            self._held = text[: _LONGEST + 1]
            return "", ""
        if length > _PRESSED:
            return "", text[length:]
        return ESC, text[len(ESC) :]

    def _sequence(self, sequence: str) -> str:
        if sequence == _PASTE_BEGINS:
            self._paste = ""
        means_nothing = len(sequence) > _LONGEST
        told_otherwise = sequence in {_ANSWER, _PASTE_BEGINS, _PASTE_ENDS}
        return "" if means_nothing or told_otherwise else sequence

    def _continue_paste(self, text: str) -> tuple[str | Pasted, str]:
        pasted, ended, rest = text.partition(_PASTE_ENDS)
        if ended:
            self._paste = None
            return Pasted(pasted[:PASTE_LIMIT]), rest
        if len(text) > PASTE_LIMIT:  # the end may have begun at the end of it
            text = text[:PASTE_LIMIT] + text[PASTE_LIMIT:][-len(_PASTE_ENDS) :]
        self._paste = text
        return "", ""
