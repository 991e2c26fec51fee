"""What became of deliveries, and how webhooks are: a glyph, its colour's name and words for it.

No glyph here is one that terminals draw as an emoji, and none says anything that the words do not.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from core.domain.delivery import Status
from core.domain.events import Purpose
from core.domain.language import N_
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.webhook_health import COUNTED_TO, Health, State
from tui.language import _, ngettext, number

ARRIVED, WAITS, PAUSED, NEW, GIVEN_UP = "●", "▲", "■", "○", "×"


class Told(NamedTuple):
    glyph: str
    style: str  # of the glyph; the words have the text's own colour
    words: str


def of_delivery(row: DeliveryRow, max_attempts: int) -> Told:
    if row.is_parked:
        return Told(PAUSED, ".held", _("parked"))
    match row.status:
        case Status.DELIVERED:
            return Told(ARRIVED, ".good", _("arrived"))
        case Status.ABANDONED:
            return Told(
                GIVEN_UP, ".bad", _("abandoned after {attempts}").format(attempts=row.attempts)
            )
        case Status.PENDING if not row.is_attempted:
            return Told(NEW, "", _("goes out now"))
        case _:
            told = _("waits, try {attempt} of {of}").format(
                attempt=row.attempts + 1, of=max_attempts
            )
            return Told(WAITS, ".bad", told)


def of_webhook(health: Health) -> Told:
    told, waiting = of_state(health.state), health.waiting
    if not waiting:
        return told
    match health.state:
        case State.PAUSED:
            words = ngettext("paused, {count} wait", "paused, {count} wait", waiting)
        case State.FAILING:
            words = ngettext("failing, {count} wait", "failing, {count} wait", waiting)
        case State.OK | State.NEVER:
            return told
    return told._replace(words=words.format(count=many(waiting)))


def longest_states() -> Iterable[str]:
    """What a column of states has to have room for."""
    for told in (
        ngettext("paused, {count} wait", "paused, {count} wait", 12),
        ngettext("failing, {count} wait", "failing, {count} wait", 12),
    ):
        yield told.format(count=12)


def longest_results() -> Iterable[str]:
    """The same of what became of deliveries, with the usual number of attempts."""
    yield _("abandoned after {attempts}").format(attempts=5)
    yield _("waits, try {attempt} of {of}").format(attempt=5, of=5)
    yield _("arrived")
    yield _("goes out now")


def of_state(state: State) -> Told:
    match state:
        case State.PAUSED:
            return Told(PAUSED, ".held", _("paused"))
        case State.OK:
            return Told(ARRIVED, ".good", _("ok"))
        case State.NEVER:
            return Told(NEW, "", _("not used yet"))
        case State.FAILING:
            return Told(WAITS, ".bad", _("failing"))


_MADE_AS: Mapping[Purpose, str] = {
    Purpose.SAMPLE: N_("sample"),
    Purpose.CHECK: N_("check"),
    Purpose.TAMPERED: N_("check: tampered"),
    Purpose.WRONG_SECRET: N_("check: wrong secret"),
    Purpose.STALE: N_("check: an hour old"),
}


def made_as(row: DeliveryRow) -> str:
    """What an owner had it made as, though nothing had happened."""
    return _(_MADE_AS.get(row.purpose, "")) if row.purpose is not None else ""


def event_of(row: DeliveryRow) -> str:
    """Its event, and whether that is only a sample of it."""
    purpose = made_as(row)
    return f"{row.event} ({purpose})" if purpose else row.event


def many(count: int) -> str:
    """A count that ends at a bound."""
    return f"{number(COUNTED_TO)}+" if count > COUNTED_TO else number(count)
