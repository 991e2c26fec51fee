"""What the command line makes of odd places: locales, numbers, streams, marks and names."""

import json
import os
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from core.storage.database import connection
from core.storage.models import AuditEntry
from tests.support.installation import COMMAND, Installation
from tests.support.waiting import PATIENCE, wait_until
from tui.cli.main import main

BOM = b"\xef\xbb\xbf"
TOO_LARGE = (2**31, 2**63, 10**30)


def in_locale(
    installed: Installation, encoding: str, *args: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, "--config", str(installed.config), *args],
        capture_output=True,
        encoding=encoding,
        errors="replace",  # to ASCII click writes UTF-8
        cwd=installed.folder,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.files_only("PostgreSQL needs its driver")
@pytest.mark.parametrize(
    "command",
    [
        "doctor",
        "status",
        "migrate",
        "backup {folder}/b",
        "copy-from {folder}/b",
        "verify {folder}/b",
    ],
)
def test_without_the_drivers_of_servers_a_command_ends_as_with_them(
    installed: Installation, command: str
) -> None:
    """With them, as a fork of what has imported them."""
    ends = []
    for name, env in (("with", None), ("without", dict(os.environ))):
        (folder := installed.folder / name).mkdir()
        done = installed.run(*command.format(folder=folder).split(), env=env)
        ends.append((done.returncode, done.stderr.replace(str(folder), "")))
    assert ends[0] == ends[1]


@pytest.mark.files_only("is about what is printed")
@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_every_locale_can_be_printed_in(installed: Installation, encoding: str) -> None:
    installed.ok("business", "set", "1", "--name", "Café € Zoë")
    told = in_locale(installed, encoding, "business", "list")
    assert told.returncode == 0
    assert "Caf" in told.stdout
    done = in_locale(installed, encoding, "emit", "ticket€created")
    assert (done.returncode, done.stdout) == (1, "")
    rows = json.loads(in_locale(installed, encoding, "business", "list", "--json").stdout)
    assert rows[0]["name"] == "Café € Zoë"
    assert in_locale(installed, encoding, "nonsense€").returncode == 2


@pytest.mark.files_only("is about what is printed")
@pytest.mark.parametrize(
    "args",
    [
        ("webhook", "list", "--as", "\udcff"),
        ("emit", "ticket\udcff"),
        ("member", "add", "a\udcff"),
        ("sync", "\udcff"),
        ("business", "set", "1", "--name", "\udcff"),
    ],
    ids=ascii,
)
def test_what_is_not_utf_8_is_told_in_one_sentence(
    installed: Installation, args: tuple[str, ...]
) -> None:
    told = in_locale(installed, "utf-8", *args)
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (1, "", 1)


@pytest.mark.files_only("is about what is printed")
def test_json_is_ascii(installed: Installation) -> None:
    installed.ok("business", "set", "1", "--name", "Café €")
    assert installed.ok("business", "list", "--json").isascii()


@pytest.mark.parametrize("number", TOO_LARGE)
@pytest.mark.parametrize(
    "args",
    [
        ("webhook", "show", "N"),
        ("webhook", "list", "--business", "N"),
        ("delivery", "list", "--webhook", "N"),
        ("recover", "--since", "1h", "--webhook", "N"),
        ("member", "list", "--business", "N"),
        ("member", "add", "paul", "--business", "N"),
        ("member", "remove", "marie", "--business", "N"),
        ("business", "set", "N", "--option", "on"),
        ("emit", "ticket.created", "--business", "N"),
        ("sync", "--business", "N"),
    ],
    ids=" ".join,
)
def test_no_number_is_too_large_to_be_told(
    installed: Installation, args: tuple[str, ...], number: int
) -> None:
    told = installed.fails(*(str(number) if each == "N" else each for each in args), stdin=b"{}")
    assert f"no business {number}" in told or f"no webhook {number}" in told


@pytest.mark.files_only("reads nothing of what is stored")
@pytest.mark.parametrize(
    "args",
    [
        ("emit", "ticket.created"),
        ("member", "add", "paul", "--key-file", "-"),
        ("verify", "--secret-file", "-", "--signature", "sha256=00", "body"),
        ("webhook", "create", "https://example.com/b", "--all-events", "--header", "-"),
    ],
    ids=" ".join,
)
def test_a_closed_stdin_is_told(installed: Installation, args: tuple[str, ...]) -> None:
    command = [*COMMAND, "--config", str(installed.config), *args]
    closed = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *command]
    done = subprocess.run(closed, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "There is no stdin to read from: name a file, or pipe into the command.\n"
    )


@pytest.mark.files_only("is about what is printed")
class TestASecretThatCannotBePrinted:
    @pytest.mark.parametrize(
        ("args", "webhook"),
        [
            (("webhook", "create", "https://example.com/b", "--all-events"), 2),
            (("webhook", "create", "https://example.com/b", "--all-events", "--json"), 2),
            (("webhook", "regenerate-secret", "1"), 1),
        ],
        ids=["create", "create --json", "regenerate"],
    )
    @pytest.mark.parametrize("where", ["full", "closed", "gone"])
    def test_is_said_to_be_lost_with_how_to_get_another(
        self, installed: Installation, args: tuple[str, ...], webhook: int, where: str
    ) -> None:
        installed.add_webhook("https://example.com/a")
        command = [*COMMAND, "--config", str(installed.config), *args]
        if where == "closed":
            command = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command]
        with self._stdout(where) as stdout:
            done = subprocess.run(
                command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 1
        assert done.stderr == (
            f"The secret of webhook {webhook} could not be printed and is lost: make another with "
            f"`aurapos-webhooks webhook regenerate-secret {webhook}`.\n"
        )

    @contextmanager
    def _stdout(self, where: str) -> Iterator[int]:
        if where == "gone":
            read, descriptor = os.pipe()
            os.close(read)
        else:
            descriptor = os.open("/dev/full", os.O_WRONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


@pytest.mark.files_only("names files")
def test_init_writes_toml_whatever_the_paths_are(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.config.unlink()
    odd = 'a "b" \\c\\ d\x7f é'
    (tmp_path / odd).mkdir()
    installation.ok(
        *("init", "--business", "x", "--edition", "group", "--owner", "marie"),
        *("--database", f"sqlite:///{odd}/d.db", "--queue", f"sqlite:///{odd}/q.db"),
    )
    assert (tmp_path / odd / "d.db").exists()
    config = tomllib.loads(installation.config.read_text())
    assert config["queue"]["url"] == f"sqlite:///{odd}/q.db"


class TestAByteOrderMark:
    def test_is_read_over_in_files_and_in_the_configuration(self, installed: Installation) -> None:
        folder = installed.folder
        installed.config.write_bytes(BOM + installed.config.read_bytes())
        (folder / "ticket.json").write_bytes(BOM + b'{"n": 1}')
        line = b'{"entity":"client","before":null,"after":{"n":1},"key":"a"}\n'
        (folder / "push.ndjson").write_bytes(BOM + line)
        assert installed.json("emit", "ticket.created", "ticket.json")["event_id"] == 1
        assert installed.json("sync", "push.ndjson")["published"] == 1

    def test_is_named_elsewhere(self, installed: Installation) -> None:
        line = b'{"entity":"client","before":null,"after":{"n":1},"key":"a"}\n'
        done = installed.run("sync", stdin=line + BOM + line)
        assert (
            "line 2: It is not JSON: see line 1, column 1, where a byte order mark is"
            in done.stderr
        )


def test_a_push_whose_pipe_stays_open_is_published_within_a_second(
    installed: Installation,
) -> None:
    lines = [
        f'{{"entity":"client","before":null,"after":{{"n":{n}}},"key":"k{n}"}}\n' for n in range(3)
    ]
    with subprocess.Popen(
        [*COMMAND, "--config", str(installed.config), "sync", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=installed.folder,
    ) as sync:
        assert sync.stdin is not None
        for count, line in enumerate(lines, start=1):
            sync.stdin.write(line.encode())
            sync.stdin.flush()
            wait_until(lambda count=count: installed.json("status")["outbox"] == count)
        assert sync.poll() is None
        told, _ = sync.communicate(timeout=PATIENCE)
    assert told.startswith(b"3 changes: 3 events published")


def test_emit_reads_all_before_it_believes_it(installed: Installation) -> None:
    for payload in (
        b'{"a": 1}' + b" " * 300_000 + b"rubbish",
        b'{"a": 1}' + b" " * 1000 + b"rubbish",
        b'{"a": "' + b"x" * 300_000 + b'"}',
    ):
        installed.fails("emit", "ticket.created", stdin=payload)
    assert installed.json("status")["outbox"] == 0


@pytest.mark.parametrize(
    "name",
    ["operator", "Operator", "the-operator", "орerator", "0perator", "ｏperator"],
)
def test_nobody_is_called_as_the_operator_is(installed: Installation, name: str) -> None:
    assert "the operator's" in installed.fails("member", "add", name)
    assert "the operator's" in installed.fails("business", "add", name, "--edition", "group")
    assert "the operator's" in installed.fails("business", "set", "1", "--name", name)
    installed.ok("member", "add", "operator2")


def test_a_recovery_s_time_is_in_utc_where_it_says_so(installed: Installation) -> None:
    installed.ok("recover", "--since", "2026-05-17T14:30+02:00")
    with installed.tables(), connection():
        subjects = [row.subject for row in AuditEntry.select()]
    assert "0 deliveries since 2026-05-17 12:30 UTC" in subjects


def every_command(
    group: click.Group = main, path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = [(path, group)]
    with click.Context(group) as ctx:
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            assert command is not None
            if isinstance(command, click.Group):
                found += every_command(command, (*path, name))
            else:
                found.append(((*path, name), command))
    return found


def test_help_fits_a_terminal_of_80_columns() -> None:
    for path, command in every_command():
        with click.Context(command, info_name=" ".join(("aurapos-webhooks", *path))) as ctx:
            lines = command.get_help(ctx).splitlines()
        assert max(map(len, lines)) <= 80, path
        assert not [line for line in lines[1:] if line.endswith("...")], path


def test_a_table_says_whose_id_it_lists(installed: Installation) -> None:
    installed.add_webhook("https://example.com/")
    assert installed.ok("webhook", "list").startswith("WEBHOOK  CREATED (UTC)")
    assert installed.ok("business", "list").startswith("BUSINESS  EDITION")
