"""Who and when the tests speak of, and the shortest ways to a webhook with something to send."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

from core.domain.actors import Actor
from core.domain.choices import NOTHING, Chosen
from core.domain.delivery import Schedule
from core.domain.events import SELECTABLE, EventType
from core.domain.url_policy import UrlPolicy
from core.intake import publish
from core.outbound.sender import Sender
from core.outbound.tls import tls_context
from core.outbound.transport import GuardedTransport
from core.storage.database import connection, is_postgres, proxy, release_connection, transaction
from core.storage.models import Delivery, Event, Webhook
from core.storage.vault import Vault
from core.use_cases import queries, workers
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.services import NewWebhook, create_webhook
from tests.support.notes import notes

OPERATOR = Actor(None, "test")
MARIE = Actor("marie", "test")
NOON = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
DEVELOPMENT = UrlPolicy(allow_http=True, allow_networks=(ip_network("127.0.0.0/8"),))
SCHEDULE = Schedule(tuple(timedelta(minutes=wait) for wait in (1, 5, 30, 120, 720)), 5)
TICKET = b'{"total_tvac": 55.10}'


def silent() -> None:
    """A wake that wakes nobody."""


def close_database() -> None:
    """Leave no connection to it behind, of whichever thread."""
    release_connection()
    if is_postgres():
        proxy.close_all()


def make_sender(timeout: timedelta = 10 * SECOND) -> Sender:
    """To be used and closed inside one event loop."""
    return Sender(GuardedTransport(DEVELOPMENT, tls_context("")), timeout)


def add_webhook(
    vault: Vault,
    business_id: int,
    url: str = "https://example.com/hook",
    events: tuple[EventType, ...] = SELECTABLE,
    now: datetime = NOON,
    chosen: Chosen = NOTHING,
) -> NewWebhook:
    before = list(notes().published)
    new = create_webhook(
        *(MARIE, business_id, url, events, now), policy=DEVELOPMENT, vault=vault, chosen=chosen
    )
    notes().older[new.id] = before
    notes().secrets[new.id].append(new.secret)
    return new


def publish_ticket(business_id: int, now: datetime = NOON, payload: bytes = TICKET) -> int:
    publication = publish(business_id, EventType.TICKET_CREATED, payload, now, wake=silent)
    assert publication.event_id is not None
    return publication.event_id


def only_delivery(webhook_id: int) -> DeliveryRow:
    [row] = queries.deliveries(MARIE, webhook_id)
    return row


def make_due(due_at: datetime, which: Any = True) -> None:
    """As if these waiting deliveries were due then."""
    with transaction():
        Delivery.update(due_at=due_at).where(which & ~Delivery.due_at.is_null()).execute()
        Webhook.update(ready_at=due_at).where(Webhook.deleted_at.is_null()).execute()


def let_leases_run_out() -> None:
    """As if the half-minute of a lease had passed."""
    past = datetime.now(UTC) - SECOND
    with transaction():
        Delivery.update(due_at=past).where(~Delivery.lease.is_null()).execute()
        Webhook.update(ready_at=past).where(~Webhook.ready_at.is_null()).execute()


def in_flight() -> int:
    """How many deliveries are leased."""
    with connection():
        return int(Delivery.select().where(Delivery.lease.is_null(is_null=False)).count())


def nothing_waits() -> bool:
    """Whether no event is to be fanned out and no delivery to be attempted, now or later."""
    with connection():
        if Event.select().where(Event.fanned_out_at.is_null()).exists():
            return False  # asked first: what is fanned out meanwhile is found below
        return not Delivery.select().where(Delivery.due_at.is_null(is_null=False)).exists()


def has_ticked() -> bool:
    return workers.last_tick() is not None
