"""What the owner of one webhook may choose, beside its address and its events. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, TypedDict

from core.domain.cleaning import clean
from core.domain.conditions import parse_conditions
from core.domain.language import N_, Language
from core.domain.own_headers import OwnHeader
from core.domain.pace import CHAT_PACE, check_pace
from core.errors import BadInput

NAME_LIMIT = 40
"""The longest name of a webhook, in characters."""


class Format(StrEnum):
    """What the body of a delivery is."""

    JSON = "json"  # the event, for programs
    CHAT = "chat"  # one line for people: Slack, Mattermost, Rocket.Chat, Google Chat, Discord


@dataclass(frozen=True, slots=True)
class Choices:
    """What a webhook has chosen. By default it gets exactly what every receiver is promised."""

    name: str = ""  # what its owner calls it
    format: Format = Format.JSON
    language: Language = Language.ENGLISH  # of the chat line
    standard_webhooks: bool = False  # the three headers of that specification are sent too
    headers: tuple[str, ...] = ()  # the names of the headers that the owner has added
    only: tuple[str, ...] = ()  # conditions on the payload, all of which must hold
    pace: str | None = None  # the most that it is sent to, as `pace` writes it
    alerts: bool = False  # whether it is told when another webhook of the business has trouble


class Chosen(TypedDict, total=False):
    """What is chosen anew; whatever is left out stays as it is."""

    name: str
    format: Format
    language: Language
    standard_webhooks: bool
    headers: tuple[OwnHeader, ...]
    only: Sequence[str]
    pace: str | None
    alerts: bool


AS_IT_COMES = Choices()
NOTHING = Chosen()


def choose(before: Choices, chosen: Chosen) -> Choices:
    """What a webhook has chosen from now on. Raises BadInput where that is not possible."""
    anew: dict[str, Any] = dict(chosen)
    if "name" in chosen:
        anew["name"] = _checked_name(chosen["name"])
    if "headers" in chosen:
        anew["headers"] = tuple(_checked_names(before, chosen["headers"]))
    if "only" in chosen:
        anew["only"] = tuple(each.text for each in parse_conditions(chosen["only"]))
    if (pace := chosen.get("pace")) is not None:
        anew["pace"] = check_pace(pace)
    return replace(before, **anew)


def for_a_new_one(chosen: Chosen) -> Chosen:
    """The same for a new webhook, with the defaults that follow from these choices."""
    if chosen.get("format") is Format.CHAT:
        return {"pace": CHAT_PACE, **chosen}
    return chosen


def _checked_name(text: str) -> str:
    name = text.strip()
    if len(name) > NAME_LIMIT:
        raise BadInput(
            N_("A name has {limit} characters at most: leave out {surplus}."),
            limit=NAME_LIMIT,
            surplus=len(name) - NAME_LIMIT,
        )
    if clean(name) != name:
        raise BadInput(N_("A name may have only visible characters: type it again."))
    return name


def _checked_names(before: Choices, headers: Iterable[OwnHeader]) -> Iterator[str]:
    for header in headers:
        if header.value is None and header.name not in before.headers:
            raise BadInput(
                N_("The header {name} has no value yet: write it as `{name}: value`."),
                name=header.name,
            )
        yield header.name


def changes(before: Choices, after: Choices, chosen: Chosen = NOTHING) -> str:
    """The choices that changed, in words for the audit trail: `name Bookkeeper, format chat`."""
    renewed = [each.name for each in chosen.get("headers", ()) if each.value is not None]
    values = [f"new value of {name}" for name in renewed if name in before.headers]
    return ", ".join([*_changes(before, after), *values])


def _changes(before: Choices, after: Choices) -> Iterator[str]:
    for field in fields(Choices):
        value = getattr(after, field.name)
        if value != getattr(before, field.name):
            name = field.name.replace("_", " ")
            yield f"{name} {_word(value)}" if value else f"no {name}"


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return " and ".join(value)
    return "on" if value is True else str(value)
