"""Editions, and what they include. Pure."""

from enum import StrEnum

OPTION_PRICE = "€24 a month"
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


def why_not_included(business: str, edition: str) -> str:
    """One sentence: why nothing is sent, and what the option costs."""
    return (
        f"Webhooks are not included in the {Edition(edition).label} edition of {business}: they "
        f"are an option for {OPTION_PRICE}, which is off, so nothing is sent or queued; ask "
        "AuraPOS to switch it on."
    )
