"""The languages in which we speak to owners. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Language(StrEnum):
    ENGLISH = "en"
    FRENCH = "fr"
    DUTCH = "nl"


Say = Callable[[str], str]
"""How a sentence is said in the language of whoever reads it; `N_` says it in English."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a language writes numbers and dates, by CLDR."""

    months: str  # January first
    grouping: str
    decimal_mark: str


MANNERS: Mapping[Language, Manner] = {
    Language.ENGLISH: Manner("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", ",", "."),
    Language.FRENCH: Manner(
        "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
        "\u202f",
        ",",
    ),
    Language.DUTCH: Manner("jan feb mrt apr mei jun jul aug sep okt nov dec", ".", ","),
}
"""A test compares them with Babel's."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What the rules are handed to speak a language with."""

    say: Say
    say_count: Callable[[str, str, int], str]  # of one, of many, how many
    manner: Manner


def N_(sentence: str) -> str:  # noqa: N802 - gettext's name for it
    """The sentence itself, which stands in the catalogues and is translated where it is shown."""
    return sentence
