"""How all of a business's webhooks are, in one sentence; or what must be known before that."""

from datetime import timedelta

from textual.content import Content

from core.domain.editions import OPTION_PRICE
from core.use_cases.webhook_health import Health, Overview, State
from tui.card import soon_lost
from tui.desk import Desk
from tui.failures import name_of
from tui.states import ARRIVED, PAUSED, WAITS, many
from tui.untrusted import untrusted

_TICK_WITHIN = timedelta(minutes=2)


def summary(found: Overview, key_trouble: str, settings_trouble: str, desk: Desk) -> Content:
    """Empty where there is nothing to tell yet."""
    trouble = _trouble(found, key_trouble, desk)
    if trouble:
        return untrusted(trouble[:1], ".bad") + untrusted(trouble[1:], "bold")
    failing = [each for each in found.webhooks if each.state is State.FAILING]
    if failing:
        return _failing(failing, len(found.webhooks))
    if paused := found.longest_paused:
        return _paused(paused, desk)
    if settings_trouble or desk.development:
        return untrusted(settings_trouble or desk.development)
    if any(each.state is State.OK for each in found.webhooks):
        return Content.styled(ARRIVED, ".good") + " What is sent arrives."
    return Content("")


def _trouble(found: Overview, key_trouble: str, desk: Desk) -> str:
    """Why nothing is sent, the gravest reason only."""
    now = desk.clock()
    silent = found.last_tick is None or now - found.last_tick > _TICK_WITHIN
    if not found.is_included:
        return f"! Webhooks are off for this business: they are an option, {OPTION_PRICE}."
    if key_trouble:
        return key_trouble
    if silent and found.due_since is not None:
        return f"! Deliveries are waiting: is the worker running? {desk.worker_hint}"
    if silent and found.webhooks:
        return f"! No worker is running: {desk.worker_hint}"
    return ""


def _paused(health: Health, desk: Desk) -> Content:
    waiting = f" {_deliveries(health.waiting, 'waits', 'wait')}." if health.waiting else ""
    if soon_lost(health, desk):
        waiting = f" {many(health.waiting)} wait, soon given up: P resumes."
    return Content.assemble(
        Content.styled(PAUSED, ".held"),
        untrusted(f" {name_of(health.webhook)} is paused.", "bold"),
        waiting,
    )


def _failing(failing: list[Health], of: int) -> Content:
    one = len(failing) == 1
    waiting = sum(each.waiting for each in failing)
    lost = sum(each.given_up for each in failing)
    told = _deliveries(lost, "was given up", "were given up") if lost else "none is lost"
    if waiting:
        told = f"{_deliveries(waiting, 'waits', 'wait')} for {'it' if one else 'them'}; {told}"
    return Content.assemble(
        Content.styled(WAITS, ".bad"),
        Content.styled(f" {len(failing)} of {of} {'is' if one else 'are'} failing.", "bold"),
        f" {told[0].upper()}{told[1:]}.",
    )


def _deliveries(count: int, one_does: str, many_do: str) -> str:
    return f"1 delivery {one_does}" if count == 1 else f"{many(count)} deliveries {many_do}"
