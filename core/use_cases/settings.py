"""How each login likes its terminal UI. It is kept with the login, on whatever machine that sits.

Over SSH nothing else could be asked: the forced command clears the client's environment.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from core.domain.language import Language
from core.storage.database import connection, transaction
from core.storage.models import Setting

_Choice = TypeVar("_Choice", bound=StrEnum)

_OPERATOR = ""  # whoever holds the database has no login
_THEME = "theme"
_GLYPHS = "glyphs"
_LANGUAGE = "language"
_ZONE = "zone"
_LOST = "lost"


class Theme(StrEnum):
    """Which colours the screens have."""

    TERMINAL = "terminal"  # text in the terminal's own colour, on its own ground
    DARK = "dark"
    LIGHT = "light"
    NONE = "none"


class Glyphs(StrEnum):
    """What marks, bars and rules are drawn with."""

    DRAWN = "drawn"
    ASCII = "ascii"


@dataclass(frozen=True, slots=True)
class Settings:
    theme: Theme | None = None  # None: as the environment of the terminal says
    zone: str = ""  # the IANA name of the zone whose time is shown; empty: this machine's
    lost: str = ""  # what was left unfinished when the connection of the last session ended
    language: Language | None = None  # None: the one that is configured
    glyphs: Glyphs | None = None  # None: as the terminal's name says


AS_IT_COMES = Settings()


def settings_of(login: str | None) -> Settings:
    rows = Setting.select(Setting.name, Setting.value).where(Setting.login == (login or _OPERATOR))
    with connection():
        kept = dict(rows.tuples())
    return Settings(
        _known(Theme, kept.get(_THEME, "")),
        kept.get(_ZONE, ""),
        kept.get(_LOST, ""),
        _known(Language, kept.get(_LANGUAGE, "")),
        _known(Glyphs, kept.get(_GLYPHS, "")),
    )


def _known(kind: type[_Choice], value: str) -> _Choice | None:
    """The choice; None also where only another version of the program knows it."""
    return kind(value) if value in set(kind) else None


def keep_theme(login: str | None, theme: Theme | None) -> None:
    _keep(login, _THEME, theme or "")


def keep_zone(login: str | None, zone: str) -> None:
    _keep(login, _ZONE, zone)


def keep_language(login: str | None, language: Language | None) -> None:
    _keep(login, _LANGUAGE, language or "")


def keep_glyphs(login: str | None, glyphs: Glyphs | None) -> None:
    _keep(login, _GLYPHS, glyphs or "")


def keep_lost(login: str | None, what: str) -> None:
    """Remember for the next session, in a sentence, what this one lost; "" forgets it."""
    _keep(login, _LOST, what)


def _keep(login: str | None, name: str, value: str) -> None:
    with transaction():
        Setting.insert(login=login or _OPERATOR, name=name, value=value).on_conflict(
            conflict_target=[Setting.login, Setting.name], preserve=[Setting.value]
        ).execute()
