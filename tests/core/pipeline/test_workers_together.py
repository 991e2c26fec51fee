"""Two workers in the middle of the same step: neither takes what the other is taking."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from core.domain.delivery import Answered, Status
from core.pipeline import leases, settling, steps
from core.pipeline.fan_out import FannedOut, fan_out
from core.pipeline.recovery import recover_some
from core.pipeline.settling import Settlement
from core.pipeline.steps import Step
from core.storage.database import connection, is_postgres, proxy
from core.storage.models import Delivery
from core.storage.vault import Vault
from core.use_cases import queries, services
from tests.support.scene import (
    DAY,
    DEVELOPMENT,
    MARIE,
    NOON,
    SCHEDULE,
    SECOND,
    add_webhook,
    publish_ticket,
    silent,
)
from tests.support.waiting import PATIENCE, wait_until

Pause = Callable[[Step], tuple[threading.Event, threading.Event]]
ONLY_POSTGRESQL = pytest.mark.parametrize("engine", ["postgres"], indirect=True)


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> Pause:
    """Has whoever is the first to pass a step stay there: says when it is there, and lets it go."""

    def at(step: Step) -> tuple[threading.Event, threading.Event]:
        there, go_on = threading.Event(), threading.Event()

        def watch(passing: Step) -> None:
            if passing is step and not there.is_set():
                there.set()
                go_on.wait(PATIENCE)

        monkeypatch.setattr(steps, "_watcher", watch)
        return there, go_on

    return at


@pytest.fixture
def together(pause: Pause) -> Callable[..., list[Any]]:
    """Do one thing, and another (or the same) while the first has not committed at a step.

    Where the engine locks rows the second must not have to wait; on SQLite writers take turns.
    """

    def run(
        step: Step, work: Callable[[], object], other: Callable[[], object] | None = None
    ) -> list[object]:
        there, go_on = pause(step)
        with ThreadPoolExecutor(2) as pool:
            try:
                first = pool.submit(work)
                assert there.wait(PATIENCE)
                second = pool.submit(other or work)
                if is_postgres():
                    second.result(PATIENCE)
            finally:
                go_on.set()
            return [first.result(PATIENCE), second.result(PATIENCE)]

    return run


def waits_for_a_lock() -> bool:
    """Whether another connection to this database does."""
    with connection():
        return bool(
            proxy.execute_sql(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()[0]
        )


def test_what_one_is_claiming_the_other_passes_over(
    business: int, vault: Vault, together: Callable[..., list[list[leases.Claim]]]
) -> None:
    webhook = add_webhook(vault, business)
    for _ in range(4):
        publish_ticket(business)
    fan_out(10, NOON)
    claims = together(Step.CLAIMING, lambda: leases.claim({webhook.id: 3}, SCHEDULE, NOON))
    assert sorted(map(len, claims)) == [1, 3]
    assert len({claim.id for some in claims for claim in some}) == 4


def test_what_one_is_fanning_out_the_other_passes_over(
    business: int, vault: Vault, together: Callable[..., list[FannedOut]]
) -> None:
    add_webhook(vault, business)
    publish_ticket(business)
    fan_out(1, NOON)  # the webhook is ready, as it is while more comes in
    for _ in range(4):
        publish_ticket(business)
    fanned_out = together(Step.FANNING_OUT, lambda: fan_out(3, NOON))
    assert sorted(each.deliveries for each in fanned_out) == [1, 3]
    assert Delivery.select().count() == 5


def test_what_one_notes_of_an_outage_keeps_no_other_from_fanning_out(
    business: int, vault: Vault, together: Callable[..., list[Any]]
) -> None:
    webhooks = [add_webhook(vault, business) for _ in range(2)]
    publish_ticket(business)
    fan_out(1, NOON)
    claims = leases.claim({webhook.id: 1 for webhook in webhooks}, SCHEDULE, NOON)
    failed = [Settlement(claim, Answered(503, ""), NOON, SECOND) for claim in claims]
    publish_ticket(business)
    settled, fanned_out = together(
        Step.SETTLING,
        lambda: settling.settle(failed, SCHEDULE, NOON + SECOND),
        lambda: fan_out(1, NOON + SECOND),
    )
    assert [verdict.status for _, verdict in settled] == [Status.FAILED] * 2
    assert fanned_out == FannedOut(1, 2)


@ONLY_POSTGRESQL
def test_of_two_edits_at_once_the_later_one_stays(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = add_webhook(vault, business)
    there, go_on, note = threading.Event(), threading.Event(), services.note

    def pause(*args: Any, **told: Any) -> None:
        if not there.is_set():
            there.set()
            go_on.wait(PATIENCE)
        note(*args, **told)

    def edit(event: str) -> None:
        services.edit_webhook(MARIE, webhook.id, NOON, events=[event], policy=DEVELOPMENT)

    monkeypatch.setattr(services, "note", pause)
    with ThreadPoolExecutor(2) as pool:
        try:
            first = pool.submit(edit, "client.created")
            assert there.wait(PATIENCE)
            second = pool.submit(edit, "client.updated")
            wait_until(waits_for_a_lock)
        finally:
            go_on.set()
        first.result(PATIENCE)
        second.result(PATIENCE)
    assert queries.webhook(MARIE, webhook.id).events == ("client.updated",)


RECOVERIES: dict[str, Callable[[int], object]] = {
    "an owner's": lambda business: services.recover(MARIE, business, NOON, NOON, wake=silent),
    "after an outage": lambda _: recover_some(10, DAY, NOON + SECOND),
}


@ONLY_POSTGRESQL
@pytest.mark.parametrize("recovery", RECOVERIES.values(), ids=RECOVERIES)
def test_recoveries_take_deliveries_in_one_order_however_they_were_abandoned(
    business: int, vault: Vault, database: str, recovery: Callable[[int], object]
) -> None:
    webhook = add_webhook(vault, business)
    for _ in range(3):
        publish_ticket(business)
    fan_out(3, NOON)
    low, high, last = leases.claim({webhook.id: 3}, SCHEDULE, NOON)
    for claimed, answer in ((high, 503), (low, 503), (last, 200)):
        ended = Settlement(claimed, Answered(answer, ""), NOON, SECOND)
        settling.settle([ended], replace(SCHEDULE, max_attempts=1), NOON + SECOND)
    lock = "SELECT id FROM delivery WHERE id = %s FOR UPDATE NOWAIT"
    with psycopg.connect(database) as other, ThreadPoolExecutor(1) as pool:
        other.execute(lock, [low.id])
        recovered = pool.submit(recovery, business)
        try:
            wait_until(waits_for_a_lock)
            assert other.execute(lock, [high.id]).fetchone() == (high.id,)
        finally:
            other.rollback()
        assert recovered.result(PATIENCE)
    assert {row.status for row in Delivery.select()} == {Status.FAILED, Status.DELIVERED}
