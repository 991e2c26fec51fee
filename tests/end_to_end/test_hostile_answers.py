"""What receivers answer is stored on both engines, and reaches nobody as it came."""

import json
import re
from pathlib import Path

import pytest

from tests.support.hostile import BODIES, harmful
from tests.support.installation import FAST, Installation, Storage
from tests.support.scripted import answer, receiving, say
from tests.support.terminal import terminal
from tests.support.waiting import wait_until

OTHERS = (
    say(b"HTTP/1.1 500 \x1b[2J\x1b]52;c;eA==\x07\r\nContent-Length: 2\r\n\r\nno"),
    say(b"HTTP/1.1 302 Found\r\nLocation: https://x/\x1b]0;pwned\x07\xc2\x9b2J\r\n\r\n"),
    say(b"HTTP/1.1 301 M\r\nLocation: https://xn--a.com\r\nContent-Length: 0\r\n\r\n"),
    say(b"\x1b[2J\x1b]52;c;eA==\x07 this is no HTTP\r\n\r\n"),
)


@pytest.mark.slow
@pytest.mark.fault(33, "any hostile body")
def test_no_answer_gets_through_as_it_came(tmp_path: Path, database_url: str) -> None:
    slow_retries = FAST.replace('["0.2s"]', '["1h"]')
    installed = Installation(tmp_path, slow_retries, Storage(database_url))
    installed.init()
    acts = [answer(200 if number % 2 else 500, body) for number, body in enumerate(BODIES.values())]
    with receiving(*acts, *OTHERS, answer(200)) as receiver, installed.worker() as worker:
        worker.wait_for("worker started")
        installed.add_webhook(receiver.url)
        installed.push(len(acts) + len(OTHERS))
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
