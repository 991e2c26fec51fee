"""Each command when all is well, through the real command."""

import json
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.support.installation import FAST, Installation, Storage
from tests.support.scripted import answer, receiving
from tests.support.waiting import wait_until

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINLDP7Kgfu3QpkeyQbdw9xEBbh8fM4X1ShX8z9GkPRpp marie"
FINGERPRINT = "SHA256:qBt5vloUfQ9cPoF3tggKxQPPWby9E2qhkJg6tPsxdXg"


def test_init_makes_files_that_only_their_owner_can_read(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.config.unlink()
    made = installation.json(
        "init", "--business", "Chez Marie", "--edition", "boutique", "--owner", "marie"
    )
    assert made["business_id"] == 1
    names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert names == dict.fromkeys(
        ["c.toml", "aurapos-webhooks.db", "aurapos-webhooks-queue.db", "aurapos-webhooks.key"],
        0o600,
    )


def test_init_keeps_a_configuration_that_is_there(
    installed: Installation, storage: Storage
) -> None:
    assert installed.config.read_text() == storage.toml + FAST


def test_webhooks_are_listed_shown_and_edited(installed: Installation) -> None:
    assert "No webhooks yet" in installed.ok("webhook", "list")
    created = installed.ok("webhook", "create", "https://example.com/hook", "--all-events")
    assert "whsec_" in created
    assert "only time" in created
    assert installed.json("webhook", "show", "1")["url"] == "https://example.com/hook"
    edited = installed.json(
        *("webhook", "edit", "1", "--url", "https://example.com/new"),
        *("--event", "produit.updated"),
    )
    assert (edited["url"], edited["events"]) == ("https://example.com/new", ["produit.updated"])
    listed = installed.ok("webhook", "list")
    assert "1/7" in listed
    assert "https://example.com/new" in listed
    assert "whsec_" not in listed + installed.ok("webhook", "show", "1")


def test_columns_of_a_table_stand_below_each_other_whatever_is_in_them(
    installed: Installation,
) -> None:
    for name in ("帳簿係", "Bookkeeper"):
        installed.ok("webhook", "create", "https://example.com/", "--all-events", "--name", name)
    rows = installed.ok("webhook", "list").splitlines()
    urls = [cell_len(row[: max(row.find("URL"), row.find("https"))]) for row in rows]
    assert len(rows) == 3
    assert len(set(urls)) == 1


def test_what_a_webhook_chooses_is_given_shown_and_taken_back(installed: Installation) -> None:
    url = "https://example.com/hook"
    chosen = ("--name", "Bookkeeper", "--format", "chat", "--language", "fr")
    created = installed.json("webhook", "create", url, "--all-events", *chosen)
    [listed] = installed.json("webhook", "list")
    assert created == {name: listed[name] for name in created if name != "secret"} | {
        "secret": created["secret"]
    }
    assert listed["pace"] == "1/s"
    installed.ok("webhook", "edit", "1", "--standard-webhooks", "on")
    [listed] = installed.json("webhook", "list")
    assert installed.json("webhook", "show", "1") == listed | {"kept_back": 0}
    assert (listed["name"], listed["format"], listed["language"]) == ("Bookkeeper", "chat", "fr")
    shown = installed.ok("webhook", "show", "1")
    assert f"webhook 1: Bookkeeper · {url}" in shown
    assert "chosen: format chat, language fr, standard webhooks on" in shown
    assert "Bookkeeper" in installed.ok("webhook", "list")
    options = ("--name", "--format", "--language", "--standard-webhooks", "--pace")
    back = installed.json("webhook", "edit", "1", *chain(*((each, "none") for each in options)))
    assert (back["name"], back["format"], back["language"]) == ("", "json", "en")
    assert back["standard_webhooks"] is False
    assert "chosen" not in installed.ok("webhook", "show", "1")


def test_conditions_are_given_counted_and_taken_back(installed: Installation) -> None:
    create = ("webhook", "create", "https://example.com/hook", "--all-events")
    installed.ok(*create, "--only", "total_tvac >= 100 and note exists", "--only", "a missing")
    shown = installed.json("webhook", "show", "1")
    assert shown["only"] == ["total_tvac >= 100", "note exists", "a missing"]
    assert shown["kept_back"] == 0
    installed.emit()
    assert installed.json("tick")["events"] == 1
    assert installed.json("webhook", "show", "1")["kept_back"] == 1
    assert "Kept back by its conditions in the last 24 hours: 1." in installed.ok(
        "webhook", "show", "1"
    )
    edit = ("webhook", "edit", "1", "--only")
    assert "double quotes" in installed.fails(*edit, "mode_paiement = Bancontact")
    assert installed.json(*edit, "none")["only"] == []


def test_alerts_are_switched_on_and_off(installed: Installation) -> None:
    create = ("webhook", "create", "https://example.com/hook", "--all-events")
    installed.ok(*create, "--alerts", "on")
    assert installed.json("webhook", "show", "1")["alerts"] is True
    assert "chosen: alerts on" in installed.ok("webhook", "show", "1")
    assert installed.json("webhook", "edit", "1", "--alerts", "off")["alerts"] is False


def test_own_headers_are_given_kept_and_taken_back(installed: Installation) -> None:
    create = ("webhook", "create", "https://example.com/hook", "--all-events")
    installed.ok(*create, "--header", "X-Api-Key: first", "--header", "-", stdin=b"X-Tenant: me\n")
    shown = installed.json("webhook", "show", "1")
    assert shown["headers"] == ["X-Api-Key", "X-Tenant"]
    edit = ("webhook", "edit", "1", "--header")
    assert "no value yet" in installed.fails(*edit, "X-Other")
    told = installed.fails(*edit, "Host: example.com")
    assert "framed or where it goes" in told
    told = installed.fails(*edit, "X-Tenant: hush", "--header", "-", stdin=b"X-Other: caf\xe9")
    assert "visible ASCII" in told
    assert "hush" not in told
    assert installed.json(*edit, "X-Tenant")["headers"] == ["X-Tenant"]
    assert installed.json(*edit, "none")["headers"] == []


@pytest.mark.parametrize(
    ("option", "value", "wrong"),
    [
        ("--alerts", "yes", '--alerts cannot be "yes"'),
        ("--format", "slack", '--format cannot be "slack"'),
        ("--format", "", '--format cannot be ""'),
        ("--language", "de", '--language cannot be "de"'),
        ("--name", "x" * 41, "40 characters at most"),
        ("--standard-webhooks", "yes", '--standard-webhooks cannot be "yes"'),
    ],
)
def test_a_choice_that_cannot_be_is_refused(
    installed: Installation, option: str, value: str, wrong: str
) -> None:
    create = ("webhook", "create", "https://example.com/hook", "--all-events")
    assert wrong in installed.fails(*create, option, value)
    assert installed.json("webhook", "list") == []


def test_a_pace_is_chosen_and_taken_back(installed: Installation) -> None:
    url = "https://example.com/hook"
    installed.ok("webhook", "create", url, "--all-events", "--format", "chat")
    assert installed.json("webhook", "show", "1")["pace"] == "1/s"
    edited = installed.json("webhook", "edit", "1", "--pace", "30/min")
    assert edited["pace"] == "30/min"
    assert "pace 30/min" in installed.ok("webhook", "show", "1")
    assert "write it as 2/s" in installed.fails("webhook", "edit", "1", "--pace", "often")
    assert installed.json("webhook", "edit", "1", "--pace", "none")["pace"] is None


def test_a_webhook_is_paused_and_resumed(installed: Installation) -> None:
    installed.add_webhook("https://example.com/hook")
    assert "Webhook 1 was not paused." in installed.ok("webhook", "resume", "1")
    assert "what happens meanwhile is parked" in installed.ok("webhook", "pause", "1")
    assert "was paused already" in installed.ok("webhook", "pause", "1")
    installed.emit()
    assert installed.json("tick")["attempts"] == 0
    [row] = installed.deliveries()
    assert row["next_attempt_at"] is None
    for listing in (("delivery", "list"), ("find", row["delivery_id"])):
        assert "  parked  " in installed.ok(*listing)
    assert "`aurapos-webhooks webhook resume 1` sends it" in installed.ok(
        "delivery", "show", row["delivery_id"]
    )
    shown = installed.json("webhook", "show", "1")
    assert shown["paused_at"].endswith("Z")
    assert shown["parked"] == 1
    assert "1 parked" in installed.ok("webhook", "show", "1")
    assert "paused" in installed.ok("webhook", "list")
    assert "; 1 parked" in installed.ok("status", "--once")
    assert installed.json("status")["paused"][0]["parked"] == 1
    assert "what was parked goes out now" in installed.ok("webhook", "resume", "1")
    assert installed.json("webhook", "show", "1")["paused_at"] is None
    assert installed.json("tick")["attempts"] == 1


def test_a_delete_asks_for_the_url(installed: Installation) -> None:
    installed.add_webhook("https://example.com/hook")
    refused = installed.run("webhook", "delete", "1", stdin=b"yes\n")
    assert refused.returncode == 1
    assert "nothing was deleted" in refused.stderr
    done = installed.run("webhook", "delete", "1", stdin=b"https://example.com/hook\n")
    assert done.returncode == 0
    assert installed.json("webhook", "list") == []


def test_a_sample_is_sent_and_marked_in_the_history(installed: Installation) -> None:
    with receiving(answer(200)) as receiver:
        installed.ok("webhook", "create", receiver.url, "--event", "client.created")
        told = installed.ok("webhook", "test", "1", "--event", "ticket.created")
        assert told.startswith("A sample of ticket.created for webhook 1 is queued")
        assert installed.json("tick")["delivered"] == 1
    [request] = receiver.requests
    assert request.headers["X-AuraPOS-Event"] == "ticket.created"
    payload = json.loads(request.body)["payload"]
    assert (next(iter(payload)), payload["sample"], payload["numero"]) == ("sample", True, "1234")
    [row] = installed.deliveries()
    assert (row["event"], row["purpose"], row["status"]) == (
        "ticket.created",
        "sample",
        "delivered",
    )
    assert "  1        ticket.created (sample)  delivered  " in installed.ok("delivery", "list")
    refused = installed.fails("webhook", "test", "1", "--event", "ping")
    assert 'There is no event "ping"' in refused


def test_a_test_a_redelivery_and_a_recovery_are_sent(installed: Installation) -> None:
    with receiving(answer(200)) as receiver:
        installed.ok("webhook", "create", receiver.url, "--event", "client.created")
        assert installed.json("webhook", "test", "1")["event_id"] == 1
        assert installed.json("tick")["delivered"] == 1
        [row] = installed.deliveries()
        installed.ok("delivery", "redeliver", row["delivery_id"])
        assert installed.json("tick")["delivered"] == 1
        assert installed.json("recover", "--since", "2h") == {"recovered": 0}
        shown = installed.ok("delivery", "show", row["delivery_id"])
    first, second = receiver.requests
    assert first.headers["X-AuraPOS-Event"] == "ping"
    assert first.body == second.body
    assert first.body.decode() in shown


def test_what_was_abandoned_is_recovered(installed: Installation) -> None:
    with installed.config.open("a") as config:
        config.write("max_attempts = 1\n")
    with receiving(answer(500), answer(200)) as receiver:
        installed.add_webhook(receiver.url)
        installed.emit()
        assert installed.json("tick")["abandoned"] == 1
        assert installed.json("recover", "--since", "2026-01-01T00:00") == {"recovered": 1}
        assert installed.json("tick")["delivered"] == 1


def test_members_and_their_keys(installed: Installation) -> None:
    (installed.folder / "marie.pub").write_text(KEY)
    added = installed.json("member", "add", "marie", "--key-file", "marie.pub")
    assert added["fingerprint"] == FINGERPRINT
    piped = installed.json("member", "add", "marie", "--key-file", "-", stdin=KEY.encode())
    assert piped == added
    installed.ok("member", "add", "paul", "--role", "manager")
    assert installed.json("member", "list") == [
        {"login": "marie", "role": "owner", "fingerprints": [FINGERPRINT]},
        {"login": "paul", "role": "manager", "fingerprints": []},
    ]
    refused = installed.fails("webhook", "list", "--as", "paul", "--business", "1")
    assert "paul is manager" in refused
    installed.ok("member", "remove", "paul")
    assert "paul" not in installed.ok("member", "list")


def test_the_role_that_the_help_gives_as_default_is_one(installed: Installation) -> None:
    found = re.search(r"\[default: (.+?)\]", installed.ok("member", "add", "--help"))
    assert found is not None
    installed.ok("member", "add", "paul", "--role", found[1])


def test_with_more_businesses_one_has_to_be_named(installed: Installation) -> None:
    other = installed.json("business", "add", "Chez Paul", "--edition", "studio", "--owner", "paul")
    assert other["id"] == 2
    told = installed.fails("webhook", "list")
    assert "--business" in told
    assert "2 (Chez Paul)" in told
    assert "not included" in installed.fails(
        "webhook", "create", "https://example.com/", "--all-events", "--as", "paul"
    )
    on = installed.ok("business", "set", "2", "--option", "on")
    assert "webhooks are on" in on
    assert installed.json("business", "list")[1]["included"] is True


def test_a_history_is_listed_by_status_event_and_time(installed: Installation) -> None:
    with receiving(answer(200), answer(503, b"upstream")) as receiver:
        installed.add_webhook(receiver.url)
        for number in range(2):
            installed.emit(f'{{"numero": {number}}}')
            installed.ok("tick")

    def listed(*args: str) -> list[str]:
        return [row["status"] for row in installed.json("delivery", "list", *args)]

    assert listed() == ["failed", "delivered"]
    assert listed("--status", "failed", "--webhook", "1") == ["failed"]
    assert listed("--status", "failed", "--status", "delivered") == ["failed", "delivered"]
    assert listed("--event", "ticket.created", "--since", "1h") == ["failed", "delivered"]
    assert listed("--event", "client.updated") == []
    assert listed("--since", "2100-01-01T00:00") == []
    assert "No delivery is like that." in installed.ok("delivery", "list", "--status", "abandoned")
    assert "nonsense" in installed.fails("delivery", "list", "--status", "nonsense", code=2)


def test_verify_says_whether_a_signature_is_right(installed: Installation) -> None:
    with receiving(answer(200)) as receiver:
        secret = installed.add_webhook(receiver.url)["secret"]
        installed.emit()
        installed.ok("tick")
        [request] = receiver.requests
    signature = request.headers["X-AuraPOS-Signature"]
    check = ("verify", "--secret", secret, "--signature", signature)
    assert installed.ok(*check, stdin=request.body) == "The signature is right.\n"
    assert "without its last line break" in installed.fails(*check, stdin=request.body + b"\n")
    (installed.folder / "secret").write_text(f"{secret}\n")
    (installed.folder / "body").write_bytes(request.body)
    kept = ("verify", "--signature", f"X-AuraPOS-Signature: {signature}")
    from_file = installed.ok(*kept, "--secret-file", "secret", "body")
    from_stdin = installed.ok(*kept, "--secret-file", "-", "body", stdin=f"{secret}\r\n".encode())
    from_variable = installed.run(*kept, "body", env={"AURAPOS_WEBHOOKS_SECRET": secret})
    assert from_file == from_stdin == from_variable.stdout == "The signature is right.\n"
    assert "both come from stdin" in installed.fails(*kept, "--secret-file", "-", code=2)
    assert "The secret is missing" in installed.fails(*kept, "body", code=2)
    (installed.folder / "empty").write_text("\n")
    assert "has none in it" in installed.fails(*kept, "--secret-file", "empty", "body")


def test_migrate_says_what_it_did(installed: Installation) -> None:
    assert installed.ok("migrate") == "The schema is up to date.\n"
    assert installed.json("migrate") == {"applied": []}


def examined(installation: Installation) -> tuple[int, dict[str, str]]:
    done = installation.run("doctor", "--json")
    return done.returncode, {each["check"]: each["verdict"] for each in json.loads(done.stdout)}


def test_the_doctor_finds_what_is_wrong_and_nothing_else(installed: Installation) -> None:
    code, verdicts = examined(installed)
    assert (code, verdicts.pop("worker")) == (1, "BAD")
    assert verdicts == {
        "config": "ok",
        "http": "warning",
        "networks": "warning",
        "key": "ok",
        "database": "ok",
        "secrets": "ok",
        "queue": "ok",
        "clock": "ok",
        "files": "warning",
    }
    installed.config.chmod(0o600)
    with installed.worker() as worker:
        worker.wait_for("worker started")
        wait_until(lambda: examined(installed)[0] == 0)
        assert worker.stop() == 0


def name_a_bad_ca_file(folder: Path) -> None:
    (folder / "bad.pem").write_text("<html>404</html>")
    with (folder / "c.toml").open("a") as config:
        config.write('ca_file = "bad.pem"\n')


@pytest.mark.parametrize("command", [["worker"], ["worker", "--workers", "2"], ["tick"]])
def test_a_bad_ca_file_is_told_before_anything_is_sent(
    installed: Installation, command: list[str]
) -> None:
    name_a_bad_ca_file(installed.folder)
    assert "bad.pem cannot be used (it holds no whole PEM" in installed.fails(*command)


@pytest.mark.parametrize(
    ("damage", "check", "words"),
    [
        (lambda folder: (folder / "aurapos-webhooks.key").chmod(0o644), "key", "chmod 600"),
        (lambda folder: (folder / "aurapos-webhooks.key").unlink(), "key", "is missing"),
        pytest.param(
            lambda folder: (folder / "aurapos-webhooks.db").unlink(),
            *("database", "init"),
            marks=pytest.mark.files_only("deletes the file"),
        ),
        (lambda folder: (folder / "c.toml").write_text("x = 1"), "config", "not a key"),
        (name_a_bad_ca_file, "ca_file", "whole PEM certificate"),
    ],
    ids=["an open key", "no key", "no database", "a bad configuration", "a bad ca_file"],
)
def test_the_doctor_says_how_to_mend_it(
    installed: Installation, damage: object, check: str, words: str
) -> None:
    damage(installed.folder)  # type: ignore[operator]  # one of the above
    done = installed.run("doctor")
    [line] = [each for each in done.stdout.splitlines() if each.startswith(f"BAD     {check}")]
    assert words in line
    assert done.returncode == 1


def test_status_is_for_people_machines_and_prometheus(installed: Installation) -> None:
    with receiving(answer(200), answer(500)) as receiver:
        installed.add_webhook(receiver.url)
        with installed.worker() as worker:
            worker.wait_for("worker started")
            installed.emit()
            wait_until(lambda: installed.json("status")["delivered_last_minute"] == 1)
            wait_until(lambda: installed.json("status")["consumers"])
            metrics = installed.ok("status", "--prometheus").splitlines()
            assert worker.stop() == 0
    told = installed.ok("status")
    assert "due         0" in told
    assert "1 attempts delivered" in told
    values = dict(line.rsplit(" ", 1) for line in metrics if not line.startswith("#"))
    assert values['aurapos_webhooks_attempts_last_minute{outcome="delivered"}'] == "1"
    assert values["aurapos_webhooks_deliveries_due"] == "0"
    assert any(name.startswith("aurapos_webhooks_last_tick_timestamp_seconds{") for name in values)
    helps = sum(line.startswith("# HELP ") for line in metrics)
    assert helps == sum(line.startswith("# TYPE ") for line in metrics) == 19


def test_a_check_says_what_the_receiver_s_reactions_mean(installed: Installation) -> None:
    with receiving(answer(200)) as receiver:
        installed.ok("webhook", "create", receiver.url, "--all-events")
        with ThreadPoolExecutor(1) as pool:
            checking = pool.submit(installed.run, "webhook", "check", "1", "--json")
            wait_until(lambda: installed.json("tick") is not None and checking.done())
    done = checking.result()
    found = json.loads(done.stdout)
    assert (done.returncode, found["grade"]) == (1, "forgeable")
    assert "anybody can forge sales" in found["findings"][0]["sentence"]
    pings = {each["ping"]: each["http_status"] for each in found["pings"]}
    assert pings == dict.fromkeys(("good", "again", "tampered", "wrong_secret"), 200)
    assert {row["purpose"] for row in installed.deliveries()} == {
        "check",
        "check: tampered",
        "check: wrong secret",
    }
    status = installed.json("status")
    assert (status["delivered_last_minute"], status["failed_last_minute"]) == (0, 0)
