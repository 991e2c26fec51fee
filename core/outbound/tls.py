"""Whom TLS trusts here, and what its failures mean in words for an owner."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import certifi

from core.domain.language import N_
from core.errors import BadConfig, system_words

_REASONS = {
    "WRONG_VERSION_NUMBER": N_("the server does not speak TLS at this port"),
    "HTTP_REQUEST": N_("the server does not speak TLS at this port"),
    "UNSUPPORTED_PROTOCOL": N_("the server has no TLS as new as 1.2"),
    "TLSV1_ALERT_PROTOCOL_VERSION": N_("the server has no TLS as new as 1.2"),
    "NO_PROTOCOLS_AVAILABLE": N_("the server has no TLS as new as 1.2"),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": N_(
        "the server refused the handshake: it has no cipher in common with us, or asks "
        "for a client certificate, which webhooks do not have"
    ),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": N_(
        "the server asks for a client certificate, which webhooks do not have"
    ),
    "SSLV3_ALERT_BAD_CERTIFICATE": N_(
        "the server asks for a client certificate, which webhooks do not have"
    ),
    "TLSV1_ALERT_UNKNOWN_CA": N_(
        "the server asks for a client certificate, which webhooks do not have"
    ),
    "TLSV1_UNRECOGNIZED_NAME": N_("the server does not know this name"),
    "TLSV1_ALERT_UNRECOGNIZED_NAME": N_("the server does not know this name"),
    "TLSV1_ALERT_INTERNAL_ERROR": N_("the server failed in the handshake"),
    "TLSV1_ALERT_ACCESS_DENIED": N_("the server refused the handshake: access denied"),
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": N_("the server asks for stronger ciphers than there are"),
    "DH_KEY_TOO_SMALL": N_("the server's key exchange is too weak"),
    "UNEXPECTED_EOF_WHILE_READING": N_("the server ended the connection in the middle of it"),
}
"""OpenSSL's names for the failures that are most often seen."""


@cache
def tls_context(ca_file: str) -> ssl.SSLContext:
    """A context for HTTP, which trusts whom `trusting` says. It is made once, since reading the
    authorities takes 20 ms.
    """
    context = trusting(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def trusting(ca_file: str) -> ssl.SSLContext:
    """Verifies certificates against certifi's authorities, and those in `ca_file` if one is named.

    It is made by hand, because the standard library heeds the environment: SSLKEYLOGFILE would
    write the keys of every session to a file, and SSL_CERT_FILE would replace who is trusted.

    Raises BadConfig when the file does not hold PEM certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it checks certificates and host names
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.load_verify_locations(certifi.where())
    if ca_file:
        _trust(context, ca_file)
    return context


def _trust(context: ssl.SSLContext, ca_file: str) -> None:
    try:
        context.load_verify_locations(cadata=Path(ca_file).read_text("utf-8-sig"))
    except (ssl.SSLError, ValueError):
        why = "it holds no whole PEM certificate, or a broken one"
    except OSError as error:
        why = system_words(error)
    else:
        return
    raise BadConfig(
        f"[delivery] ca_file {ca_file} cannot be used ({why}): name a readable file of PEM "
        "certificates."
    )


def certificate_until(certificate: Mapping[str, Any] | None) -> datetime | None:
    """When a peer's certificate ends, as the handshake showed it; None where there was none."""
    try:
        seconds = ssl.cert_time_to_seconds((certificate or {})["notAfter"])
        return datetime.fromtimestamp(seconds, UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None


def explain_tls(error: Exception) -> str:
    """Why the handshake failed, for whoever runs the server.

    OpenSSL's reason is a name that it made itself, so nothing that the server wrote is quoted.
    """
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_message or N_("the certificate cannot be verified")
        case ssl.SSLError(reason=str(reason)):
            return _REASONS.get(reason, reason.lower().replace("_", " "))
        case ConnectionError() | EOFError():
            return N_("the server ended the connection in the middle of the handshake")
        case OSError():
            return system_words(error)
        case _:
            return type(error).__name__
