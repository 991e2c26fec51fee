"""`P`, from any screen: pause a webhook, or resume it, and say what that means."""

from core.use_cases import queries, services
from core.use_cases.queries import WebhookRow
from tui.failures import name_of
from tui.language import _, ngettext
from tui.page import GOOD, Page


def pause_or_resume(page: Page, webhook: WebhookRow) -> None:
    """By how the webhook is now, which may be otherwise than the screen shows."""
    desk, now, name = page.desk, page.desk.clock(), name_of(webhook)

    def change() -> str:
        if services.pause_webhook(desk.actor, webhook.id, now):
            return _("{webhook} is paused: what happens waits here. P resumes it.").format(
                webhook=name
            )
        parked = queries.webhook(desk.actor, webhook.id).parked
        services.resume_webhook(desk.actor, webhook.id, now, wake=desk.wake)
        told = ngettext(
            "✓ {webhook} is resumed: {count} parked go out now, the oldest first.",
            "✓ {webhook} is resumed: {count} parked go out now, the oldest first.",
            parked,
        )
        return told.format(webhook=name, count=parked)

    page.act(("pause", webhook.id), change, lambda told: page.flash(told, GOOD))
