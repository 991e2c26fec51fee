"""What a screen draws beyond ASCII in the mode that has none: only what its owner typed may be."""

from textual.pilot import Pilot

from core.use_cases.settings import Glyphs
from tests.support.showcase import quiet
from tui.session import Session

_OWNERS = frozenset("é")  # of the names and payloads in the scenes


async def beyond_ascii(pilot: Pilot[None]) -> list[str]:
    """Lines of the screen on top; then it is as it was."""
    app = pilot.app
    assert isinstance(app, Session)
    chosen = app.settings.glyphs
    app.use_glyphs(Glyphs.ASCII)
    await quiet(pilot)
    strips = app.screen._compositor.render_strips()
    lines = ["".join(segment.text for segment in strip) for strip in strips]
    app.use_glyphs(chosen)
    await quiet(pilot)
    return [f"not ASCII: {line!r}" for line in lines if not _is_ascii(line)]


def _is_ascii(line: str) -> bool:
    return "".join(each for each in line if each not in _OWNERS).isascii()
