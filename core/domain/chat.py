"""One line that a person reads in a chat, instead of the JSON that a program reads. Pure.

"Ticket 1234 · 55.39 € · Bancontact · 3 lines". Numbers keep the digits that the producer wrote.
What customers have typed stays plain text in Slack, Mattermost, Rocket.Chat, Google Chat and
Discord alike: it mentions nobody, links nowhere and formats nothing.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.domain.cleaning import clean
from core.domain.events import EventType
from core.domain.language import Language
from core.domain.payload import SUBJECT_NAMES

_NAME_LIMIT = 100
_FIELD_LIMIT = 60
_ALERT_LIMIT = 300

LIMIT = 500
"""The longest line, in characters. Discord's limit of 2,000 is the lowest of all chat programs."""

# Each chat program has its own escapes, which the others would show as they are. But the full-width
# twin of a character means nothing to any of them, and everybody can read it.
_MEANING_SOMETHING = "&<>@#*_~`|[]:\\$"
_TWINS = {ord(character): ord(character) + 0xFEE0 for character in _MEANING_SOMETHING}
_DOT_OF_A_NAME = re.compile(r"\.(?=[^\W\d])")  # "evil.example" becomes a link without any "https:"
_ONE_DOT_LEADER = "\u2024"


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


_Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Phrases:
    """What a language calls things, and how it writes an amount."""

    titles: Mapping[str, str]  # by event type
    sample: str
    amount: str
    decimal_mark: str
    lines: tuple[str, str]  # the words for one line and for many
    points: tuple[str, str]
    discount: str
    begins: str
    ends: str

    def written(self, number: str) -> str:
        """A JSON number with this language's decimal mark."""
        return number.replace(".", self.decimal_mark)


PHRASES: Mapping[Language, Phrases] = {
    Language.ENGLISH: Phrases(
        titles={
            EventType.TICKET_CREATED: "Ticket {}",
            EventType.TICKET_CANCELLED: "Ticket {} cancelled",
            EventType.CLIENT_CREATED: "New customer {}",
            EventType.CLIENT_UPDATED: "Customer {} changed",
            EventType.PRODUIT_UPDATED: "Product {} updated",
            EventType.PROMOTION_CREATED: "New promotion {}",
            EventType.PROMOTION_UPDATED: "Promotion {} changed",
            EventType.PING: "This is a test from AuraPOS.",
            EventType.ALERT: "A message from AuraPOS.",
        },
        sample="Sample: {}",
        amount="{} €",
        decimal_mark=".",
        lines=("{} line", "{} lines"),
        points=("{} point", "{} points"),
        discount="{} % off",
        begins="from {}",
        ends="until {}",
    ),
    Language.FRENCH: Phrases(
        titles={
            EventType.TICKET_CREATED: "Ticket {}",
            EventType.TICKET_CANCELLED: "Ticket {} annulé",
            EventType.CLIENT_CREATED: "Nouveau client {}",
            EventType.CLIENT_UPDATED: "Client {} modifié",
            EventType.PRODUIT_UPDATED: "Produit {} mis à jour",
            EventType.PROMOTION_CREATED: "Nouvelle promotion {}",
            EventType.PROMOTION_UPDATED: "Promotion {} modifiée",
            EventType.PING: "Ceci est un test d’AuraPOS.",
            EventType.ALERT: "Un message d’AuraPOS.",
        },
        sample="Exemple : {}",
        amount="{} €",
        decimal_mark=",",
        lines=("{} ligne", "{} lignes"),
        points=("{} point", "{} points"),
        discount="remise de {} %",
        begins="à partir du {}",
        ends="jusqu’au {}",
    ),
    Language.DUTCH: Phrases(
        titles={
            EventType.TICKET_CREATED: "Ticket {}",
            EventType.TICKET_CANCELLED: "Ticket {} geannuleerd",
            EventType.CLIENT_CREATED: "Nieuwe klant {}",
            EventType.CLIENT_UPDATED: "Klant {} gewijzigd",
            EventType.PRODUIT_UPDATED: "Product {} bijgewerkt",
            EventType.PROMOTION_CREATED: "Nieuwe promotie {}",
            EventType.PROMOTION_UPDATED: "Promotie {} gewijzigd",
            EventType.PING: "Dit is een test van AuraPOS.",
            EventType.ALERT: "Een bericht van AuraPOS.",
        },
        sample="Voorbeeld: {}",
        amount="€ {}",
        decimal_mark=",",
        lines=("{} regel", "{} regels"),
        points=("{} punt", "{} punten"),
        discount="{} % korting",
        begins="vanaf {}",
        ends="tot en met {}",
    ),
}


def chat_text(event_type: str, payload_json: str, language: Language) -> str:
    """The event in one line of at most `LIMIT` characters; what the payload lacks is left out.

    Never raises: where the payload cannot be read, the line only says what happened.
    """
    phrases, payload = PHRASES[language], _read(payload_json)
    if event_type == EventType.ALERT:
        return _text(payload, "text", limit=_ALERT_LIMIT) or phrases.titles[event_type]
    if event_type not in phrases.titles:
        return _defused(event_type, _NAME_LIMIT)
    name, details = _describe[event_type.partition(".")[0]](payload, phrases)
    title = " ".join(phrases.titles[event_type].format(name).split())
    line = " · ".join(each for each in (title, *details) if each)
    return phrases.sample.format(line) if payload.get("sample") is True else line


_Described = tuple[str, tuple[str, ...]]
"""What the thing is called, and what else there is to say about it; empty texts are left out."""


def _describe_ticket(ticket: _Payload, phrases: Phrases) -> _Described:
    lines = ticket.get("lignes")
    count = _Number(len(lines)) if isinstance(lines, list) else ""
    return _subject(ticket), (
        _amount(ticket, "total_tvac", phrases),
        _text(ticket, "mode_paiement"),
        _counted(count, phrases.lines),
    )


def _describe_client(client: _Payload, phrases: Phrases) -> _Described:
    name = " ".join(filter(None, (_text(client, "prenom"), _text(client, "nom"))))
    points = _counted(_number(client, "points_fidelite"), phrases.points)
    return name or _subject(client), (points,)


def _describe_produit(produit: _Payload, phrases: Phrases) -> _Described:
    return _named(produit), (_amount(produit, "prix_tvac", phrases),)


def _describe_promotion(promotion: _Payload, phrases: Phrases) -> _Described:
    discount = phrases.written(_number(promotion, "remise_pct"))
    return _named(promotion), (
        _phrased(phrases.discount, discount),
        _phrased(phrases.begins, _text(promotion, "debut")),
        _phrased(phrases.ends, _text(promotion, "fin")),
    )


def _describe_ping(_: _Payload, __: Phrases) -> _Described:
    return "", ()


_describe: Mapping[str, Callable[[_Payload, Phrases], _Described]] = {
    "ticket": _describe_ticket,
    "client": _describe_client,
    "produit": _describe_produit,
    "promotion": _describe_promotion,
    "ping": _describe_ping,
}


def _named(thing: _Payload) -> str:
    return _text(thing, "nom", limit=_NAME_LIMIT) or _subject(thing)


def _subject(thing: _Payload) -> str:
    """What a person calls it, by the same rule as an event's subject."""
    found = (_text(thing, key) for key in SUBJECT_NAMES)
    return next(filter(None, found), "")


def _amount(thing: _Payload, key: str, phrases: Phrases) -> str:
    return _phrased(phrases.amount, phrases.written(_number(thing, key)))


def _counted(number: str, of_one_and_many: tuple[str, str]) -> str:
    of_one, of_many = of_one_and_many
    return _phrased(of_one if number == "1" else of_many, number)


def _phrased(phrase: str, text: str) -> str:
    return phrase.format(text) if text else ""


def _number(thing: _Payload, key: str) -> str:
    value = thing.get(key)
    return _shortened(value, _FIELD_LIMIT) if isinstance(value, _Number) else ""


def _text(thing: _Payload, key: str, *, limit: int = _FIELD_LIMIT) -> str:
    """A text or a number, defused; empty where the payload has neither."""
    value = thing.get(key)
    return _defused(value, limit) if isinstance(value, str) else ""


def _defused(text: str, limit: int) -> str:
    begun = " ".join(text[: 4 * limit].split())  # more than is shown, but not a whole book
    shown = clean(begun, limit + 1).translate(_TWINS)
    return _shortened(_DOT_OF_A_NAME.sub(_ONE_DOT_LEADER, shown), limit)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _read(payload_json: str) -> _Payload:
    """The payload where it is an object; else an empty one, as if nothing were known."""
    try:
        payload = json.loads(payload_json, parse_int=_Number, parse_float=_Number)
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}
