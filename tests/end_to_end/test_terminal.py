"""The terminal UI in a real terminal: a first owner's whole way, and how few bytes it takes."""

import hashlib
import hmac
import json
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from threading import Thread

import pytest

from tests.support.installation import FAST, Installation, command_after
from tests.support.scripted import Scripted, answer, receiving
from tests.support.terminal import DOWN, ENTER, SAVE, TAB, Terminal, terminal, terminal_with
from tests.support.waiting import PATIENCE, wait_until
from tui.keystrokes import PROBE

SLOW_RETRIES = FAST.replace('["0.2s"]', '["1h"]')
RUN = "jjjkkkjjj"
SECRET = r"whsec_[A-Za-z0-9]{44}"
of_the_terminal = pytest.mark.files_only("is about the terminal")


@pytest.fixture
def installed(install: Callable[[str], Installation]) -> Installation:
    return install(SLOW_RETRIES)


@pytest.fixture
def marie(installed: Installation) -> Iterator[Terminal]:
    with terminal(installed.folder, "--config", str(installed.config), "tui", "--as", "marie") as t:
        yield t


@pytest.fixture
def busy(installed: Installation, receiver: Scripted) -> Installation:
    """With a webhook and sixty deliveries behind it."""
    installed.add_webhook(receiver.url)
    changes = [
        {"entity": "client", "before": None, "after": {"id": number}, "key": f"c-{number}"}
        for number in range(60)
    ]
    installed.ok("sync", stdin="\n".join(map(json.dumps, changes)).encode())
    installed.ok("tick")
    return installed


def is_signed_with(secret: str, receiver: Scripted) -> bool:
    """Whether the last request was."""
    last = receiver.requests[-1]
    signature = hmac.new(secret.encode(), last.body, hashlib.sha256).hexdigest()
    return last.headers["X-AuraPOS-Signature"] == f"sha256={signature}"


def test_an_owner_s_whole_way(installed: Installation, marie: Terminal) -> None:
    ok, fails = answer(200, b'{"ok":true}'), answer(500, b"till on fire")
    with receiving(ok, fails, ok) as receiver, installed.worker() as worker:
        worker.wait_for("worker started")
        marie.wait_for("No webhooks yet. Press n")
        marie.press("n", receiver.url)
        marie.wait_for("ok: http")
        marie.press(SAVE)
        secret = marie.wait_for(SECRET).group()
        marie.press(TAB, secret[-6:])
        marie.wait_for("That is the secret")
        marie.press(ENTER, "q")

        marie.wait_for("not used yet")
        marie.press("t")
        marie.wait_for("test delivered: 200")
        assert is_signed_with(secret, receiver)

        installed.emit()
        marie.wait_for("FAILING")
        marie.press("h", ENTER)
        marie.wait_for("The server failed with 500. Look into its log")
        marie.wait_for(r"attempt 2 of 5 at \d\d:\d\d:\d\d, in (59m|1h)")
        marie.wait_for("till on fire")

        marie.press("R")
        marie.wait_for("arrived ticket.created")
        first, again = receiver.requests[-2:]
        assert first.body == again.body
        assert first.headers["X-AuraPOS-Delivery"] == again.headers["X-AuraPOS-Delivery"]
        marie.press("q", "q")

        host = receiver.url.split("/")[2]
        marie.press("s")
        marie.wait_for("Type the host name")
        marie.press(host, ENTER)
        marie.wait_for("The old secret stopped working just now.")
        new_secret = marie.wait_for(SECRET).group()
        assert new_secret != secret
        marie.press("q", "q", "t")
        wait_until(lambda: len(receiver.requests) == 4)
        assert is_signed_with(new_secret, receiver)

        marie.press("d")
        marie.wait_for("Type the host name")
        marie.press(host, ENTER)
        marie.wait_for("No webhooks yet")
        marie.press("q")
        assert marie.wait_for_end() == 0
    assert installed.json("webhook", "list") == []


def test_a_first_operator_s_way_from_nothing_at_all(tmp_path: Path) -> None:
    with terminal(tmp_path) as t:
        t.wait_for("Nothing is set up here yet")
        t.press("Chez Marie", TAB, "\x17", "marie", SAVE)
        t.wait_for("No webhooks yet. Press n")
        t.press("n", "https://hooks.example.org/aurapos", SAVE)
        t.wait_for(SECRET)
        t.press("q", "q")
        t.wait_for("No worker is running: start one in another terminal: aurapos-webhooks worker")
        t.press("q")
        assert t.wait_for_end() == 0
    made = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    assert {"config.toml", "aurapos-webhooks.key", "aurapos-webhooks.db"} <= set(made)
    assert set(made.values()) == {"0o600"}


@pytest.mark.slow
@of_the_terminal
def test_it_costs_few_bytes(busy: Installation, marie: Terminal) -> None:
    """The budgets at 80x24: 12 KB to start, 0.5 KB for the cursor, 3 KB for a new row."""
    marie.wait_for("/hook +ok")
    marie.fall_silent(5)
    assert len(marie.written) <= 12_000
    marie.press("h")
    marie.wait_for("of 50")
    marie.fall_silent()
    assert marie.cost_of(DOWN) <= 1500
    assert marie.cost_of("j") <= 1500
    marie.fall_silent(5)
    marie.press("g")
    # The screen may look between the fan-out and the delivery, and draw that row twice.
    assert min(cost_of_a_new_row(busy, marie) for _ in range(3)) <= 3000


@pytest.mark.slow
@of_the_terminal
@pytest.mark.parametrize(
    ("theme", "columns", "rows", "start", "card"),
    [
        pytest.param("terminal", 80, 24, 12_000, 2_500, id="80x24"),
        pytest.param("terminal", 120, 40, 25_000, 3_500, id="120x40"),
        pytest.param("light", 80, 24, 12_000, 3_000, id="80x24_light"),
        pytest.param("dark", 120, 40, 30_000, 4_800, id="120x40_dark"),
    ],
)
def test_so_do_the_list_and_its_card(
    busy: Installation,
    receiver: Scripted,
    theme: str,
    columns: int,
    rows: int,
    start: int,
    card: int,
) -> None:
    """A move in a run of keys costs half a kilobyte, and the card comes once, at its end."""
    for number in range(3):
        busy.add_webhook(f"{receiver.url}/{number}")
    busy.push(20, first=100)
    busy.ok("tick")
    as_marie = ("--config", str(busy.config), "tui", "--as", "marie", "--theme", theme)
    with terminal(busy.folder, *as_marie, columns=columns, rows=rows) as t:
        t.wait_for("LAST DELIVERIES")
        t.fall_silent(5)
        assert len(t.written) <= start
        assert t.cost_of(*RUN) <= 500 * len(RUN) + card
        t.fall_silent(2)


@pytest.mark.slow
@of_the_terminal
@pytest.mark.parametrize(
    ("columns", "rows", "opening", "rest", "new"),
    [
        pytest.param(80, 24, 8_000, 2_500, 3_000, id="80x24"),
        pytest.param(120, 40, 24_000, 3_500, 8_000, id="120x40"),
    ],
)
def test_so_does_activity(
    busy: Installation,
    receiver: Scripted,
    columns: int,
    rows: int,
    opening: int,
    rest: int,
    new: int,
) -> None:
    """What lies beside the list comes once, at the end of a run of keys."""
    busy.add_webhook(f"{receiver.url}/2")
    busy.push(20, first=100)
    busy.ok("tick")
    as_marie = ("--config", str(busy.config), "tui", "--as", "marie")
    with terminal(busy.folder, *as_marie, columns=columns, rows=rows) as t:
        t.wait_for("LAST DELIVERIES")
        t.fall_silent()
        before = len(t.written)
        t.press("a")
        t.wait_for("of 50")
        if columns >= 100:
            t.wait_for("── payload ──")
        t.fall_silent(2)
        assert len(t.written) - before <= opening
        assert t.cost_of(*RUN) <= 500 * len(RUN) + rest
        t.fall_silent(2)
        t.press("g")
        assert min(cost_of_a_new_row(busy, t) for _ in range(3)) <= new


def cost_of_a_new_row(busy: Installation, marie: Terminal) -> int:
    before = len(marie.written)
    busy.emit('{"numero": "the new one"}')
    busy.ok("tick")
    marie.wait_for("of 50")
    wait_until(lambda: marie.press("") == 0 and len(marie.written) > before)
    return len(marie.written) - before


@of_the_terminal
def test_what_is_typed_for_a_page_that_opens_is_typed_there(marie: Terminal) -> None:
    marie.wait_for("No webhooks yet")
    marie.press(f"nhttps://hooks.example.org/aurapos{SAVE}")
    marie.wait_for(SECRET)


@of_the_terminal
def test_a_slow_escape_is_one_key(busy: Installation) -> None:
    """Nothing answers here, as over a line that is slower still."""
    with patient_terminal(busy) as marie:
        marie.wait_for("/hook +ok")
        marie.press("h")
        marie.wait_for("of 50")
        escape_and_be_asked(marie)
        marie.press("[B", ENTER)
        marie.wait_for("2 of 50")


@of_the_terminal
def test_over_a_slow_line_that_answers_late_nothing_is_lost(busy: Installation) -> None:
    with patient_terminal(busy) as marie:
        marie.wait_for("/hook +ok")
        marie.press("h")
        marie.wait_for("of 50")
        for late in ("[B", "\x1b[0n"):
            escape_and_be_asked(marie)
            marie.press(late)
        marie.wait_for("/hook +ok")


@of_the_terminal
def test_where_the_terminal_answers_escape_takes_no_time(installed: Installation) -> None:
    with patient_terminal(installed) as marie:
        marie.wait_for("No webhooks yet")
        marie.answers[PROBE] = "\x1b[0n"
        marie.press("?")
        marie.wait_for("Keys")
        marie.process.send("\x1b")
        marie.wait_for("No webhooks yet")


def patient_terminal(installed: Installation) -> AbstractContextManager[Terminal]:
    """Marie's, where it waits for the rest of a key longer than a test does."""
    patient = command_after(f"from tui import driver; driver._PATIENCE = {2 * PATIENCE}")
    argv = [*patient, "--config", str(installed.config), "tui", "--as", "marie"]
    return terminal_with(argv, installed.folder)


def escape_and_be_asked(marie: Terminal) -> None:
    """Press ESC, of which nobody knows yet whether a key begins with it."""
    before = len(marie.written)
    marie.process.send("\x1b")
    wait_until(lambda: marie.bytes_during(0.1) == 0 and PROBE.encode() in marie.written[before:])


@of_the_terminal
def test_a_key_right_after_escape_counts(installed: Installation, marie: Terminal) -> None:
    marie.wait_for("No webhooks yet")
    marie.press("?")
    marie.wait_for("Keys")
    marie.process.send("\x1bn")
    marie.wait_for("The address AuraPOS should call")


@of_the_terminal
@pytest.mark.parametrize(
    "flood",
    [
        pytest.param("\x1b[" + "1" * 216_000, id="sequence"),
        pytest.param("\x1b[200~" + "x" * 216_000, id="paste"),
    ],
)
def test_what_a_terminal_sends_takes_bounded_memory(
    installed: Installation, marie: Terminal, flood: str
) -> None:
    marie.wait_for("No webhooks yet")
    before = peak_of(marie)
    sending = Thread(target=marie.process.send, args=(flood,))
    sending.start()
    while sending.is_alive():
        marie.bytes_during(0.1)
    marie.process.send("\x1b[201~")
    wait_until(lambda: marie.press("?") > 0 and "Keys" in marie.text)
    assert peak_of(marie) - before < 13_000


@of_the_terminal
def test_so_does_whatever_size_it_claims(installed: Installation, marie: Terminal) -> None:
    marie.wait_for("No webhooks yet")
    before = peak_of(marie)
    marie.process.setwinsize(65_535, 65_535)
    marie.press("")
    marie.process.setwinsize(24, 80)
    marie.press("?")
    marie.wait_for("Keys")
    assert peak_of(marie) - before < 150_000


def peak_of(shown: Terminal) -> int:
    """The most memory that its process has had, in KB."""
    status = Path(f"/proc/{shown.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found is not None
    return int(found[1])


@of_the_terminal
@pytest.mark.parametrize("key", [ENTER, "\x03"], ids=["enter", "ctrl+c"])
def test_printed_plainly_it_can_be_selected_and_is_wiped_away(
    installed: Installation, marie: Terminal, key: str
) -> None:
    marie.wait_for("No webhooks yet")
    marie.press("n", "https://hooks.example.org/aurapos", SAVE)
    secret = marie.wait_for(SECRET).group()
    marie.press("p")
    marie.wait_for("Enter goes back")
    plainly = marie.written.rpartition(b"\x1b[?1049l")[2]
    assert f"\r\n{secret}\r\n".encode() in plainly
    marie.press(key)
    marie.wait_for("Verify with")
    assert b"\x1b[4A\r\x1b[J" in marie.written, "where it was printed is empty"
    assert installed.json("webhook", "list")[0]["url"] == "https://hooks.example.org/aurapos"


@of_the_terminal
def test_a_connection_that_dies_ends_it(marie: Terminal) -> None:
    marie.wait_for("No webhooks yet")
    marie.process.kill(signal.SIGHUP)
    wait_until(lambda: not marie.process.isalive())


def test_a_connection_that_dies_over_a_secret_is_told_of_in_the_next(
    installed: Installation, marie: Terminal
) -> None:
    marie.wait_for("No webhooks yet")
    marie.press("n", "https://hooks.example.org/aurapos", SAVE)
    marie.wait_for(SECRET)
    marie.process.kill(signal.SIGHUP)
    marie.process.kill(signal.SIGHUP)  # a shell hands on what the terminal has sent
    wait_until(lambda: not marie.process.isalive())
    told = "while the secret of hooks.example.org was shown, and it was not checked"

    def next_session_tells() -> bool:
        as_marie = ("--config", str(installed.config), "tui", "--as", "marie")
        with terminal(installed.folder, *as_marie) as again:
            again.wait_for("not used yet")
            again.press("")
            return told in again.text

    assert next_session_tells()
    wait_until(lambda: not next_session_tells())  # forgotten a moment after it was told


@of_the_terminal
def test_it_opens_at_a_place_and_to_look_only(busy: Installation) -> None:
    as_marie = ("--config", str(busy.config), "tui", "--as", "marie")
    with terminal(busy.folder, *as_marie, "--webhook", "1", "--read-only") as t:
        t.wait_for("History .* read only")
        t.press("R")
        t.wait_for("Read only: nothing is changed")
    with terminal(busy.folder, *as_marie, "--find", "17") as t:
        t.wait_for("New customer 17")
    with terminal(busy.folder, *as_marie, "--activity") as t:
        t.wait_for("Webhooks › Activity")
    with terminal(busy.folder, *as_marie, "--webhook", "7") as t:
        t.wait_for("There is no webhook 7 here")
        assert t.wait_for_end() == 1
    assert "Give one of" in busy.fails("tui", "--webhook", "1", "--find", "17", code=2)
    assert "--webhook ID" in busy.fails("tui", "--failed", code=2)


@of_the_terminal
def test_without_a_terminal_it_says_so(installed: Installation) -> None:
    assert "needs a terminal" in installed.fails("tui", code=2)


@of_the_terminal
def test_a_client_s_environment_changes_nothing(installed: Installation, tmp_path: Path) -> None:
    """TEXTUAL_* names files and ports for developers; sshd may let a client set them."""
    log = tmp_path / "textual.log"
    config = ("--config", str(installed.config), "tui")
    with terminal(installed.folder, *config, TEXTUAL_LOG=str(log), TEXTUAL="devtools") as t:
        t.wait_for("No webhooks yet")
        t.press("q")
        assert t.wait_for_end() == 0
    assert not log.exists()


def test_a_secret_is_asked_for_and_not_shown(tmp_path: Path) -> None:
    with terminal(tmp_path, "listen", "--port", "0", "--secret-file", "-") as shown:
        shown.wait_for("Secret:")
        shown.press(f"whsec_{'x' * 43}{ENTER}")
        shown.wait_for("Listening on")
        assert "xxx" not in shown.text


def test_demo_opens_on_live_sales(tmp_path: Path) -> None:
    with terminal(tmp_path, "demo") as t:
        t.wait_for("is failing")
        t.wait_for(r"127.0.0.1:\d+ +ok")
        t.press("h")
        t.wait_for("waits, try|arrived")
        t.press("q", "q")
        assert t.wait_for_end() == 0
    assert "arrived with a valid signature" in t.text


@pytest.mark.files_only("breaks the file, and is told so in SQLite's own words")
def test_a_broken_database_is_one_sentence(installed: Installation) -> None:
    path = installed.folder / "aurapos-webhooks.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE webhook")
    with terminal(installed.folder, "--config", str(installed.config)) as t:
        t.wait_for("no such table: webhook")
        t.press("q")
        assert t.wait_for_end() == 0
