"""Send test, from any screen: queued, and its answer told as soon as it is there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.domain.delivery import Status
from core.domain.receivers import advice
from core.use_cases import queries, services
from core.use_cases.queries import DeliveryRow
from tui.failures import host_of, outcome_of
from tui.page import BAD, GOOD, Page

_LOOK = 0.25  # seconds
_PATIENCE = timedelta(seconds=5)  # beyond what the attempt itself may take

Tell = Callable[[str, str], None]


def send_test(page: Page, webhook_id: int, url: str, tell: Tell) -> None:
    """Queue a test for that webhook and `tell` (text, style) how it goes."""
    desk, now = page.desk, page.desk.clock()
    until = now + desk.timeout + _PATIENCE
    is_sent = page.act(
        ("test", webhook_id),
        lambda: services.send_test(desk.actor, webhook_id, now, wake=desk.wake),
        lambda event_id: _Sent(page, webhook_id, url, event_id, until, tell).wait(),
    )
    if is_sent:
        tell(f"Sending a test to {host_of(url)} …", "")


@dataclass(frozen=True)
class _Sent:
    """A test that is under way."""

    page: Page
    webhook_id: int
    url: str
    event_id: int
    until: datetime  # when there should be an answer
    tell: Tell

    def wait(self) -> None:
        actor = self.page.desk.actor
        self.page.ask(
            lambda: queries.delivery_of_event(actor, self.webhook_id, self.event_id), self._look
        )

    def _look(self, row: DeliveryRow | None) -> None:
        if row is not None and row.is_attempted:
            self.tell(*self._verdict(row))
        elif self.page.desk.clock() < self.until:
            self.page.set_timer(_LOOK, self.wait)
        else:
            self.tell("The test is still waiting: is the worker running? It stays queued.", BAD)

    def _verdict(self, row: DeliveryRow) -> tuple[str, str]:
        took = f"{outcome_of(row)} in {row.duration_us // 1000} ms"
        said = advice(self.url, row.http_status, row.response) or row.response or row.detail
        if row.status is Status.DELIVERED:
            return f"✓ test delivered: {took} {said}", GOOD
        return f"✗ test failed: {took} {said}", BAD
