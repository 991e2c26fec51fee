"""Tests and samples, from any screen: queued, and the answer told as soon as it is there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from core.domain.delivery import Status
from core.domain.events import EventType
from core.domain.hosts import host_of
from core.domain.language import N_
from core.domain.receivers import advice
from core.use_cases import queries, services
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.queries import WebhookRow
from tui.failures import outcome_of, said_by
from tui.language import _
from tui.page import BAD, GONE, GOOD, Page, unless_gone

LOOK = 0.25  # seconds between two looks how it went
PATIENCE = timedelta(seconds=5)  # beyond what the attempt itself may take

Tell = Callable[[str, str], None]


def send_test(page: Page, webhook_id: int, url: str, tell: Tell) -> None:
    """Queue a test for that webhook and `tell` (text, style) how it goes."""
    desk, now = page.desk, page.desk.clock()
    _send(
        _Sent(page, webhook_id, url, _TEST, "", tell, now + desk.timeout + PATIENCE),
        lambda: services.send_test(desk.actor, webhook_id, now, wake=desk.wake),
    )


def send_sample(page: Page, webhook_id: int, url: str, event: EventType, tell: Tell) -> None:
    """The same for a sample of that event."""
    desk, now = page.desk, page.desk.clock()
    _send(
        _Sent(page, webhook_id, url, _SAMPLE, event, tell, now + desk.timeout + PATIENCE),
        lambda: services.send_sample(desk.actor, webhook_id, event, now, wake=desk.wake),
    )


def _send(sent: "_Sent", queue: Callable[[], int]) -> None:
    if sent.page.act((sent.words, sent.event, sent.webhook_id), queue, sent.wait):
        sent.say(sent.words.sending, host=host_of(sent.url))


class Verdict(NamedTuple):
    """What is said of how an attempt ended."""

    delivered: str
    failed: str

    def said(self, webhook: WebhookRow, row: DeliveryRow, **values: object) -> tuple[str, str]:
        """In a sentence, and its style."""
        known = advice(webhook.url, webhook.choices.format, row.http_status, row.response, _)
        arrived = row.status is Status.DELIVERED
        said = known or said_by(row)
        told = _(self.delivered if arrived else self.failed).format(
            outcome=outcome_of(row),
            time=_("{count} ms").format(count=row.duration_us // 1000),
            said=f"· {said}" if said else "",
            **values,
        )
        return told, GOOD if arrived else BAD


class _Words(NamedTuple):
    """What is said of a test, or of a sample."""

    sending: str
    held: str
    paced: str
    waiting: str
    ended: Verdict


_TEST = _Words(
    N_("Sending a test to {host} …"),
    N_("The server asked for nothing until {time}; the test goes then."),
    N_("The test waits for its turn, at {pace}."),
    N_("The test is still waiting: is the worker running? It stays queued."),
    Verdict(
        N_("✓ test delivered: {outcome} in {time} {said}"),
        N_("✗ test failed: {outcome} in {time} {said}"),
    ),
)
_SAMPLE = _Words(
    N_("Sending a {event} sample to {host} …"),
    N_("The server asked for nothing until {time}; the {event} sample goes then."),
    N_("The {event} sample waits for its turn, at {pace}."),
    N_("The {event} sample is still waiting: is the worker running? It stays queued."),
    Verdict(
        N_("✓ {event} sample delivered: {outcome} in {time} {said}"),
        N_("✗ {event} sample failed: {outcome} in {time} {said}"),
    ),
)


@dataclass(frozen=True)
class _Sent:
    """A test or a sample that is under way."""

    page: Page
    webhook_id: int
    url: str
    words: _Words
    event: str  # that it is a sample of
    tell: Tell
    until: datetime  # when there should be an answer

    def say(self, words: str, style: str = "", **values: object) -> None:
        self.tell(_(words).format(event=self.event, **values), style)

    def wait(self, event_id: int) -> None:
        actor = self.page.desk.actor

        def read() -> tuple[WebhookRow, DeliveryRow | None]:
            webhook = queries.webhook(actor, self.webhook_id)
            return webhook, queries.delivery_of_event(actor, self.webhook_id, event_id)

        def look(found: tuple[WebhookRow, DeliveryRow | None] | None) -> None:
            if found is None:
                self.tell(_(GONE), BAD)
            else:
                self._look(event_id, *found)

        self.page.ask(lambda: unless_gone(read), look)

    def _look(self, event_id: int, webhook: WebhookRow, row: DeliveryRow | None) -> None:
        if row is not None and row.is_attempted:
            self.tell(*self.words.ended.said(webhook, row, event=self.event))
        elif webhook.held_until is not None and webhook.held_until > self.page.desk.clock():
            self.say(self.words.held, time=self.page.desk.time(webhook.held_until))
        elif self.page.desk.clock() < self.until:
            self.page.set_timer(LOOK, lambda: self.wait(event_id))
        elif webhook.choices.pace is not None:
            self.say(self.words.paced, pace=webhook.choices.pace)
        else:
            self.say(self.words.waiting, BAD)
