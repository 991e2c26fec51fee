"""What a key may ask over SSH: its own businesses' events and no more, and nothing is ever run."""

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.pipeline.fan_out import fan_out
from core.storage import published
from core.storage.database import transaction
from core.storage.models import AuditEntry
from core.storage.vault import Vault
from core.use_cases import queries
from core.use_cases.businesses import add_business, add_member, remove_member
from tests.support.scene import (
    MARIE,
    NOON,
    OPERATOR,
    add_webhook,
    close_database,
    only_delivery,
    publish_ticket,
)
from tui.cli import exporting
from tui.cli.main import main
from tui.cli.ssh_grammar import LONGEST, USAGE, Asked, NotInGrammar, parse
from tui.desk import Desk, Place

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
_STARTS = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pty.spawn",
    "subprocess.Popen",
}
_started: list[str] | None = None


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _started is None:
        return
    is_for_writing = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if event in _STARTS or is_for_writing:
        _started.append(f"{event} {args!r}")


@cache
def _be_told() -> None:
    """Not before it is needed: a hook stays until the process ends, and costs all that it does."""
    sys.addaudithook(_audit)


@pytest.fixture
def started() -> Iterator[list[str]]:
    """What this process runs, or opens to write it, from now on."""
    global _started  # noqa: PLW0603 - the hook stays
    _be_told()
    _started = []
    yield _started
    _started = None


class Client:
    """Whoever has marie's key."""

    def __init__(self, folder: Path, database: str, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._config = folder / "c.toml"
        self._config.write_text(f'[database]\nurl = "{database}"\n')

    def ask(self, command: str, *options: str) -> Result:
        """The way that sshd takes, from the forced command on."""
        args = ["--config", str(self._config), "ssh", "--as", "marie", "--key", self.fingerprint]
        args += options
        close_database()
        try:
            return CliRunner().invoke(main, args, env={"SSH_ORIGINAL_COMMAND": command})
        finally:
            close_database()

    def ok(self, command: str) -> str:
        done = self.ask(command)
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout

    def refused(self, command: str) -> str:
        done = self.ask(command)
        assert (done.exit_code, done.stdout) == (1, "")
        return done.stderr


def allow(business: int, *, may_export: bool | None = True) -> str:
    fingerprint = add_member(
        OPERATOR, business, "marie", "owner", NOON, key=KEY, may_export=may_export
    )
    assert fingerprint is not None
    return fingerprint


@pytest.fixture
def client(business: int, database: str, tmp_path: Path) -> Client:
    return Client(tmp_path, database, allow(business))


HOSTILE = (
    ";id",
    "; id",
    "&& id",
    "|id",
    "|| id",
    "& id",
    "`id`",
    "$(id)",
    "${IFS}id",
    "> owned",
    ">>owned",
    "< /etc/passwd",
    "\nid",
    "\r\nid",
    "\tid",
    "'",
    '"',
    "\\",
    "*",
    "?",
    "~",
    "!!",
    "--help",
    "-h",
    "--version",
    "--config /etc/passwd",
    "--as paul",
    "--key x",
    "--business 2",
    "--",
    "-",
    "--since=8d",
    "--json=1",
    "@/etc/passwd",
    "/etc/passwd",
    "../../etc/passwd",
    "\x1b]52;c;b3duZWQ=\x07",
    "\x1b[2J",
    "\u202e",
    "\u00a0",
    "\u0661",
    "\uff11",
    "\udcff",
    "%0aid",
    "{id,}",
    "[a-z]",
    "#",
    "x" * 2000,
)
PLACES = (
    "{}",
    "export {}",
    "export --since {}",
    "export --since 8d{}",
    "export --since 8d {}",
    "export --after 1 {}",
    "export --event {}",
    "export --format {}",
    "export --format csv{}",
    "export --undelivered {}",
    "history {}",
    "history 1{}",
    "history 1 {}",
    "status {}",
    "status{}",
    "find 1 {}",
    "open {}",
    "open 1{}",
    "open 1 {}",
    "activity {}",
)
COMMANDS = [
    "sh",
    "/bin/sh -i",
    "bash -c id",
    "cat /etc/passwd",
    "scp -f /etc/passwd",
    "scp -t owned",
    "internal-sftp",
    "/usr/lib/openssh/sftp-server",
    "rsync --server --sender . /etc",
    "git-upload-pack x",
    "python3 -c 1",
    "aurapos-webhooks member list",
    "tui",
    "tui --as paul",
    "webhook list",
    "member add mallory",
    "authorized-keys x y",
    "sync",
    "emit ticket.created",
    "doctor",
    "EXPORT --since 8d",
    "export,--since,8d",
    "export export --since 8d",
    "export --since",
    "export --since 8d --since 9d",
    "history",
    "history 1 2",
    "history -1",
    "history 1.0",
    "history 99999999999",
    "history 1 --json --json",
    "find",
    "find --json",
    "find $HOME",
    "find a b",
    "status 1",
    "export --after 1 --json",
    "export --event ping",
    "export --event ticket",
    "open",
    "open x",
    "open 1 2",
    "open 7f3a0000-0000-4000-8000-00000000000g",
    "open 1 --json",
    "activity 1",
    "activity --failed",
]


def test_there_are_hundreds_of_them() -> None:
    assert len({*COMMANDS, *(place.format(text) for place in PLACES for text in HOSTILE)}) > 700


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("place", [*PLACES, None], ids=lambda place: place or "alone")
def test_nothing_that_is_hostile_runs_anything(
    client: Client, started: list[str], place: str | None
) -> None:
    """Nor is any of it said again: the answer to all of it is the same."""
    for command in COMMANDS if place is None else map(place.format, HOSTILE):
        done = client.ask(command)
        assert (done.exit_code, done.stdout) == (2, ""), command
        assert done.stderr == f"{USAGE}\n", command
        assert started == [], command


def test_what_is_asked_for_is_read_word_by_word() -> None:
    assert parse(b"status") == Asked("status")
    assert parse(b"  history   7  --json ") == Asked("history", "7", {"--json": ""})
    assert parse(b"history --json 7") == Asked("history", "7", {"--json": ""})
    options = {"--since": "2026-05-17T14:30+02:00", "--event": "ticket.created"}
    words = " ".join(f"{name} {value}" for name, value in options.items())
    assert parse(f"export {words}".encode()) == Asked("export", options=options)
    assert parse("find Zoé/12".encode()) == Asked("find", "Zoé/12")


def test_it_is_bounded() -> None:
    short = b"find " + b"1" * 60
    assert parse(short + b" " * (LONGEST - len(short)))
    with pytest.raises(NotInGrammar):
        parse(short + b" " * (LONGEST + 1 - len(short)))


def test_an_export_is_what_the_operator_s_is(business: int, client: Client) -> None:
    ids = [publish_ticket(business) for _ in range(3)]
    rows = list(map(json.loads, client.ok("export --after 0").splitlines()))
    assert [row["cursor"] for row in rows] == list(map(str, ids))
    assert list(rows[0]) == ["cursor", "event", "created_at", "payload"]
    assert len(client.ok("export --after 1 --format csv").splitlines()) == 3
    assert client.ok("export --since 1h") == "", "they are of long ago"


def test_it_is_in_the_trail_with_the_key(business: int, client: Client) -> None:
    client.ok("export --after 0")
    [row, *_] = queries.trail(MARIE, business)
    assert (row.actor, row.action, row.subject) == ("marie", "exported", "after 0")
    assert row.origin == f"ssh {client.fingerprint}"


def test_of_several_businesses_each_line_says_of_which(business: int, client: Client) -> None:
    other = add_business(OPERATOR, "Chez Marie 2", "group", "marie", NOON)
    add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    for each in (business, other, 3):
        publish_ticket(each)
    rows = list(map(json.loads, client.ok("export --after 0").splitlines()))
    assert [row["business_id"] for row in rows] == [business, other]


def test_history_status_and_find_are_of_its_own(
    business: int, client: Client, vault: Vault
) -> None:
    theirs = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    for each in (business, theirs):
        add_member(OPERATOR, each, "both", "owner", NOON)
    mine = add_webhook(vault, business)
    other = add_webhook_of(theirs, vault)
    for each in (business, theirs):
        publish_ticket(each, payload=b'{"numero": 12}')
    fan_out(10, NOON)
    [delivery] = json.loads(client.ok(f"history {mine.id} --json"))
    assert delivery["status"] == "pending"
    assert str(delivery["delivery_id"]) in client.ok(f"history {mine.id}")
    assert client.refused(f"history {other}") == client.refused("history 77").replace(
        "77", str(other)
    )
    assert client.refused(f"export --after 0 --undelivered {other}") == client.refused(
        "export --after 0 --undelivered 77"
    ).replace("77", str(other))
    [status] = json.loads(client.ok("status --json"))
    assert status["business_id"] == business
    assert [webhook["id"] for webhook in status["webhooks"]] == [mine.id]
    assert "Chez Marie" in client.ok("status")
    assert "Paul" not in client.ok("status")
    [found] = json.loads(client.ok("find 12 --json"))
    assert [each["webhook_id"] for each in found["deliveries"]] == [mine.id]


def add_webhook_of(business: int, vault: Vault) -> int:
    add_member(OPERATOR, business, "marie", "owner", NOON)
    webhook_id = add_webhook(vault, business).id
    remove_member(OPERATOR, business, "marie", NOON)
    return webhook_id


def test_a_key_that_was_granted_nothing_is_answered_nothing(business: int, client: Client) -> None:
    publish_ticket(business)
    allow(business, may_export=None)
    assert client.ok("export --after 0"), "whoever says nothing of it changes nothing"
    allow(business, may_export=False)
    for command in ("export --after 0", "history 1", "status", "find 1", "find 1 --json"):
        assert "This key may not do that" in client.refused(command)


def test_granting_it_and_taking_it_back_are_in_the_trail(business: int, client: Client) -> None:
    allow(business, may_export=False)
    with transaction():
        rows = AuditEntry.select(AuditEntry.action, AuditEntry.subject)
        told = [row for row in rows.tuples() if row[0].startswith("export")]
    subject = f"marie, {client.fingerprint}"
    assert told == [("export allowed", subject), ("export forbidden", subject)]


def test_whoever_owns_it_no_more_is_refused(business: int, client: Client) -> None:
    add_member(OPERATOR, business, "marie", "staff", NOON)
    assert "no business here that you own" in client.refused("export --after 0")
    add_business(OPERATOR, "Chez Marie 2", "group", "marie", NOON)
    remove_member(OPERATOR, business, "marie", NOON)
    assert client.ok("export --after 0") == ""


def test_a_key_that_is_taken_away_in_the_middle_ends_it_at_the_next_page(
    business: int, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "_PAGE_EVENTS", 2)
    ids = [publish_ticket(business) for _ in range(5)]
    write = exporting.on_lines

    def taken_away(documents: Any) -> Any:
        allow(business, may_export=False)
        return write(documents)

    monkeypatch.setattr(exporting, "on_lines", taken_away)
    done = client.ask("export --after 0")
    assert done.exit_code == 1
    assert [json.loads(line)["cursor"] for line in done.stdout.splitlines()] == ["1", "2"]
    assert "This key may not do that" in done.stderr
    assert len(ids) == 5


@pytest.mark.parametrize("command", ["", "open 1", "activity"])
def test_without_a_command_or_with_a_place_it_asks_for_the_terminal_ui(
    client: Client, command: str
) -> None:
    done = client.ask(command)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "needs a terminal" in done.stderr


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Desk]:
    """At a terminal, each desk at which the UI is opened."""
    desks: list[Desk] = []
    for module in ("terminal", "over_ssh"):
        monkeypatch.setattr(f"tui.cli.{module}.is_on_terminal", lambda: True)
    monkeypatch.setattr("tui.cli.terminal.run", desks.append)
    return desks


UI_ONLY = "--ui-only"


@pytest.mark.parametrize("options", [(), (UI_ONLY,)], ids=["may export", "ui only"])
def test_with_a_terminal_a_key_opens_the_ui_where_it_asks(
    business: int, client: Client, vault: Vault, opened: list[Desk], options: tuple[str, ...]
) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(1, NOON)
    delivery = str(only_delivery(webhook.id).uuid)
    for command, place in {
        "": Place(),
        "find 12": Place(find="12"),
        f"open {webhook.id}": Place(webhook.id),
        f"open --failed {webhook.id}": Place(webhook.id, only_failed=True),
        f"open {delivery}": Place(delivery_id=delivery),
        "activity --read-only": Place(activity=True),
    }.items():
        done = client.ask(command, *options)
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", ""), command
        desk = opened.pop()
        assert (desk.place, desk.read_only) == (place, "--read-only" in command)
        assert (desk.actor.login, desk.actor.origin) == ("marie", f"tui {client.fingerprint}")


def test_what_is_not_its_own_it_does_not_open(
    business: int, client: Client, vault: Vault, opened: list[Desk]
) -> None:
    theirs = add_webhook_of(add_business(OPERATOR, "Chez Paul", "group", "paul", NOON), vault)
    for options in ((), (UI_ONLY,)):
        refused = client.ask(f"open {theirs}", *options)
        assert refused.exit_code == 1
        nothing = client.ask("open 77", *options).stderr
        assert refused.stderr == nothing.replace("77", str(theirs))
    assert opened == []


@pytest.mark.parametrize(
    "command", ["export --after 0", "history 1", "status", "find 1 --json", "sh -i", "touch owned"]
)
def test_a_key_for_the_ui_only_opens_the_ui_whatever_else_it_asks(
    business: int, client: Client, opened: list[Desk], started: list[str], command: str
) -> None:
    publish_ticket(business)
    done = client.ask(command, UI_ONLY)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert [desk.place for desk in opened] == [Place()]
    assert started == []


def test_asked_for_json_a_terminal_has_the_answer(
    business: int, client: Client, opened: list[Desk]
) -> None:
    assert json.loads(client.ok("find 12 --json")) == []
    assert opened == []
