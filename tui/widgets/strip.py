"""A day in a dozen cells: how much was sent, and where it failed, without needing colour."""

from collections.abc import Sequence

from core.use_cases.webhook_health import Hour

_BARS = "▁▂▃▄▅▆▇█"
_FAILED = "!"


def strip(hours: Sequence[Hour], width: int) -> str:
    """`width` cells from the oldest hour to now: a bar for what was delivered, `!` where more
    failed than arrived, a space where nothing happened."""
    each = len(hours) / width
    groups = [hours[round(at * each) : round((at + 1) * each)] for at in range(width)]
    most = max((sum(hour.total for hour in group) for group in groups), default=0)
    return "".join(_mark(group, most) for group in groups)


def _mark(group: Sequence[Hour], most: int) -> str:
    delivered = sum(hour.delivered for hour in group)
    failed = sum(hour.not_delivered for hour in group)
    if failed > delivered:
        return _FAILED
    if not delivered:
        return " "
    return _BARS[round((delivered + failed) / most * (len(_BARS) - 1))]
