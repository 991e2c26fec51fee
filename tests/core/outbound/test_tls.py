"""Whom TLS trusts, and what an owner reads of a handshake that fails."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from core.domain.delivery import Answered, ErrorKind, Outcome, Unreachable
from core.errors import BadConfig
from core.outbound.event_loop import run
from core.outbound.sender import Sender
from core.outbound.tls import certificate_until, tls_context
from core.outbound.transport import Errand, GuardedTransport
from tests.support.scene import DEVELOPMENT
from tests.support.scripted import receiving
from tests.support.wire import Talk, talking

AUTHORITY = trustme.CA()
SHORT, LONG = timedelta(seconds=1), timedelta(seconds=10)
CLIENT_CERTIFICATE = "the server asks for a client certificate, which webhooks do not have"
NO_HANDSHAKE = "the server ended the connection in the middle of the handshake"


async def wanted() -> bool:
    return True


def make_sender(ca_file: str, limit: timedelta = LONG) -> Sender:
    return Sender(GuardedTransport(DEVELOPMENT, tls_context(ca_file)), limit)


async def attempt(url: str, ca_file: str = "", limit: timedelta = LONG) -> Outcome:
    sender = make_sender(ca_file, limit)
    outcome = await sender.post(Errand(1, url, wanted), [], b"{}")
    await sender.close()
    return outcome


def server_tls(name: str = "127.0.0.1", authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def post(context: ssl.SSLContext, host: str = "127.0.0.1", *, trusting: bool = True) -> Outcome:
    """The outcome with a server in a thread that is set up so: asyncio's own sends no alerts."""
    with receiving(tls=context) as receiver, AUTHORITY.cert_pem.tempfile() as ca_file:
        url = receiver.url.replace("127.0.0.1", host)
        return run(attempt(url, ca_file if trusting else ""))


def failure(outcome: Outcome) -> str:
    """What it says of a handshake that failed."""
    assert isinstance(outcome, Unreachable)
    assert outcome.error is ErrorKind.TLS
    return outcome.detail


def spoken_to(talk: Talk, limit: timedelta = LONG) -> str:
    """What is said of a server that has no TLS and talks like this."""

    async def main() -> Outcome:
        async with talking(talk) as port:
            return await attempt(f"https://127.0.0.1:{port}/", limit=limit)

    return failure(run(main()))


def test_a_certificate_of_the_extra_authority_is_trusted() -> None:
    assert post(server_tls()) == Answered(200, "ok")
    assert "unable to get local issuer" in failure(post(server_tls(), trusting=False))


def test_until_when_the_certificate_is_good_is_known_after_a_handshake() -> None:
    ends = datetime(2099, 5, 17, 12, tzinfo=UTC)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1", not_after=ends).configure_cert(context)

    async def main(url: str, ca_file: str) -> datetime | None:
        sender, errand = make_sender(ca_file), Errand(1, url, wanted)
        await sender.post(errand, [], b"{}")
        await sender.close()
        return errand.certificate_until

    with receiving(tls=context) as receiver, AUTHORITY.cert_pem.tempfile() as ca_file:
        assert run(main(receiver.url, ca_file)) == ends


@pytest.mark.parametrize(
    "certificate", [None, {}, {"notAfter": "soon"}, {"notAfter": "Bad time value"}]
)
def test_of_a_certificate_that_says_nothing_nothing_is_known(
    certificate: dict[str, str] | None,
) -> None:
    assert certificate_until(certificate) is None


@pytest.mark.parametrize(
    ("name", "authority", "words"),
    [
        ("127.0.0.1", trustme.CA(), "unable to get local issuer"),
        ("other.example.com", AUTHORITY, "certificate is not valid for '127.0.0.1'"),
    ],
    ids=["an unknown authority", "another name"],
)
def test_a_certificate_that_proves_nothing_is_a_tls_failure(
    name: str, authority: trustme.CA, words: str
) -> None:
    assert words in failure(post(server_tls(name, authority)))


def test_a_common_name_is_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    named = AUTHORITY.issue_cert("127.0.0.2", common_name="shop.example.com")
    named.configure_cert(context)
    points_here(monkeypatch)
    assert "not valid for 'shop.example.com'" in failure(post(context, "shop.example.com"))


def points_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name."""
    here = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: here)


def test_a_client_certificate_that_is_asked_for_is_said() -> None:
    context = server_tls()
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    assert failure(post(context)) == CLIENT_CERTIFICATE


def test_with_tls_1_2_it_is_one_of_two_things() -> None:
    context = server_tls()
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert "client certificate" in failure(post(context))


def test_ciphers_that_nobody_here_has_are_said() -> None:
    context = server_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")
    assert "no cipher in common" in failure(post(context))


def test_a_server_that_does_not_know_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    context = server_tls("shop.example.com")
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME  # type: ignore[assignment]  # it may
    points_here(monkeypatch)
    assert failure(post(context, "shop.example.com")) == "the server does not know this name"


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (b"", NO_HANDSHAKE),
        (b"HTTP/1.1 400 No\r\n\r\n", "the server does not speak TLS at this port"),
        (b"220 smtp.example.com ESMTP\r\n", "the server does not speak TLS at this port"),
    ],
    ids=["nothing", "HTTP", "SMTP"],
)
def test_what_is_no_handshake_is_said(says: bytes, words: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(says)

    assert spoken_to(talk) == words


def test_a_handshake_that_is_not_answered_is_a_tls_failure() -> None:
    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    assert spoken_to(talk, SHORT) == "the server did not answer the handshake in 1 s"


def test_the_environment_changes_nothing_of_whom_tls_trusts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with AUTHORITY.cert_pem.tempfile() as ca_file:
        monkeypatch.setenv("SSL_CERT_FILE", ca_file)
        tls_context.cache_clear()
        assert failure(post(server_tls(), trusting=False))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "missing"))
    tls_context.cache_clear()
    assert post(server_tls()) == Answered(200, "ok")
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>404</html>", b"\x30\x82\x01", AUTHORITY.cert_pem.bytes()[:200]],
    ids=["nothing", "a page", "DER", "half of it"],
)
def test_a_ca_file_that_holds_no_certificate_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(BadConfig, match=r"ca\.pem cannot be used \(it holds no whole PEM"):
        tls_context(str(tmp_path / "ca.pem"))


def test_a_ca_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"\xef\xbb\xbf" + AUTHORITY.cert_pem.bytes())
    assert tls_context(str(tmp_path / "ca.pem")).cert_store_stats()["x509"] > 0


def test_a_ca_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="No such file or directory"):
        tls_context(str(tmp_path / "ca.pem"))
