"""Editions and what they include, roles, and whoever acts. Pure."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

OPTION_PRICE = "€24 a month"
WEBHOOKS_LIMIT = 100
"""Of one business, where the configuration does not say otherwise."""
OPERATOR = "operator"
_LOOKALIKES = str.maketrans("0оοօрρеаαтτгӏ1", "ooooppeaattrll")  # digits, Cyrillic, Greek, Armenian


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
"""The editions that include webhooks; the others may add the option."""


class Role(StrEnum):
    OWNER = "owner"
    MANAGER = "manager"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts: a member by login, or the operator who holds the database (login None).

    `origin` is from where, for the audit trail: `cli`, `tui`, or a key's fingerprint.
    """

    login: str | None
    origin: str

    @property
    def name(self) -> str:
        return self.login if self.login is not None else OPERATOR


def looks_like_operator(name: str) -> bool:
    """Whether a reader of the audit trail could take it for the operator's name."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(_LOOKALIKES)
    return "".join(filter(str.isalnum, plain)).removeprefix("the") == OPERATOR


def includes_webhooks(edition: str, *, option: bool) -> bool:
    return option or edition in INCLUDED_EDITIONS


def why_not_included(business: str, edition: str) -> str:
    """One sentence: why nothing is sent, and what it costs."""
    return (
        f"Webhooks are not included in the {Edition(edition).label} edition of {business}: they "
        f"are an option for {OPTION_PRICE}, which is off, so nothing is sent or queued; ask "
        "AuraPOS to switch it on."
    )
