"""Who and when the tests speak of, and the shortest ways to a webhook with something to send."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from core.database import proxy, release_connection
from core.delivery import Schedule
from core.events import SELECTABLE, EventType
from core.intake import publish
from core.plans import Actor
from core.services import NewWebhook, create_webhook
from core.url_policy import UrlPolicy
from core.vault import Vault

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
    if proxy.for_update:
        proxy.close_all()


def add_webhook(
    vault: Vault,
    business_id: int,
    url: str = "https://example.com/hook",
    events: tuple[EventType, ...] = SELECTABLE,
    now: datetime = NOON,
) -> NewWebhook:
    return create_webhook(MARIE, business_id, url, events, now, policy=DEVELOPMENT, vault=vault)


def publish_ticket(business_id: int, now: datetime = NOON, payload: bytes = TICKET) -> int:
    publication = publish(business_id, EventType.TICKET_CREATED, payload, now, wake=silent)
    assert publication.event_id is not None
    return publication.event_id
