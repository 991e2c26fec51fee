"""The examples, the schemas in `docs` and what the demonstration sells are of one kind."""

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from core.domain.catalogue import CATALOGUE, CatalogueEntry, fields
from core.domain.chat import chat_text
from core.domain.events import SELECTABLE, EventType
from core.domain.language import Language
from core.domain.payload import check_payload, parse_change
from core.wording import wording
from tests.support.scene import NOON
from tui.cli.sales import Sales

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
ENTRIES = [pytest.param(entry, id=name) for name, entry in CATALOGUE.items()]


def errors(entry: CatalogueEntry, payload: Any) -> list[str]:
    checker = Draft202012Validator(entry.schema, format_checker=FormatChecker())
    return [error.message for error in checker.iter_errors(payload)]


def named(payload: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The fields of a payload as `fields` names them."""
    for name, value in payload.items():
        yield f"{prefix}{name}"
        for each in value if isinstance(value, list) else ():
            yield from named(each, f"{prefix}{name}[].")


@pytest.fixture(scope="module")
def sold() -> dict[EventType, list[dict[str, Any]]]:
    """The payloads of some hours of the demonstration."""
    payloads = defaultdict(list)
    for change in map(parse_change, islice(Sales(seed=1, now=lambda: NOON), 500)):
        if change.event_type is not None:
            payloads[change.event_type].append(json.loads(change.payload))
    return payloads


def test_there_is_an_entry_for_each_event_that_can_be_selected() -> None:
    assert tuple(CATALOGUE) == SELECTABLE


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_schema_in_the_documentation_is_the_code_s(entry: CatalogueEntry) -> None:
    """`aurapos-webhooks events show EVENT --schema` writes it."""
    Draft202012Validator.check_schema(entry.schema)
    written = (SCHEMAS / f"{entry.event_type}.json").read_text()
    assert written == json.dumps(entry.schema, indent=2) + "\n"


def test_the_documentation_has_no_other_schemas() -> None:
    assert {path.stem for path in SCHEMAS.iterdir()} == set(SELECTABLE)


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_example_has_every_field_and_each_is_as_the_schema_says(entry: CatalogueEntry) -> None:
    example = json.loads(entry.example)
    assert errors(entry, example) == []
    assert {*named(example), "sample"} == {name for name, _ in fields(entry.schema)}


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_the_demonstration_sells_is_as_the_schema_says(
    entry: CatalogueEntry, sold: dict[EventType, list[dict[str, Any]]]
) -> None:
    payloads = sold[entry.event_type]
    assert payloads
    assert [error for payload in payloads for error in errors(entry, payload)] == []
    known = {name for name, _ in fields(entry.schema)}
    assert {name for payload in payloads for name in named(payload)} == known - {"sample"}


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_schema_refuses_what_lacks_its_id_or_has_another_type(entry: CatalogueEntry) -> None:
    example = json.loads(entry.example)
    assert errors(entry, {**example, "id": "12"}) == ["'12' is not of type 'integer'"]
    del example["id"]
    assert errors(entry, example) == ["'id' is a required property"]


@pytest.mark.parametrize(
    ("event_type", "statut"),
    [(EventType.TICKET_CREATED, "annule"), (EventType.TICKET_CANCELLED, "valide")],
)
def test_a_ticket_has_the_statut_of_its_event(event_type: EventType, statut: str) -> None:
    entry = CATALOGUE[event_type]
    assert errors(entry, {**json.loads(entry.example), "statut": statut})


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_sample_is_the_example_and_says_first_that_it_is_none(entry: CatalogueEntry) -> None:
    assert check_payload(entry.sample).payload == entry.sample
    assert entry.sample.startswith(b'{"sample": true,')
    sample = json.loads(entry.sample)
    assert sample == {"sample": True, **json.loads(entry.example)}
    assert errors(entry, sample) == []


@pytest.mark.parametrize("event_type", [EventType.TICKET_CREATED, EventType.TICKET_CANCELLED])
def test_the_example_s_ticket_adds_up(event_type: EventType) -> None:
    ticket = json.loads(CATALOGUE[event_type].example, parse_float=Decimal)
    for line in ticket["lignes"]:
        assert line["quantite"] * line["prix_unitaire_tvac"] == line["total_tvac"]
    assert sum(line["total_tvac"] for line in ticket["lignes"]) == ticket["total_tvac"]


@pytest.mark.parametrize(
    ("event_type", "line"),
    [
        (EventType.TICKET_CREATED, "Ticket 1234 · 55.10 € · Bancontact · 3 lines"),
        (EventType.CLIENT_CREATED, "New customer Amélie Dubois · 120 points"),
        (EventType.CLIENT_UPDATED, "Customer Amélie Dubois changed · 130 points"),
        (EventType.PRODUIT_UPDATED, "Product Moules-frites updated · 26.50 €"),
    ],
)
def test_an_example_in_a_chat(event_type: EventType, line: str) -> None:
    entry, english = CATALOGUE[event_type], wording(Language.ENGLISH)
    assert chat_text(event_type, entry.example, english) == line
    sample = chat_text(event_type, entry.sample.decode(), english)
    assert sample == f"Sample: {line}"
