"""Sending text to the person's own clipboard, through whatever terminal is in between."""

import os
from base64 import b64encode


def osc52(text: str, term: str) -> str:
    """The escape sequence that asks a terminal to take `text`; tmux and screen have to be told to
    let it through. Nobody acknowledges it, so it is only ever "sent to your terminal"."""
    plain = f"\x1b]52;c;{b64encode(text.encode()).decode()}\a"
    if term.startswith(("tmux", "screen")):
        wrapped = plain.replace("\x1b", "\x1b\x1b")
        return f"{plain}\x1bPtmux;{wrapped}\x1b\\"
    return plain


def terminal() -> str:
    return os.environ.get("TERM", "")
