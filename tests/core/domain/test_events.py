"""The product's trigger table, row by row, and what is not an event."""

import pytest

from core.domain.events import MEANINGS, SELECTABLE, Entity, EventType, event_for_change
from core.domain.payload import parse_change
from core.errors import BadPayload

OUVERT, VALIDE, ANNULE = ({"statut": each, "id": 1} for each in ("ouvert", "valide", "annule"))
OLD, NEW = {"id": 1, "nom": "a"}, {"id": 1, "nom": "b"}


@pytest.mark.parametrize(
    ("entity", "before", "after", "event"),
    [
        ("ticket", None, VALIDE, "ticket.created"),
        ("ticket", OUVERT, VALIDE, "ticket.created"),
        ("ticket", VALIDE, ANNULE, "ticket.cancelled"),
        ("client", None, NEW, "client.created"),
        ("client", OLD, NEW, "client.updated"),
        ("produit", None, NEW, "produit.updated"),
        ("produit", OLD, NEW, "produit.updated"),
        ("promotion", None, NEW, "promotion.created"),
        ("promotion", OLD, NEW, "promotion.updated"),
    ],
)
def test_each_row_of_the_trigger_table(
    entity: str, before: dict[str, object] | None, after: dict[str, object], event: str
) -> None:
    assert event_for_change(Entity(entity), before, after) == event


@pytest.mark.parametrize(
    ("entity", "before", "after"),
    [
        ("ticket", None, OUVERT),
        ("ticket", OUVERT, OUVERT | {"id": 2}),
        ("ticket", OUVERT, ANNULE),
        ("ticket", None, ANNULE),
        ("ticket", VALIDE, VALIDE),
        ("ticket", VALIDE, VALIDE | {"id": 2}),
        ("ticket", ANNULE, ANNULE | {"id": 2}),
        ("ticket", ANNULE, VALIDE),
        ("ticket", VALIDE, OUVERT),
        ("ticket", VALIDE, None),
        ("client", NEW, NEW),
        ("produit", NEW, NEW),
        ("promotion", NEW, NEW),
        ("client", OLD, None),
        ("produit", None, None),
    ],
)
def test_what_the_table_does_not_name_is_no_event(
    entity: str, before: dict[str, object] | None, after: dict[str, object] | None
) -> None:
    assert event_for_change(Entity(entity), before, after) is None


@pytest.mark.parametrize("statut", [None, "paid", 3, ["valide"]])
def test_a_ticket_without_a_known_statut_is_refused(statut: object) -> None:
    with pytest.raises(ValueError, match='"ouvert", "valide" or "annule"'):
        event_for_change(Entity.TICKET, None, {"statut": statut})


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ('{"t": 55.10}', '{"t":55.1}', False),
        ('{"t": 55.10}', '{"t": 55.11}', True),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', False),
        ('{"t": 1}', '{"t": true}', True),
        ('{"t": 0}', '{"t": false}', True),
        ('{"t": "1"}', '{"t": 1}', True),
        ('{"t": 1e999999999999999999999}', '{"t": 1e999999999999999999999}', False),
    ],
)
def test_a_change_is_one_of_value_and_not_of_spelling(
    before: str, after: str, *, changed: bool
) -> None:
    line = f'{{"entity":"client","before":{before},"after":{after},"key":"k"}}'
    assert (parse_change(line.encode()).event_type is EventType.CLIENT_UPDATED) is changed


def test_a_bad_statut_in_a_push_is_a_bad_line() -> None:
    with pytest.raises(BadPayload, match="statut"):
        parse_change(b'{"entity":"ticket","before":null,"after":{},"key":"k"}')


def test_seven_events_can_be_selected_and_ping_and_alert_are_none_of_them() -> None:
    assert len(SELECTABLE) == 7
    assert set(EventType) - set(SELECTABLE) == {EventType.PING, EventType.ALERT}
    assert set(MEANINGS) == set(SELECTABLE)


def test_a_ticket_whose_statut_before_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match='"ouvert", "valide" or "annule"'):
        event_for_change(Entity.TICKET, {"id": 1}, VALIDE)
