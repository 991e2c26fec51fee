"""JUST NOW: a business's sales as they come in, and where each of them is."""

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from textual.content import Content

from core.domain.cleaning import clean
from core.domain.delivery import Status
from core.use_cases.queries import WebhookRow
from core.use_cases.webhook_health import Happened, Overview
from tui.card import heading, line_of_event
from tui.desk import Desk
from tui.failures import name_of
from tui.language import _, day_width
from tui.states import ARRIVED, GIVEN_UP, NEW, PAUSED, WAITS, Told
from tui.untrusted import shortened

_Webhooks = Mapping[int, WebhookRow]  # by id
_BECAME = 23  # cells for where it is


def just_now(found: Overview, desk: Desk, width: int, height: int) -> list[Content]:
    if not found.just_now:
        return []
    webhooks = {each.webhook.id: each.webhook for each in found.webhooks}
    lines = [_line(event, webhooks, desk, width) for event in found.just_now]
    return [heading(_("JUST NOW"), _("F find"), width), *lines][:height]


def _line(event: Happened, webhooks: _Webhooks, desk: Desk, width: int) -> Content:
    at = f"{desk.soon(event.created_at):<{day_width()}}"
    return line_of_event(at, event.headline, _became(event, webhooks), _BECAME, width)


def _became(event: Happened, webhooks: _Webhooks) -> Told:
    """Where it is, of all it went to the gravest: who has not got it, and whether it will."""
    if not event.became:
        if event.is_fanned_out:
            return Told("·", "", _("asked for by none"))
        return Told(NEW, "", _("goes out now"))
    by_status = {status: [to for to, each in event.became if each is status] for status in Status}
    if lost := by_status[Status.ABANDONED]:
        one, many = _("{webhook} lacks it"), _("{count} webhooks lack it")
        return Told(GIVEN_UP, ".bad", _who(lost, webhooks, one, many))
    waiting = by_status[Status.FAILED] + by_status[Status.PENDING]
    if paused := [each for each in waiting if webhooks[each].paused_at is not None]:
        one, many = _("{webhook} is paused"), _("{count} webhooks are paused")
        return Told(PAUSED, ".held", _who(paused, webhooks, one, many))
    if failed := by_status[Status.FAILED]:
        one, many = _("{webhook} waits"), _("{count} webhooks wait")
        return Told(WAITS, ".bad", _who(failed, webhooks, one, many))
    if by_status[Status.PENDING]:
        return Told(NEW, "", _("goes out now"))
    return Told(
        ARRIVED, ".good", _("arrived everywhere") if len(event.became) > 1 else _("arrived")
    )


def _who(ids: Sequence[int], webhooks: _Webhooks, of_one: str, of_many: str) -> str:
    """A name is cut, so that what is said of it is not."""
    if len(ids) > 1:
        return of_many.format(count=len(ids))
    room = _BECAME - 2 - cell_len(of_one.format(webhook=""))
    return of_one.format(webhook=shortened(clean(name_of(webhooks[ids[0]])), room))
