"""Alerts by mail: which addresses are possible, and what is written to them. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import idna

from core.domain.cleaning import clean
from core.domain.language import N_, Wording
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


def code_letter(code: str, business: str, wording: Wording) -> Letter:
    """The letter that asks its reader to type the code."""
    business = clean(business)
    text = wording.say(_CODE_TEXT).format(
        code=code, business=business, minutes=CODE_LASTS // _MINUTE
    )
    subject = wording.say(N_("{business} · confirm your address")).format(business=business)
    return Letter(_one_line(subject), text)


def alert_letter(
    sentence: str, webhook_id: int, since: datetime, business: str, wording: Wording
) -> Letter:
    """The letter that tells what a chat is told in one sentence."""
    sentence, business = clean(sentence), clean(business)
    moment = f"{since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    text = wording.say(_ALERT_TEXT).format(
        sentence=sentence, webhook=webhook_id, since=moment, business=business
    )
    return Letter(_one_line(f"{business} · {sentence}"), text)


def _one_line(text: str) -> str:
    return clean(text, _SUBJECT)


_MINUTE = timedelta(minutes=1)

_CODE_TEXT = N_(
    "Your code is {code}.\n\n"
    "Type it in AuraPOS Webhooks within {minutes} minutes, and alerts about the webhooks of "
    "{business} come to this address.\n\n"
    "If you did not ask for it, do nothing: without the code no alert is sent here.\n"
)
_ALERT_TEXT = N_(
    "{sentence}\n\nWebhook {webhook} of {business}, since {since}.\n\n"
    "This address was confirmed for alerts in the settings of AuraPOS Webhooks; it is taken "
    "back there too.\n"
)
