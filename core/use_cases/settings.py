"""How each login likes its terminal UI: kept with the login, on whatever machine it sits.

Over SSH nothing else could be asked: the forced command clears the client's environment.
"""

from dataclasses import dataclass

from core.storage.database import connection, transaction
from core.storage.models import Setting

_OPERATOR = ""  # whoever holds the database has no login
_COLOURS = "colours"
_LOST = "lost"
_ON, _OFF = "on", "off"


@dataclass(frozen=True, slots=True)
class Settings:
    colours: bool | None = None  # None: as the terminal's environment says
    lost: str = ""  # what was left unfinished when the last session's connection ended


AS_IT_COMES = Settings()


def settings_of(login: str | None) -> Settings:
    rows = Setting.select(Setting.name, Setting.value).where(Setting.login == (login or _OPERATOR))
    with connection():
        kept = dict(rows.tuples())
    colours = {_ON: True, _OFF: False}.get(kept.get(_COLOURS, ""))
    return Settings(colours, kept.get(_LOST, ""))


def keep_colours(login: str | None, *, colours: bool | None) -> None:
    _keep(login, _COLOURS, "" if colours is None else _ON if colours else _OFF)


def keep_lost(login: str | None, what: str) -> None:
    """Remember, for the next session, a sentence about what this one lost; empty forgets it."""
    _keep(login, _LOST, what)


def _keep(login: str | None, name: str, value: str) -> None:
    with transaction():
        Setting.insert(login=login or _OPERATOR, name=name, value=value).on_conflict(
            conflict_target=[Setting.login, Setting.name], preserve=[Setting.value]
        ).execute()
