"""A real SMTP server in a thread, with STARTTLS and a certificate, and what it was handed."""

import asyncio
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from core.domain.mail import Submission
from core.outbound.mail import MailServer
from core.outbound.tls import trusting

AUTHORITY = trustme.CA()
USER, PASSWORD = "aurapos", "correct horse"
SENDER = "alerts@example.com"


@dataclass
class Mailbox:
    """What arrived, and what the server says to the next ones instead of taking them."""

    host: str = "127.0.0.1"
    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)  # of RCPT, in turn
    tls_of: list[bool] = field(default_factory=list)  # whether each arrived encrypted

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's own
        self, _server: object, _session: object, envelope: Any, address: str, _options: object
    ) -> str:
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's own
        self, _server: object, session: Any, envelope: Any
    ) -> str:
        self.messages.append(
            BytesParser(EmailMessage, policy=policy.default).parsebytes(envelope.content)
        )
        self.recipients.append(list(envelope.rcpt_tos))
        self.tls_of.append(session.ssl is not None)
        return "250 OK"

    @property
    def texts(self) -> list[str]:
        return [message.get_content() for message in self.messages]

    @property
    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.messages]

    def code(self) -> str:
        """The latest one that was mailed."""
        [code] = re.findall(r"\b[0-9]{6}\b", self.texts[-1])
        return str(code)

    def server(self, folder: Path, **given: Any) -> MailServer:
        """As a worker knows it."""
        tls = given.pop("tls", None) or trusting(authority_file(folder))
        there = Submission(self.host, self.port, USER, PASSWORD, tls_at_once=False)
        return MailServer(there._replace(**given), SENDER, tls)

    def toml(self, folder: Path) -> str:
        """What names it in a configuration whose last section is [delivery]."""
        return (
            f'ca_file = "{authority_file(folder)}"\n'
            f'[mail]\nsmtp = "smtp://{USER}:{quote(PASSWORD)}@{self.host}:{self.port}"\n'
            f'sender = "{SENDER}"\n'
        )


def authority_file(folder: Path) -> str:
    path = folder / "mail-authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


def server_tls(name: str = "127.0.0.1", authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def _log_in(
    _server: SMTP, _session: object, _envelope: object, _mechanism: str, given: Any
) -> AuthResult:
    is_right = isinstance(given, LoginPassword) and given == LoginPassword(
        USER.encode(), PASSWORD.encode()
    )
    return AuthResult(success=is_right, handled=False)


@contextmanager
def receiving_mail(
    tls: ssl.SSLContext | None = None, *, has_tls: bool = True, port: int = 0
) -> Iterator[Mailbox]:
    """A server on 127.0.0.1 until the block ends, which takes mail of whoever logs in over TLS."""
    mailbox = Mailbox()
    how: dict[str, Any] = {"authenticator": _log_in, "auth_require_tls": has_tls}
    if has_tls:
        how |= {"tls_context": tls or server_tls(), "require_starttls": True, "auth_required": True}
    loop = asyncio.new_event_loop()
    listening = loop.create_server(
        lambda: SMTP(mailbox, loop=loop, hostname="mail.example.com", **how), mailbox.host, port
    )
    server = loop.run_until_complete(listening)
    mailbox.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_end(asyncio.all_tasks(loop)))
        loop.close()


async def _end(conversations: set[asyncio.Task[Any]]) -> None:
    for each in conversations:
        each.cancel()
    await asyncio.gather(*conversations, return_exceptions=True)
