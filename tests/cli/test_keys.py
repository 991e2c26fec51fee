"""`secrets rotate-key`, `authorized-keys`, and what the lack of a key looks like everywhere."""

import json
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.installation import Installation
from tests.support.scripted import Scripted, answer, receiving
from tests.support.terminal import terminal
from tests.support.waiting import PATIENCE, wait_until

TYPE, KEY = (
    "ssh-ed25519",
    "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
)
RSA = "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDIj"


def without_key(installed: Installation) -> None:
    (installed.folder / "aurapos-webhooks.key").rename(installed.folder / "away.key")


class TestRotateKey:
    def test_under_a_running_worker_nothing_is_lost(
        self, installed: Installation, receiver: Scripted
    ) -> None:
        installed.add_webhook(receiver.url)
        with installed.worker() as worker:
            worker.wait_for("worker started")
            installed.emit()
            wait_until(lambda: len(receiver.requests) == 1)
            assert installed.json("secrets", "rotate-key")["sealed"] == 1
            installed.emit()
            wait_until(lambda: len(receiver.requests) == 2)
            assert worker.stop() == 0
        assert {row["status"] for row in installed.deliveries()} == {"delivered"}

    def test_the_dropped_key_opens_nothing_any_more(
        self, installed: Installation, receiver: Scripted
    ) -> None:
        secret = installed.add_webhook(receiver.url)["secret"]
        key_file = installed.folder / "aurapos-webhooks.key"
        old = key_file.read_text()
        told = installed.ok("secrets", "rotate-key", "--drop-old")
        assert "1 secrets are sealed with a new key" in told
        assert key_file.read_text().count("\n") == 1
        assert secret not in told
        installed.emit()
        assert installed.json("tick")["delivered"] == 1
        key_file.write_text(old)
        installed.emit()
        done = installed.run("tick", "--json")
        assert json.loads(done.stdout)["attempts"] == 0
        assert "does not hold the key" in done.stderr
        assert "webhooks 1" in installed.run("doctor").stdout

    def test_several_at_once_take_turns_and_every_secret_still_opens(
        self, installed: Installation
    ) -> None:
        installed.add_webhook("https://example.com/")
        with ThreadPoolExecutor() as pool:
            rotations = [
                pool.submit(installed.json, "secrets", "rotate-key", *options)
                for options in ([], [], ["--drop-old"], [])
            ]
        assert [each.result()["sealed"] for each in rotations] == [1] * 4
        assert "every one opens" in installed.run("doctor").stdout

    def test_a_secret_that_no_key_opens_is_named(self, installed: Installation) -> None:
        installed.add_webhook("https://example.com/")
        key_file = installed.folder / "aurapos-webhooks.key"
        key_file.write_text(f"{'0' * 8} {'A' * 43}=\n")
        assert "webhooks 1" in installed.fails("secrets", "rotate-key", "--drop-old")
        assert key_file.read_text().count("\n") == 2, "nothing is dropped then"


class TestWithoutTheKey:
    def test_every_command_that_needs_it_says_so(self, installed: Installation) -> None:
        without_key(installed)
        for args in (
            ("webhook", "create", "https://example.com/", "--all-events"),
            ("secrets", "rotate-key"),
        ):
            assert "key file is missing" in installed.fails(*args)
        assert "is missing" in installed.run("doctor").stdout

    @pytest.mark.parametrize(
        ("login", "words"),
        [([], "key file is missing"), (["--as", "marie"], "secrets are locked")],
        ids=["operator", "owner"],
    )
    def test_the_list_says_so(self, installed: Installation, login: list[str], words: str) -> None:
        installed.add_webhook("https://example.com/")
        without_key(installed)
        with terminal(installed.folder, "--config", str(installed.config), "tui", *login) as t:
            t.wait_for(f"Deliveries wait: .*{words}")
            t.press("n", "https://example.org/", "\x13")
            t.wait_for("key file is missing")

    def test_a_worker_waits_and_goes_on(self, installed: Installation) -> None:
        with receiving(answer(200)) as receiver:
            installed.add_webhook(receiver.url)
            with installed.worker() as worker:
                worker.wait_for("worker started")
                without_key(installed)
                installed.run("emit", "ticket.created", stdin=b"{}")
                worker.wait_for("is missing")
                (installed.folder / "away.key").rename(installed.folder / "aurapos-webhooks.key")
                installed.emit()
                wait_until(lambda: len(receiver.requests) == 2, 60 + PATIENCE)
                assert worker.stop() == 0
        assert {row["attempts"] for row in installed.deliveries()} == {1}


class TestAuthorizedKeys:
    def test_a_known_key_gets_the_ui_and_nothing_else(self, installed: Installation) -> None:
        (installed.folder / "marie.pub").write_text(f"{TYPE} {KEY} marie@till")
        installed.ok("member", "add", "marie", "--key-file", "marie.pub")
        line = installed.ok("authorized-keys", TYPE, KEY)
        assert line.startswith('restrict,pty,command="exec /usr/bin/env -i ')
        assert line.endswith(f'" {TYPE} {KEY}\n')
        assert " -I -m tui.cli --config /" in line
        assert "ssh --as marie --key SHA256:" in line
        assert line.split('" ssh-')[0].endswith(" --ui-only")
        assert 'SSH_ORIGINAL_COMMAND=\\"$SSH_ORIGINAL_COMMAND\\"' in line

    def test_a_key_that_may_export_is_listed_and_has_more_than_the_ui(
        self, installed: Installation
    ) -> None:
        (installed.folder / "marie.pub").write_text(f"{TYPE} {KEY} books@till")
        key = ("member", "add", "marie", "--key-file", "marie.pub")
        fingerprint = installed.json(*key, "--allow", "export")["fingerprint"]
        [line] = installed.ok("authorized-keys", TYPE, KEY).splitlines()
        assert f"ssh --as marie --key {fingerprint}" in line
        assert "--ui-only" not in line
        assert f"{fingerprint} (export)" in installed.ok("member", "list")
        [member] = installed.json("member", "list")
        assert member["exporting"] == [fingerprint]
        installed.ok(*key, "--allow", "nothing")
        assert "--ui-only" in installed.ok("authorized-keys", TYPE, KEY)
        [member] = installed.json("member", "list")
        assert "exporting" not in member

    @pytest.mark.parametrize(
        ("key_type", "key"),
        [(TYPE, KEY), ("ssh-rsa", RSA), ("ssh-dss", "AAAA"), (TYPE, "not base64"), ("", "")],
    )
    def test_any_other_key_gets_nothing(
        self, installed: Installation, key_type: str, key: str
    ) -> None:
        assert installed.ok("authorized-keys", key_type, key) == ""

    @pytest.mark.parametrize("login", ["o'neil", 'a"b', "$(id)", "`id`", "a\\b", 'a\\"b;id', "é"])
    def test_a_login_is_a_word_in_it_whatever_it_is(
        self, installed: Installation, login: str
    ) -> None:
        (installed.folder / "odd.pub").write_text(f"{TYPE} {KEY}")
        installed.ok("member", "add", login, "--key-file", "odd.pub")
        line = installed.ok("authorized-keys", TYPE, KEY)
        command = as_sshd_reads_it(line)
        words = shlex.split(command)
        assert words[words.index("--as") + 1] == login
        echoed = command.replace("exec /usr/bin/env -i", "exec /usr/bin/env -i /bin/echo", 1)
        shown = subprocess.run(["/bin/sh", "-c", echoed], capture_output=True, check=True)
        assert f"--as {login} --key".encode() in shown.stdout


def as_sshd_reads_it(line: str) -> str:
    """The forced command: in an option's quotes only \\" means something (sshd(8))."""
    rest = line.split('command="', 1)[1]
    command, at = "", 0
    while rest[at] != '"':
        if rest.startswith('\\"', at):
            at += 1
        command += rest[at]
        at += 1
    return command
