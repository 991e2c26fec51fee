"""What receivers do to a worker with the stock ten seconds: one run, and what became of each.

None of them holds it up, and none is taken for anything but what it is.
"""

import gzip
import os
import re
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
import trustme

from core.storage.database import open_database
from core.storage.vault import load_vault
from core.use_cases import queries
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.installation_health import vitals
from tests.support.installation import FAST, Installation
from tests.support.memory import resident
from tests.support.notes import Notes, begin_notes, notes
from tests.support.scene import OPERATOR, add_webhook
from tests.support.scripted import (
    Act,
    Request,
    Scripted,
    answer,
    flood,
    hang,
    receiving,
    say,
    status_in,
    telling,
)
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE, wait_until

AUTHORITY = trustme.CA()
LATE = 30  # seconds: what ten may become on a busy machine; the attacks last twice as long
OK = b"HTTP/1.1 200 OK\r\n"
HTTP2_SETTINGS = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"


def drip(head: bytes, drop: bytes, pause: float) -> Act:
    """Say `head`, then a drop at a time until nobody listens."""

    @telling(status_in(head))
    def act(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(head)
            for _ in range(int(2 * LATE / pause)):
                connection.sendall(drop)
                time.sleep(pause)  # the attack itself

    return act


def reset(first: bytes = b"") -> Act:
    """Say this much, and once it can have been read, reset the connection."""

    @telling(status_in(first))
    def act(connection: socket.socket) -> None:
        connection.sendall(first)
        time.sleep(3)  # a reset discards what has not been read
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(connection.detach())

    return act


def server_tls(
    name: str = "127.0.0.1", authority: trustme.CA = AUTHORITY, until: datetime | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=until).configure_cert(context)
    return context


@cache
def bomb() -> Act:
    """Made once it is needed: each test process reads this file, and one runs it."""
    return answer(200, gzip.compress(bytes(200_000_000), 9), "Content-Encoding: gzip")


ACTS = {
    "hangs": hang,
    "drips header": drip(OK, b"X-A: b\r\n", 0.2),
    "drips body": drip(OK + b"Content-Length: 1000\r\n\r\n", b"x", 0.2),
    "endless body": flood(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"
    ),
    "endless refusal": flood(
        b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1000\r\n" + b"x" * 4096 + b"\r\n",
    ),
    "gzip bomb": Act(200, lambda connection: bomb().do(connection)),
    "reset before a status": reset(),
    "reset after a status": reset(OK + b"Content-Length: 10\r\n\r\nhal"),
    "drips 1xx": drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.2),
    "1xx flood": flood(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
    "101": say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    "3xx loop": answer(302, b"", "Location: /hook"),
    "no such host": answer(301, b"", "Location: https://xn--a.com"),
    "half a host": answer(307, b"", "Location: http://["),
    "500 KB of headers": say(OK + b"X: " + b"a" * 500_000 + b"\r\n\r\n"),
    "many headers": say(OK + b"".join(b"X-%d: a\r\n" % n for n in range(40_000)) + b"\r\n"),
    "endless header": flood(OK, b"X-A: " + b"b" * 4096 + b"\r\n"),
    "not HTTP": say(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "binary": say(b"\x00\x01\x02\r\n\r\n"),
    "HTTP/2 only": say(HTTP2_SETTINGS),
}
CERTIFICATES = {
    "unknown authority": server_tls(authority=trustme.CA()),
    "expired": server_tls(until=datetime.now(UTC) - timedelta(days=1)),
    "wrong name": server_tls("other.example.com"),
}


@dataclass(frozen=True)
class Ended:
    """A fault's one delivery with its one attempt, and what the receiver got of it."""

    row: DeliveryRow
    requests: list[Request]

    @property
    def seconds(self) -> float:
        return self.row.duration_us / 1e6

    def failed(self, error: str) -> bool:
        """Whether it was noted as that, and is to be tried again."""
        return self.waits() and self.row.error == error

    def waits(self) -> bool:
        return self.row.status == "failed" and self.row.next_attempt_at is not None

    def delivered(self) -> bool:
        return (self.row.status, self.row.http_status) == ("delivered", 200)


@dataclass(frozen=True)
class Run:
    ended: dict[str, Ended]
    memory: int  # bytes that the worker grew by at the most
    healthy_wait: float  # seconds until a healthy address got the event that the silent one had
    exit_code: int
    notes: Notes  # for each of its tests


@contextmanager
def all_receivers() -> Iterator[dict[str, Scripted]]:
    with ExitStack() as stack:
        receivers = {name: stack.enter_context(receiving(act)) for name, act in ACTS.items()}
        for name, tls in CERTIFICATES.items():
            receivers[name] = stack.enter_context(receiving(answer(200), tls=tls))
        # Not one that runs: without acts it would count as healthy, and nobody must listen there.
        receivers["refused"] = Scripted([], url=f"http://127.0.0.1:{free_port()}/hook")
        yield receivers


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One event for every receiver at once, and one for a healthy address beside them."""
    bomb()  # before anybody waits for it
    folder = tmp_path_factory.mktemp("receivers")
    AUTHORITY.cert_pem.write_to_path(str(folder / "authority.pem"))
    config = FAST.replace('timeout = "20s"', 'ca_file = "authority.pem"').replace("0.2s", "1h")
    installed = Installation(folder, config)
    installed.init()
    open_database(f"sqlite:///{folder / 'aurapos-webhooks.db'}")
    vault = load_vault(folder / "aurapos-webhooks.key")
    with all_receivers() as receivers, receiving() as healthy, installed.worker() as worker:
        worker.wait_for("worker started")
        add_webhook(vault, 1, healthy.url, now=datetime.now(UTC))
        installed.push(50)
        wait_until(lambda: len(healthy.requests) == 50)
        before = most = resident(worker.process.pid)
        now = datetime.now(UTC)
        hooks = {
            name: add_webhook(vault, 1, each.url, now=now).id for name, each in receivers.items()
        }
        installed.emit()

        def all_ended() -> bool:
            nonlocal most
            most = max(most, resident(worker.process.pid))
            now = vitals(datetime.now(UTC))
            return now.outbox == now.due == now.in_flight == 0

        wait_until(all_ended, 2 * PATIENCE)
        exit_code = worker.stop()
        ended = {name: ended_as(hooks[name], each) for name, each in receivers.items()}
    healthy_wait = healthy.requests[50].at - receivers["hangs"].requests[0].at
    return Run(ended, most - before, healthy_wait, exit_code, notes())


def ended_as(webhook_id: int, receiver: Scripted) -> Ended:
    [row] = queries.deliveries(OPERATOR, webhook_id)
    assert row.attempts == 1
    return Ended(row, receiver.requests)


pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def of_the_run(run: Run) -> None:
    """Each test is held to what became of all of them."""
    begin_notes(run.notes)


@pytest.mark.fault(15, "refused")
def test_a_refused_connection_is_tried_again(run: Run) -> None:
    assert run.ended["refused"].failed("connect")


@pytest.mark.fault(16, "hangs")
@pytest.mark.fault(17, "drips header or body")
@pytest.mark.fault(22, "1xx flood, 101")
@pytest.mark.parametrize("name", ["hangs", "drips header", "drips 1xx"])
def test_without_a_status_an_attempt_ends_after_ten_seconds(run: Run, name: str) -> None:
    ended = run.ended[name]
    assert ended.failed("timeout")
    assert 9.9 <= ended.seconds < LATE


@pytest.mark.fault(17, "drips header or body")
def test_a_status_decides_however_slowly_the_body_comes(run: Run) -> None:
    ended = run.ended["drips body"]
    assert ended.delivered()
    assert ended.seconds < LATE


@pytest.mark.fault(18, "endless body")
def test_an_endless_body_is_cut_and_the_status_decides(run: Run) -> None:
    accepted, refused = run.ended["endless body"], run.ended["endless refusal"]
    assert accepted.delivered()
    assert refused.failed("status")
    assert accepted.row.response == refused.row.response == "x" * 500


@pytest.mark.fault(19, "gzip bomb")
def test_a_gzip_bomb_is_never_inflated_and_the_status_decides(run: Run) -> None:
    ended = run.ended["gzip bomb"]
    assert ended.delivered()
    assert re.fullmatch(r"\[compressed, \d+ bytes\]", ended.row.response)


@pytest.mark.fault(18, "endless body")
@pytest.mark.fault(19, "gzip bomb")
def test_the_worker_s_memory_stays_flat(run: Run) -> None:
    assert run.memory < 20_000_000


@pytest.mark.fault(20, "bad, expired, wrong-name certificate")
@pytest.mark.parametrize("name", CERTIFICATES)
def test_nothing_is_sent_to_a_certificate_that_proves_nothing(run: Run, name: str) -> None:
    ended = run.ended[name]
    assert ended.failed("tls")
    assert ended.requests == []


@pytest.mark.fault(21, "reset mid-response")
def test_after_a_reset_a_status_decides_if_there_was_one(run: Run) -> None:
    after_it = run.ended["reset after a status"]
    assert after_it.delivered()
    assert after_it.row.response == "hal"
    before_it = run.ended["reset before a status"]
    assert before_it.failed("connect") or before_it.failed("protocol")


@pytest.mark.fault(22, "1xx flood, 101")
def test_a_flood_is_no_status_as_soon_as_it_is_more_than_an_answer_may_be(run: Run) -> None:
    assert run.ended["1xx flood"].failed("protocol")


@pytest.mark.fault(22, "1xx flood, 101")
def test_101_is_a_failure(run: Run) -> None:
    ended = run.ended["101"]
    assert ended.waits()
    assert ended.seconds < LATE


@pytest.mark.fault(23, "3xx loop, malformed Location")
@pytest.mark.parametrize("name", ["3xx loop", "no such host", "half a host"])
def test_a_redirect_is_a_failure_and_is_not_followed(run: Run, name: str) -> None:
    ended = run.ended[name]
    assert ended.failed("redirect")
    assert len(ended.requests) == 1


@pytest.mark.fault(24, "500 KB of headers")
@pytest.mark.parametrize("name", ["500 KB of headers", "many headers", "endless header"])
def test_too_many_headers_are_not_read(run: Run, name: str) -> None:
    assert run.ended[name].failed("protocol")


@pytest.mark.fault(25, "not HTTP; HTTP/2 only")
@pytest.mark.parametrize("name", ["not HTTP", "binary", "HTTP/2 only"])
def test_an_answer_that_is_not_http_1_has_its_own_word(run: Run, name: str) -> None:
    assert run.ended[name].failed("protocol")


def test_no_receiver_holds_up_the_others_or_ends_the_worker(run: Run) -> None:
    assert run.healthy_wait < 10, "it came before the silent one had ended"
    assert max(ended.seconds for ended in run.ended.values()) < LATE
    assert run.exit_code == 0
