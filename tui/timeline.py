"""The attempts of a delivery as a line of time: when, what came back, how long it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from textual.content import Content

from core.use_cases.deliveries import AttemptRow
from tui.desk import Desk
from tui.failures import outcome_of
from tui.language import _, decimal
from tui.states import ARRIVED, GIVEN_UP, NEW
from tui.untrusted import untrusted

_COLUMN = 15  # cells from one attempt to the next; the last needs fewer
_LAST = 11


@dataclass(frozen=True)
class _Stop:
    """One attempt, or the next one."""

    glyph: Content
    at: datetime
    came: str
    took: str


def timeline(
    attempts: Sequence[AttemptRow], next_at: datetime | None, desk: Desk, width: int
) -> list[Content]:
    """Four lines; of more attempts than there is room for, the last ones."""
    stops = [_made(attempt) for attempt in attempts]
    if next_at is not None:
        stops.append(_Stop(Content(NEW), next_at, _("next"), ""))
    stops = stops[-max(1, 1 + (width - _LAST) // _COLUMN) :]
    if not stops:
        return []
    return [
        _line_of_time(stops),
        _row([desk.soon(stop.at) for stop in stops]),
        _row([stop.came for stop in stops]),
        _row([stop.took for stop in stops]),
    ]


def _made(attempt: AttemptRow) -> _Stop:
    arrived = attempt.error is None
    glyph = Content.styled(*((ARRIVED, ".good") if arrived else (GIVEN_UP, ".bad")))
    return _Stop(glyph, attempt.started_at, outcome_of(attempt), span(attempt.duration_us))


def _line_of_time(stops: Sequence[_Stop]) -> Content:
    line = stops[0].glyph
    for before, after in pairwise(stops):
        gap = f" ─ {_rough(after.at - before.at)} "
        line = Content.assemble(line, f"{gap:─<{_COLUMN - 2}} ", after.glyph)
    return line


def _row(texts: Sequence[str]) -> Content:
    return untrusted("".join(f"{text[: _COLUMN - 1]:<{_COLUMN}}" for text in texts).rstrip())


def span(microseconds: int) -> str:
    """`143 ms`, `1.2 s`."""
    if microseconds >= 1_000_000:
        return _("{seconds} s").format(seconds=decimal(microseconds / 1e6))
    return _("{count} ms").format(count=microseconds // 1000)


def _rough(gap: timedelta) -> str:
    """In its largest unit: `1 min`, `2 h`."""
    seconds = max(0, round(gap / timedelta(seconds=1)))
    if seconds >= 86_400:
        return _("{count} d").format(count=round(seconds / 86_400))
    if seconds >= 3_600:
        return _("{count} h").format(count=round(seconds / 3_600))
    if seconds >= 60:
        return _("{count} min").format(count=round(seconds / 60))
    return _("{seconds} s").format(seconds=seconds)
