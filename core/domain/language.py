"""The languages in which we speak to owners. Pure."""

from collections.abc import Callable
from enum import StrEnum


class Language(StrEnum):
    ENGLISH = "en"
    FRENCH = "fr"
    DUTCH = "nl"


Say = Callable[[str], str]
"""How a sentence is said in the language of whoever reads it; `N_` says it in English."""


def N_(sentence: str) -> str:  # noqa: N802 - gettext's name for it
    """The sentence itself, which stands in the catalogues and is translated where it is shown."""
    return sentence
