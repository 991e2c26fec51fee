"""What became of deliveries, and how webhooks are: a glyph, its colour's name and words for it.

No glyph here is one that terminals draw as an emoji, and none says anything that the words do not.
"""

from typing import NamedTuple

from core.domain.delivery import Status
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.webhook_health import COUNTED_TO, Health, State

ARRIVED, WAITS, PAUSED, NEW, GIVEN_UP = "●", "▲", "■", "○", "×"


class Told(NamedTuple):
    glyph: str
    style: str  # of the glyph; the words have the text's own colour
    words: str


def of_delivery(row: DeliveryRow, max_attempts: int) -> Told:
    if row.is_parked:
        return Told(PAUSED, ".held", "parked")
    match row.status:
        case Status.DELIVERED:
            return Told(ARRIVED, ".good", "arrived")
        case Status.ABANDONED:
            return Told(GIVEN_UP, ".bad", f"given up after {row.attempts}")
        case Status.PENDING if not row.is_attempted:
            return Told(NEW, "", "goes out now")
        case _:
            return Told(WAITS, ".bad", f"waits, try {row.attempts + 1} of {max_attempts}")


def of_webhook(health: Health) -> Told:
    waiting = f", {many(health.waiting)} wait" if health.waiting else ""
    match health.state:
        case State.PAUSED:
            return Told(PAUSED, ".held", f"paused{waiting}")
        case State.OK:
            return Told(ARRIVED, ".good", "ok")
        case State.NEVER:
            return Told(NEW, "", "not used yet")
        case State.FAILING:
            return Told(WAITS, ".bad", f"failing{waiting}")


def many(count: int) -> str:
    """A count that ends at a bound."""
    return f"{COUNTED_TO:,}+" if count > COUNTED_TO else f"{count:,}"
