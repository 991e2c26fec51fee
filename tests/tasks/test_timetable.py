"""What starts when."""

from typing import Any, cast

from tasks.ahead import Held
from tasks.gates import Recipient
from tasks.timetable import Timetable


def held(webhook_id: int) -> Held:
    return Held(cast("Any", None), Recipient(webhook_id, 1, "a.example:443"), 0.0, 0.0)


def test_what_has_its_time_is_taken_the_earliest_first() -> None:
    table, one, two, three = Timetable(), held(1), held(2), held(3)
    for each, at in ((three, 3.0), (one, 1.0), (two, 2.0)):
        table.put(each, at)
    assert (bool(table), table.next_at, table.ids()) == (True, 1.0, {1, 2, 3})
    assert table.take(0.5) == []
    assert table.take(2.0) == [one, two]
    assert table.next_at == 3.0
    assert table.all() == [three]
    assert (bool(table), table.next_at, table.ids()) == (False, None, frozenset())


def test_what_is_one_webhook_s_is_taken_back_alone() -> None:
    table, one, two = Timetable(), held(1), held(2)
    again = one._replace(start_by=9.0)
    for number, each in enumerate((one, two, again)):
        table.put(each, 3.0 - number)
    assert {each.start_by for each in table.all_of(1)} == {0.0, 9.0}
    assert table.all_of(1) == []
    assert table.all() == [two]
