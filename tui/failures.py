"""How attempts ended in an owner's words: what happened, and what to do."""

from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

import idna

from core.domain.delivery import ErrorKind
from core.domain.language import N_
from core.domain.receivers import advice
from core.use_cases.deliveries import AttemptRow, DeliveryRow
from core.use_cases.queries import WebhookRow
from tui.kept import said_again
from tui.language import _
from tui.reading import visible_text

_WHAT = {
    ErrorKind.DNS: N_(
        "The name has no address ({detail}). Check the spelling, or your DNS records."
    ),
    ErrorKind.CONNECT: N_(
        "The server did not take the connection ({detail}). Is it running, and open to the outside?"
    ),
    ErrorKind.TLS: N_("No secure connection came about: {detail}. Mend it at the server."),
    ErrorKind.PROTOCOL: N_(
        "What came back is not HTTP ({detail}). Check the port and what listens there."
    ),
    ErrorKind.BLOCKED: N_("It may not be called: {detail}"),
    ErrorKind.INTERRUPTED: N_(
        "Our own worker stopped in the middle. It is made again by itself and counts "
        "as none of the attempts."
    ),
    ErrorKind.CORRUPT: N_("The stored event is damaged and cannot be sent; you need do nothing."),
    ErrorKind.PARKED: N_(
        "The webhook was paused for too long, so this was abandoned. R sends it anew."
    ),
    ErrorKind.INTERNAL: N_(
        "A fault of ours ({detail}). Tell AuraPOS support, with the delivery id."
    ),
}
_STATUS = {
    400: N_("The server did not understand it. Read its response below."),
    401: N_(
        "The server refused it as not authorised. Check that it verifies with the right secret."
    ),
    403: N_("The server forbade it. Check firewalls and what protects the address."),
    404: N_("There is nothing at this address. Check the URL's path."),
    405: N_("The server does not take POST at this address. Check the route."),
    410: N_("The server says that the address is gone. Edit the URL, or delete the webhook."),
    413: N_("The server found it too large. Let it accept bodies of up to 300 KB."),
    429: N_("The server is asked too often. Let it accept more, or answer faster."),
}
_WORDS = {
    ErrorKind.DNS: N_("dns"),
    ErrorKind.CONNECT: N_("connect"),
    ErrorKind.TLS: N_("tls"),
    ErrorKind.TIMEOUT: N_("timeout"),
    ErrorKind.PROTOCOL: N_("protocol"),
    ErrorKind.BLOCKED: N_("blocked"),
    ErrorKind.INTERRUPTED: N_("interrupted"),
    ErrorKind.CORRUPT: N_("corrupt"),
    ErrorKind.PARKED: N_("parked"),
    ErrorKind.INTERNAL: N_("internal"),
}
"""What came instead of a status; the other kinds have one."""


def label_of(url: str) -> str:
    """The same, told apart from others on its host by the last part of its path."""
    parts = urlsplit(url)
    first, *between = [part for part in parts.path.split("/") if part] or [""]
    if not first:
        return parts.netloc
    return f"{parts.netloc}/…/{between[-1]}" if between else f"{parts.netloc}/{first}"


def name_of(webhook: WebhookRow) -> str:
    """What an owner calls it; unnamed, its address in short."""
    return webhook.choices.name or label_of(webhook.url)


def titled(webhook: WebhookRow) -> str:
    """Its address, after its name where it has one."""
    name = webhook.choices.name
    return f"{name} · {webhook.url}" if name else webhook.url


def readable(url: str) -> str:
    """The URL with its host's name as people write it, `ü` instead of `xn--…`."""
    parts = urlsplit(url)
    with suppress(UnicodeError):  # idna's own errors are of this kind
        return parts._replace(netloc=idna.decode(parts.netloc)).geturl()
    return url


def explain(row: DeliveryRow | AttemptRow, webhook: WebhookRow, timeout: float) -> str:
    """What the end of the last attempt means, in a sentence or two: its failure, or what a success
    of a well-known receiver does not say. Empty where there is nothing to explain.
    """
    known = advice(webhook.url, webhook.choices.format, row.http_status, row.response, _)
    return known or _explain_failure(row, timeout)


def _explain_failure(row: DeliveryRow | AttemptRow, timeout: float) -> str:
    match row.error:
        case None:
            return ""
        case ErrorKind.TIMEOUT:
            told = _("The server took longer than {seconds} s. Answer 200 first, then do the work.")
            return told.format(seconds=f"{timeout:g}")
        case ErrorKind.REDIRECT:
            return _(
                "The server {redirects}, which is not followed. Edit the URL to where it really is."
            ).format(redirects=detail_of(row) or _("redirects"))
        case ErrorKind.STATUS:
            return _explain_status(row.http_status or 0)
        case kind:
            return _(_WHAT[kind]).format(detail=detail_of(row) or _("no details"))


def _explain_status(status: int) -> str:
    if status in _STATUS:
        return _(_STATUS[status])
    if status >= 500:
        told = _("The server failed with {status}. Look into its log at that time.")
        return told.format(status=status)
    told = _("The server answered {status}, and only 200 to 299 is success.")
    return told.format(status=status)


def outcome_of(row: DeliveryRow | AttemptRow) -> str:
    """`200`, or the word for what came instead of a status."""
    if row.http_status is not None:
        return str(row.http_status)
    return _(_WORDS.get(row.error, row.error)) if row.error is not None else "–"


def longest_outcomes() -> Iterable[str]:
    """What a column of outcomes has to have room for."""
    return (_(_WORDS[kind]) for kind in (ErrorKind.CONNECT, ErrorKind.TIMEOUT))


def said_by(row: DeliveryRow | AttemptRow) -> str:
    """What the server said, as it is to be read; if nothing, what was seen at the failing step."""
    return visible_text(row.response) or detail_of(row)


def detail_of(row: DeliveryRow | AttemptRow) -> str:
    """What was seen at the failing step."""
    return said_again(row.detail)
