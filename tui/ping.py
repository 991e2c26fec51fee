"""Send test, from any screen: queued, and its answer told as soon as it is there."""

from collections.abc import Callable
from datetime import datetime, timedelta

from core.domain.delivery import Status
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
    is_sent = page.act(
        ("test", webhook_id),
        lambda: services.send_test(desk.actor, webhook_id, now, wake=desk.wake),
        lambda event_id: _await(page, webhook_id, event_id, now + desk.timeout + _PATIENCE, tell),
    )
    if is_sent:
        tell(f"Sending a test to {host_of(url)} …", "")


def _await(page: Page, webhook_id: int, event_id: int, until: datetime, tell: Tell) -> None:
    actor = page.desk.actor

    def told(row: DeliveryRow | None) -> None:
        if row is not None and row.is_attempted:
            tell(*_verdict(row))
        elif page.desk.clock() < until:
            page.set_timer(_LOOK, lambda: _await(page, webhook_id, event_id, until, tell))
        else:
            tell("The test is still waiting: is the worker running? It stays queued.", BAD)

    page.ask(lambda: queries.delivery_of_event(actor, webhook_id, event_id), told)


def _verdict(row: DeliveryRow) -> tuple[str, str]:
    took = f"{outcome_of(row)} in {row.duration_us // 1000} ms"
    said = row.response or row.detail
    if row.status is Status.DELIVERED:
        return f"✓ test delivered: {took} {said}", GOOD
    return f"✗ test failed: {took} {said}", BAD
