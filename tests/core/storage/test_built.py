"""A query that is built once runs with whatever it is given, on both engines."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import pytest

from core.storage.built import built_once
from core.storage.database import connection, one_of, transaction
from core.storage.models import Business, Member
from tests.support.scene import NOON, SECOND

pytestmark = pytest.mark.usefixtures("database")
_built: list[object] = []


@built_once
def _members(businesses: Collection[int], login: str, until: datetime, most: int) -> Any:
    _built.append(businesses)
    found = Member.select(Member.id).where(
        one_of(Member.business, businesses) & (Member.login == login) & (Member.created_at <= until)
    )
    return found.order_by(Member.id).limit(most)


def members(*arguments: Any) -> list[int]:
    with connection():
        return [member_id for (member_id,) in _members(*arguments)]


def with_marie() -> tuple[int, int]:
    """A new business that she belongs to, and her id there."""
    shop = Business.create(name="A", edition="group", option=False, created_at=NOON).id
    return shop, Member.create(business=shop, login="marie", role="owner", created_at=NOON).id


def test_it_is_built_once_for_one_id_and_for_several_and_runs_with_what_it_is_given() -> None:
    with transaction():
        (first, one), (second, two) = with_marie(), with_marie()
    for some in ([first], [first, second]):
        members(some, "marie", NOON, 9)
    _built.clear()
    assert members([first, second], "marie", NOON, 9) == [one, two]
    assert members({second}, "marie", NOON, 9) == [two]
    assert members([first, second], "marie", NOON, 1) == [one]
    assert members([first, second], "marie", NOON - SECOND, 9) == []
    assert members([first, second], "jean", NOON, 9) == []
    assert members([], "marie", NOON, 9) == []
    assert not _built


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        members([1], "marie", NOON.replace(tzinfo=None), 9)
