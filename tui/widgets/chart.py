"""A day as bars over an axis: what arrived, and in a row of its own what did not.

Failures are told apart without colour, and a single one in forty deliveries is seen, which stacked
or mirrored bars would hide.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.text import Text
from textual.content import Content

from core.use_cases.webhook_health import Hour
from tui.language import _

_BARS = " ▁▂▃▄▅▆▇"  # a top of █ would run into the row above
_FULL = "█"
BAR = _BARS[-1]
_SOME_FAILED, NOTHING_ARRIVED = "!", "×"
_TICK_EVERY = 6  # hours
_NICE = (1, 2, 3, 4, 5, 6, 8)  # tops of the axis, times a power of ten
_HOUR = timedelta(hours=1)
LABELS = 4  # cells left of the bars: the axis and its numbers


def strip(hours: Sequence[Hour], width: int) -> Text:
    """`width` cells from the oldest hour to now: a bar for what was delivered, `!` where some
    failed, `×` where nothing arrived, a space where nothing happened.
    """
    each = len(hours) / width
    groups = [_sum(hours[round(at * each) : round((at + 1) * each)]) for at in range(width)]
    most = max((group.delivered for group in groups), default=0)
    return Text.assemble(*[_mark(group, most) for group in groups], no_wrap=True, end="")


def chart(hours: Sequence[Hour], begin: datetime, width: int, height: int) -> list[Content]:
    """As many lines as `height`, bars of two cells an hour where `width` has room for them.

    `begin` is the local time at which the first hour begins.
    """
    each = 2 if width >= LABELS + 2 * len(hours) else 1
    rows = height - 3  # below them the axis, the failures and the times
    top = _nice_top(max(hour.delivered for hour in hours))
    lines = [_bars(hours, each, top, row, rows) for row in range(rows - 1, -1, -1)]
    return [*lines, _axis(len(hours), each), _failures(hours, each), _times(hours, each, begin)]


def _sum(hours: Sequence[Hour]) -> Hour:
    return Hour(sum(hour.delivered for hour in hours), sum(hour.not_delivered for hour in hours))


def _mark(hour: Hour, most: int) -> tuple[str, str]:
    """A character and its style."""
    if hour.not_delivered:
        return _SOME_FAILED if hour.delivered else NOTHING_ARRIVED, ".bad"
    if not hour.delivered:
        return " ", ""
    return _BARS[_level(hour.delivered, most, len(_BARS) - 1)], ".good"


def _level(count: int, most: int, levels: int) -> int:
    """How high a bar is; the least there is can be seen."""
    return max(1, round(count / most * levels)) if count else 0


def _nice_top(most: int) -> int:
    scale = 1
    while scale * 10 <= most:
        scale *= 10
    return next((nice * scale for nice in _NICE if nice * scale >= most), 10 * scale)


def _bars(hours: Sequence[Hour], each: int, top: int, row: int, rows: int) -> Content:
    levels = rows * 8 - 1  # the highest ends in ▇
    cells = []
    for hour in hours:
        height = _level(hour.delivered, top, levels) - row * 8
        cells.append((_FULL if height >= 8 else _BARS[max(0, height)]) * each)
    label = str(top) if row == rows - 1 else ""
    return Content.assemble(f"{label:>2} ┤", Content.styled("".join(cells).rstrip(), ".good"))


def _axis(count: int, each: int) -> Content:
    marks = ("┼" if at % (_TICK_EVERY * each) == 0 else "─" for at in range(count * each))
    return Content(f" 0 ┼{''.join(marks)}")


def _failures(hours: Sequence[Hour], each: int) -> Content:
    """How many, where there is room for a number; else that there were some, or nothing else."""
    return Content.assemble(
        Content.styled(" ×  ", ".bad"),
        Content.styled("".join(_failed(hour, each) for hour in hours).rstrip(), ".bad"),
    )


def _failed(hour: Hour, each: int) -> str:
    if not hour.not_delivered:
        return " " * each
    if each > 1 and hour.not_delivered < 10**each:
        return f"{hour.not_delivered:>{each}}"
    return (_SOME_FAILED if hour.delivered else NOTHING_ARRIVED).rjust(each)


def _times(hours: Sequence[Hour], each: int, begin: datetime) -> Content:
    told = " " * LABELS
    for at in range(0, len(hours), _TICK_EVERY):
        told = f"{told:<{LABELS + at * each}}{begin + at * _HOUR:%H:%M}"
    now = _("now")
    end = max(LABELS + len(hours) * each, len(told) + 1 + len(now))
    return Content(told + now.rjust(end - len(told)))
