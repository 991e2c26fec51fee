"""What receivers answer is stored on both engines, and reaches nobody as it came."""

import base64
import gzip
import json
import re
import socket
import time
import unicodedata
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from installation import FAST, Installation, Storage, wait_until
from scripted import Act, answer, receiving, say
from terminal import terminal

VECTORS = Path(__file__).parents[1] / "vectors" / "hostile_bodies.json"
BODIES = [base64.b64decode(body["bytes"]) for body in json.loads(VECTORS.read_text())]
HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
OTHERS = (
    say(b"HTTP/1.1 500 \x1b[2J\x1b]52;c;eA==\x07\r\nContent-Length: 2\r\n\r\nno"),
    say(b"HTTP/1.1 302 Found\r\nLocation: https://x/\x1b]0;pwned\x07\xc2\x9b2J\r\n\r\n"),
    say(b"HTTP/1.1 301 M\r\nLocation: https://xn--a.com\r\nContent-Length: 0\r\n\r\n"),
    say(b"\x1b[2J\x1b]52;c;eA==\x07 this is no HTTP\r\n\r\n"),
)


def harmful(text: str) -> set[str]:
    return {each for each in text if unicodedata.category(each) in HARMFUL} - {"\n"}


def push(installation: Installation, count: int) -> None:
    lines = [
        json.dumps({"entity": "client", "before": None, "after": {"id": n}, "key": f"c-{n}"})
        for n in range(count)
    ]
    installation.ok("sync", stdin="\n".join(lines).encode())


def test_no_answer_gets_through_as_it_came(tmp_path: Path, database_url: str) -> None:
    slow_retries = FAST.replace('["0.2s"]', '["1h"]')
    installed = Installation(tmp_path, slow_retries, Storage(database_url))
    installed.init()
    acts = [answer(200 if number % 2 else 500, body) for number, body in enumerate(BODIES)]
    with receiving(*acts, *OTHERS, answer(200)) as receiver, installed.worker() as worker:
        worker.wait_for("worker started")
        installed.add_webhook(receiver.url)
        push(installed, len(acts) + len(OTHERS))
        wait_until(lambda: len(receiver.requests) == len(acts) + len(OTHERS))
        wait_until(lambda: all(row["attempts"] for row in installed.deliveries()))
        log = "".join(worker.log)
        assert worker.stop() == 0

    rows = installed.deliveries()
    assert len(rows) == len(acts) + len(OTHERS)
    assert harmful(log) == set()
    assert harmful(json.dumps(rows, ensure_ascii=False)) == set()
    assert max(len(row["response"]) for row in rows) == 500
    assert harmful(installed.ok("delivery", "list")) == set()
    for row in rows:
        assert harmful(installed.ok("delivery", "show", row["delivery_id"])) == set()

    with terminal(tmp_path, "--config", str(installed.config), rows=60, columns=120) as t:
        t.wait_for("127.0.0.1")
        t.press("h")
        t.wait_for("30 latest")
        t.press("j", "k", "\r")
        for _ in rows:
            t.press("j")
        assert harmful("".join(t.lines)) == set()
        t.press("q", "q", "q")
        t.wait_for_end()
        written = re.sub(r"\x1b\]22;default(\x07|\x1b\\)", "", t.written.decode())
    # Of what a terminal obeys there is only what Textual writes itself: CSI and the mouse's shape.
    assert set(re.findall(r"\x1b(.)", written)) <= set("[=>78(")
    assert harmful(re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|[=>78]|\(.)|[\r\n]", "", written)) == set()


def drip(head: bytes, drop: bytes, pause: float) -> Act:
    """Say `head`, then a drop at a time until nobody listens."""

    def act(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(head)
            for _ in range(int(30 / pause)):
                connection.sendall(drop)
                time.sleep(pause)  # the attack itself

    return act


def flood(head: bytes, drop: bytes) -> Act:
    """Say `head`, then as much as is taken."""

    def act(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(head)
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                connection.sendall(drop)

    return act


OK = b"HTTP/1.1 200 OK\r\n"
ATTACKS = {
    "slow header": drip(OK, b"X-A: b\r\n", 0.2),
    "slow body": drip(OK + b"Content-Length: 1000\r\n\r\n", b"x", 0.2),
    "1xx flood": flood(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
    "endless body": flood(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"
    ),
    "endless header": flood(OK, b"X-A: " + b"b" * 4096 + b"\r\n"),
    "gzip bomb": answer(200, gzip.compress(bytes(200_000_000), 9), "Content-Encoding: gzip"),
}


@pytest.mark.slow
def test_no_attack_holds_the_worker(tmp_path: Path) -> None:
    """Each attempt ends within 10.5 s, memory stays, and others are not kept waiting."""
    installed = Installation(tmp_path, FAST.replace('timeout = "5s"', "").replace("0.2s", "1h"))
    installed.init()
    with ExitStack() as stack:
        worker = stack.enter_context(installed.worker())
        worker.wait_for("worker started")
        healthy = stack.enter_context(receiving(answer(200)))
        warm_up = installed.add_webhook(healthy.url)
        push(installed, 50)
        wait_until(lambda: len(healthy.requests) == 50)
        before = resident(worker.process.pid)

        receivers = [stack.enter_context(receiving(act)) for act in ATTACKS.values()]
        hooks = [installed.add_webhook(receiver.url)["id"] for receiver in receivers]
        published = time.monotonic()
        installed.emit()
        wait_until(lambda: len(healthy.requests) == 51, 5)
        assert healthy.requests[-1].at - published < 5
        most = before

        def all_attempted() -> bool:
            nonlocal most
            most = max(most, resident(worker.process.pid))
            return all(installed.deliveries(hook)[0]["attempts"] for hook in hooks)

        wait_until(all_attempted, 30)
        assert worker.stop() == 0
    assert most - before < 20_000_000
    for name, hook in zip(ATTACKS, hooks, strict=True):
        [row] = installed.deliveries(hook)
        [attempt] = installed.json("delivery", "show", row["delivery_id"])["attempt_log"]
        assert attempt["duration_ms"] <= 10_500, name
    assert warm_up["id"] not in hooks


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) * 1024
