"""`events …` says what is in each event, without a database or a configuration."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.domain.catalogue import CATALOGUE
from core.domain.events import MEANINGS, EventType
from tui.cli.main import main


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["events", *arguments])


def test_the_events_are_listed_with_what_they_mean() -> None:
    lines = run("list").output.splitlines()[1:]
    assert [line.split(maxsplit=1) for line in lines] == [list(each) for each in MEANINGS.items()]
    listed = json.loads(run("list", "--json").output)
    assert listed == [{"event": event, "meaning": said} for event, said in MEANINGS.items()]


def test_an_event_is_shown_with_its_fields_and_an_example() -> None:
    shown = run("show", "ticket.created").output
    assert "lignes[].produit             The product's name." in shown
    assert shown.endswith(f"\n{CATALOGUE[EventType.TICKET_CREATED].example}\n")
    assert '"total_tvac": 55.10' in shown


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_machines_get_an_example_and_its_schema(event_type: EventType) -> None:
    document = json.loads(run("show", event_type.value, "--json").output)
    assert list(document) == ["event", "meaning", "example", "schema"]
    assert document["example"] == json.loads(CATALOGUE[event_type].example)
    assert document["schema"] == json.loads(run("show", event_type.value, "--schema").output)


def test_there_is_no_entry_for_what_nobody_can_select() -> None:
    refused = run("show", "ping")
    assert refused.exit_code == 2
    assert "ticket.created" in refused.output
