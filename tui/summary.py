"""How all of a business's webhooks are, in one sentence; or what must be known before that."""

from datetime import timedelta

from textual.content import Content

from core.domain.editions import OPTION_PRICE
from core.use_cases.webhook_health import Health, Overview, State
from tui.card import soon_lost
from tui.desk import Desk
from tui.failures import name_of
from tui.language import _, ngettext
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
        return untrusted(settings_trouble or _(desk.development))
    if any(each.state is State.OK for each in found.webhooks):
        arrives = _("What is sent arrives.")
        return Content.styled(ARRIVED, ".good") + f" {arrives}"
    return Content("")


def _trouble(found: Overview, key_trouble: str, desk: Desk) -> str:
    """Why nothing is sent, the gravest reason only."""
    now = desk.clock()
    silent = found.last_tick is None or now - found.last_tick > _TICK_WITHIN
    if not found.is_included:
        told = _("! Webhooks are off for this business: they are an option, {price}.")
        return told.format(price=_(OPTION_PRICE))
    if key_trouble:
        return key_trouble
    if silent and found.due_since is not None:
        told = _("! Deliveries are waiting: is the worker running? {hint}")
        return told.format(hint=desk.worker_hint)
    if silent and found.webhooks:
        return _("! No worker is running: {hint}").format(hint=desk.worker_hint)
    return ""


def _paused(health: Health, desk: Desk) -> Content:
    told, count = "", health.waiting
    if soon_lost(health, desk):
        told = ngettext(
            "{count} wait, soon abandoned: P resumes.",
            "{count} wait, soon abandoned: P resumes.",
            count,
        )
    elif count:
        told = ngettext("{count} delivery waits.", "{count} deliveries wait.", count)
    paused = _("{webhook} is paused.").format(webhook=name_of(health.webhook))
    return Content.assemble(
        Content.styled(PAUSED, ".held"),
        untrusted(f" {paused}", "bold"),
        f" {told.format(count=many(count))}" if told else "",
    )


def _failing(failing: list[Health], of: int) -> Content:
    told = ngettext(
        "{count} of {of} is failing.", "{count} of {of} are failing.", len(failing)
    ).format(count=len(failing), of=of)
    waiting, lost = _waiting(failing), _lost(failing)
    told_of = _("{waiting}; {lost}.") if waiting else _("{lost}.")
    told_of = told_of.format(waiting=waiting, lost=lost)
    return Content.assemble(
        Content.styled(WAITS, ".bad"),
        Content.styled(f" {told}", "bold"),
        f" {told_of[0].upper()}{told_of[1:]}",
    )


def _waiting(failing: list[Health]) -> str:
    count = sum(each.waiting for each in failing)
    if not count:
        return ""
    if len(failing) == 1:
        told = ngettext("{count} delivery waits for it", "{count} deliveries wait for it", count)
    else:
        told = ngettext(
            "{count} delivery waits for them", "{count} deliveries wait for them", count
        )
    return told.format(count=many(count))


def _lost(failing: list[Health]) -> str:
    count = sum(each.given_up for each in failing)
    if not count:
        return _("none is lost")
    told = ngettext("{count} delivery was abandoned", "{count} deliveries were abandoned", count)
    return told.format(count=many(count))
