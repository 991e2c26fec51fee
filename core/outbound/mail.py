"""The only outbound mail: handed in over SMTP, encrypted, to a server that proves its name.

The standard library's client blocks, so it belongs in a thread.
"""

import os
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from types import TracebackType
from typing import Self

from core.domain.mail import Letter, Submission
from core.errors import system_words
from core.outbound.tls import explain_tls

WITHIN = 20.0
"""The most seconds that handing in one mail takes."""

_NAME = "AuraPOS Webhooks"


@dataclass(frozen=True, slots=True)
class MailServer:
    """The server where mail is handed in, and from whom."""

    to: Submission
    sender: str
    tls: ssl.SSLContext


class MailFailed(Exception):
    """Why a mail was not handed in, in our own words: nothing that the server wrote is quoted."""


def compose(
    letter: Letter, sender: str, recipient: str, number: int, created_at: datetime
) -> EmailMessage:
    """The message that this letter becomes: the same one at each attempt. `number` identifies the
    mail.
    """
    domain = sender.rpartition("@")[2]
    message = EmailMessage(policy.SMTP)
    message["From"] = Address(_NAME, addr_spec=sender)
    message["To"] = Address(addr_spec=recipient)
    message["Subject"] = letter.subject
    message["Date"] = created_at
    message["Message-ID"] = f"<{number}.{created_at:%Y%m%d%H%M%S%f}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: so that no automatic reply answers it
    message.set_content(letter.text, cte="quoted-printable")
    return message


def hand_in(server: MailServer, message: EmailMessage, recipient: str) -> None:
    """Hand a message in. Raises MailFailed."""
    with _logged_in(server) as line:
        line.sendmail(server.sender, [recipient], message.as_bytes())


def check(server: MailServer) -> None:
    """Log in and leave again. Raises MailFailed."""
    with _logged_in(server):
        return


@contextmanager
def _logged_in(server: MailServer) -> "Iterator[_Line]":
    with _Limit(WITHIN) as limit:
        try:
            line = _Line(server, limit)
            try:
                line.secure()
                if server.to.user:
                    line.login(server.to.user, server.to.password)
                yield line
            finally:
                line.leave()
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            why = f"it took longer than {WITHIN:g} s" if limit.is_over else _explain(error)
            raise MailFailed(f"the mail server {server.to.host}:{server.to.port}: {why}") from None


class _Limit:
    """Ends a connection when its time is over, whatever somebody is waiting for then."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._connection: socket.socket | None = None
        self.is_over = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._connection is not None:
            self._connection.close()

    def watch(self, connection: socket.socket) -> None:
        """Watch a descriptor of our own, which stays when TLS takes the other one over."""
        self._connection = socket.socket(fileno=os.dup(connection.fileno()))
        if self.is_over:
            raise TimeoutError

    def _end(self) -> None:
        self.is_over = True
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)


class _Line(smtplib.SMTP):
    """A conversation with the server, within a limit of time."""

    def __init__(self, server: MailServer, limit: _Limit) -> None:
        self._server = server
        self._limit = limit
        us = server.sender.rpartition("@")[2]  # asking the resolver who we are could take long
        super().__init__(server.to.host, server.to.port, local_hostname=us, timeout=WITHIN)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # The standard library's SMTP_SSL overrides it too; typeshed does not have it.
        connection: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        connection.settimeout(2 * timeout)  # so that it is the limit that ends a wait, and says so
        self._limit.watch(connection)
        if not self._server.to.tls_at_once:
            return connection
        return self._server.tls.wrap_socket(connection, server_hostname=host)

    def secure(self) -> None:
        """Begin TLS. Never go on in the clear, whatever is cut out of the offer on the way."""
        if self._server.to.tls_at_once:
            return
        self.ehlo_or_helo_if_needed()
        if not self.has_extn("starttls"):
            raise _NoStartTls
        self.starttls(context=self._server.tls)

    def leave(self) -> None:
        """End the conversation. A mail that was accepted is accepted, however the server says
        goodbye.
        """
        with suppress(OSError, smtplib.SMTPException):
            self.quit()
        self.close()


class _NoStartTls(smtplib.SMTPException):
    pass


def _explain(error: Exception) -> str:
    match error:
        case smtplib.SMTPRecipientsRefused():
            [(code, _)] = error.recipients.values()
            return f"it refused the address ({code})"
        case smtplib.SMTPResponseException():
            refused = _REFUSED.get(type(error))
            told = f"refused the {refused}" if refused else "answered no"
            return f"it {told} ({error.smtp_code})"
        case ssl.SSLError():
            return explain_tls(error)
    words = next((words for kind, words in _MEANINGS if isinstance(error, kind)), None)
    return words or (system_words(error) if isinstance(error, OSError) else type(error).__name__)


_REFUSED: Mapping[type[Exception], str] = {
    smtplib.SMTPAuthenticationError: "login",
    smtplib.SMTPSenderRefused: "sender",
    smtplib.SMTPDataError: "mail",
}
_MEANINGS: Sequence[tuple[type[Exception], str]] = (  # the first one that fits counts
    (_NoStartTls, "it offers no STARTTLS, and nothing is sent in the clear"),
    (smtplib.SMTPServerDisconnected, "it ended the connection"),
    (ConnectionResetError, "it ended the connection"),
    (smtplib.SMTPException, "it offers no login that is known here"),
    (TimeoutError, "it does not answer"),
    (UnicodeError, "its user and password must be ASCII"),
)
