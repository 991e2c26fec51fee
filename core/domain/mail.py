"""Alerts by mail: which addresses are possible, and what is written to them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import idna

from core.domain.cleaning import clean
from core.domain.language import N_, Language
from core.errors import BadInput

CODE = "code"
"""The kind of mail that asks whether somebody reads it; all others are alerts."""

CODE_DIGITS = 6
CODE_LASTS = timedelta(minutes=10)
CODE_TRIES = 5
CODES_AN_HOUR = 3
"""How many codes an hour may go to one address, and be asked for by one login: nobody can have
others mailed to again and again.
"""

ALERT_LASTS = timedelta(days=1)
"""How long an alert is of use: one that could not be handed in for so long would only tell of the
past.
"""

_PORTS = {"smtp": 587, "smtps": 465}  # RFC 8314
_ENCODED = r"(?:[^\s:@/?#%]|%[0-9A-Fa-f]{2})+"
_SERVER = re.compile(
    rf"smtps?://(?:{_ENCODED}:{_ENCODED}@)?(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?/?"
)


class Submission(NamedTuple):
    """Where mail is handed in, and as whom; without a user there is no login."""

    host: str
    port: int
    user: str
    password: str
    tls_at_once: bool  # else STARTTLS is insisted on


def parse_smtp(url: str) -> Submission:
    """`smtp://user:password@host:587`, or `smtps://…`, what is special in user and password
    percent-encoded. Raises ValueError, which quotes nothing of it.
    """
    if _SERVER.fullmatch(url) is None:
        raise ValueError("this is no URL of a mail server")
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    user = unquote(parts.username or "", errors="strict")
    password = unquote(parts.password or "", errors="strict")
    return Submission(parts.hostname or "", port, user, password, parts.scheme == "smtps")


_LONGEST = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets
_LONGEST_LOCAL = 64
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
_SUBJECT = 200  # characters


def parse_address(text: str) -> str:
    """A mail address, with its domain as the name system has it. Raises BadInput.

    Quoted names, comments and groups are lawful, but nobody has them. What is accepted here cannot
    be read in two ways by any server.
    """
    local, _, domain = text.strip().rpartition("@")
    try:
        domain = idna.encode(domain, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        domain = ""
    address = f"{local}@{domain}"
    is_short = len(local) <= _LONGEST_LOCAL and len(address) <= _LONGEST
    if not (is_short and _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)):
        raise BadInput(N_("That is not a mail address: write it as marie@example.com."))
    return address


class Letter(NamedTuple):
    """What is written: a subject, and a text of several lines."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class _Words:
    subject: str
    code: str
    alert: str


def code_letter(code: str, business: str, language: Language) -> Letter:
    """The letter that asks its reader to type the code."""
    words, business = _WORDS[language], clean(business)
    text = words.code.format(code=code, business=business, minutes=CODE_LASTS // _MINUTE)
    return Letter(_one_line(words.subject.format(business=business)), text)


def alert_letter(
    sentence: str, webhook_id: int, since: datetime, business: str, language: Language
) -> Letter:
    """The letter that tells what a chat is told in one sentence."""
    sentence, business = clean(sentence), clean(business)
    moment = f"{since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    text = _WORDS[language].alert.format(
        sentence=sentence, webhook=webhook_id, since=moment, business=business
    )
    return Letter(_one_line(f"{business} · {sentence}"), text)


def _one_line(text: str) -> str:
    return clean(text, _SUBJECT)


_MINUTE = timedelta(minutes=1)

_WORDS: Mapping[Language, _Words] = {
    Language.ENGLISH: _Words(
        "{business} · confirm your address",
        "Your code is {code}.\n\n"
        "Type it in AuraPOS Webhooks within {minutes} minutes, and alerts about the webhooks of "
        "{business} come to this address.\n\n"
        "If you did not ask for it, do nothing: without the code no alert is sent here.\n",
        "{sentence}\n\nWebhook {webhook} of {business}, since {since}.\n\n"
        "This address was confirmed for alerts in the settings of AuraPOS Webhooks; it is taken "
        "back there too.\n",
    ),
    Language.FRENCH: _Words(
        "{business} · confirmez votre adresse",
        "Votre code est {code}.\n\n"
        "Saisissez-le dans AuraPOS Webhooks dans les {minutes} minutes : les alertes sur les "
        "webhooks de {business} arriveront à cette adresse.\n\n"
        "Si vous n’avez rien demandé, ne faites rien : sans le code, aucune alerte n’est envoyée "
        "ici.\n",
        "{sentence}\n\nWebhook {webhook} de {business}, depuis le {since}.\n\n"
        "Cette adresse a été confirmée pour les alertes dans les réglages d’AuraPOS Webhooks ; "
        "c’est là aussi qu’on la retire.\n",
    ),
    Language.DUTCH: _Words(
        "{business} · bevestig uw adres",
        "Uw code is {code}.\n\n"
        "Typ hem binnen {minutes} minuten in AuraPOS Webhooks, en de meldingen over de webhooks "
        "van {business} komen op dit adres.\n\n"
        "Hebt u er niet om gevraagd, doe dan niets: zonder de code wordt hier geen melding heen "
        "gestuurd.\n",
        "{sentence}\n\nWebhook {webhook} van {business}, sinds {since}.\n\n"
        "Dit adres is voor meldingen bevestigd in de instellingen van AuraPOS Webhooks; daar wordt "
        "het ook weer ingetrokken.\n",
    ),
}
