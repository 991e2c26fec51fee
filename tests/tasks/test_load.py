"""Who may have how many POSTs in flight."""

from core.delivery import Answered, ErrorKind, Unreachable
from tasks.load import Limits, Load

ANSWER = Answered(200, "")
SILENCE = Unreachable(ErrorKind.TIMEOUT, "")
ONE, TWO = 1, 2


def start(load: Load, shares: dict[int, int]) -> None:
    for webhook_id, share in shares.items():
        for _ in range(share):
            load.started(webhook_id)


def proven(load: Load, *webhook_ids: int) -> None:
    for webhook_id in webhook_ids:
        load.started(webhook_id)
        load.ended(webhook_id, ANSWER)


def test_the_room_there_is_goes_in_equal_parts() -> None:
    load = Load(Limits(16, 16))
    proven(load, ONE, TWO)
    assert load.share_out([ONE, TWO]) == {ONE: 8, TWO: 8}


def test_no_webhook_gets_more_than_its_own_limit() -> None:
    load = Load(Limits(256, 4))
    proven(load, ONE)
    start(load, {ONE: 3})
    assert load.share_out([ONE]) == {ONE: 1}


def test_where_many_are_unknown_all_are_called_before_any_is_called_twice() -> None:
    load, unknown = Load(Limits(256, 16)), list(range(120))
    assert load.share_out([ONE]) == {ONE: 16}
    assert load.share_out(unknown) == dict.fromkeys(unknown, 1)


def test_a_silent_webhook_gets_half_as_much_with_each_silence_and_never_none() -> None:
    load, rooms = Load(Limits(256, 16)), []
    for _ in range(6):
        load.started(ONE)
        load.ended(ONE, SILENCE)
        rooms.append(load.room_for(ONE))
    assert rooms == [8, 4, 2, 1, 1, 1]


def test_its_first_answer_gives_a_silent_webhook_its_whole_share_back() -> None:
    load = Load(Limits(256, 16))
    load.assume_silent([ONE])
    assert load.room_for(ONE) == 1
    proven(load, ONE)
    assert load.room_for(ONE) == 16


def test_what_a_process_has_seen_itself_counts_for_more_than_what_it_was_told() -> None:
    load = Load(Limits(256, 16))
    proven(load, ONE)
    load.assume_silent([ONE])
    assert load.room_for(ONE) == 16


def test_however_many_hang_a_quarter_is_left_for_those_that_answer() -> None:
    load, dead = Load(Limits(40, 16)), list(range(100, 1100))
    load.assume_silent(dead[:500])
    start(load, load.share_out(dead))
    assert load.room() == 10
    assert load.share_out(dead) == {}
    proven(load, ONE)
    assert load.share_out([*dead, ONE]) == {ONE: 1}


def test_those_that_answer_go_first_then_the_unknown_then_the_silent() -> None:
    answering, unknown, silent = 3, 2, 1
    load = Load(Limits(2, 2))
    proven(load, answering)
    load.assume_silent([silent])
    assert list(load.share_out([silent, unknown, answering])) == [answering, unknown]


def test_among_equals_who_has_least_in_flight_goes_first() -> None:
    load = Load(Limits(4, 4))
    proven(load, ONE, TWO)
    start(load, {ONE: 3})
    assert load.share_out([ONE, TWO]) == {TWO: 1}


def test_however_many_are_silent_each_has_its_turn() -> None:
    """Though they come in the same order each time, the longest due first."""
    load, silent = Load(Limits(8, 2)), list(range(100, 115))
    load.assume_silent(silent)
    tried = []
    for _ in range(5):
        shares = load.share_out(silent)
        assert len(shares) == 6
        start(load, shares)
        for webhook_id in shares:
            load.ended(webhook_id, SILENCE)
        tried += shares
    assert tried == silent * 2


def test_who_answered_of_late_goes_before_those_long_silent() -> None:
    load = Load(Limits(2, 16))
    load.assume_silent([ONE])
    proven(load, TWO)
    load.started(TWO)
    load.ended(TWO, SILENCE)
    assert list(load.share_out([ONE, TWO])) == [TWO]


def test_what_cannot_take_more_does_not_make_the_others_parts_smaller() -> None:
    load = Load(Limits(20, 16))
    proven(load, ONE, TWO)
    start(load, {ONE: 16})
    assert load.share_out([ONE, TWO]) == {TWO: 4}
