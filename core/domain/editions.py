"""Editions, and what they include. Pure."""

from enum import StrEnum

from core.domain.language import N_
from core.errors import NotIncluded

OPTION_PRICE = N_("€24 a month")
WEBHOOKS_LIMIT = 100
"""How many webhooks one business may have, where the configuration does not say otherwise."""


class Edition(StrEnum):
    GROUP = "group"
    RESTAURANT_GROUP = "restaurant_group"
    EXPRESS = "express"
    BOUTIQUE = "boutique"
    STUDIO = "studio"
    RESTAURANT = "restaurant"

    @property
    def label(self) -> str:
        return self.value.replace("_", " ").title()


INCLUDED_EDITIONS = (Edition.GROUP, Edition.RESTAURANT_GROUP)
"""The editions that include webhooks; the option adds them to the others."""


def includes_webhooks(edition: str, *, option: bool) -> bool:
    return option or edition in INCLUDED_EDITIONS


def why_not_included(business: str, edition: str) -> NotIncluded:
    """Why nothing is sent, and what it costs."""
    return NotIncluded(
        N_(
            "Webhooks are not included in the {edition} edition of {business}: they are an option "
            "for €24 a month, which is off, so nothing is sent or queued; ask AuraPOS to switch "
            "it on."
        ),
        edition=Edition(edition).label,
        business=business,
    )
