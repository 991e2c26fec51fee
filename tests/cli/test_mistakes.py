"""Every mistake ends in one sentence, and leaves nothing half-written."""

import os
import resource
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.installation import COMMAND, Installation
from tests.support.waiting import PATIENCE

INIT = ("init", "--business", "Chez Marie", "--edition", "group", "--owner", "marie")


def contents(folder: Path) -> dict[str, bytes]:
    """What is in the folder, but for the journals that SQLite makes and removes as it runs."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if not path.name.endswith(("-wal", "-shm"))
    }


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("emit", "ticket.created", "gone.json"), "gone.json cannot be read"),
        (("emit", "ticket.created", "."), "cannot be read"),
        (("emit", "ticket.created", "rubbish"), "not UTF-8"),
        (("emit", "ticket.created"), "there is nothing in it"),
        (("emit", "ticket.deleted"), 'no event "ticket.deleted"'),
        (("emit", "ping"), 'no event "ping"'),
        (("emit", "ticket.created", "good.json", "--business", "7"), "no business 7"),
        (("emit", "ticket.created", "good.json", "--business", "-1"), "no business -1"),
        (("emit", "ticket.created", "good.json", "--key", "a\nb"), "printable"),
        (("sync", "gone.ndjson"), "cannot be read"),
        (("sync", "rubbish", "--business", "7"), "no business 7"),
        (("webhook", "show", "7"), "no webhook 7"),
        (("webhook", "test", "7"), "no webhook 7"),
        (("webhook", "delete", "7", "--yes"), "no webhook 7"),
        (("webhook", "edit", "7", "--all-events"), "no webhook 7"),
        (("webhook", "edit", "7"), "Say what to change"),
        (("webhook", "regenerate-secret", "7"), "no webhook 7"),
        (("webhook", "create", "https://10.0.0.1/", "--all-events"), "private"),
        (("webhook", "create", "ftp://example.com/", "--all-events"), "https://"),
        (("webhook", "create", "https://example.com/"), "at least one event"),
        (("webhook", "create", "https://example.com/", "--event", "x"), 'no event "x"'),
        (("webhook", "edit", "7", "--format", "xml"), "`json` for programs"),
        (("webhook", "list", "--as", "nobody"), 'No business here has an owner "nobody"'),
        (("delivery", "show", "7"), "no delivery 7"),
        (("delivery", "redeliver", "7f3a1c52-0000-0000-0000-000000000000"), "no delivery"),
        (("delivery", "list", "--webhook", "7"), "no webhook 7"),
        (("recover", "--since", "yesterday"), "is not a time"),
        (("recover", "--since", "99999999999999d"), "is not a time"),
        (("recover", "--since", "9999-12-31T23:59-14:00"), "is not a time"),
        (("business", "add", "x", "--edition", "gold"), "no edition 'gold'"),
        (("business", "add", " ", "--edition", "group"), "1 to 200 printable"),
        (("business", "set", "7", "--option", "on"), "no business 7"),
        (("business", "set", "1"), "Say what to change"),
        (("member", "add", "a b"), "no spaces"),
        (("member", "add", "paul", "--role", "boss"), "no role 'boss'"),
        (("member", "add", "paul", "--key-file", "rubbish"), "not an SSH public key"),
        (("member", "add", "paul", "--key-file", "gone.pub"), "No such file"),
        (("member", "remove", "paul"), "is not a member"),
        (("verify", "--secret", "s", "--signature", "x", "good.json"), "does not start with"),
        (INIT, "in use already"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_in_one_sentence_and_changes_nothing(
    installed: Installation, args: tuple[str, ...], words: str
) -> None:
    (installed.folder / "good.json").write_text("{}")
    (installed.folder / "rubbish").write_bytes(b"\x00\xff\xfe\x1b[2J")
    before = contents(installed.folder)
    assert words in installed.fails(*args)
    assert contents(installed.folder) == before


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[database", "not valid TOML"),
        ("[database]\nurl = 5", "database.url must be"),
        ('[database]\nurl = "mysql://x"', "database.url must be"),
        ("[delivry]", "delivry is not a key"),
        ("[delivery]\ntimeoout = 1", "delivery.timeoout is not a key"),
        ('[delivery]\ntimeout = "soon"', 'delivery.timeout must be a duration such as "10s"'),
        ("[delivery]\nmax_attempts = 0", "delivery.max_attempts must be a whole number from 1"),
        ("[delivery]\nmax_attempts = true", "delivery.max_attempts must be a whole number"),
        ('[delivery]\nretry_after = "1m"', "delivery.retry_after must be a list"),
        ('[delivery]\nallow_networks = ["10/33"]', "delivery.allow_networks must be networks"),
        ("delivery = 3", "[delivery]"),
        ("\x00\x01", "not valid TOML"),
    ],
)
def test_a_bad_configuration_names_the_file_the_key_and_what_would_be_right(
    installed: Installation, config: str, words: str
) -> None:
    installed.config.write_text(config)
    told = installed.fails("tick")
    assert words in told
    assert "c.toml" in told


@pytest.mark.parametrize("command", ["worker", "tick"])
def test_an_authority_that_cannot_be_read_is_told(installed: Installation, command: str) -> None:
    config = installed.config.read_text()
    installed.config.write_text(config.replace("[delivery]", '[delivery]\nca_file = "gone.pem"'))
    told = installed.fails(command)
    assert "ca_file" in told
    assert "name a readable file of PEM certificates" in told


def test_a_missing_configuration_says_how_to_make_one(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.config.unlink()
    assert "aurapos-webhooks init" in installation.fails("tick")


@pytest.mark.parametrize("args", [("--nonsense",), ("webhook", "show"), ("nonsense",)])
def test_a_wrong_call_is_a_usage_error(tmp_path: Path, args: tuple[str, ...]) -> None:
    assert "Usage" in Installation(tmp_path).fails(*args, code=2)


def test_two_formats_at_once_are_a_usage_error(installed: Installation) -> None:
    told = installed.fails("status", "--json", "--prometheus", code=2)
    assert "--json and --prometheus cannot be used together: leave one out." in told


@pytest.mark.files_only("writes into the file")
def test_a_database_that_is_none_is_told(installed: Installation) -> None:
    (installed.folder / "aurapos-webhooks.db").write_bytes(b"rubbish" * 1000)
    assert "not an SQLite database" in installed.fails("webhook", "list")


@pytest.mark.files_only("deletes the file")
def test_a_database_that_is_not_there_is_told_and_not_made(installed: Installation) -> None:
    database = installed.folder / "aurapos-webhooks.db"
    for left in installed.folder.glob("aurapos-webhooks.db*"):
        left.unlink()
    assert "aurapos-webhooks init" in installed.fails("webhook", "list")
    assert not database.exists()


def test_a_postgresql_that_is_away_is_told(installed: Installation) -> None:
    installed.config.write_text('[database]\nurl = "postgresql://127.0.0.1:1/x"\n')
    assert "does not answer" in installed.fails("webhook", "list")


@pytest.mark.parametrize("edition", ["gold", "GROUP"])
def test_an_init_that_is_refused_leaves_no_file(tmp_path: Path, edition: str) -> None:
    installation = Installation(tmp_path)
    installation.config.unlink()
    installation.fails("init", "--business", "x", "--edition", edition, "--owner", "marie")
    assert contents(tmp_path) == {}


def test_an_init_without_a_login_leaves_no_file(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.config.unlink()
    installation.fails("init", "--business", "x", "--edition", "group", "--owner", "a b")
    assert contents(tmp_path) == {}


@pytest.mark.files_only("makes the file")
def test_of_several_inits_at_once_one_does_it_and_the_others_change_nothing(
    tmp_path: Path,
) -> None:
    installation = Installation(tmp_path)
    installation.config.unlink()
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: installation.run(*INIT), range(4)))
    assert sorted(each.returncode for each in done) == [0, 1, 1, 1]
    for each in done:
        assert each.returncode == 0 or "in use already, by business 1" in each.stderr
    assert len(installation.json("business", "list")) == 1
    installation.json("webhook", "create", "https://example.com/", "--all-events")
    assert "every one opens" in installation.run("doctor").stdout


@pytest.mark.files_only("deletes the file")
def test_a_queue_file_that_is_made_anew_is_the_folders_owners_alone(
    installed: Installation,
) -> None:
    queue = installed.folder / "aurapos-webhooks-queue.db"
    queue.unlink()
    if os.geteuid() == 0:
        os.chown(installed.folder, 65534, 65534)
    before = os.umask(0o022)
    try:
        installed.emit()
    finally:
        os.umask(before)
    assert stat.S_IMODE(queue.stat().st_mode) == 0o600
    assert queue.stat().st_uid == installed.folder.stat().st_uid


def limited() -> None:
    """As on a full disk: no file may grow beyond 20 KB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def full(installation: Installation, *args: str, stdin: bytes = b"") -> str:
    done = subprocess.run(
        [*COMMAND, "--config", str(installation.config), *args],
        cwd=installation.folder,
        input=stdin,
        capture_output=True,
        preexec_fn=limited,
        check=False,
    )
    told = done.stderr.decode()
    assert done.returncode == 1, told
    assert told.count("\n") == 1, told
    assert "Traceback" not in told
    return told


def test_an_init_on_a_full_disk_leaves_nothing_and_works_once_there_is_room(
    tmp_path: Path,
) -> None:
    installation = Installation(tmp_path)
    installation.config.unlink()
    full(installation, *INIT)
    assert contents(tmp_path) == {}
    installation.ok(*INIT)


@pytest.mark.files_only("limits how far the file may grow")
def test_an_event_on_a_full_disk_is_refused_whole(installed: Installation) -> None:
    payload = b'{"a": "' + b"x" * 100_000 + b'"}'
    full(installed, "emit", "ticket.created", stdin=payload)
    assert installed.json("tick")["events"] == 0
    installed.emit()
    assert installed.json("tick")["events"] == 1


def test_a_reader_that_has_gone_is_no_error_message(installed: Installation) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--config", str(installed.config), "business", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as errors:
        told = errors.read()
    assert process.wait(PATIENCE) in {0, 1}
    assert told == b""


@pytest.mark.parametrize(
    ("section", "url"),
    [
        ("database", "postgresql://u:p%zzhunter2@127.0.0.1:1/x"),
        ("database", "postgresql://u:p@hunter2@127.0.0.1:1/x"),
        ("database", "postgresql://127.0.0.1:1/x?password=a&hunter2=1"),
        ("database", "postgresql://u:hunter2@127.0.0.1:1/x"),
        ("queue", "redis://:a/hunter2@127.0.0.1:1"),
        ("queue", "redis://:a#hunter2@127.0.0.1:1"),
        ("queue", "redis://127.0.0.1:1/0?password=a&hunter2=1"),
        ("queue", "redis://:hunter2@127.0.0.1:1/0"),
        ("queue", "postgresql://127.0.0.1:1/x?password=a&hunter2=1"),
        ("queue", "postgresql://u:p/hunter2@127.0.0.1:1/x"),
    ],
)
@pytest.mark.files_only("names its own engines")
def test_no_command_tells_a_part_of_a_password(
    installed: Installation, section: str, url: str
) -> None:
    installed.config.write_text(f'[{section}]\nurl = "{url}"\n')
    for args in (("doctor",), ("migrate",), ("webhook", "list"), ("backup", "b")):
        done = installed.run(*args)
        assert "hunter2" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
