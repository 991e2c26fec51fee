"""What comes that nobody asked for, and what of this machine's own stands still or fails: on both
engines, with a real worker.
"""

import re
import signal
import socket
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from time import monotonic

import pytest

from core.storage.database import connection
from core.storage.models import Attempt, Webhook
from tests.support.installation import Installation, command_after
from tests.support.memory import resident
from tests.support.scene import in_flight, make_due, nothing_waits
from tests.support.scripted import after, answer, flood, hang, receiving, telling
from tests.support.waiting import wait_until

STARTED = "worker started"
OK = b"HTTP/1.1 200 OK\r\n"
ACCEPTED = OK + b"Content-Length: 0\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PORTION = 64 * 1024  # of a flood
FLOODS = {
    "1xx": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 3000),
    "chunk extensions": flood(CHUNKED + b"1;", b"a" * PORTION),
    "empty lines": flood(b"", b"\r\n" * (PORTION // 2)),
    "headers": flood(OK, b"a: b\r\n" * 10_000),
    "trailers": flood(CHUNKED + b"1\r\nx\r\n0\r\n", b"a: b\r\n" * 10_000),
    "answers": flood(ACCEPTED, ACCEPTED * 1000),
}
AT_ONCE = 16
LIMIT, STANDSTILL = 5.0, 7.0  # seconds, of an attempt and longer than that
UNASKED = pytest.mark.fault(36, "answers that nobody asked for, and floods")


def settings(installation: Installation, more: str, **changed: str) -> None:
    """Add lines to [delivery], its last section, and change what is there."""
    config = installation.config.read_text()
    for key, value in changed.items():
        config, found = re.subn(rf"(?m)^{key} = .*$", f'{key} = "{value}"', config)
        assert found == 1
    installation.config.write_text(config + more)


@telling(200)
def answers_twice(connection: socket.socket) -> None:
    connection.sendall(ACCEPTED + ACCEPTED)


@UNASKED
def test_a_second_answer_is_no_other_request_s(installation: Installation) -> None:
    settings(installation, "per_webhook = 1\n")
    with receiving(answers_twice, answer(500), answer(200)) as receiver:
        installation.add_webhook(receiver.url)
        installation.push(3)
        with installation.worker() as worker:
            wait_until(nothing_waits)
            assert worker.stop() == 0
    assert [request.status for request in receiver.requests] == [200, 500, 200, 200]
    assert sorted(row["attempts"] for row in installation.deliveries()) == [1, 1, 2]


@pytest.mark.fault(66, "after good answers one that is no HTTP, on the same connection")
def test_what_is_no_http_is_no_answer_after_a_good_one_either(installation: Installation) -> None:
    settings(installation, "per_webhook = 1\n")
    rubbish = telling(None)(lambda connection: connection.sendall(b"ERR unknown command\r\n\r\n"))
    with receiving(answer(200), rubbish, answer(200)) as receiver:
        installation.add_webhook(receiver.url)
        installation.push(3)
        with installation.worker() as worker:
            wait_until(nothing_waits)
            assert worker.stop() == 0
    assert [request.status for request in receiver.requests] == [200, None, 200, 200]
    assert sorted(row["attempts"] for row in installation.deliveries()) == [1, 1, 2]


@UNASKED
def test_floods_hold_up_nobody_and_fill_no_memory(installation: Installation) -> None:
    settings(installation, "max_attempts = 1\n")
    with ExitStack() as stack, installation.worker() as worker:
        worker.wait_for(STARTED)
        healthy = stack.enter_context(receiving())
        installation.add_webhook(healthy.url)
        installation.push(AT_ONCE)
        wait_until(lambda: len(healthy.requests) == AT_ONCE)
        before = resident(worker.process.pid)
        floods = [stack.enter_context(receiving(each)) for each in FLOODS.values()]
        for flooding in floods:
            installation.add_webhook(flooding.url)
        installation.push(AT_ONCE, first=AT_ONCE)
        wait_until(nothing_waits)
        assert resident(worker.process.pid) - before < 20_000_000
        assert worker.stop() == 0
    assert len(healthy.requests) == 2 * AT_ONCE
    begun = min(flooding.requests[0].at for flooding in floods)
    assert healthy.requests[-1].at - begun < 20, "no flood had come to the end of its time by then"


@pytest.mark.fault(37, "a process that stands still")
def test_after_a_standstill_the_answers_that_are_there_decide(installation: Installation) -> None:
    settings(installation, "", timeout=f"{LIMIT}s")
    released = threading.Event()
    with receiving(after(released, answer(200))) as prompt, receiving(hang, answer(200)) as silent:
        for receiver in (prompt, silent):
            installation.add_webhook(receiver.url)
        with installation.worker() as worker:
            worker.wait_for(STARTED)
            installation.emit()
            wait_until(lambda: prompt.requests and silent.requests)
            stopped = monotonic()
            worker.stand_still()
            released.set()
            wait_until(lambda: monotonic() > stopped + STANDSTILL)  # the fault itself
            worker.process.send_signal(signal.SIGCONT)
            wait_until(nothing_waits)
            assert worker.stop() == 0
    [answered], [unanswered] = installation.deliveries(1), installation.deliveries(2)
    assert [each["error"] for each in installation.attempts(answered)] == [None]
    assert [each["error"] for each in installation.attempts(unanswered)] == ["interrupted", None]
    assert (len(prompt.requests), len(silent.requests)) == (1, 2)
    assert answered["attempts"] == unanswered["attempts"] == 1


RESOLVER = """
import pathlib, socket
real = socket.getaddrinfo

def getaddrinfo(host, *args, **kwargs):
    if not str(host).endswith(".example.net"):
        return real(host, *args, **kwargs)
    if not pathlib.Path("resolves").exists():
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return real("127.0.0.1", *args, **kwargs)

socket.getaddrinfo = getaddrinfo
"""


@pytest.mark.fault(38, "the resolver fails for every name, or no descriptor is free")
def test_a_resolver_that_fails_for_every_name_is_no_fault_of_the_receivers(
    installation: Installation,
) -> None:
    command = [*command_after(RESOLVER), "--config", str(installation.config), "worker"]
    with receiving() as receiver, installation.worker(command=command) as worker:
        worker.wait_for(STARTED)
        for name in ("a", "b"):
            url = receiver.url.replace("127.0.0.1", f"{name}.example.net")
            installation.add_webhook(url)
        installation.emit()
        worker.wait_for("no name can be looked up")
        wait_until(lambda: in_flight() == 0)
        with connection():
            assert not Attempt.select().exists()
            assert not Webhook.select().where(Webhook.down_since.is_null(is_null=False)).exists()
        (installation.folder / "resolves").touch()
        make_due(datetime.now(UTC))
        installation.emit()  # and the worker looks
        wait_until(nothing_waits)
        assert worker.stop() == 0
    rows = installation.deliveries(1) + installation.deliveries(2)
    assert [(row["status"], row["attempts"]) for row in rows] == [("delivered", 1)] * 4
