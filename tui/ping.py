"""Tests and samples, from any screen: queued, and the answer told as soon as it is there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.domain.delivery import Status
from core.domain.events import EventType
from core.domain.hosts import host_of
from core.domain.receivers import advice
from core.use_cases import queries, services
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.queries import WebhookRow
from tui.failures import outcome_of
from tui.page import BAD, GOOD, Page

_LOOK = 0.25  # seconds
_PATIENCE = timedelta(seconds=5)  # beyond what the attempt itself may take

Tell = Callable[[str, str], None]


def send_test(page: Page, webhook_id: int, url: str, tell: Tell) -> None:
    """Queue a test for that webhook and `tell` (text, style) how it goes."""
    desk, now = page.desk, page.desk.clock()
    _send(
        _Sent(page, webhook_id, url, "test", tell, now + desk.timeout + _PATIENCE),
        lambda: services.send_test(desk.actor, webhook_id, now, wake=desk.wake),
    )


def send_sample(page: Page, webhook_id: int, url: str, event: EventType, tell: Tell) -> None:
    """The same for a sample of that event."""
    desk, now = page.desk, page.desk.clock()
    _send(
        _Sent(page, webhook_id, url, f"{event} sample", tell, now + desk.timeout + _PATIENCE),
        lambda: services.send_sample(desk.actor, webhook_id, event, now, wake=desk.wake),
    )


def _send(sent: "_Sent", queue: Callable[[], int]) -> None:
    if sent.page.act((sent.what, sent.webhook_id), queue, sent.wait):
        sent.tell(f"Sending a {sent.what} to {host_of(sent.url)} …", "")


@dataclass(frozen=True)
class _Sent:
    """A test or a sample that is under way."""

    page: Page
    webhook_id: int
    url: str
    what: str
    tell: Tell
    until: datetime  # when there should be an answer

    def wait(self, event_id: int) -> None:
        actor = self.page.desk.actor
        self.page.ask(
            lambda: (
                queries.webhook(actor, self.webhook_id),
                queries.delivery_of_event(actor, self.webhook_id, event_id),
            ),
            lambda found: self._look(event_id, *found),
        )

    def _look(self, event_id: int, webhook: WebhookRow, row: DeliveryRow | None) -> None:
        if row is not None and row.is_attempted:
            self.tell(*self._verdict(webhook, row))
        elif webhook.held_until is not None and webhook.held_until > self.page.desk.clock():
            until = self.page.desk.time(webhook.held_until)
            self.tell(f"The server asked for nothing until {until}; the {self.what} goes then.", "")
        elif self.page.desk.clock() < self.until:
            self.page.set_timer(_LOOK, lambda: self.wait(event_id))
        elif webhook.choices.pace is not None:
            self.tell(f"The {self.what} waits for its turn, at {webhook.choices.pace}.", "")
        else:
            told = f"The {self.what} is still waiting: is the worker running? It stays queued."
            self.tell(told, BAD)

    def _verdict(self, webhook: WebhookRow, row: DeliveryRow) -> tuple[str, str]:
        took = f"{outcome_of(row)} in {row.duration_us // 1000} ms"
        known = advice(webhook.url, webhook.choices.format, row.http_status, row.response)
        said = known or row.response or row.detail
        if row.status is Status.DELIVERED:
            return f"✓ {self.what} delivered: {took} {said}", GOOD
        return f"✗ {self.what} failed: {took} {said}", BAD
