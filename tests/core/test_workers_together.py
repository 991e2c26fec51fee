"""Two workers in the middle of the same step: neither takes what the other is taking."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from scene import NOON, SCHEDULE, add_webhook, publish_ticket

from core import outbox, steps
from core.database import proxy
from core.models import Delivery
from core.steps import Step
from core.vault import Vault

T = TypeVar("T")


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Callable[[Step, Callable[[], T]], list[T]]:
    """Do the same thing twice, the second time while the first has not committed at a step.

    Where the engine locks rows the second must not have to wait; on SQLite writers take turns.
    """

    def run(step: Step, work: Callable[[], T]) -> list[T]:
        there, go_on = threading.Event(), threading.Event()

        def pause(passing: Step) -> None:
            if passing is step and not there.is_set():
                there.set()
                go_on.wait(20)

        monkeypatch.setattr(steps, "_watcher", pause)
        with ThreadPoolExecutor(2) as pool:
            try:
                first = pool.submit(work)
                assert there.wait(20)
                second = pool.submit(work)
                if proxy.for_update:
                    second.result(10)
            finally:
                go_on.set()
            return [first.result(20), second.result(20)]

    return run


def test_what_one_is_claiming_the_other_passes_over(
    business: int, vault: Vault, together: Callable[..., list[list[outbox.Claim]]]
) -> None:
    webhook = add_webhook(vault, business)
    for _ in range(4):
        publish_ticket(business)
    outbox.fan_out(10, NOON)
    claims = together(Step.CLAIMING, lambda: outbox.claim({webhook.id: 3}, SCHEDULE, NOON))
    assert sorted(map(len, claims)) == [1, 3]
    assert len({claim.id for some in claims for claim in some}) == 4


def test_what_one_is_fanning_out_the_other_passes_over(
    business: int, vault: Vault, together: Callable[..., list[outbox.FannedOut]]
) -> None:
    add_webhook(vault, business)
    for _ in range(4):
        publish_ticket(business)
    fanned_out = together(Step.FANNING_OUT, lambda: outbox.fan_out(3, NOON))
    assert sorted(each.deliveries for each in fanned_out) == [1, 3]
    assert Delivery.select().count() == 4
