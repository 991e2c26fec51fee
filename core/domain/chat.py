"""One line that a person reads in a chat, instead of the JSON that a program reads. Pure.

"Ticket 1234 · 55.39 € · Bancontact · 3 lines". Numbers keep the digits that the producer wrote.
What customers have typed stays plain text in Slack, Mattermost, Rocket.Chat, Google Chat and
Discord alike: it mentions nobody, links nowhere and formats nothing.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from core.domain.cleaning import clean
from core.domain.events import EventType
from core.domain.language import N_, Wording
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


TITLES: Mapping[str, str] = {
    EventType.TICKET_CREATED: N_("Ticket {subject}"),
    EventType.TICKET_CANCELLED: N_("Ticket {subject} cancelled"),
    EventType.CLIENT_CREATED: N_("New customer {subject}"),
    EventType.CLIENT_UPDATED: N_("Customer {subject} changed"),
    EventType.PRODUIT_UPDATED: N_("Product {subject} updated"),
    EventType.PROMOTION_CREATED: N_("New promotion {subject}"),
    EventType.PROMOTION_UPDATED: N_("Promotion {subject} changed"),
    EventType.PING: N_("This is a test from AuraPOS."),
    EventType.ALERT: N_("A message from AuraPOS."),
}


def chat_text(event_type: str, payload_json: str, wording: Wording) -> str:
    """The event in one line of at most `LIMIT` characters; what the payload lacks is left out.

    Never raises: where the payload cannot be read, the line only says what happened.
    """
    if event_type not in TITLES:
        return _defused(event_type, _NAME_LIMIT)
    payload, title = _read(payload_json), wording.say(TITLES[event_type])
    if event_type == EventType.ALERT:
        return _text(payload, "text", limit=_ALERT_LIMIT) or title
    subject, details = _describe[event_type.partition(".")[0]](payload, wording)
    told = " ".join(title.format(subject=subject).split())
    line = " · ".join(each for each in (told, *details) if each)
    is_sample = payload.get("sample") is True
    return wording.say(N_("Sample: {line}")).format(line=line) if is_sample else line


_Described = tuple[str, tuple[str, ...]]
"""What the thing is called, and what else there is to say about it; empty texts are left out."""


def _describe_ticket(ticket: _Payload, wording: Wording) -> _Described:
    lines = ticket.get("lignes")
    count = str(len(lines)) if isinstance(lines, list) else ""
    lines_told = wording.say_count("{count} line", "{count} lines", _grammatical(count))
    return _subject(ticket), (
        _amount(ticket, "total_tvac", wording),
        _text(ticket, "mode_paiement"),
        _phrased(lines_told, count=count),
    )


def _describe_client(client: _Payload, wording: Wording) -> _Described:
    name = " ".join(filter(None, (_text(client, "prenom"), _text(client, "nom"))))
    count = _number(client, "points_fidelite")
    points = wording.say_count("{count} point", "{count} points", _grammatical(count))
    return name or _subject(client), (_phrased(points, count=count),)


def _describe_produit(produit: _Payload, wording: Wording) -> _Described:
    return _named(produit), (_amount(produit, "prix_tvac", wording),)


def _describe_promotion(promotion: _Payload, wording: Wording) -> _Described:
    percent = _written(_number(promotion, "remise_pct"), wording)
    return _named(promotion), (
        _phrased(wording.say(N_("{percent} % off")), percent=percent),
        _phrased(wording.say(N_("from {day}")), day=_text(promotion, "debut")),
        _phrased(wording.say(N_("until {day}")), day=_text(promotion, "fin")),
    )


def _describe_ping(_: _Payload, __: Wording) -> _Described:
    return "", ()


_describe: Mapping[str, Callable[[_Payload, Wording], _Described]] = {
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


def _amount(thing: _Payload, key: str, wording: Wording) -> str:
    amount = _written(_number(thing, key), wording)
    return _phrased(wording.say(N_("{amount} €")), amount=amount)


def _written(number: str, wording: Wording) -> str:
    """A JSON number with this language's decimal mark."""
    return number.replace(".", wording.manner.decimal_mark)


def _grammatical(number: str) -> int:
    """One or many: a JSON number may be 1.0, or longer than any `int` is read."""
    return 1 if number == "1" else 2


def _phrased(phrase: str, **value: str) -> str:
    """The phrase with its one value; nothing where there is none."""
    return phrase.format(**value) if all(value.values()) else ""


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
