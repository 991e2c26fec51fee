"""How attempts ended in an owner's words: what happened, and what to do."""

from contextlib import suppress
from urllib.parse import urlsplit

import idna

from core.domain.delivery import BESIDE, ErrorKind
from core.domain.receivers import advice
from core.use_cases.deliveries import AttemptRow, DeliveryRow
from core.use_cases.queries import WebhookRow

_WHAT = {
    ErrorKind.DNS: "The name has no address ({detail}). Check the spelling, or your DNS records.",
    ErrorKind.CONNECT: "The server did not take the connection ({detail}). Is it running, and open "
    "to the outside?",
    ErrorKind.TLS: "No secure connection came about: {detail}. Mend it at the server.",
    ErrorKind.PROTOCOL: "What came back is not HTTP ({detail}). Check the port and what listens "
    "there.",
    ErrorKind.BLOCKED: "It may not be called: {detail}",
    ErrorKind.INTERRUPTED: "Our own worker stopped in the middle. It is made again by itself and "
    "counts as none of the attempts.",
    ErrorKind.CORRUPT: "The stored event is damaged and cannot be sent; you need do nothing.",
    ErrorKind.PARKED: "The webhook was paused for too long, so this was given up. R sends it anew.",
    ErrorKind.INTERNAL: "A fault of ours ({detail}). Tell AuraPOS support, with the delivery id.",
}
_STATUS = {
    400: "The server did not understand it. Read its response below.",
    401: "The server refused it as not authorised. Check that it verifies with the right secret.",
    403: "The server forbade it. Check firewalls and what protects the address.",
    404: "There is nothing at this address. Check the URL's path.",
    405: "The server does not take POST at this address. Check the route.",
    410: "The server says that the address is gone. Edit the URL, or delete the webhook.",
    413: "The server found it too large. Let it accept bodies of up to 300 KB.",
    429: "The server is asked too often. Let it accept more, or answer faster.",
}


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
    known = advice(webhook.url, webhook.choices.format, row.http_status, row.response)
    return known or _explain_failure(row, timeout)


def _explain_failure(row: DeliveryRow | AttemptRow, timeout: float) -> str:
    match row.error:
        case None:
            return ""
        case ErrorKind.TIMEOUT:
            return f"The server took longer than {timeout:g} s. Answer 200 first, then do the work."
        case ErrorKind.REDIRECT:
            return (
                f"The server {row.detail or 'redirects'}, which is not followed. "
                "Edit the URL to where it really is."
            )
        case ErrorKind.STATUS:
            return _explain_status(row.http_status or 0)
        case kind:
            return _WHAT[kind].format(detail=row.detail or "no details")


def _explain_status(status: int) -> str:
    if status in _STATUS:
        return _STATUS[status]
    if status >= 500:
        return f"The server failed with {status}. Look into its log at that time."
    return f"The server answered {status}, and only 200 to 299 is success."


def attempt_name(row: AttemptRow) -> str:
    """`#3`, or what an attempt is that its owner asked for beside the schedule."""
    return f"#{row.number}" if row.number != BESIDE else "by hand"


def outcome_of(row: DeliveryRow | AttemptRow) -> str:
    """`200`, or the word for what came instead of a status."""
    if row.http_status is not None:
        return str(row.http_status)
    return str(row.error) if row.error is not None else "–"
