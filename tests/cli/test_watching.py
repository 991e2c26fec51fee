"""What monitors read: `status --prometheus`, `--check`, the rules and the dashboard in docs/."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.config import load_config, settings_of
from core.pipeline.heartbeat import TICK, record_tick
from core.storage.clock import utc_now
from core.storage.models import LastRun
from tests.support.installation import Installation
from tests.support.programs import find_program, needs
from tests.support.scene import make_due
from tests.support.scripted import Scripted, answer, receiving
from tests.support.terminal import terminal
from tests.support.waiting import wait_until

DOCS = Path(__file__).parents[2] / "docs" / "prometheus"
PREFIX = "aurapos_webhooks_"
needs_promtool = needs("promtool", "prometheus")


def promtool(*args: str | Path, stdin: str = "") -> None:
    path = find_program("promtool")
    assert path is not None
    done = subprocess.run([path, *args], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def sampled(installed: Installation) -> dict[str, float]:
    lines = installed.ok("status", "--prometheus").splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name.removeprefix(PREFIX): float(value) for name, value in pairs}


def expressions() -> list[str]:
    dashboard = json.loads((DOCS / "dashboard.json").read_text())
    targets = [target for panel in dashboard["panels"] for target in panel["targets"]]
    return [target["expr"].replace("$__rate_interval", "5m") for target in targets]


def test_counters_and_the_histogram_tell_what_happened(installed: Installation) -> None:
    answers = [answer(503)] + [answer(200)] * 3
    with receiving(*answers) as receiver:
        installed.add_webhook(receiver.url)
        assert sampled(installed)['attempts_total{outcome="delivered"}'] == 0
        for _ in range(3):
            installed.emit()
        installed.json("tick")
        wait_until(lambda: installed.json("tick")["attempts"] == 0 and len(receiver.requests) == 4)
    found = sampled(installed)
    assert found['attempts_total{outcome="delivered"}'] == 3
    assert found['attempts_total{outcome="5xx"}'] == 1
    assert found["delivered_total"] == found["delivery_seconds_count"] == 3
    assert found['delivery_seconds_bucket{le="+Inf"}'] == 3
    assert found['delivery_seconds_bucket{le="86400"}'] == 3
    assert found["abandoned_total"] == found["locked_secrets"] == found["deliveries_late"] == 0
    assert 0 < found["delivery_seconds_sum"] < 600


def test_what_was_abandoned_is_counted(installed: Installation) -> None:
    with installed.config.open("a") as config:
        config.write("max_attempts = 1\n")
    with receiving(answer(500), answer(200)) as receiver:
        installed.add_webhook(receiver.url)
        installed.emit()
        installed.json("tick")
        installed.ok("recover", "--since", "1h")
        assert sampled(installed)["abandoned_total"] == 1


def test_secrets_without_their_key_are_counted(installed: Installation) -> None:
    installed.add_webhook("https://example.com/")
    (installed.folder / "aurapos-webhooks.key").unlink()
    assert sampled(installed)["locked_secrets"] == 1


def test_rules_and_dashboard_name_only_what_there_is(installed: Installation) -> None:
    told = installed.ok("status", "--prometheus")
    families = set(re.findall(rf"^# TYPE ({PREFIX}\w+) ", told, re.MULTILINE))
    names = families | {f"{PREFIX}delivery_seconds_{part}" for part in ("bucket", "sum", "count")}
    rules = (DOCS / "alerts.yml").read_text()
    used = set(re.findall(rf"{PREFIX}\w+", " ".join([rules, *expressions()])))
    assert used <= names
    assert len(used) > 8


@needs_promtool
def test_prometheus_reads_the_numbers(installed: Installation) -> None:
    promtool("check", "metrics", stdin=installed.ok("status", "--prometheus"))


@needs_promtool
def test_prometheus_loads_the_rules_and_each_does_what_it_says() -> None:
    promtool("check", "rules", DOCS / "alerts.yml")
    promtool("test", "rules", DOCS / "alerts_test.yml")


@needs_promtool
def test_prometheus_reads_what_the_dashboard_asks(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": e} for number, e in enumerate(expressions())]
    path = tmp_path / "rules.yml"  # JSON is YAML too
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", path)


def checked(installed: Installation) -> tuple[int, str]:
    done = installed.run("status", "--check")
    assert done.stdout.count("\n") == 1, done.stderr
    return done.returncode, done.stdout.partition(" | ")[0]


@pytest.fixture
def tables(installed: Installation) -> Iterator[None]:
    with installed.tables():
        yield


def is_ticking(installed: Installation, **settings: str) -> None:
    ours = settings_of(load_config(installed.config))
    record_tick("till 1", utc_now(), {**ours, **settings})


@pytest.mark.usefixtures("tables")
def test_a_monitor_is_told_by_the_exit_code(installed: Installation) -> None:
    assert checked(installed)[0] == 2
    is_ticking(installed)
    assert checked(installed) == (0, "OK: workers 1, failing webhooks 0")
    with receiving() as receiver:
        installed.add_webhook(receiver.url)
    installed.emit()
    installed.run("tick")
    make_due(utc_now() - timedelta(seconds=90))
    assert checked(installed) == (1, "WARNING: 1 deliveries are late")
    make_due(utc_now() - timedelta(seconds=200))
    code, told = checked(installed)
    assert (code, told[:33]) == (2, "CRITICAL: 1 deliveries are late, ")
    (installed.folder / "aurapos-webhooks.key").unlink()
    assert checked(installed)[1].startswith("CRITICAL: 1 secrets are locked")
    installed.config.write_text("[database")
    code, told = checked(installed)
    assert (code, told[:9]) == (3, "UNKNOWN: ")


@pytest.mark.usefixtures("tables")
def test_a_worker_with_another_configuration_is_told(installed: Installation) -> None:
    is_ticking(installed, **{"delivery.timeout": "0:00:05", "history.keep": "1 day, 0:00:00"})
    words = "worker till 1 runs with another delivery.timeout, history.keep than the configuration"
    code, told = checked(installed)
    assert code == 1
    assert words in told
    assert words in installed.run("doctor").stdout
    config = ("--config", str(installed.config))
    with terminal(installed.folder, *config, "tui") as operator:
        operator.wait_for("! The worker till 1 runs with another delivery.timeout")
    with terminal(installed.folder, *config, "tui", "--as", "marie") as owner:
        owner.wait_for("! The worker runs with other settings than this screen: open")
    LastRun.update(at=utc_now() - timedelta(minutes=5)).where(
        LastRun.job.startswith(TICK)
    ).execute()
    assert words not in installed.run("doctor").stdout


def test_a_consumer_that_ended_in_order_leaves_at_once(installed: Installation) -> None:
    with installed.worker() as worker:
        wait_until(lambda: installed.json("status")["consumers"])
        assert worker.stop() == 0
    assert installed.json("status")["consumers"] == []
    assert "none runs" in installed.ok("status")


def test_a_log_in_json_is_an_object_a_line(installed: Installation, receiver: Scripted) -> None:
    with installed.config.open("a") as config:
        config.write('[log]\nformat = "json"\n')
    installed.add_webhook(receiver.url)
    with installed.worker() as worker:
        worker.wait_for("worker started")
        installed.emit()
        worker.wait_for("pass ended")
        assert worker.stop() == 0
        worker.reader.join()
        lines = [json.loads(line) for line in worker.log]
    assert {"time", "level", "message"} <= set.intersection(*map(set, lines))
    [delivered] = [line for line in lines if line["message"] == "delivered"]
    assert (delivered["http_status"], delivered["webhook"], delivered["level"]) == (200, 1, "debug")
