"""Who may have how many POSTs in flight, and how much is claimed for whom."""

from collections import Counter

from core.domain.delivery import Answered, ErrorKind, Unreachable
from tasks.gates import Recipient
from tasks.shares import Limits, Load

ANSWER = Answered(200, "")
SILENCE = Unreachable(ErrorKind.TIMEOUT, "")
PLENTY = 10_000


def to(webhook_id: int, business_id: int = 0, host: str = "") -> Recipient:
    """By default of a business and on a host of its own."""
    return Recipient(webhook_id, business_id or webhook_id, host or f"{webhook_id}.example:443")


ONE, TWO, THREE = to(1), to(2), to(3)


def wanted(load: Load, *recipients: Recipient, now: float = 0.0) -> dict[int, int]:
    return load.wanted(recipients, now, PLENTY)


def has_claimed(load: Load, recipient: Recipient, number: int = 1) -> None:
    load.claimed(recipient, number)
    load.wait(recipient)


def start_all(load: Load, *recipients: Recipient, each: int = PLENTY) -> list[int]:
    """Start as many as get through, in turn, of recipients with so much claimed for them."""
    left = Counter(dict.fromkeys(recipients, each))
    for recipient in recipients:
        has_claimed(load, recipient, each)
    started = []
    while (recipient := load.next()) is not None:
        started.append(recipient.webhook_id)
        left[recipient] -= 1
        if left[recipient]:
            load.wait(recipient)
    for recipient, number in left.items():
        load.claimed(recipient, -number)
        load.leave(recipient.webhook_id)
    return started


def start(load: Load, recipient: Recipient) -> None:
    has_claimed(load, recipient)
    assert load.next() == recipient


def prove(load: Load, *recipients: Recipient) -> None:
    for recipient in recipients:
        start(load, recipient)
        load.ended(recipient, ANSWER, 0.0)


# What is in flight


def test_no_webhook_has_more_in_flight_than_its_limit() -> None:
    load = Load(Limits(256, 4, 256))
    assert start_all(load, ONE) == [1] * 4


def test_no_host_has_more_in_flight_than_its_limit_and_businesses_take_turns_there() -> None:
    load = Load(Limits(256, 16, 6))
    first, second, other = (to(number, number % 2, "chat") for number in (1, 3, 2))
    assert start_all(load, first, second, other) == [1, 2, 3, 2, 1, 2]


def test_a_host_that_is_full_holds_up_no_other() -> None:
    load = Load(Limits(256, 16, 2))
    assert start_all(load, to(1, 1, "chat"), to(2, 1, "chat"), to(3, 1)) == [1, 2, 3, 3]


def test_a_webhook_with_nothing_in_flight_comes_before_any_gets_its_second() -> None:
    load = Load(Limits(8, 8, 8))
    assert start_all(load, ONE, TWO, THREE, to(4))[:4] == [1, 2, 3, 4]


def test_an_eighth_of_the_places_is_kept_for_webhooks_with_nothing_in_flight() -> None:
    load = Load(Limits(16, 16, 16))
    prove(load, ONE)
    assert start_all(load, ONE) == [1] * 14
    assert start_all(load, ONE, TWO, THREE) == [2, 3]


def test_of_the_places_for_the_unknown_too_and_of_a_host_s_an_eighth_is_kept_so() -> None:
    load = Load(Limits(32, 32, 16))
    assert start_all(load, ONE) == [1] * 14
    assert start_all(load, to(2, 2, ONE.host), to(3, 3, ONE.host), to(4, 4, ONE.host)) == [2, 3]
    load = Load(Limits(32, 32, 32))
    assert start_all(load, ONE) == [1] * 21
    assert start_all(load, TWO) == [2]


def test_businesses_take_turns_however_many_webhooks_each_has() -> None:
    load = Load(Limits(256, 1, 256))
    many = [to(number, 1) for number in range(10, 20)]
    assert start_all(load, *many, TWO, THREE)[:4] == [10, 2, 3, 11]


def test_however_many_hang_a_quarter_is_left_for_those_that_answer() -> None:
    load, hanging = Load(Limits(40, 16, 40)), [to(number) for number in range(100, 140)]
    prove(load, ONE)
    assert len(start_all(load, *hanging)) == 30
    assert start_all(load, ONE) == [1] * 5  # the eighth that is kept is not for its second
    assert start_all(load, TWO) == []


def test_however_many_are_silent_an_eighth_is_left_for_those_not_known_yet() -> None:
    load, silent = Load(Limits(40, 16, 40)), [to(number) for number in range(100, 140)]
    load.assume_silent(each.webhook_id for each in silent)
    assert len(start_all(load, *silent)) == 25
    assert start_all(load, TWO)[0] == 2


def test_however_many_are_silent_each_has_its_turn() -> None:
    load, silent = Load(Limits(8, 2, 8)), [to(number) for number in range(100, 115)]
    load.assume_silent(each.webhook_id for each in silent)
    tried = []
    for each in silent:
        has_claimed(load, each)
    for _ in range(30):
        recipient = load.next()
        assert recipient is not None
        tried.append(recipient)
        load.ended(recipient, SILENCE, 0.0)
        has_claimed(load, recipient)
    assert tried == silent * 2


def test_a_silent_webhook_gets_half_as_much_with_each_silence_and_never_none() -> None:
    load, rooms = Load(Limits(256, 16, 256)), []
    for _ in range(6):
        start(load, ONE)
        load.ended(ONE, SILENCE, 0.0)
        started = start_all(load, ONE)
        rooms.append(len(started))
        for _ in started:
            load.ended(ONE, object(), 0.0)  # type: ignore[arg-type]  # says nothing either way
    assert rooms == [8, 4, 2, 1, 1, 1]


def test_its_first_answer_gives_a_silent_webhook_its_whole_share_back() -> None:
    load = Load(Limits(256, 16, 256))
    load.assume_silent([1])
    has_claimed(load, ONE, 16)
    assert load.next() == ONE
    load.wait(ONE)
    assert load.next() is None
    load.ended(ONE, ANSWER, 0.0)
    started = []
    while load.next() == ONE:
        started.append(ONE)
        load.wait(ONE)
    assert len(started) == 16


def test_what_a_process_has_seen_itself_counts_for_more_than_what_it_was_told() -> None:
    load = Load(Limits(256, 16, 256))
    prove(load, ONE)
    load.assume_silent([1])
    assert len(start_all(load, ONE)) == 16


def test_who_becomes_silent_makes_room_among_those_that_answer() -> None:
    """What it has in flight is counted where it belongs, from its first silence on."""
    load = Load(Limits(16, 16, 16))
    prove(load, ONE)
    start_all(load, ONE)
    load.ended(ONE, SILENCE, 0.0)
    assert start_all(load, TWO) == []
    load.ended(ONE, ANSWER, 0.0)
    assert start_all(load, TWO)[0] == 2


def test_who_answers_leaves_its_room_among_the_unknown_to_all_that_it_is_enough_for() -> None:
    load = Load(Limits(4, 4, 4))
    assert start_all(load, ONE) == [1] * 3
    has_claimed(load, TWO)
    has_claimed(load, THREE)
    assert load.next() is None
    load.ended(ONE, ANSWER, 0.0)
    assert [load.next(), load.next()] == [TWO, THREE]


def test_who_left_is_not_let_through_and_holds_up_nobody() -> None:
    load = Load(Limits(1, 1, 1))
    start(load, ONE)
    has_claimed(load, TWO)
    has_claimed(load, THREE)
    assert load.next() is None
    load.given_back(TWO)
    load.leave(2)
    load.ended(ONE, ANSWER, 0.0)
    assert load.next() == THREE


# What is claimed


def test_the_room_there_is_goes_in_equal_parts() -> None:
    load = Load(Limits(16, 16, 16))
    prove(load, ONE, TWO)
    assert wanted(load, ONE, TWO) == {1: 7, 2: 7}  # of sixteen two are kept


def test_what_is_left_over_goes_to_those_that_come_first() -> None:
    load = Load(Limits(16, 16, 16))
    prove(load, ONE, TWO, THREE)
    assert wanted(load, TWO, ONE, THREE) == {2: 5, 1: 5, 3: 4}


def test_no_more_is_claimed_than_was_asked_for_altogether() -> None:
    load = Load(Limits(256, 16, 256))
    assert load.wanted([ONE, TWO, THREE], 0.0, 2) == {1: 1, 2: 1}


def test_where_many_are_unknown_each_gets_the_same() -> None:
    load, unknown = Load(Limits(256, 16, 256)), [to(number) for number in range(120)]
    assert wanted(load, ONE) == {1: 16}
    assert set(wanted(load, *unknown).values()) <= {1, 2}


def test_who_can_take_no_more_does_not_make_the_others_parts_smaller() -> None:
    load = Load(Limits(24, 16, 24))
    prove(load, ONE, TWO)
    start_all(load, ONE)
    assert wanted(load, ONE, TWO) == {2: 5}  # of eight three are kept


def test_nothing_is_claimed_ahead_of_places_before_a_rate_is_known() -> None:
    load = Load(Limits(256, 16, 256))
    has_claimed(load, ONE, 16)
    assert wanted(load, ONE) == {}


def test_as_much_is_claimed_ahead_as_ends_in_half_a_second() -> None:
    load = Load(Limits(256, 16, 256))
    for tenth in range(30):
        start(load, ONE)
        load.ended(ONE, ANSWER, tenth / 10)  # ten a second
    assert wanted(load, ONE, now=3.0) == {1: 16 + 5}
    load.claimed(ONE, 21)
    assert wanted(load, ONE, now=3.0) == {}
    assert wanted(load, ONE, now=60.0) == {}  # a minute without an end: it has no rate any more


def test_nothing_is_claimed_while_more_than_half_is_there() -> None:
    load = Load(Limits(256, 16, 256))
    load.claimed(ONE, 9)
    assert wanted(load, ONE) == {}
    load.claimed(ONE, -2)
    assert wanted(load, ONE) == {1: 9}


def test_no_more_is_claimed_for_a_host_than_it_lets_through() -> None:
    load = Load(Limits(256, 16, 8))
    chats = [to(number, number, "chat") for number in range(1, 30)]
    assert sum(wanted(load, *chats).values()) == 8


def test_however_much_is_claimed_ahead_the_first_of_a_new_webhook_is_claimed_too() -> None:
    load = Load(Limits(64, 64, 64))
    slow = [to(number) for number in range(100, 110)]
    for recipient, number in zip(slow, wanted(load, *slow).values(), strict=True):
        has_claimed(load, recipient, number)
    while load.next() is not None:
        pass
    assert wanted(load, *slow) == {}
    assert wanted(load, *slow, ONE) == {1: 1}


def test_only_so_many_webhooks_are_remembered() -> None:
    load = Load(Limits(256, 16, 256))
    for number in range(1, 10):
        wanted(load, *(to(number * 1000 + each) for each in range(1000)))
    assert len(load._webhooks) < 4000
    assert len(load._ways) < 4000


# What a receiver has asked for


BUSY = Answered(429, "")


def test_one_that_was_held_gets_one_at_a_time_and_one_more_with_each_eight_in_a_row() -> None:
    load = Load(Limits(256, 16, 256))
    prove(load, ONE)
    load.assume_held([1], anew=True)
    assert start_all(load, ONE) == [1]
    load.ended(ONE, ANSWER, 0.0)
    for _ in range(6):
        prove(load, ONE)
    start(load, ONE)
    load.ended(ONE, BUSY, 0.0)
    for _ in range(7):
        prove(load, ONE)
    assert start_all(load, ONE) == [1], "the row was broken"
    load.ended(ONE, ANSWER, 0.0)
    assert start_all(load, ONE) == [1, 1]


def test_one_that_others_have_seen_held_is_held_here_once() -> None:
    load = Load(Limits(256, 2, 256))
    prove(load, ONE)
    load.assume_held([1])
    for _ in range(8):
        prove(load, ONE)
    assert start_all(load, ONE) == [1, 1], "all that it ever gets"
