"""Through a real sshd: a known key opens the terminal UI, and nothing opens anything else."""

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.installation import Installation
from tests.support.programs import find_program, needs
from tests.support.servers import free_port
from tests.support.terminal import Terminal, terminal_with
from tests.support.waiting import PATIENCE, wait_until

SSHD = find_program("sshd")
pytestmark = needs("sshd", "openssh-server")
of_sshd = pytest.mark.files_only("is about sshd")

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
AuthorizedKeysFile none
AuthorizedKeysCommand {python} -I -m tui.cli --config {config} authorized-keys %t %k
AuthorizedKeysCommandUser {user}
AcceptEnv LC_* LANG TERM TEXTUAL* PYTHON* AURAPOS*
AllowTcpForwarding yes
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Sshd:
    port: int
    folder: Path

    def client(self, key: str, *options: str, program: str = "ssh") -> list[str]:
        """An ssh command (or scp, sftp) with that key, that trusts this server."""
        port = "-p" if program == "ssh" else "-P"
        return [
            *(program, "-F", "none", port, str(self.port), "-i", str(self.folder / key)),
            *("-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"),
            *("-o", "StrictHostKeyChecking=no"),
            *("-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}", *options),
        ]

    @property
    def host(self) -> str:
        return f"{getpass.getuser()}@127.0.0.1"

    @contextmanager
    def session(self, key: str, *options: str, **environment: str) -> Iterator[Terminal]:
        argv = [*self.client(key, "-tt", *options), self.host]
        with terminal_with(argv, self.folder, **environment) as terminal:
            yield terminal

    @contextmanager
    def logged_in(self, key: str) -> Iterator[tuple[str, ...]]:
        """Options with which clients share a connection: each has a session of its own there, with
        its forced command, but the key is looked up once.
        """
        with tempfile.TemporaryDirectory(prefix="ssh") as folder:  # a socket's path has to be short
            path = f"{folder}/s"
            argv = [*self.client(key, "-M", "-N", "-S", path), self.host]
            with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as connection:
                try:
                    wait_until(lambda: Path(path).exists())
                    yield "-o", "ControlMaster=no", "-o", f"ControlPath={path}"
                finally:
                    connection.kill()  # told to end, it now and then waits for its sessions

    def run(
        self, key: str, *command: str, options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        argv = [*self.client(key, *options), self.host, *command]
        return subprocess.run(
            argv, capture_output=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL
        )


@pytest.fixture
def sshd(installed: Installation, tmp_path: Path) -> Iterator[Sshd]:
    """With marie, an owner of Chez Marie, paul, one of Chez Paul, and a stranger; marie's other
    key, books, may export.
    """
    assert SSHD is not None, "CI needs openssh-server"
    for name in ("host_key", "marie", "books", "paul", "stranger"):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name]
        subprocess.run([*keygen, "-f", tmp_path / name], check=True)
    installed.ok("member", "add", "marie", "--key-file", tmp_path / "marie.pub")
    books = ("--key-file", tmp_path / "books.pub", "--allow", "export")
    installed.ok("member", "add", "marie", *books)
    installed.ok("business", "add", "Chez Paul", "--edition", "group", "--owner", "paul")
    installed.ok("member", "add", "paul", "--key-file", tmp_path / "paul.pub", "--business", "2")
    port = free_port()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd will not start without it
    config = tmp_path / "sshd_config"
    config.write_text(
        CONFIG.format(
            port=port,
            folder=tmp_path,
            python=sys.executable,
            config=installed.config,
            user=getpass.getuser(),
        )
    )
    log = tmp_path / "sshd.log"
    log.touch()
    process = subprocess.Popen([SSHD, "-D", "-f", config, "-E", log], start_new_session=True)
    try:
        wait_until(lambda: process.poll() is not None or "listening" in log.read_text())
        assert process.poll() is None, log.read_text()
        yield Sshd(port, tmp_path)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_each_key_opens_its_own_business(sshd: Sshd) -> None:
    with sshd.session("marie") as marie, sshd.session("paul") as paul:
        marie.wait_for("Chez Marie · marie")
        paul.wait_for("Chez Paul · paul")
        marie.wait_for("No webhooks yet")
        marie.press("n", "https://hooks.example.org/aurapos", "\x13")
        marie.wait_for("whsec_")
        marie.press("q", "q", "A")
        marie.wait_for(r"created +https://hooks")
        marie.wait_for(r"tui SHA256:\S{43} 127.0.0.1 · created · https://hooks.example.org/aurapos")
        assert "hooks.example.org" not in paul.text
        paul.press("q")
        assert paul.wait_for_end() == 0


@of_sshd
def test_an_unknown_and_a_removed_key_open_nothing(installed: Installation, sshd: Sshd) -> None:
    assert b"Permission denied" in sshd.run("stranger").stderr
    installed.ok("member", "remove", "marie", "--business", "1")
    assert b"Permission denied" in sshd.run("marie").stderr


@pytest.mark.slow
@of_sshd
def test_no_other_command_is_run(sshd: Sshd, tmp_path: Path) -> None:
    with sshd.logged_in("marie") as options:
        for command in ("cat /etc/passwd", f"touch {tmp_path}/owned", "sh", "/bin/sh -i"):
            done = sshd.run("marie", command, options=options)
            assert done.returncode == 2
            assert done.stdout == b""
            assert b"needs a terminal" in done.stderr
    with sshd.session("marie", "-o", f"RemoteCommand=touch {tmp_path}/owned") as terminal:
        terminal.wait_for("No webhooks yet")
    assert not (tmp_path / "owned").exists()


def test_a_key_that_may_export_has_the_answer_without_a_terminal(
    installed: Installation, sshd: Sshd
) -> None:
    for business in ("1", "2", "1"):
        installed.ok("emit", "ticket.created", "--business", business, stdin=b'{"numero": 12}')
    asked = ("export", "--since", "8d")
    done = sshd.run("books", *asked)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == installed.ok("events", *asked, "--business", "1")
    assert done.stdout.count(b"\n") == 2
    [status] = json.loads(sshd.run("books", "status", "--json").stdout)
    assert status["name"] == "Chez Marie"
    for key in ("marie", "paul"):
        done = sshd.run(key, *asked)
        told = (done.returncode, done.stdout)
        assert told == (2, b""), f"it opens the terminal UI only: {done.stderr!r}"
        assert b"answered only to a key that may export" in done.stderr
    installed.ok("member", "add", "marie", *books_key(sshd), "--allow", "nothing")
    assert sshd.run("books", *asked).stdout == b""


def books_key(sshd: Sshd) -> tuple[str | Path, ...]:
    return "--business", "1", "--key-file", sshd.folder / "books.pub"


@pytest.mark.parametrize("key", ["marie", "books"])
def test_with_a_terminal_it_opens_where_it_asks(
    installed: Installation, sshd: Sshd, key: str
) -> None:
    installed.ok("emit", "ticket.created", "--business", "1", stdin=b'{"numero": "4711"}')
    with sshd.session(key, "-o", "RemoteCommand=find 4711") as terminal:
        terminal.wait_for("Webhooks › Find")
        terminal.wait_for("Ticket 4711")
    with sshd.session(key, "-o", "RemoteCommand=activity --read-only") as terminal:
        terminal.wait_for("Webhooks › Activity .*read only")


def test_its_terminal_ui_is_the_same(sshd: Sshd) -> None:
    with sshd.session("books") as terminal:
        terminal.wait_for("Chez Marie · marie")
        terminal.press("q")
        assert terminal.wait_for_end() == 0


@of_sshd
def test_a_key_that_may_export_runs_nothing_either(sshd: Sshd, tmp_path: Path) -> None:
    owned = tmp_path / "owned"
    commands = (
        f"touch {owned}",
        f"export --since 8d; touch {owned}",
        f"export --since 8d && touch {owned}",
        f"export --since $(touch {owned})",
        f"export --since `touch {owned}`",
        f'export --since "8d" \'"; touch {owned}; echo "\'',
        f"export --since 8d > {owned}",
        f"export --since 8d | tee {owned}",
        f"status\ntouch {owned}",
        f"history 1 --json {owned}",
        "sh -i",
        "scp -t .",
    )
    with sshd.logged_in("books") as options:
        for command in commands:
            done = sshd.run("books", command, options=options)
            assert (done.returncode, done.stdout) == (2, b""), command
            assert done.stderr.startswith(b"This key may ask for: export"), command
    assert not owned.exists()


@of_sshd
@pytest.mark.parametrize("key", ["marie", "books"])
def test_no_file_goes_in_or_out(sshd: Sshd, tmp_path: Path, key: str) -> None:
    (tmp_path / "in").write_text("x")
    there, owned = f"{sshd.host}:{tmp_path}", tmp_path / "owned"
    with sshd.logged_in(key) as options:
        scp, sftp = (sshd.client(key, *options, program=program) for program in ("scp", "sftp"))
        for argv in (
            [*scp, tmp_path / "in", f"{there}/owned"],
            [*scp, "-O", tmp_path / "in", f"{there}/owned"],
            [*scp, f"{there}/in", owned],
            [*sftp, f"{there}/in", owned],
        ):
            done = subprocess.run(argv, capture_output=True, timeout=PATIENCE, check=False)
            assert done.returncode != 0
    assert not (tmp_path / "owned").exists()


@of_sshd
def test_no_tunnel_is_dug(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        target, port = inside.getsockname()[1], free_port()
        forward = ("-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:127.0.0.1:{target}")
        with sshd.session("marie", *forward) as terminal:
            terminal.wait_for("No webhooks yet")
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as tunnel:
                tunnel.settimeout(PATIENCE)
                assert tunnel.recv(1) == b""
        inside.settimeout(0)
        with pytest.raises(BlockingIOError):
            inside.accept()
    done = sshd.run(
        "marie", options=("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1")
    )
    assert done.returncode == 255
    assert b"forwarding failed" in done.stderr


@of_sshd
def test_what_a_client_says_of_itself_changes_nothing(sshd: Sshd, tmp_path: Path) -> None:
    evil = f'"; touch {tmp_path}/owned; echo "$(touch {tmp_path}/owned)`touch {tmp_path}/owned`'
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "sitecustomize.py").write_text(f"open({str(tmp_path / 'owned')!r}, 'w')")
    forged = {
        "LC_ALL": evil,
        "LC_MARIE": evil,
        "LANG": "xx_XX.EVIL",
        "TEXTUAL_LOG": str(tmp_path / "owned"),
        "TEXTUAL_SCREENSHOT": "1",
        "TEXTUAL_SCREENSHOT_LOCATION": str(tmp_path),
        "TEXTUAL_PRESS": "n",
        "TEXTUAL_DRIVER": "evil:Driver",
        "PYTHONPATH": str(tmp_path / "evil"),
        "PYTHONSTARTUP": str(tmp_path / "evil" / "sitecustomize.py"),
        "AURAPOS_WEBHOOKS_CONFIG": str(tmp_path / "evil.toml"),
    }
    sent = [option for name in forged for option in ("-o", f"SendEnv={name}")]
    before = set(tmp_path.iterdir())
    with sshd.session("marie", *sent, **forged, TERM=evil) as terminal:
        terminal.wait_for("Chez Marie · marie")
        terminal.wait_for("No webhooks yet")
        terminal.press("q")
        terminal.wait_for_end()
    made = {path.name for path in set(tmp_path.iterdir()) - before}
    assert made <= {"known_hosts", "aurapos-webhooks.db-wal", "aurapos-webhooks.db-shm"}


def test_whoever_is_demoted_in_mid_session_is_refused_at_the_next_action(
    installed: Installation, sshd: Sshd
) -> None:
    installed.json(
        "webhook", "create", "https://hooks.example.org/a", "--all-events", "--business", "1"
    )
    with sshd.session("marie") as terminal:
        terminal.wait_for("hooks.example.org")
        installed.ok("member", "add", "marie", "--role", "staff", "--business", "1")
        terminal.press("t")
        terminal.wait_for("ask an owner")
        assert "hooks.example.org" not in terminal.text
