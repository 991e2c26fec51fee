"""What attempts keep of how they failed: in English, and as a screen says it again. Pure."""

from core.domain.language import N_

CLOSED = N_("the connection was closed without an answer")
NO_HTTP = N_("no status line can be read in it")
UNASKED = N_("it spoke before it was asked")
NO_STATUS = N_("no status")
NO_ADDRESS_ANSWERS = N_("none of its addresses answers")

REDIRECTS = N_("redirects to {where}")
TOO_MUCH = N_("more than {kilobytes} KB came without the end of the headers")
NO_HANDSHAKE = N_("the server did not answer the handshake in {seconds} s")
NO_ANSWER = N_("no answer in {seconds} s")
NOT_PUBLIC = N_(
    "{host} is or points to an address inside a private or reserved network: a webhook needs a "
    "public one."
)
WITH_VALUES = (REDIRECTS, TOO_MUCH, NO_HANDSHAKE, NO_ANSWER, NOT_PUBLIC)

SYSTEM_S = (
    N_("Connection refused"),
    N_("Connection reset by peer"),
    N_("Connection timed out"),
    N_("No route to host"),
    N_("Network is unreachable"),
    N_("Name or service not known"),
    N_("No address associated with hostname"),
    N_("certificate has expired"),
    N_("self-signed certificate"),
    N_("self-signed certificate in certificate chain"),
    N_("unable to get local issuer certificate"),
)
"""Those of the system and of OpenSSL that are met most."""
