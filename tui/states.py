"""What became of deliveries: a glyph, its colour and words for it.

No glyph here is one that terminals draw as an emoji, and none says anything that the words do not.
"""

from typing import NamedTuple

from core.domain.delivery import Status
from core.use_cases.queries import DeliveryRow
from tui.page import BAD, GOOD, QUIET

ARRIVED, WAITS, NEW, GIVEN_UP = "●", "▲", "○", "×"


class Told(NamedTuple):
    glyph: str
    style: str  # of the glyph; the words have the text's own colour
    words: str


def of_delivery(row: DeliveryRow, max_attempts: int) -> Told:
    match row.status:
        case Status.DELIVERED:
            return Told(ARRIVED, GOOD, "arrived")
        case Status.ABANDONED:
            return Told(GIVEN_UP, BAD, f"given up after {row.attempts}")
        case Status.PENDING if not row.is_attempted:
            return Told(NEW, QUIET, "goes out now")
        case _:
            return Told(WAITS, BAD, f"waits, try {row.attempts + 1} of {max_attempts}")
