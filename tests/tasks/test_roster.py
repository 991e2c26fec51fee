"""Which webhooks have more due, and in which order they are claimed for."""

import pytest

from core.storage.due import Waiting
from tasks import roster
from tasks.roster import Roster, host_and_port
from tests.support.scene import NOON


def waiting(*webhook_ids: int) -> list[Waiting]:
    return [Waiting(each, 1, "https://example.com/", NOON, False) for each in webhook_ids]


def order(of: Roster) -> list[int]:
    return [each.webhook_id for each in of.first()]


def test_who_was_claimed_for_longest_ago_comes_first_and_who_never_was_before_all() -> None:
    called = Roster()
    called.call(waiting(1, 2, 3))
    for webhook_id in (2, 1):
        called.took_turn(webhook_id)
    assert order(called) == [3, 2, 1]
    called.call(waiting(1, 2, 4))
    assert order(called) == [4, 2, 1]


def test_of_more_than_are_looked_at_others_are_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "_LOOKED_AT", 2)
    called = Roster()
    called.call(waiting(1, 2, 3, 4, 5))
    assert [order(called) for _ in range(3)] == [[1, 2], [3, 4], [5, 1]]


def test_who_has_nothing_more_due_is_not_on_it() -> None:
    called = Roster()
    called.call(waiting(1, 2))
    called.emptied(1)
    called.emptied(3)
    assert (1 in called, 2 in called, called.ids()) == (False, True, {2})
    called.took_turn(1)  # of what was claimed for it before
    assert order(called) == [2]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hooks.slack.com/services/T/B/x", "hooks.slack.com:443"),
        ("https://HOOKS.slack.com:443/services", "hooks.slack.com:443"),
        ("http://127.0.0.1:8080/a", "127.0.0.1:8080"),
        ("http://example.com", "example.com:80"),
        ("https://[2001:db8::1]/", "2001:db8::1:443"),
        ("https://example.com:none/", "https://example.com:none/"),
    ],
)
def test_hosts_are_told_apart_by_name_and_port(url: str, host: str) -> None:
    assert host_and_port(url) == host
