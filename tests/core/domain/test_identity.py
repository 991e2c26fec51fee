"""A delivery's id: it sorts as events were published, and is the same if it is made again."""

from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from core.domain.identity import delivery_id

TIMES = st.integers(0, 2**47 * 1000)


@given(TIMES, TIMES, st.integers(1), st.integers(1))
def test_ids_sort_as_their_events_were_published_to_the_microsecond(
    one: int, other: int, event: int, webhook: int
) -> None:
    earlier, later = sorted((one, other))
    if earlier != later:
        assert str(delivery_id(earlier, event, webhook)) < str(delivery_id(later, 1, 1))


@given(TIMES, st.integers(1), st.integers(1))
def test_it_is_a_uuid_of_version_7_that_says_when(at: int, event: int, webhook: int) -> None:
    made = delivery_id(at, event, webhook)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == at // 1000
    fraction = made.int >> 64 & 0xFFF
    assert -(-fraction * 1000 // 4096) == at % 1000  # RFC 9562, method 3
    assert made == delivery_id(at, event, webhook)


def test_one_event_has_another_id_for_each_webhook() -> None:
    ids = {delivery_id(1, event, webhook) for event in range(100) for webhook in range(100)}
    assert len(ids) == 10_000
