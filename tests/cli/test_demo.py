"""The receiver, the sales, `listen` and the demonstration itself."""

import http.client
import itertools
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.domain.events import SELECTABLE
from core.domain.payload import parse_change
from core.domain.signing import Secret
from core.errors import BadInput
from tests.support.installation import COMMAND, Installation, command_after
from tests.support.processes import alive, children
from tests.support.scene import NOON
from tests.support.waiting import PATIENCE, wait_until
from tui.cli.receiver import Answer, Received, Receiver
from tui.cli.sales import Sales

SECRET = Secret("whsec_test")
BODY = b'{"event":"ping"}'


def post(url: str, headers: dict[str, str], body: bytes = BODY) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


@pytest.mark.parametrize(
    ("headers", "verified", "problem"),
    [
        ({"X-AuraPOS-Signature": SECRET.sign(BODY)}, True, None),
        ({"X-AuraPOS-Signature": SECRET.sign(b"other")}, False, "another secret"),
        ({}, False, "no X-AuraPOS-Signature header"),
    ],
)
def test_a_receiver_verifies_what_arrives(
    headers: dict[str, str], verified: bool, problem: str | None
) -> None:
    seen: list[Received] = []

    def receive(received: Received) -> Answer:
        seen.append(received)
        return 200, b"ok"

    with Receiver(receive) as receiver:
        receiver.secret = SECRET
        assert post(receiver.url, headers) == (200, b"ok")
    assert (seen[0].verified, seen[0].body) == (verified, BODY)
    assert seen[0].problem is None if problem is None else problem in str(seen[0].problem)


def test_a_receiver_without_a_secret_verifies_nothing() -> None:
    seen: list[Received] = []

    def receive(received: Received) -> Answer:
        seen.append(received)
        return 204, b""

    with Receiver(receive) as receiver:
        post(receiver.url, {})
    assert seen[0].verified is None


def test_a_port_that_is_taken_is_told() -> None:
    with Receiver(lambda _: (200, b"")) as receiver:
        port = urlsplit(receiver.url).port
        with pytest.raises(BadInput, match=f"Port {port} cannot be listened on"):
            Receiver(lambda _: (200, b""), port or 0)


def test_listen_prints_and_verifies_until_it_is_stopped(tmp_path: Path) -> None:
    command = [*COMMAND, "listen", "--port", "0", "--secret", SECRET.reveal()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as listening:
        assert listening.stdout is not None
        url = listening.stdout.readline().split()[2]
        signed = {"X-AuraPOS-Signature": SECRET.sign(BODY), "X-AuraPOS-Event": "ping"}
        assert post(url, signed)[0] == 200
        assert post(url, {"X-AuraPOS-Event": "\x1b[2J"}, b"\x1b]0;title\x07")[0] == 401
        listening.send_signal(signal.SIGTERM)
        told = listening.stdout.read()
        assert listening.wait(PATIENCE) == 0
    assert "✓ verified  ping" in told
    assert "✗ BAD" in told
    assert "\x1b" not in told


def test_sales_are_changes_of_all_seven_kinds_and_always_the_same() -> None:
    lines = list(itertools.islice(Sales(seed=1, now=lambda: NOON), 200))
    changes = [parse_change(line) for line in lines]
    kinds = {change.event_type for change in changes}
    assert kinds == {None, *SELECTABLE}
    assert {change.event_type for change in changes[:12]} >= set(SELECTABLE)
    assert len({change.key for change in changes}) == len(changes)
    assert lines == list(itertools.islice(Sales(seed=1, now=lambda: NOON), 200))


def test_a_ticket_adds_up() -> None:
    for line in itertools.islice(Sales(seed=2, now=lambda: NOON), 100):
        after = json.loads(line)["after"]
        if "lignes" in after:
            total = sum(each["total_tvac"] for each in after["lignes"])
            assert round(total, 2) == after["total_tvac"]
            assert {"mode_paiement", "total_tvac", "numero", "statut"} <= set(after)


def test_the_demonstration_delivers_every_event_verified(tmp_path: Path) -> None:
    told = Installation(tmp_path).ok("demo", "--headless", "--seconds", "2")
    assert "signature verified" in told
    assert "refused on purpose" in told
    assert re.search(r"ticket\.created +\S+  “Ticket \d{4} · [\d.]+ € · .* · \d lines?”", told)
    assert "arrived with a valid signature" in told.splitlines()[-1]
    assert not list(tmp_path.glob("*.db"))


def test_a_demonstration_interrupted_ends_its_worker(tmp_path: Path) -> None:
    """Also where the tests run in a shell's background, which has all that it starts ignore it."""
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [*command_after(heeding), "demo", "--headless", "--seconds", "60"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
    ) as playing:
        assert playing.stdout is not None
        playing.stdout.readline()
        [worker] = children(playing.pid)
        playing.send_signal(signal.SIGINT)
        assert playing.wait(PATIENCE) != 0
    wait_until(lambda: not alive(worker))


@pytest.mark.parametrize(
    ("signum", "code", "left"),
    [(signal.SIGTERM, 143, 0), (signal.SIGHUP, 129, 0), (signal.SIGKILL, -9, 1)],
)
def test_a_demonstration_that_is_killed_ends_its_worker_and_removes_its_folder_if_it_can(
    tmp_path: Path, signum: signal.Signals, code: int, left: int
) -> None:
    command = [*COMMAND, "demo", "--headless", "--seconds", "60"]
    leaves_behind = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        env=leaves_behind,
    ) as playing:
        assert playing.stdout is not None
        playing.stdout.readline()
        [worker] = children(playing.pid)
        playing.send_signal(signum)
        assert playing.wait(PATIENCE) == code
    wait_until(lambda: not alive(worker))
    assert len(list(tmp_path.iterdir())) == left
