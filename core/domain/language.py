"""The languages in which we speak to owners. Pure."""

from enum import StrEnum


class Language(StrEnum):
    ENGLISH = "en"
    FRENCH = "fr"
    DUTCH = "nl"
