"""A field's name that was begun in a condition is offered whole."""

import asyncio

import pytest

from core.domain.catalogue import paths
from core.domain.events import SELECTABLE, EventType
from tui.widgets.field_names import FieldNames


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("total_tv", "total_tvac"),
        ("numero exists and mode_p", "numero exists and mode_paiement"),
        ("total_tvac", None),
        ("total_tvac >= 10", None),
        ("total_tvac >= ", None),
        ('mode_paiement = "tot', None),
        ("absent", None),
        ("", None),
    ],
)
def test_what_is_offered(typed: str, offered: str | None) -> None:
    names = FieldNames()
    names.names = paths([EventType.TICKET_CREATED])
    assert asyncio.run(names.get_suggestion(typed)) == offered


def test_names_are_those_of_the_events_that_are_selected() -> None:
    assert "total_tvac" not in paths([EventType.PROMOTION_CREATED])
    everything = paths(SELECTABLE)
    assert {"numero", "total_tvac", "debut"} <= set(everything)
    assert len(everything) == len(set(everything))
    assert not [name for name in everything if "[" in name]
