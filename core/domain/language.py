"""The languages that owners are spoken to in. Pure."""

from enum import StrEnum


class Language(StrEnum):
    ENGLISH = "en"
    FRENCH = "fr"
    DUTCH = "nl"
