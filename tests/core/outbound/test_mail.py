"""Handing mail in, to a real server."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme

from core.domain.mail import Letter
from core.errors import BadConfig
from core.outbound import mail
from core.outbound.mail import MailFailed, MailServer, check, compose, hand_in
from core.outbound.tls import trusting
from tests.support.mailbox import (
    PASSWORD,
    SENDER,
    Mailbox,
    authority_file,
    receiving_mail,
    server_tls,
)

NOON = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
MARIE = "marie@example.com"
LETTER = Letter("Chez Marie · l’épicerie échoue", "Été.\n\n.\nFrom here\n")


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with receiving_mail() as running:
        yield running


def message(letter: Letter = LETTER) -> EmailMessage:
    return compose(letter, SENDER, MARIE, 7, NOON)


def failure(server: MailServer) -> str:
    with pytest.raises(MailFailed) as failed:
        hand_in(server, message(), MARIE)
    told = str(failed.value)
    assert PASSWORD not in told
    return told


def test_a_mail_arrives_encrypted_and_as_it_was_written(mailbox: Mailbox, tmp_path: Path) -> None:
    hand_in(mailbox.server(tmp_path), message(), MARIE)
    arrived = mailbox.messages[-1]
    assert mailbox.tls_of[-1]
    assert mailbox.recipients[-1] == [MARIE]
    assert (arrived["To"], arrived["From"]) == (MARIE, f"AuraPOS Webhooks <{SENDER}>")
    assert arrived["Subject"] == LETTER.subject
    assert arrived.get_content().replace("\r\n", "\n") == LETTER.text
    assert arrived["Date"].datetime == NOON
    assert arrived["Auto-Submitted"] == "auto-generated"


def test_each_attempt_is_the_same_message(mailbox: Mailbox, tmp_path: Path) -> None:
    assert message().as_bytes() == message().as_bytes()
    other = compose(LETTER, SENDER, MARIE, 8, NOON)
    assert other["Message-ID"] != message()["Message-ID"]


def test_nothing_gets_into_the_headers(mailbox: Mailbox, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"newline|linefeed"):
        message(Letter("a\r\nBcc: paul@example.com", ""))
    hand_in(
        mailbox.server(tmp_path), message(Letter("a", "\nBcc: paul@example.com\n.\nQUIT\n")), MARIE
    )
    assert mailbox.messages[-1]["Bcc"] is None
    assert mailbox.recipients[-1] == [MARIE]
    assert ".\r\nQUIT\r\n" in mailbox.texts[-1]


def test_where_tls_begins_at_once_it_does(mailbox: Mailbox, tmp_path: Path) -> None:
    with spoken_to(b"", server_tls()) as port:
        server = mailbox.server(tmp_path, port=port, tls_at_once=True)
        assert "ended the connection" in failure(server)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"host": "localhost"}, "certificate is not valid for 'localhost'"),
        ({"tls": trusting("")}, "unable to get local issuer"),
        ({"password": "wrong"}, "refused the login (535)"),
        ({"password": "é"}, "must be ASCII"),
        ({"user": ""}, "refused the sender (530)"),
    ],
)
def test_a_server_or_a_login_that_proves_nothing_is_told(
    mailbox: Mailbox, tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    before = len(mailbox.messages)
    server = mailbox.server(tmp_path, **given)
    told = failure(server)
    assert told.startswith(f"the mail server {server.to.host}:{server.to.port}: ")
    assert words in told
    assert len(mailbox.messages) == before


def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    with receiving_mail(server_tls(authority=trustme.CA())) as other:
        assert "unable to get local issuer" in failure(other.server(tmp_path))


def test_nothing_is_sent_in_the_clear(tmp_path: Path) -> None:
    with receiving_mail(has_tls=False) as plain:
        assert "offers no STARTTLS" in failure(plain.server(tmp_path))
        assert plain.messages == []


def test_an_address_that_is_refused_is_told_without_its_words(
    mailbox: Mailbox, tmp_path: Path
) -> None:
    mailbox.refusals = [f"550 5.1.1 {PASSWORD}"]
    assert failure(mailbox.server(tmp_path)).endswith("it refused the address (550)")


def test_a_server_that_is_not_there_is_told(mailbox: Mailbox, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert "Connection refused" in failure(mailbox.server(tmp_path, port=port))


def test_a_check_logs_in_and_sends_nothing(mailbox: Mailbox, tmp_path: Path) -> None:
    before = len(mailbox.messages)
    check(mailbox.server(tmp_path))
    with pytest.raises(MailFailed):
        check(mailbox.server(tmp_path, password="wrong"))
    assert len(mailbox.messages) == before


@contextmanager
def spoken_to(says: bytes, tls: Any = None) -> Iterator[int]:
    """A server that says so and then nothing, until the other side has gone; with `tls` it ends
    the connection once the handshake is done.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            if tls is not None:
                tls.wrap_socket(connection, server_side=True).close()
                return
            with connection:
                connection.sendall(says)
                while connection.recv(100):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("says", [b"", b"220 here\r\n", b"220-and on\r\n"])
def test_a_server_that_keeps_us_waiting_is_left_in_time(
    mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: bytes
) -> None:
    monkeypatch.setattr(mail, "WITHIN", 0.2)
    with spoken_to(says) as port:
        assert "took longer than 0.2 s" in failure(mailbox.server(tmp_path, port=port))


def test_the_file_of_an_authority_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("none")
    with pytest.raises(BadConfig, match=r"\[delivery\] ca_file .* cannot be used"):
        trusting(str(tmp_path / "none.pem"))
    trusting(authority_file(tmp_path))
