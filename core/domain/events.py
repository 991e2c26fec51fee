"""The seven events, `ping`, `alert`, and the trigger table. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from core.domain.language import N_


class EventType(StrEnum):
    """What a webhook can be told about. `PING` is what Send test queues, and `ALERT` tells about
    another webhook.
    """

    TICKET_CREATED = "ticket.created"
    TICKET_CANCELLED = "ticket.cancelled"
    CLIENT_CREATED = "client.created"
    CLIENT_UPDATED = "client.updated"
    PRODUIT_UPDATED = "produit.updated"
    PROMOTION_CREATED = "promotion.created"
    PROMOTION_UPDATED = "promotion.updated"
    PING = "ping"
    ALERT = "alert"


MEANINGS: Mapping[EventType, str] = {
    EventType.TICKET_CREATED: N_("New non-cancelled ticket validated"),
    EventType.TICKET_CANCELLED: N_("Existing ticket cancelled"),
    EventType.CLIENT_CREATED: N_("New customer created"),
    EventType.CLIENT_UPDATED: N_("Existing customer modified"),
    EventType.PRODUIT_UPDATED: N_("Product created or modified"),
    EventType.PROMOTION_CREATED: N_("New promotion created"),
    EventType.PROMOTION_UPDATED: N_("Existing promotion modified"),
}
"""The events an owner can select, in the order of the product's page, and what triggers each."""

SELECTABLE = tuple(MEANINGS)


class Purpose(StrEnum):
    """Why an event was made although nothing had happened in the business. Such an event goes to
    one webhook only, and what becomes of it says nothing about that webhook's health.
    """

    SAMPLE = "sample"
    CHECK = "check"  # a ping that is signed rightly; receivers should refuse the next ones
    TAMPERED = "check: tampered"
    WRONG_SECRET = "check: wrong secret"  # noqa: S105 - it is none
    STALE = "check: an hour old"
    ALERT = "alert"  # another webhook has trouble, or has it no longer


CHECKS = frozenset(Purpose) - {Purpose.SAMPLE, Purpose.ALERT}
"""The pings of a check. Each of them is attempted only once."""


class Entity(StrEnum):
    """What a BackendSync change can be about."""

    TICKET = "ticket"
    CLIENT = "client"
    PRODUIT = "produit"
    PROMOTION = "promotion"


class TicketStatut(StrEnum):
    OUVERT = "ouvert"
    VALIDE = "valide"
    ANNULE = "annule"


type_of_new = {
    Entity.CLIENT: EventType.CLIENT_CREATED,
    Entity.PRODUIT: EventType.PRODUIT_UPDATED,
    Entity.PROMOTION: EventType.PROMOTION_CREATED,
}
type_of_changed = {
    Entity.CLIENT: EventType.CLIENT_UPDATED,
    Entity.PRODUIT: EventType.PRODUIT_UPDATED,
    Entity.PROMOTION: EventType.PROMOTION_UPDATED,
}


def event_for_change(
    entity: Entity, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> EventType | None:
    """The event that a change of an entity is, or None: the product's trigger table.

    `before` is None where the entity is new, and `after` where it was removed, which is no event.
    Raises ValueError when a ticket's `statut` is missing or unknown.
    """
    if after is None:
        return None
    if entity is Entity.TICKET:
        return _event_for_ticket(_statut(before), _statut(after))
    if before is None:
        return type_of_new[entity]
    return None if before == after else type_of_changed[entity]


def _event_for_ticket(before: TicketStatut | None, after: TicketStatut | None) -> EventType | None:
    match before, after:
        case ((None | TicketStatut.OUVERT), TicketStatut.VALIDE):
            return EventType.TICKET_CREATED
        case TicketStatut.VALIDE, TicketStatut.ANNULE:
            return EventType.TICKET_CANCELLED
        case _:
            return None


def _statut(ticket: Mapping[str, Any] | None) -> TicketStatut | None:
    if ticket is None:
        return None
    try:
        return TicketStatut(str(ticket.get("statut")))
    except ValueError:
        raise ValueError('a ticket\'s "statut" is "ouvert", "valide" or "annule"') from None
